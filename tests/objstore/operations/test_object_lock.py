import hashlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kms.aws.clock import utc
from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.errors import S3Error
from objstore.operations.copy import SourceNamed
from objstore.transfer.attributes import AttributeHeaders

NOW = datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
TOMORROW, NEXT_WEEK = NOW + timedelta(1), NOW + timedelta(7)
DAY_SECONDS = 24 * 3600


@pytest.fixture
async def locked(empty_s3: Any) -> Any:
    await empty_s3.call("CreateBucket", bucket="bucket", object_lock_enabled_for_bucket=True)
    refresh(empty_s3)
    return empty_s3


async def put_locked(s3: Any, data: bytes, **members: Any) -> Any:
    sums = ChecksumHeaders(checksum_crc32=checksum(Algorithm.CRC32, data))
    return await s3.put("k", data, checksums=sums, **members)


def refresh(s3: Any) -> None:
    s3.bucket = s3.store.bucket("bucket")


async def configure(s3: Any, **default: Any) -> None:
    configuration: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if default:
        configuration["Rule"] = {"DefaultRetention": default}
    await s3.call("PutObjectLockConfiguration", object_lock_configuration=configuration)
    refresh(s3)


async def retain(s3: Any, mode: str | None, until: datetime | None, **members: Any) -> Any:
    retention = {} if mode is None else {"Mode": mode, "RetainUntilDate": until}
    return await s3.call("PutObjectRetention", key="k", retention=retention, **members)


async def refused(s3: Any, operation: str, **members: Any) -> tuple[int, str]:
    with pytest.raises(AWSError) as caught:
        await s3.call(operation, **members)
    return caught.value.status, caught.value.code


async def test_a_bucket_is_made_with_object_lock(locked: Any) -> None:
    assert await locked.call("GetBucketVersioning") == {"Status": "Enabled"}
    assert await locked.call("GetObjectLockConfiguration") == {
        "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}
    }


async def test_object_lock_comes_to_a_versioned_bucket(s3: Any) -> None:
    assert await refused(s3, "GetObjectLockConfiguration") == (
        404,
        "ObjectLockConfigurationNotFoundError",
    )
    configuration = {"ObjectLockEnabled": "Enabled"}
    members = {"object_lock_configuration": configuration}
    assert await refused(s3, "PutObjectLockConfiguration", **members) == (409, "InvalidBucketState")
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    refresh(s3)
    await configure(s3, Mode="GOVERNANCE", Days=1)
    reply = await s3.call("GetObjectLockConfiguration")
    assert reply["ObjectLockConfiguration"]["Rule"] == {
        "DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}
    }
    members = {"versioning_configuration": {"Status": "Suspended"}}
    assert await refused(s3, "PutBucketVersioning", **members) == (409, "InvalidBucketState")
    assert await refused(s3, "PutObjectLockConfiguration") == (400, "MissingRequestBodyError")


async def test_every_new_version_gets_the_default(locked: Any) -> None:
    await configure(locked, Mode="COMPLIANCE", Days=2)
    put = await put_locked(locked, b"data")
    reply, _ = await locked.get("k")
    assert reply["ObjectLockMode"] == "COMPLIANCE"
    assert reply["ObjectLockRetainUntilDate"] == NOW + timedelta(2)
    retention = (await locked.call("GetObjectRetention", key="k"))["Retention"]
    assert retention == {"Mode": "COMPLIANCE", "RetainUntilDate": NOW + timedelta(2)}
    await locked.call("CopyObject", key="copy", named=SourceNamed("bucket/k"))
    assert (await locked.call("HeadObject", key="copy"))["ObjectLockMode"] == "COMPLIANCE"
    version = {"key": "k", "version_id": put["VersionId"]}
    assert await refused(locked, "DeleteObject", **version) == (403, "AccessDenied")
    locked.clock.advance(2 * DAY_SECONDS)
    await locked.call("DeleteObject", **version)


