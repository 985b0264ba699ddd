"""What a multipart upload remembers, and how its parts become one object.

An upload's recipe is the manifest of the object to be, without parts yet, and its MAC; a part's
`sealed` is its blob's commitment and its sealed checksum. All parts share one data key.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import hashlib
from collections.abc import Sequence

from objstore.call import Call
from objstore.checksum import Algorithm, algorithm_named, composite, full_object
from objstore.crypt.data_keys import Envelope
from objstore.crypt.frames import COMMITMENT_LENGTH, TamperedError, wipe
from objstore.crypt.manifest import (
    MAC_LENGTH,
    Manifest,
    PartEntry,
    authenticate,
    decode,
    encode,
    open_checksums,
    seal_checksums,
    verify,
)
from objstore.errors import S3Error
from objstore.storage.records import NULL_VERSION, Bucket, Part, Upload
from objstore.transfer.integrity import DEFAULT_ALGORITHM
from objstore.transfer.publish import COMPOSITE, FULL_OBJECT, Description, Stored
from objstore.transfer.ranges import PART_NUMBER_MAX
from objstore.transfer.receive import Received


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


def make_recipe(
    envelope: Envelope,
    *,
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
        )
    )
    return authenticate(envelope.key, encoded) + encoded


def read_recipe(upload: Upload) -> Manifest:
    """The recipe, not yet verified."""
    return decode(upload.recipe[MAC_LENGTH:])


def open_upload_key(call: Call, upload: Upload, recipe: Manifest) -> bytearray:
    """The upload's data key, opened as the caller, who wipes it; the recipe is verified with it.

    Raises the S3 form of KMS's refusals, and TamperedError.
    """
    data_key = call.services.data_keys.open(call.caller, recipe, bucket=call.bucket)
    try:
        verify(data_key, upload.recipe[MAC_LENGTH:], upload.recipe[:MAC_LENGTH])
        if recipe.bucket_id != upload.bucket_id or recipe.key != upload.key:
            raise TamperedError("manifest")
    except BaseException:
        wipe(data_key)
        raise
    return data_key


def seal_part(data_key: bytearray, upload_id: str, number: int, received: Received) -> bytes:
    """What a part's row keeps of it besides its blob."""
    sums = {received.checksum_algorithm: received.checksum}
    return received.commitment + seal_checksums(data_key, sums, binding=_binding(upload_id, number))


def open_part(data_key: bytearray, part: Part) -> tuple[str, str]:
    """The algorithm and the base64 value of a part's checksum. Raises TamperedError."""
    sums = open_checksums(
        data_key, part.sealed[COMMITMENT_LENGTH:], binding=_binding(part.upload_id, part.number)
    )
    for algorithm, value in sums.items():
        return algorithm, value
    raise TamperedError("checksums")


def _binding(upload_id: str, number: int) -> bytes:
    return f"{upload_id}/{number}".encode()


def kept_algorithm(upload: Upload) -> Algorithm:
    """The algorithm of the checksums that are kept of the upload's parts."""
    return Algorithm(upload.checksum_algorithm) if upload.checksum_algorithm else DEFAULT_ALGORITHM


def join_parts(data_key: bytearray, upload: Upload, parts: Sequence[Part]) -> Stored:
    """The object that `parts` make, in order."""
    kept = kept_algorithm(upload)
    values = [open_part(data_key, part)[1] for part in parts]
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
            PartEntry(part.number, part.blob.blob_id, part.size, part.sealed[:COMMITMENT_LENGTH])
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
