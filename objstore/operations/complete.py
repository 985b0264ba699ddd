"""CompleteMultipartUpload: the parts that were uploaded become one object.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kms.aws.errors import AWSError
from objstore.call import Call, Reply
from objstore.checksum import Algorithm, ChecksumHeaders
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.crypt.manifest import (
    Manifest,
    Mode,
    decode,
    open_manifest_checksums,
)
from objstore.crypt.sse import describe
from objstore.errors import S3Error
from objstore.storage.records import (
    Check,
    FinishedUpload,
    Part,
    StoredObject,
    Upload,
    UploadChangedError,
)
from objstore.transfer import events, lifetime, locks, outgoing, steps, versions
from objstore.transfer.conditions import (
    NO_WRITE_CONDITIONS,
    WriteConditions,
    at_commit,
    authorize_match,
    matches,
    upload_check,
)
from objstore.transfer.integrity import NO_CHECKSUM_HEADERS, shown
from objstore.transfer.publish import COMPOSITE, Description, Stored, publishable
from objstore.transfer.ranges import PART_NUMBER_MAX
from objstore.transfer.receive import commit
from objstore.transfer.source import open_key
from objstore.transfer.upload import (
    Recipe,
    find_upload,
    join_parts,
    open_binding_keys,
    read_recipe,
)

COMPLETED = "ObjectCreated:CompleteMultipartUpload"
PART_BYTES_MIN = 5 * 1024**2


async def complete_multipart_upload(
    call: Call,
    *,
    key: str,
    upload_id: str,
    multipart_upload: Mapping[str, Any] | None = None,
    checksum_type: str | None = None,
    mpu_object_size: int | None = None,
    checksums: ChecksumHeaders = NO_CHECKSUM_HEADERS,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
    conditions: WriteConditions = NO_WRITE_CONDITIONS,
) -> Reply:
    """Opens the data key as the caller only if the upload has a checksum algorithm of its own.

    Raises MalformedXML, InvalidPartOrder, InvalidPart, EntityTooSmall, BadDigest.
    """
    store = call.services.store
    try:
        upload = find_upload(call, upload_id, key)
    except S3Error:
        return _repeated(call, upload_id, key, customer)
    check = upload_check(conditions, key, begun_ms=upload.initiated_ms)
    authorize_match(call, key, conditions.if_match)
    if check is not None:
        check(store.object(call.bucket.bucket_id, upload.key, inline=False))
    if multipart_upload is None:
        raise S3Error("InvalidRequest", "You must specify at least one part")
    entries = multipart_upload.get("Parts") or []
    parts = _named_parts(upload, entries, store.parts(upload_id, after=0, limit=PART_NUMBER_MAX))
    _check_size(parts, mpu_object_size)
    _check_type(upload, checksum_type)
    recipe = read_recipe(upload)
    keys = open_binding_keys(call, upload, recipe, customer)
    try:
        stored = join_parts(keys, upload, recipe, parts)
        _check_whole(upload, checksums, stored)
        _check_part_sums(upload, stored, entries, parts)
        new = publishable(
            recipe.manifest,
            data_key=keys,
            bucket=call.bucket,
            key=upload.key,
            created_ms=int(call.services.clock.now() * 1000),
            description=_description(upload, recipe.manifest),
            stored=stored,
        )
        new = outgoing.bound(call, keys, new)
    finally:
        keys.wipe()
    await _publish(call, upload_id, parts, new, check)
    return {
        **_identity(call, key, new.etag, new.version_id),
        **lifetime.expires(call, new),
        **_described(recipe),
        **shown(
            stored.checksum_algorithm,
            stored.checksums[stored.checksum_algorithm],
            stored.checksum_type,
        ),
    }


async def _publish(
    call: Call, upload_id: str, parts: Sequence[Part], new: StoredObject, check: Check | None
) -> None:
    store = call.services.store
    new, sent = outgoing.planned(call.bucket, new)
    numbers = [part.number for part in parts]
    completion = store.complete_upload(
        upload_id,
        numbers,
        new,
        check=at_commit(check),
        guard=locks.guard(now_ms=new.modified_ms),
        messages=(*events.written(call, COMPLETED, new), *sent),
    )
    try:
        await commit(store, None, completion)
    except UploadChangedError:
        raise S3Error("InvalidPart", UploadId=upload_id) from None
    except AWSError as error:
        if error.code not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        # By now S3 has answered 200 and kept the connection alive; the body tells of the failure.
        raise AWSError(error.code, error.message, status=200, fields=error.fields) from None


def _description(upload: Upload, manifest: Manifest) -> Description:
    return Description(manifest.content, manifest.metadata, upload.storage_class, upload.attributes)


def _described(recipe: Recipe) -> dict[str, Any]:
    """The encryption members of the reply, which has none for a customer's key."""
    return {} if recipe.manifest.mode is Mode.SSE_C else describe(recipe.manifest)


def _repeated(call: Call, upload_id: str, key: str, customer: CustomerKeyHeaders) -> Reply:
    """The answer to a completion that has succeeded before. Raises NoSuchUpload."""
    done = call.services.store.finished_upload(upload_id)
    if done is None or done.bucket_id != call.bucket.bucket_id or done.key != key.encode():
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return {
        **_identity(call, key, done.etag, done.version_id),
        **_known_checksum(call, done, customer),
    }


