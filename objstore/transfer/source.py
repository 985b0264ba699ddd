"""Finding stored objects and opening their keys: for reads, and for the sources of copies."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from objstore.call import Call
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, READING, CustomerKeyHeaders, Refusals
from objstore.crypt.frames import Buffer, TamperedError, wipe
from objstore.crypt.manifest import Manifest, decode, verify
from objstore.errors import S3Error
from objstore.names import http_date, key_bytes
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer import archive, steps, versions
from objstore.transfer.receive import Plaintext
from objstore.transfer.send import send

COPIED_BYTES_MAX = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a copy reads, named and found, its reading authorized."""

    bucket: Bucket
    key: str
    version_id: str | None
    stored: StoredObject
    manifest: Manifest


def find(
    call: Call,
    bucket: Bucket,
    key: str,
    version_id: str | None,
    *,
    inline: bool = True,
    method: str = "GET",
    hidden_is_missing: bool = True,
) -> StoredObject:
    """The row of a version, None for the newest, that a request with `method` asks for.

    A reader who names no version finds nothing under a delete marker, or the marker itself if
    not `hidden_is_missing`.
    Raises InvalidArgument, NoSuchKey, NoSuchVersion, or MethodNotAllowed for a delete marker.
    """
    version_id = versions.named(bucket, version_id)
    stored = call.services.store.object(bucket.bucket_id, key_bytes(key), version_id, inline=inline)
    if stored is None:
        raise missing(key, version_id)
    if stored.delete_marker:
        missed = hidden_is_missing and version_id is None and method in ("GET", "HEAD")
        raise _hidden(stored, key, method, missed=missed)
    return stored


def missing(key: str, version_id: str | None) -> S3Error:
    """The error for a key, or a version of it, that does not exist."""
    if version_id is None:
        return S3Error("NoSuchKey", Key=key)
    return S3Error("NoSuchVersion", Key=key, VersionId=version_id)


def _hidden(marker: StoredObject, key: str, method: str, *, missed: bool) -> S3Error:
    """The error for a delete marker."""
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
    if missed:
        return S3Error("NoSuchKey", headers=headers, Key=key)
    headers |= {"allow": "DELETE", "last-modified": http_date(marker.modified_ms)}
    return S3Error("MethodNotAllowed", headers=headers, Method=method, ResourceType="DeleteMarker")


def open_key(
    call: Call,
    bucket: Bucket,
    stored: StoredObject,
    manifest: Manifest,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
    refusals: Refusals = READING,
) -> bytearray:
    """The object's data key, opened as the caller; the manifest is verified with it.

    The caller of this function wipes the key. Raises the S3 form of KMS's refusals, `refusals` of
    a customer's key, and TamperedError if the row is not the one that was written.
    """
    data_key = call.services.data_keys.open(
        call.caller,
        manifest,
        bucket=bucket,
        key=manifest.key,
        customer=customer,
        refusals=refusals,
    )
    try:
        verify(data_key, stored.manifest, stored.mac)
        check_place(stored, manifest)
    except BaseException:
        wipe(data_key)
        raise
    steps.unwrapped(call.trace, manifest, data_key)
    return data_key


def check_place(stored: StoredObject, manifest: Manifest) -> None:
    """Refuse a genuine manifest that lies in another object's row."""
    if (
        manifest.bucket_id != stored.bucket_id
        or manifest.key != stored.key
        or manifest.version_id != stored.version_id
        or manifest.size != stored.size
        or manifest.etag != stored.etag
        or manifest.created_ms != stored.modified_ms
        or manifest.checksum_algorithm != stored.checksum_algorithm
        or manifest.checksum_type != stored.checksum_type
        or len(manifest.parts) != len(stored.blobs)
    ):
        raise TamperedError("manifest")


def copy_source(call: Call, text: str, *, expected_owner: str | None) -> CopySource:
    """The object that `x-amz-copy-source` names.

    Raises InvalidArgument, NoSuchBucket, AccessDenied, and what `find` raises.
    """
    bucket_name, key, version_id = parse_copy_source(text)
    bucket = call.services.store.bucket(bucket_name)
    if bucket is None:
        raise S3Error("NoSuchBucket", BucketName=bucket_name)
    if expected_owner is not None and expected_owner != bucket.account:
        raise S3Error("AccessDenied")
    action = "s3:GetObject" if version_id is None else "s3:GetObjectVersion"
    call.authorize(action, bucket, key, version_id)
    try:
        stored = find(call, bucket, key, version_id)
    except S3Error as error:
        if error.code != "MethodNotAllowed":
            raise
        raise S3Error(
            "InvalidRequest",
            "The source of a copy request may not specifically refer to a delete marker by "
            "version id.",
        ) from None
    _check_active(stored, int(call.services.clock.now() * 1000))
    return CopySource(bucket, key, version_id, stored, decode(stored.manifest))


def check_copied_size(size: int) -> None:
    """Return if one request may copy so much: of a larger source, parts. Raises InvalidRequest."""
    if size > COPIED_BYTES_MAX:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {COPIED_BYTES_MAX}",
        )


def _check_active(stored: StoredObject, now_ms: int) -> None:
    try:
        archive.check_readable(stored, now_ms)
    except S3Error:
        raise S3Error("ObjectNotInActiveTierError") from None


async def plaintext(
    call: Call, source: CopySource, data_key: bytearray, *, start: int, stop: int
) -> Plaintext:
    """The bytes `start` to `stop` of a copy's source, on their way to `receive`.

    Whoever asks for them closes them, since `receive` may fail before it has read them all.
    """
    body = await send(
        call.services.store,
        data_key,
        stored=source.stored,
        manifest=source.manifest,
        start=start,
        stop=stop,
    )
    return Plaintext(stop - start, _once(body) if isinstance(body, bytes) else body)


async def _once(data: bytes) -> AsyncGenerator[Buffer]:
    yield data


def parse_copy_source(text: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of a copy source: `[/]bucket/key[?versionId=id]`.

    The path is percent-decoded once, after the query has been cut off, so that a `?` of the key
    itself travels encoded; `+` is a space, as some languages encode it. Raises InvalidArgument.
    """
    path, asks, version = text.partition("?versionId=")
    try:
        decoded = unquote_to_bytes(path.replace("+", " ")).decode()
    except UnicodeDecodeError:
        decoded = ""
    bucket, _, key = decoded.removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error(
            "InvalidArgument",
            "Invalid copy source object key",
            ArgumentName="x-amz-copy-source",
            ArgumentValue="x-amz-copy-source",
        )
    return bucket, key, version if asks else None
