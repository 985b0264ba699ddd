"""Finding stored objects and opening their keys: for reads, and for the sources of copies."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from objstore.call import Call
from objstore.crypt.frames import Buffer, TamperedError, wipe
from objstore.crypt.manifest import Manifest, decode, open_checksums, verify
from objstore.errors import S3Error
from objstore.names import is_null_version, key_bytes
from objstore.storage.records import NULL_VERSION, Bucket, StoredObject
from objstore.transfer.receive import Plaintext
from objstore.transfer.send import send

COPY_SOURCE_BYTES_MAX = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a copy reads, named and found, its reading authorized."""

    bucket: Bucket
    key: str
    version_id: str | None
    stored: StoredObject
    manifest: Manifest


def find(
    call: Call, bucket: Bucket, key: str, version_id: str | None, *, inline: bool = True
) -> StoredObject:
    """The object's row. Raises NoSuchKey, NoSuchVersion, or MethodNotAllowed for a marker."""
    named = is_null_version(version_id)
    stored = call.services.store.object(
        bucket.bucket_id, key_bytes(key), NULL_VERSION if named else None, inline=inline
    )
    if stored is None:
        if named:
            raise S3Error("NoSuchVersion", Key=key, VersionId=NULL_VERSION)
        raise S3Error("NoSuchKey", Key=key)
    if stored.delete_marker:
        code = "MethodNotAllowed" if named else "NoSuchKey"
        raise S3Error(code, headers={"x-amz-delete-marker": "true"}, Key=key)
    return stored


def open_key(call: Call, bucket: Bucket, stored: StoredObject, manifest: Manifest) -> bytearray:
    """The object's data key, opened as the caller; the manifest is verified with it.

    The caller of this function wipes the key. Raises the S3 form of KMS's refusals, and
    TamperedError if the row is not the one that was written.
    """
    data_key = call.services.data_keys.open(
        call.caller,
        manifest,
        bucket=bucket,
    )
    try:
        verify(data_key, stored.manifest, stored.mac)
        _check_place(stored, manifest)
    except BaseException:
        wipe(data_key)
        raise
    return data_key


def _check_place(stored: StoredObject, manifest: Manifest) -> None:
    """Refuse a genuine manifest that lies in another object's row."""
    if (
        manifest.bucket_id != stored.bucket_id
        or manifest.key != stored.key
        or manifest.version_id != stored.version_id
        or manifest.size != stored.size
        or manifest.etag != stored.etag
    ):
        raise TamperedError("manifest")


def checksums(data_key: bytearray, manifest: Manifest) -> Mapping[str, str]:
    """The checksums that the manifest keeps sealed, by name."""
    return open_checksums(data_key, manifest.checksums, binding=manifest.version_id.encode())


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
    call.authorize("s3:GetObject", bucket, key)
    stored = find(call, bucket, key, version_id)
    if stored.size > COPY_SOURCE_BYTES_MAX:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {COPY_SOURCE_BYTES_MAX}",
        )
    return CopySource(bucket, key, version_id, stored, decode(stored.manifest))


async def plaintext(
    call: Call, source: CopySource, data_key: bytearray, *, start: int, stop: int
) -> Plaintext:
    """The bytes `start` to `stop` of a copy's source, on their way to `receive`."""
    body = await send(
        call.services.store,
        data_key,
        stored=source.stored,
        manifest=source.manifest,
        start=start,
        stop=stop,
    )
    return Plaintext(stop - start, _once(body) if isinstance(body, bytes) else body)


async def _once(data: bytes) -> AsyncIterator[Buffer]:
    yield data


def parse_copy_source(text: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of a copy source: `[/]bucket/key[?versionId=id]`.

    The path is percent-decoded once, after the query has been cut off, so that a `?` of the key
    itself travels encoded. Raises InvalidArgument.
    """
    path, _, version = text.partition("?versionId=")
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        decoded = ""
    bucket, _, key = decoded.removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error(
            "InvalidArgument",
            "Invalid copy source object key",
            ArgumentName="x-amz-copy-source",
            ArgumentValue=text,
        )
    return bucket, key, version or None
