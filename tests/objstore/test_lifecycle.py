"""Lifecycle rules at work on a real store, day by day."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from kms.aws.clock import utc
from objstore import lifecycle
from objstore.crypt.sse import EncryptionHeaders
from objstore.lifecycle import Lifecycle
from objstore.rules.aging import Due, Fate
from objstore.transfer.attributes import AttributeHeaders

DAY = 24 * 3600
CUSTOMER_KEY = bytes(range(32))
CUSTOMER = (
    "AES256",
    base64.b64encode(CUSTOMER_KEY).decode(),
    base64.b64encode(hashlib.md5(CUSTOMER_KEY).digest()).decode(),
)
UNBLOCKED = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]}
ENABLED = {"Status": "Enabled"}


class Days:
    """A bucket whose rules run once a day."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.runner = Lifecycle(
            s3.store, s3.clock, day_seconds=DAY, canonical_id=lambda account: f"owner {account}"
        )

    async def rules(self, *rules: dict[str, Any]) -> None:
        named = [
            {
                "ID": str(number),
                "Status": "Enabled",
                **({} if "Prefix" in rule else {"Filter": {}}),
                **rule,
            }
            for number, rule in enumerate(rules)
        ]
        await self.s3.call(
            "PutBucketLifecycleConfiguration", lifecycle_configuration={"Rules": named}
        )
        self.refresh()

    async def versioning(self, status: str) -> None:
        await self.s3.call("PutBucketVersioning", versioning_configuration={"Status": status})
        self.refresh()

    def refresh(self) -> None:
        self.s3.bucket = self.s3.store.bucket("bucket")

    async def pass_by(self, days: int) -> None:
        for _ in range(days):
            self.s3.clock.advance(DAY)
            while await self.runner.run():
                pass

    async def keys(self) -> list[str]:
        reply = await self.s3.call("ListObjectsV2")
        return [entry["Key"] for entry in reply["Contents"]]

    async def versions(self) -> list[tuple[str, bool]]:
        """Keys of all versions, newest first, and whether each is a delete marker."""
        page = self.s3.store.list_versions(
            self.s3.bucket.bucket_id,
            prefix=b"",
            after_key=b"",
            after_version="",
            delimiter=b"",
            limit=1000,
        )
        return [(row.key.decode(), row.delete_marker) for row in page.versions]


@pytest.fixture
def days(s3: Any) -> Days:
    return Days(s3)


async def test_objects_expire(days: Days) -> None:
    await days.rules({"Prefix": "logs/", "Expiration": {"Days": 2}})
    for key in ("logs/a", "logs/b", "keep"):
        await days.s3.put(key, b"x")
    await days.pass_by(2)
    assert await days.keys() == ["keep", "logs/a", "logs/b"]
    await days.pass_by(1)
    assert await days.keys() == ["keep"]


async def test_objects_expire_by_tag_and_size(days: Days) -> None:
    await days.rules(
        {"Filter": {"Tag": {"Key": "temporary", "Value": "yes"}}, "Expiration": {"Days": 1}},
        {"Filter": {"ObjectSizeGreaterThan": 100}, "Expiration": {"Days": 1}},
    )
    await days.s3.put("tagged", b"x", attributes=AttributeHeaders(tagging="temporary=yes"))
    await days.s3.put("otherwise", b"x", attributes=AttributeHeaders(tagging="temporary=no"))
    await days.s3.put("large", b"x" * 101)
    await days.pass_by(2)
    assert await days.keys() == ["otherwise"]


