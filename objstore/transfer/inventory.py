"""What a report of S3 Inventory says of a version: a function a column.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html#storage-inventory-contents
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kms.aws.clock import utc
from objstore.crypt.manifest import BUCKET_KEY, Mode, decode
from objstore.names import owner_id
from objstore.rules import access, acl, inventory, lifecycle
from objstore.rules.aging import expiration
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer import locks, outgoing
from objstore.transfer.lifetime import version_of

_ACL_VERSION = "2022-11-10"
_GRANTEES = {"ID": "canonicalId", "URI": "uri"}
_DAY_MS = 24 * 3600 * 1000
_ENCRYPTION = {
    Mode.SSE_S3: "SSE-S3",
    Mode.SSE_KMS: "SSE-KMS",
    Mode.DSSE_KMS: "DSSE-KMS",
    Mode.SSE_C: "SSE-C",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A version to be listed; `stored` is all of its row, if a column needs that."""

    bucket: Bucket
    stored: StoredObject
    latest: bool


Column = Callable[[Row], str]


def _date(milliseconds: int) -> str:
    return f"{utc(milliseconds // 1000):%Y-%m-%dT%H:%M:%S}.000Z"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _retention(row: Row) -> Mapping[str, Any]:
    found: Mapping[str, Any] = row.stored.attributes.get(locks.RETENTION) or {}
    return found


def _retained_until(row: Row) -> str:
    until_ms = _retention(row).get("UntilMs")
    return "" if until_ms is None else _date(until_ms)


def _bucket_key(row: Row) -> str:
    return "ENABLED" if decode(row.stored.manifest).flags & BUCKET_KEY else "DISABLED"


def _acls_count(row: Row) -> bool:
    return access.object_ownership(row.bucket.settings) != access.OWNER_ENFORCED


def _owner(row: Row) -> str:
    """The canonical id of the account that owns a version: the bucket's where ACLs are off."""
    account = row.bucket.account
    return owner_id(row.stored.attributes.get(acl.OWNER, account) if _acls_count(row) else account)


def _acl(row: Row) -> str:
    """The grants of a version, as a document in base64.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/objectacl.html
    """
    grants = row.stored.attributes.get(acl.SETTING) if _acls_count(row) else None
    if grants is None:
        grants = [acl.owner_grant(_owner(row))]
    listed = [
        {_GRANTEES[name]: grantee[name] for name in ("ID", "URI") if name in grantee}
        | {"type": grantee["Type"], "permission": grant["Permission"]}
        for grant in grants
        for grantee in (grant["Grantee"],)
    ]
    document = {"version": _ACL_VERSION, "status": "AVAILABLE", "grants": listed}
    return b64encode(json.dumps(document).encode()).decode()


def _expires(row: Row) -> str:
    document = row.bucket.settings.get(lifecycle.SETTING)
    if document is None or not row.latest:
        return ""
    found = expiration(document, version_of(row.stored), day_ms=_DAY_MS)
    return "" if found is None else _date(found[0])


COLUMNS: dict[str, Column] = {
    "Bucket": lambda row: row.bucket.name,
    "Key": lambda row: quote(row.stored.key, safe="/"),
    "VersionId": lambda row: row.stored.version_id,
    "IsLatest": lambda row: _flag(row.latest),
    "IsDeleteMarker": lambda row: _flag(row.stored.delete_marker),
    "Size": lambda row: str(row.stored.size),
    "LastModifiedDate": lambda row: _date(row.stored.modified_ms),
    "ETag": lambda row: row.stored.etag,
    "StorageClass": lambda row: row.stored.storage_class,
    "IsMultipartUploaded": lambda row: _flag("-" in row.stored.etag),
    "ReplicationStatus": lambda row: row.stored.attributes.get(outgoing.ATTRIBUTE, ""),
    "EncryptionStatus": lambda row: _ENCRYPTION[decode(row.stored.manifest).mode],
    "ObjectLockRetainUntilDate": _retained_until,
    "ObjectLockMode": lambda row: _retention(row).get("Mode", ""),
    "ObjectLockLegalHoldStatus": lambda row: row.stored.attributes.get(locks.LEGAL_HOLD, "OFF"),
    "IntelligentTieringAccessTier": lambda row: (
        "FREQUENT" if row.stored.storage_class == "INTELLIGENT_TIERING" else ""
    ),
    "BucketKeyStatus": _bucket_key,
    "ChecksumAlgorithm": lambda row: row.stored.checksum_algorithm,
    "ObjectAccessControlList": _acl,
    "ObjectOwner": _owner,
    "LifecycleExpirationDate": _expires,
}
OF_MARKERS = frozenset({*inventory.BASIC_FIELDS, *inventory.VERSION_FIELDS, "LastModifiedDate"})
"""The columns that a delete marker has a value in."""
OF_LISTINGS = frozenset(
    {*OF_MARKERS, "Size", "ETag", "StorageClass", "IsMultipartUploaded", "ChecksumAlgorithm"}
)
"""The columns that rows of a listing are enough for."""


def values(row: Row, fields: Iterable[str]) -> Iterable[str]:
    """The values of a row; a delete marker has few."""
    marker = row.stored.delete_marker
    return ["" if marker and name not in OF_MARKERS else COLUMNS[name](row) for name in fields]
