"""What a multipart upload remembers, and how its parts become one object.

An upload's recipe is the manifest of the object to be, without parts yet, and its MAC; a part's
`sealed` is its blob's commitment and its sealed checksum. All parts share one data key. Completing
takes only the keys that are derived from it (`BindingKeys`). Those of an upload without a checksum
algorithm of its own lie in the recipe, wrapped by S3's own key, so that neither the KMS nor the
customer is asked for the data key again.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from objstore.call import Call
from objstore.checksum import (
    Algorithm,
    Declared,
    algorithm_named,
    composite,
    full_object,
)
from objstore.crypt.customer_keys import (
    COMPLETION,
    NO_CUSTOMER_KEY,
    PART,
    CustomerKeyHeaders,
    Refusals,
)
from objstore.crypt.data_keys import DataKeys, Envelope
from objstore.crypt.frames import COMMITMENT_LENGTH, TamperedError, wipe
from objstore.crypt.manifest import (
    MAC_LENGTH,
    BindingKeys,
    Manifest,
    Mode,
    PartEntry,
    authenticate,
    decode,
    encode,
    layers_of,
    open_checksums,
    seal_checksums,
    verify,
)
from objstore.errors import S3Error
from objstore.storage.records import NULL_VERSION, Bucket, Part, Upload
from objstore.transfer import steps
from objstore.transfer.integrity import DEFAULT_ALGORITHM
from objstore.transfer.publish import COMPOSITE, FULL_OBJECT, Description, Stored
from objstore.transfer.ranges import PART_NUMBER_MAX
from objstore.transfer.receive import Received

_LENGTH_BYTES = 2


def find_upload(call: Call, upload_id: str, key: str) -> Upload:
    """The upload of that id for that key of the path's bucket. Raises NoSuchUpload."""
    upload = call.services.store.upload(upload_id)
    if upload is None or upload.bucket_id != call.bucket.bucket_id or upload.key != key.encode():
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return upload


def check_part_number(number: int) -> None:
    """Return for the numbers that parts may have. Raises InvalidArgument."""
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=str(number),
        )


def check_algorithm(upload: Upload, promise: Declared | None) -> None:
    """Return if a part may declare this checksum in an upload that was created with one.

    Raises InvalidRequest for another algorithm, and for none where each part needs a checksum.
    """
    if not upload.checksum_algorithm or (promise is None and upload.checksum_type == FULL_OBJECT):
        return
    sent = "null" if promise is None else promise.algorithm.value
    if sent != upload.checksum_algorithm:
        raise S3Error(
            "InvalidRequest",
            "Checksum Type mismatch occurred, expected checksum Type: "
            f"{upload.checksum_algorithm.lower()}, actual checksum Type: {sent.lower()}",
        )


def checksum_type_of(algorithm: str | None, wanted: str | None) -> str:
    """The checksum type of an upload with these members; "" if it names no algorithm.

    Raises InvalidRequest for combinations that S3 does not have.
    """
    if algorithm is None:
        if wanted is not None:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
                "header.",
            )
        return ""
    named = algorithm_named(algorithm)
    only_full = named is Algorithm.CRC64NVME
    chosen = wanted or (FULL_OBJECT if only_full else COMPOSITE)
    possible = {COMPOSITE: not only_full, FULL_OBJECT: named.full_object}
    if not possible.get(chosen, False):
        raise S3Error(
            "InvalidRequest",
            f"The {chosen} checksum type cannot be used with the {algorithm.lower()} checksum "
            "algorithm.",
        )
    return chosen


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an upload remembers. `sealed_keys` is empty if completing takes the data key."""

    sealed_keys: bytes
    mac: bytes
    encoded: bytes
    manifest: Manifest

    @property
    def commitment_length(self) -> int:
        return COMMITMENT_LENGTH * layers_of(self.manifest.mode)


def make_recipe(
    data_keys: DataKeys,
    envelope: Envelope,
    *,
    upload_id: str,
    bucket: Bucket,
    key: bytes,
    created_ms: int,
    description: Description,
    checksum_algorithm: str,
    checksum_type: str,
) -> bytes:
    """The recipe of a new upload; `envelope` must still hold its plaintext key."""
    encoded = encode(
        Manifest(
            bucket_id=bucket.bucket_id,
            key=key,
            version_id=NULL_VERSION,
            size=0,
            etag="",
            created_ms=created_ms,
            mode=envelope.mode,
            kms_key_arn=envelope.kms_key_arn,
            wrapped_key=envelope.wrapped_key,
            context=envelope.context,
            content=description.content,
            metadata=description.metadata,
            checksums=b"",
            checksum_algorithm=checksum_algorithm,
            checksum_type=checksum_type,
            parts=(),
            flags=envelope.flags,
        )
    )
    keys = BindingKeys.derive(envelope.key)
    try:
        sealed = b"" if checksum_algorithm else data_keys.seal_binding(keys, upload_id=upload_id)
        mac = authenticate(keys, encoded)
    finally:
        keys.wipe()
    return len(sealed).to_bytes(_LENGTH_BYTES) + sealed + mac + encoded


def read_recipe(upload: Upload) -> Recipe:
    """The recipe, not yet verified. Raises TamperedError."""
    middle = _LENGTH_BYTES + int.from_bytes(upload.recipe[:_LENGTH_BYTES])
    encoded = upload.recipe[middle + MAC_LENGTH :]
    return Recipe(
        upload.recipe[_LENGTH_BYTES:middle],
        upload.recipe[middle : middle + MAC_LENGTH],
        encoded,
        decode(encoded),
    )


def open_upload_key(
    call: Call,
    upload: Upload,
    recipe: Recipe,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
    refusals: Refusals = PART,
) -> bytearray:
    """The upload's data key, opened as the caller, who wipes it; the recipe is verified with it.

    Raises the S3 form of KMS's refusals, `refusals` of a customer's key, and TamperedError.
    """
    data_key = call.services.data_keys.open(
        call.caller,
        recipe.manifest,
        bucket=call.bucket,
        key=upload.key,
        customer=customer,
        refusals=refusals,
    )
    try:
        verify(data_key, recipe.encoded, recipe.mac)
        _check_place(upload, recipe)
    except BaseException:
        wipe(data_key)
        raise
    steps.unwrapped(call.trace, recipe.manifest, data_key)
    return data_key


def open_binding_keys(
    call: Call, upload: Upload, recipe: Recipe, customer: CustomerKeyHeaders
) -> BindingKeys:
    """What completes the upload, which the caller wipes; the recipe is verified with it.

    Asks for the data key, as the caller, only if the upload has a checksum algorithm of its own:
    S3 does so too. A customer's key that is sent without need must be the right one. Raises what
    `open_upload_key` does.
    """
    sent = recipe.manifest.mode is Mode.SSE_C and not customer.absent
    if sent or not recipe.sealed_keys:
        data_key = open_upload_key(call, upload, recipe, customer, COMPLETION)
        try:
            return BindingKeys.derive(data_key)
        finally:
            steps.wipe_opened(call.trace, data_key)
    keys = call.services.data_keys.open_binding(recipe.sealed_keys, upload_id=upload.upload_id)
    try:
        verify(keys, recipe.encoded, recipe.mac)
        _check_place(upload, recipe)
    except BaseException:
        keys.wipe()
        raise
    return keys


def _check_place(upload: Upload, recipe: Recipe) -> None:
    """Refuse a genuine recipe that lies in another upload's row."""
    manifest = recipe.manifest
    if (
        manifest.bucket_id != upload.bucket_id
        or manifest.key != upload.key
        or manifest.created_ms != upload.initiated_ms
        or manifest.checksum_algorithm != upload.checksum_algorithm
        or manifest.checksum_type != upload.checksum_type
    ):
        raise TamperedError("manifest")