async def test_objects_expire_at_a_date(days: Days) -> None:
    date = (utc(days.s3.clock.now()) + timedelta(days=2)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    await days.rules({"Expiration": {"Date": date}})
    await days.s3.put("a", b"x")
    await days.pass_by(1)
    assert await days.keys() == ["a"]
    await days.pass_by(1)
    assert await days.keys() == []


async def test_versions_are_kept_until_they_are_old(days: Days) -> None:
    await days.versioning("Enabled")
    await days.rules(
        {"Expiration": {"Days": 1}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 2}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
    )
    await days.s3.put("a", b"x")
    await days.pass_by(2)
    assert await days.versions() == [("a", True), ("a", False)]
    await days.pass_by(2)
    assert await days.versions() == [("a", True), ("a", False)]
    await days.pass_by(1)
    assert await days.versions() == [("a", True)]
    await days.pass_by(1)
    assert await days.versions() == []


async def test_newer_noncurrent_versions_stay(days: Days) -> None:
    await days.versioning("Enabled")
    action = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    await days.rules({"NoncurrentVersionExpiration": action})
    for number in range(6):
        await days.s3.put("a", b"x" * number)
        await days.s3.put("b" * (number + 1), b"x")
    await days.pass_by(2)
    sizes = [
        row.size
        for row in days.s3.store.list_versions(
            days.s3.bucket.bucket_id,
            prefix=b"a",
            after_key=b"",
            after_version="",
            delimiter=b"",
            limit=10,
        ).versions
    ]
    assert sizes == [5, 4, 3]
    assert len(await days.versions()) == 9


async def test_a_suspended_bucket_loses_its_null_version(days: Days) -> None:
    await days.versioning("Enabled")
    await days.s3.put("a", b"old")
    await days.versioning("Suspended")
    await days.s3.put("a", b"null")
    await days.rules({"Expiration": {"Days": 1}})
    await days.pass_by(2)
    assert await days.versions() == [("a", True), ("a", False)]


async def test_objects_move_to_colder_classes(days: Days) -> None:
    await days.rules(
        {
            "Transitions": [
                {"Days": 30, "StorageClass": "STANDARD_IA"},
                {"Days": 60, "StorageClass": "GLACIER"},
            ]
        }
    )
    data = b"x" * (128 * 1024)
    await days.s3.put("large", data)
    await days.s3.put("small", b"x")

    async def classes() -> dict[str, str]:
        listed = (await days.s3.call("ListObjectsV2"))["Contents"]
        return {entry["Key"]: entry["StorageClass"] for entry in listed}

    await days.pass_by(31)
    assert await classes() == {"large": "STANDARD_IA", "small": "STANDARD"}
    assert (await days.s3.get("large"))[1] == data
    await days.pass_by(30)
    assert await classes() == {"large": "GLACIER", "small": "STANDARD"}


@pytest.mark.parametrize(
    "encryption",
    [
        EncryptionHeaders(server_side_encryption="aws:kms"),
        EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True),
        EncryptionHeaders(server_side_encryption="aws:kms:dsse"),
        EncryptionHeaders(None, None, None, None, *CUSTOMER),
    ],
    ids=["SSE-KMS", "bucket key", "DSSE", "SSE-C"],
)
async def test_a_transition_needs_no_key(days: Days, encryption: EncryptionHeaders) -> None:
    """The bytes and how they are encrypted stay; versions expire without their key, too."""
    data = b"x" * (128 * 1024)
    own = encryption.customer
    await days.rules(
        {
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
            "Expiration": {"Days": 60},
        }
    )
    await days.s3.call("PutBucketEncryption", server_side_encryption_configuration=UNBLOCKED)
    days.refresh()
    await days.s3.put("a", data, encryption=encryption)
    before = await days.s3.call("HeadObject", key="a", customer=own)
    await days.pass_by(31)
    after, body = await days.s3.get("a", customer=own)
    assert body == data
    assert (after["StorageClass"], after["ETag"]) == ("STANDARD_IA", before["ETag"])
    for member in ("ServerSideEncryption", "SSEKMSKeyId", "SSECustomerKeyMD5", "BucketKeyEnabled"):
        assert after.get(member) == before.get(member)
    await days.pass_by(30)
    assert await days.keys() == []


async def test_locks_outlive_rules(days: Days) -> None:
    await days.versioning("Enabled")
    configuration = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 10}},
    }
    await days.s3.call("PutObjectLockConfiguration", object_lock_configuration=configuration)
    await days.rules(
        {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    )
    digest = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    await days.s3.put("locked", b"x", content_md5=digest)
    await days.pass_by(9)
    assert await days.versions() == [("locked", True), ("locked", False)]
    await days.pass_by(2)
    assert ("locked", False) not in await days.versions()


async def test_uploads_are_aborted(days: Days) -> None:
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    await days.rules({"Prefix": "logs/", **abort})
    for key in ("logs/a", "other"):
        await days.s3.call("CreateMultipartUpload", key=key)
    await days.pass_by(2)
    uploads = (await days.s3.call("ListMultipartUploads"))["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["other"]


async def test_a_pass_goes_on_from_run_to_run(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "VERSIONS_LISTED", 3)
    monkeypatch.setattr(lifecycle, "PAGES_A_RUN", 1)
    await days.rules({"Expiration": {"Days": 1}})
    for number in range(10):
        await days.s3.put(f"key{number}", b"x")
    days.s3.clock.advance(2 * DAY)
    assert await days.runner.run()
    assert len(await days.keys()) == 7
    runs = 1
    while await days.runner.run():
        runs += 1
    assert await days.keys() == []
    assert runs >= 4
    assert not await days.runner.run()


async def test_what_changed_meanwhile_is_left_alone(days: Days) -> None:
    await days.rules({"Expiration": {"Days": 1}})
    await days.s3.put("a", b"old")
    (stored,) = days.s3.store.list_versions(
        days.s3.bucket.bucket_id,
        prefix=b"",
        after_key=b"",
        after_version="",
        delimiter=b"",
        limit=10,
    ).versions
    await days.s3.put("a", b"new")
    due = Due(Fate.EXPIRE, "0")
    await days.runner._apply(days.s3.bucket, stored, due)
    assert (await days.s3.get("a"))[1] == b"new"


async def test_what_rules_do_is_told(days: Days) -> None:
    entry = {
        "Id": "q",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:q",
        "Events": ["s3:LifecycleExpiration:*", "s3:LifecycleTransition"],
    }
    await days.s3.call(
        "PutBucketNotificationConfiguration",
        notification_configuration={"QueueConfigurations": [entry]},
    )
    await days.rules(
        {"Prefix": "gone", "Expiration": {"Days": 1}},
        {
            "Filter": {"And": {"Prefix": "cold", "ObjectSizeGreaterThan": 0}},
            "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
        },
    )
    for key in ("gone", "cold"):
        await days.s3.put(key, b"x")
    await days.pass_by(2)
    told = days.s3.store.outbox.due("notification", now_ms=0, limit=9)
    records = [queued.message.body["record"] for queued in told if "record" in queued.message.body]
    found = {record["eventName"]: record for record in records}
    assert set(found) == {"LifecycleExpiration:Delete", "LifecycleTransition"}
    moved = found["LifecycleTransition"]
    assert moved["lifecycleEventData"]["transitionEventData"] == {
        "destinationStorageClass": "GLACIER"
    }
    assert moved["s3"]["bucket"]["ownerIdentity"] == {"principalId": "owner 123456789012"}