def _known_checksum(call: Call, done: FinishedUpload, customer: CustomerKeyHeaders) -> Reply:
    """The checksum of what an upload became, if that is still there and the caller may open it."""
    stored = call.services.store.object(done.bucket_id, done.key, done.version_id, inline=False)
    if stored is None or stored.delete_marker or stored.etag != done.etag:
        return {}
    manifest = decode(stored.manifest)
    try:
        data_key = open_key(call, call.bucket, stored, manifest, customer)
    except AWSError:
        return {}
    try:
        sums = open_manifest_checksums(data_key, manifest)
    finally:
        steps.wipe_opened(call.trace, data_key)
    algorithm = manifest.checksum_algorithm
    return shown(algorithm, sums.get(algorithm), manifest.checksum_type)


def _identity(call: Call, key: str, etag: str, version_id: str) -> Reply:
    settings = call.services.settings
    path = quote(f"{call.bucket.name}/{key}", safe="/")
    return {
        "Location": f"{settings.scheme}://{settings.host}:{settings.port}/{path}",
        "Bucket": call.bucket.name,
        "Key": key,
        "ETag": f'"{etag}"',
        "VersionId": versions.written(version_id),
    }


def _named_parts(
    upload: Upload, entries: Sequence[Mapping[str, Any]], present: Sequence[Part]
) -> list[Part]:
    """The uploaded parts that a completion names, in order.

    Those that have checksums of their own are counted from 1 without a gap.
    """
    if not entries:
        raise S3Error("MalformedXML")
    by_number = {part.number: part for part in present}
    parts: list[Part] = []
    gapless = upload.checksum_type == COMPOSITE
    previous = 0
    for entry in entries:
        number, etag = entry.get("PartNumber"), entry.get("ETag")
        if number is None or etag is None:
            raise S3Error("MalformedXML")
        if number <= previous or (gapless and number > previous + 1):
            raise S3Error("InvalidPartOrder", UploadId=upload.upload_id)
        previous = number
        part = by_number.get(number)
        if part is None or not matches(etag, part.etag):
            raise _invalid_part(upload, number, etag)
        parts.append(part)
    return parts


def _check_size(parts: Sequence[Part], declared_size: int | None) -> None:
    for part in parts[:-1]:
        if part.size < PART_BYTES_MIN:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(PART_BYTES_MIN),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    size = sum(part.size for part in parts)
    if declared_size is not None and declared_size != size:
        raise S3Error(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {declared_size} does not match "
            f"what was computed: {size}",
        )


def _check_type(upload: Upload, named: str | None) -> None:
    if named not in (None, upload.checksum_type):
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {upload.checksum_type or 'null'} checksum mode. The "
            "complete request must use the same checksum mode.",
        )


def _check_part_sums(
    upload: Upload,
    stored: Stored,
    entries: Sequence[Mapping[str, Any]],
    parts: Sequence[Part],
) -> None:
    """Compare the checksums that the completion names with those of the parts."""
    algorithm = stored.checksum_algorithm
    member = Algorithm(algorithm).member
    for entry, part in zip(entries, parts, strict=True):
        named = entry.get(member)
        if upload.checksum_algorithm:
            _check_other_sums(entry, algorithm)
        elif any(other.member in entry for other in Algorithm):
            raise _invalid_part(upload, part.number, part.etag)
        if named is None and upload.checksum_type == COMPOSITE:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {algorithm.lower()} checksum. The complete "
                "request must include the checksum for each part. It was missing for part "
                f"{part.number} in the request.",
            )
        if named is not None and named != stored.checksums[str(part.number)]:
            raise _invalid_part(upload, part.number, part.etag)


def _invalid_part(upload: Upload, number: int, etag: str) -> S3Error:
    return S3Error(
        "InvalidPart", UploadId=upload.upload_id, PartNumber=str(number), ETag=etag.strip('"')
    )


def _check_other_sums(entry: Mapping[str, Any], algorithm: str) -> None:
    """Refuse a part's checksum of another algorithm than the upload's."""
    for other in Algorithm:
        if other.value != algorithm and other.member in entry:
            raise S3Error(
                "BadDigest",
                f"The {other.value.lower()} you specified for part {entry['PartNumber']} did not "
                "match what we received.",
            )


def _check_whole(upload: Upload, named: ChecksumHeaders, stored: Stored) -> None:
    """Compare the object's checksum with the one that the completion names.

    That of another algorithm than the upload's is wrong; of an upload without one, it says nothing
    that could be checked.
    """
    for algorithm, value in named.values().items():
        computed = stored.checksums.get(algorithm.value)
        if computed is None and upload.checksum_algorithm:
            raise _bad_whole(Algorithm(upload.checksum_algorithm))
        # The count of parts at the end of a composite value may be left out.
        if computed is not None and value not in (computed, computed.partition("-")[0]):
            raise _bad_whole(algorithm)


def _bad_whole(algorithm: Algorithm) -> S3Error:
    """S3 writes the algorithm small here."""
    return S3Error(
        "BadDigest",
        f"The {algorithm.value.lower()} you specified did not match the calculated checksum.",
    )
