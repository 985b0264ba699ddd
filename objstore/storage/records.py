"""The rows of the store as values, and the errors that storing them can end in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BLOB_ID_LENGTH = 16
BUCKET_ID_LENGTH = 16
NULL_VERSION = "null"
INLINE = 0  # BlobRef.directory of a blob whose bytes lie in the index itself


class StoreError(Exception):
    """The root of what storage raises on purpose."""


class BucketExistsError(StoreError):
    """A bucket of that name exists; `bucket` is the existing one."""

    def __init__(self, bucket: "Bucket") -> None:
        super().__init__(bucket.name)
        self.bucket = bucket


class BucketMissingError(StoreError):
    """The bucket was deleted meanwhile."""


class BucketNotEmptyError(StoreError):
    """The bucket still holds objects, versions or uploads."""


class UploadMissingError(StoreError):
    """The multipart upload does not exist (any more)."""


class BlobMissingError(StoreError):
    """A blob's bytes are gone: its row was replaced meanwhile, or the disk lost them."""


class NoSpaceError(StoreError):
    """Writing would eat into the free-space reserve."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. `settings` holds its sub-resources by name (`{"versioning": "Enabled"}`)."""

    name: str
    bucket_id: bytes
    account: str
    region: str
    created_ms: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where a sealed blob lies. `size` and `crc64` (CRC-64/NVME) are of the whole blob."""

    blob_id: bytes
    directory: int
    size: int
    crc64: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of one object, as the index has it.

    `manifest` and `mac` are opaque here. `inline` holds the sealed bytes of an object whose only
    blob is inline, so that a small read is one row. `sequence` orders versions, newest highest.
    `attributes` are small values that may change without the data key (tags, retention …).
    """

    bucket_id: bytes
    key: bytes
    version_id: str
    size: int
    etag: str
    modified_ms: int
    storage_class: str
    checksum_algorithm: str
    checksum_type: str
    manifest: bytes
    mac: bytes
    blobs: tuple[BlobRef, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inline: bytes | None = None
    delete_marker: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload in progress. `recipe` is opaque here: what Complete needs to know."""

    upload_id: str
    bucket_id: bytes
    key: bytes
    initiated_ms: int
    owner: str
    storage_class: str
    checksum_algorithm: str
    checksum_type: str
    recipe: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """An uploaded part. `size` is in plaintext bytes; `sealed` is opaque (commitment, sums)."""

    upload_id: str
    number: int
    size: int
    etag: str
    modified_ms: int
    blob: BlobRef
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `next_after` is where the following page starts; None at the end."""

    objects: tuple[StoredObject, ...]
    common_prefixes: tuple[bytes, ...]
    next_after: bytes | None