async def test_locks_come_with_the_object(locked: Any) -> None:
    headers = AttributeHeaders("GOVERNANCE", TOMORROW, "ON")
    locked.authorized.clear()
    await put_locked(locked, b"data", attributes=headers)
    assert [action for action, _, _ in locked.authorized] == [
        "s3:PutObjectRetention",
        "s3:PutObjectLegalHold",
    ]
    reply = await locked.call("HeadObject", key="k")
    assert reply["ObjectLockMode"] == "GOVERNANCE"
    assert reply["ObjectLockLegalHoldStatus"] == "ON"
    locked.refuse = lambda action, _: S3Error("AccessDenied")
    assert not {"ObjectLockMode", "ObjectLockLegalHoldStatus"} & set(
        await locked.call("HeadObject", key="k")
    )


async def test_locks_take_a_bucket_that_has_them(s3: Any) -> None:
    await s3.put("k", b"data")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("PutObjectRetention", {"retention": {}}),
        ("GetObjectRetention", {}),
        ("PutObjectLegalHold", {"legal_hold": {"Status": "ON"}}),
        ("GetObjectLegalHold", {}),
    ]
    for operation, members in calls:
        assert await refused(s3, operation, key="k", **members) == (400, "InvalidRequest")
    with pytest.raises(AWSError, match="Bucket is missing ObjectLockConfiguration"):
        await s3.put("k", b"", attributes=AttributeHeaders("GOVERNANCE", TOMORROW))
    bypass = {"key": "k", "bypass_governance_retention": True}
    assert await refused(s3, "DeleteObject", **bypass) == (400, "InvalidArgument")


async def test_governance_gives_way_to_who_may_bypass_it(locked: Any) -> None:
    version_id = (await locked.put("k", b"data"))["VersionId"]
    await retain(locked, "GOVERNANCE", NEXT_WEEK)
    delete = {"key": "k", "version_id": version_id}
    assert await refused(locked, "DeleteObject", **delete) == (403, "AccessDenied")
    shorter = {"key": "k", "retention": {"Mode": "GOVERNANCE", "RetainUntilDate": TOMORROW}}
    assert await refused(locked, "PutObjectRetention", **shorter) == (403, "AccessDenied")
    bypass = {"bypass_governance_retention": True}
    locked.refuse = lambda action, _: (
        S3Error("AccessDenied") if action == "s3:BypassGovernanceRetention" else None
    )
    assert await refused(locked, "DeleteObject", **delete, **bypass) == (403, "AccessDenied")
    assert await refused(locked, "PutObjectRetention", **shorter, **bypass) == (403, "AccessDenied")
    locked.refuse = lambda *_: None
    await locked.call("PutObjectRetention", **shorter, **bypass)
    entries = [{"Key": "k", "VersionId": version_id}]
    reply = await locked.call("DeleteObjects", delete={"Objects": entries})
    assert [error["Code"] for error in reply["Errors"]] == ["AccessDenied"]
    reply = await locked.call("DeleteObjects", delete={"Objects": entries}, **bypass)
    assert reply["Deleted"] == [{"Key": "k", "VersionId": version_id}]


async def test_compliance_gives_way_to_nobody(locked: Any) -> None:
    version_id = (await locked.put("k", b"data"))["VersionId"]
    await retain(locked, "COMPLIANCE", TOMORROW)
    bypass = {"bypass_governance_retention": True}
    delete = {"key": "k", "version_id": version_id, **bypass}
    assert await refused(locked, "DeleteObject", **delete) == (403, "AccessDenied")
    for retention in ({}, {"Mode": "GOVERNANCE", "RetainUntilDate": NEXT_WEEK}):
        members = {"key": "k", "retention": retention, **bypass}
        assert await refused(locked, "PutObjectRetention", **members) == (403, "AccessDenied")
    await retain(locked, "COMPLIANCE", NEXT_WEEK)
    locked.clock.advance(2 * DAY_SECONDS)
    assert await refused(locked, "DeleteObject", **delete) == (403, "AccessDenied")
    locked.clock.advance(6 * DAY_SECONDS)
    await locked.call("DeleteObject", **delete)


