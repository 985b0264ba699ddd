"""What a report says of a version, column by column."""

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from objstore.names import owner_id
from objstore.rules import access, acl
from objstore.rules import inventory as rules
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer.inventory import COLUMNS, OF_LISTINGS, OF_MARKERS, Row, values

ACCOUNT, OTHER = "111122223333", "444455556666"
EXPIRING = {
    "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}],
}
BUCKET = Bucket("bucket", b"b" * 16, ACCOUNT, "us-east-1", 0, {"lifecycle": EXPIRING})
STORED = StoredObject(
    bucket_id=BUCKET.bucket_id,
    key='a b/\u00e9+"'.encode(),
    version_id="v1",
    size=7,
    etag="0" * 32,
    modified_ms=1_700_000_000_250,
    storage_class="STANDARD",
    checksum_algorithm="CRC64NVME",
    checksum_type="FULL_OBJECT",
    manifest=b"",
    mac=b"",
    blobs=(),
)
HELD = {
    "retention": {"Mode": "GOVERNANCE", "UntilMs": 1_700_000_000_000},
    "legal_hold": "ON",
    "replication": "COMPLETED",
    "owner": OTHER,
}


@pytest.mark.parametrize(
    ("column", "more", "expected"),
    [
        ("Bucket", {}, "bucket"),
        ("Key", {}, "a%20b/%C3%A9%2B%22"),
        ("VersionId", {}, "v1"),
        ("IsLatest", {}, "true"),
        ("IsDeleteMarker", {}, "false"),
        ("Size", {}, "7"),
        ("LastModifiedDate", {}, "2023-11-14T22:13:20.000Z"),
        ("ETag", {}, "0" * 32),
        ("StorageClass", {}, "STANDARD"),
        ("IsMultipartUploaded", {}, "false"),
        ("IsMultipartUploaded", {"etag": "0" * 32 + "-2"}, "true"),
        ("ReplicationStatus", {}, ""),
        ("ReplicationStatus", {"attributes": HELD}, "COMPLETED"),
        ("ObjectLockRetainUntilDate", {}, ""),
        ("ObjectLockRetainUntilDate", {"attributes": HELD}, "2023-11-14T22:13:20.000Z"),
        ("ObjectLockMode", {}, ""),
        ("ObjectLockMode", {"attributes": HELD}, "GOVERNANCE"),
        ("ObjectLockLegalHoldStatus", {}, "OFF"),
        ("ObjectLockLegalHoldStatus", {"attributes": HELD}, "ON"),
        ("IntelligentTieringAccessTier", {}, ""),
        ("IntelligentTieringAccessTier", {"storage_class": "INTELLIGENT_TIERING"}, "FREQUENT"),
        ("ChecksumAlgorithm", {}, "CRC64NVME"),
        ("ObjectOwner", {}, owner_id(ACCOUNT)),
        ("ObjectOwner", {"attributes": HELD}, owner_id(ACCOUNT)),
        ("LifecycleExpirationDate", {}, "2023-11-16T00:00:00.000Z"),
    ],
)
def test_a_column(column: str, more: dict[str, Any], expected: str) -> None:
    assert COLUMNS[column](Row(BUCKET, replace(STORED, **more), latest=True)) == expected


def test_where_acls_are_on_an_object_has_an_owner_of_its_own() -> None:
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    bucket = replace(BUCKET, settings={access.OWNERSHIP: controls})
    owner = COLUMNS["ObjectOwner"]
    assert owner(Row(bucket, STORED, latest=True)) == owner_id(ACCOUNT)
    assert owner(Row(bucket, replace(STORED, attributes=HELD), latest=True)) == owner_id(OTHER)


OWNERS_GRANT = {"canonicalId": owner_id(ACCOUNT), "type": "CanonicalUser"}
PUBLIC = {"Grantee": {"Type": "Group", "URI": acl.ALL_USERS}, "Permission": "READ"}


@pytest.mark.parametrize(
    ("ownership", "kept", "expected"),
    [
        ("ObjectWriter", {}, [{**OWNERS_GRANT, "permission": "FULL_CONTROL"}]),
        (
            "ObjectWriter",
            {acl.SETTING: [acl.owner_grant(owner_id(ACCOUNT)), PUBLIC]},
            [
                {**OWNERS_GRANT, "permission": "FULL_CONTROL"},
                {"uri": acl.ALL_USERS, "type": "Group", "permission": "READ"},
            ],
        ),
        ("ObjectWriter", {acl.SETTING: []}, []),
        (
            "BucketOwnerEnforced",
            {acl.SETTING: [PUBLIC]},
            [{**OWNERS_GRANT, "permission": "FULL_CONTROL"}],
        ),
    ],
)
def test_grants_are_a_document(ownership: str, kept: dict[str, Any], expected: Any) -> None:
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    bucket = replace(BUCKET, settings={access.OWNERSHIP: controls})
    row = Row(bucket, replace(STORED, attributes=kept), latest=True)
    assert json.loads(b64decode(COLUMNS["ObjectAccessControlList"](row))) == {
        "version": "2022-11-10",
        "status": "AVAILABLE",
        "grants": expected,
    }


def test_what_is_not_the_newest_version_or_under_no_rule_has_no_end() -> None:
    expires = COLUMNS["LifecycleExpirationDate"]
    assert expires(Row(BUCKET, STORED, latest=False)) == ""
    assert expires(Row(replace(BUCKET, settings={}), STORED, latest=True)) == ""


def test_a_delete_marker_has_few_values() -> None:
    marker = Row(BUCKET, replace(STORED, delete_marker=True, size=0, etag=""), latest=True)
    shown = dict(zip(COLUMNS, values(marker, COLUMNS), strict=True))
    assert {name for name, value in shown.items() if value} == OF_MARKERS


def test_every_field_of_a_report_is_a_column() -> None:
    fields = {*rules.BASIC_FIELDS, *rules.VERSION_FIELDS, *rules.OPTIONAL_FIELDS}
    assert fields == {*COLUMNS}
    assert fields > OF_LISTINGS
