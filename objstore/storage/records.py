"""The rows of the store as values, and the errors that storing them can end in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kms.aws.values import value_class

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


class ObjectChangedError(StoreError):
    """The version that was read is not the newest of its key any more."""


class UploadMissingError(StoreError):
    """The multipart upload does not exist (any more)."""


class UploadChangedError(StoreError):
    """A part that a completion names was replaced or never uploaded."""


class BlobMissingError(StoreError):
    """A blob's bytes are gone: its row was replaced meanwhile, or the disk lost them."""


class BlobDamagedError(StoreError):
    """A blob has not the length or checksum that its row says, or the disk cannot read it."""


class BusyError(StoreError):
    """The queue of transactions is full; the caller may try again later."""


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


@value_class(frozen=True, slots=True)
class BlobRef:
    """Where a sealed blob lies. `size` and `crc64` (CRC-64/NVME) are of the whole blob."""

    blob_id: bytes
    directory: int
    size: int
    crc64: int


@value_class(frozen=True, slots=True)
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
    """A multipart upload in progress. `recipe` is opaque here: what Complete needs to know.

    `attributes` are those of the object to be.
    """

    upload_id: str
    bucket_id: bytes
    key: bytes
    initiated_ms: int
    owner: str
    storage_class: str
    checksum_algorithm: str
    checksum_type: str
    recipe: bytes
    attributes: Mapping[str, Any] = field(default_factory=dict)


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
    inline: bytes | None = None  # the sealed bytes of an inline blob; readers use open_blob


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `next_after` is where the following page starts; None at the end."""

    objects: tuple[StoredObject, ...]
    common_prefixes: tuple[bytes, ...]
    next_after: bytes | None


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One page of versions and delete markers, each key's newest first.

    `latest` says, row by row, whether it is the newest version of its key. The following page
    starts after (`next_key`, `next_version`); `next_key` is None at the end, and `next_version`
    is empty when the page ended with a common prefix.
    """

    versions: tuple[StoredObject, ...]
    latest: tuple[bool, ...]
    common_prefixes: tuple[bytes, ...]
    next_key: bytes | None
    next_version: str


@dataclass(frozen=True, slots=True)
class UploadPage:
    """One page of uploads in progress, by key and upload id.

    The following page starts after (`next_key`, `next_upload`); `next_key` is None at the end,
    and `next_upload` is empty when the page ended with a common prefix.
    """

    uploads: tuple[Upload, ...]
    common_prefixes: tuple[bytes, ...]
    next_key: bytes | None
    next_upload: str


@dataclass(frozen=True, slots=True)
class FinishedUpload:
    """What an upload became, kept for a while so that a repeated completion succeeds."""

    upload_id: str
    bucket_id: bytes
    key: bytes
    version_id: str
    etag: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, group, role, managed policy or identity provider of an account.

    Names are unique within an account and kind, whatever their case; `unique_id` never changes and
    is never used again. `attributes` holds what only the kind has, and tags.
    """

    account: str
    kind: str
    name: str
    unique_id: str
    path: str
    created_ms: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A policy's text that belongs to an identity: an inline policy or a version of its own."""

    owner_id: str
    name: str
    created_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key. `sealed` is its secret as the KMS sealed it; the owner is a unique id."""

    access_key_id: str
    account: str
    owner_id: str
    created_ms: int
    active: bool
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When, and for which service and region, an access key last signed a request."""

    access_key_id: str
    used_ms: int
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be told or done after a write; `kind` says who works it off."""

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the outbox. `identity` grows in the order of commits."""

    identity: int
    attempts: int
    message: Message


Check = Callable[[StoredObject | None], None]
"""Judges the row that a write would replace or remove; raises to refuse the write."""