async def test_a_legal_hold_holds_until_it_is_lifted(locked: Any) -> None:
    version_id = (await locked.put("k", b"data"))["VersionId"]
    assert await refused(locked, "GetObjectLegalHold", key="k") == (
        404,
        "NoSuchObjectLockConfiguration",
    )
    await locked.call("PutObjectLegalHold", key="k", legal_hold={"Status": "ON"})
    assert await locked.call("GetObjectLegalHold", key="k") == {"LegalHold": {"Status": "ON"}}
    delete = {"key": "k", "version_id": version_id, "bypass_governance_retention": True}
    assert await refused(locked, "DeleteObject", **delete) == (403, "AccessDenied")
    # Only the version is held; the key may be hidden.
    assert (await locked.call("DeleteObject", key="k"))["DeleteMarker"] is True
    await locked.call(
        "PutObjectLegalHold", key="k", legal_hold={"Status": "OFF"}, version_id=version_id
    )
    await locked.call("DeleteObject", **delete)


async def test_a_retention_is_taken_away(locked: Any) -> None:
    await put_locked(locked, b"data", attributes=AttributeHeaders("GOVERNANCE", TOMORROW))
    await retain(locked, None, None, bypass_governance_retention=True)
    assert await refused(locked, "GetObjectRetention", key="k") == (
        404,
        "NoSuchObjectLockConfiguration",
    )


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("PutObjectRetention", {"retention": {"Mode": "GOVERNANCE"}}, "MalformedXML"),
        ("PutObjectRetention", {"retention": {"RetainUntilDate": TOMORROW}}, "MalformedXML"),
        (
            "PutObjectRetention",
            {"retention": {"Mode": "GOVERNANCE", "RetainUntilDate": utc(0)}},
            "InvalidArgument",
        ),
        ("PutObjectRetention", {"retention": {"EventHold": "ON"}}, "NotImplemented"),
        ("PutObjectLegalHold", {"legal_hold": {}}, "MalformedXML"),
        ("PutObjectLegalHold", {}, "MalformedXML"),
    ],
)
async def test_refused_documents(
    locked: Any, operation: str, members: dict[str, Any], code: str
) -> None:
    await locked.put("k", b"data")
    with pytest.raises(AWSError, match=code):
        await locked.call(operation, key="k", **members)


async def test_a_locked_null_version_is_not_replaced(locked: Any) -> None:
    before = locked.bucket
    # A writer that still sees the bucket as it was before it was versioned.
    locked.bucket = type(before)(
        before.name, before.bucket_id, before.account, before.region, before.created_ms
    )
    await locked.put("k", b"kept")
    refresh(locked)
    await retain(locked, "COMPLIANCE", TOMORROW, version_id="null")
    locked.bucket = type(before)(
        before.name, before.bucket_id, before.account, before.region, before.created_ms
    )
    with pytest.raises(AWSError, match="AccessDenied"):
        await locked.put("k", b"replaced")
    assert (await locked.get("k"))[1] == b"kept"


async def test_what_is_locked_comes_with_a_checksum(locked: Any) -> None:
    message = "HTTP header is required for Put {} requests with Object Lock parameters"
    hold = AttributeHeaders(object_lock_legal_hold_status="ON")
    with pytest.raises(AWSError, match=message.format("Object")):
        await locked.put("k", b"data", attributes=hold)
    upload_id = await locked.begin("k", attributes=hold)
    with pytest.raises(AWSError, match=message.format("Part")):
        await locked.part("k", upload_id, 1, b"data")
    md5 = b64encode(hashlib.md5(b"data").digest()).decode()
    await locked.put("k", b"data", attributes=hold, content_md5=md5)
    await locked.put("plain", b"data")
    await configure(locked, Mode="GOVERNANCE", Days=1)
    with pytest.raises(AWSError, match=message.format("Object")):
        await locked.put("plain", b"data")