def seal_part(
    data_key: bytearray, upload_id: str, number: int, etag: str, received: Received
) -> bytes:
    """What a part's row keeps of it besides its blob."""
    sums = {received.checksum_algorithm: received.checksum}
    place = f"{upload_id}/{number}/{received.size}/{etag}"
    binding = _binding(place, received.blob.blob_id, received.commitment)
    keys = BindingKeys.derive(data_key)
    try:
        return received.commitment + seal_checksums(keys.checksums, sums, binding=binding)
    finally:
        keys.wipe()


def open_part(keys: BindingKeys, recipe: Recipe, part: Part) -> tuple[str, str]:
    """The algorithm and the base64 value of a part's checksum.

    Raises TamperedError, also for a part that lies in another part's row.
    """
    place = f"{part.upload_id}/{part.number}/{part.size}/{part.etag}"
    commitment = part.sealed[: recipe.commitment_length]
    sums = open_checksums(
        keys.checksums,
        part.sealed[recipe.commitment_length :],
        binding=_binding(place, part.blob.blob_id, commitment),
    )
    for algorithm, value in sums.items():
        return algorithm, value
    raise TamperedError("checksums")


def _binding(place: str, blob_id: bytes, commitment: bytes) -> bytes:
    """What a part's sealed checksum belongs to: its row and its blob."""
    return place.encode() + b"/" + blob_id + commitment


def kept_algorithm(upload: Upload) -> Algorithm:
    """The algorithm of the checksums that are kept of the upload's parts."""
    return Algorithm(upload.checksum_algorithm) if upload.checksum_algorithm else DEFAULT_ALGORITHM


def join_parts(keys: BindingKeys, upload: Upload, recipe: Recipe, parts: Sequence[Part]) -> Stored:
    """The object that `parts` make, in order."""
    kept = kept_algorithm(upload)
    values = [open_part(keys, recipe, part)[1] for part in parts]
    kind = upload.checksum_type or FULL_OBJECT
    if kind == FULL_OBJECT:
        sizes = [part.size for part in parts]
        whole = full_object(kept, zip(values, sizes, strict=True))
    else:
        whole = composite(kept, values)
    sums = {kept.value: whole}
    if upload.checksum_algorithm:
        sums |= {str(part.number): value for part, value in zip(parts, values, strict=True)}
    return Stored(
        etag=joined_etag([part.etag for part in parts]),
        parts=tuple(
            PartEntry(
                part.number,
                part.blob.blob_id,
                part.size,
                part.sealed[: recipe.commitment_length],
            )
            for part in parts
        ),
        blobs=tuple(part.blob for part in parts),
        inline=None,
        checksum_algorithm=kept.value,
        checksum_type=kind,
        checksums=sums,
    )


def joined_etag(etags: Sequence[str]) -> str:
    """The ETag of an object of parts: the MD5 of their ETags' bytes, and their count."""
    joined = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(etags)}"
