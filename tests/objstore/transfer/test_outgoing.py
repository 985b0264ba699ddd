"""Which versions are planned to go elsewhere, with the write that makes them."""

from typing import Any

import pytest

from objstore.crypt.sse import EncryptionHeaders
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.outgoing import KIND

KMS = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
RULE: dict[str, Any] = {
    "ID": "r",
    "Status": "Enabled",
    "Priority": 1,
    "Filter": {},
    "DeleteMarkerReplication": {"Status": "Disabled"},
    "Destination": {"Bucket": "arn:aws:s3:::target"},
}


async def configure(s3: Any, **changed: Any) -> None:
    document = {"Role": "role", "Rules": [{**RULE, **changed}]}
    await s3.store.update_bucket(
        "bucket", lambda old: {**old, "versioning": {"Status": "Enabled"}, "replication": document}
    )
    s3.bucket = s3.store.bucket("bucket")


def planned(s3: Any) -> list[dict[str, Any]]:
    return [dict(queued.message.body) for queued in s3.store.outbox.due(KIND, now_ms=0, limit=9)]


async def test_a_new_version_is_pending(s3: Any) -> None:
    await configure(s3)
    put = await s3.put("a", b"x")
    assert planned(s3) == [
        {
            "bucket": "bucket",
            "bucket_id": s3.bucket.bucket_id.hex(),
            "key": "a",
            "version_id": put["VersionId"],
            "rules": ["r"],
        }
    ]
    assert (await s3.get("a"))[0]["ReplicationStatus"] == "PENDING"


async def test_every_way_to_write_is_planned(s3: Any) -> None:
    await configure(s3)
    upload = await s3.begin("c")
    part = await s3.part("c", upload, 1, b"x")
    await s3.complete("c", upload, {1: part["ETag"]})
    assert (await s3.call("HeadObject", key="c"))["ReplicationStatus"] == "PENDING"
    assert len(planned(s3)) == 1


@pytest.mark.parametrize(
    ("changed", "tagging", "count"),
    [
        ({"Filter": {"Prefix": "other/"}}, None, 0),
        ({"Status": "Disabled"}, None, 0),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}}, None, 0),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}}, "k=v", 1),
    ],
)
async def test_only_what_rules_want(
    s3: Any, changed: dict[str, Any], tagging: str | None, count: int
) -> None:
    await configure(s3, **changed)
    await s3.put("a", b"x", attributes=AttributeHeaders(tagging=tagging))
    assert len(planned(s3)) == count
    assert ("ReplicationStatus" in (await s3.get("a"))[0]) is bool(count)


@pytest.mark.parametrize(("changed", "count"), [({}, 0), ({"SourceSelectionCriteria": KMS}, 1)])
async def test_objects_under_kms_keys_only_if_selected(
    s3: Any, changed: dict[str, Any], count: int
) -> None:
    await configure(s3, **changed)
    await s3.put("a", b"x", encryption=EncryptionHeaders(server_side_encryption="aws:kms"))
    assert len(planned(s3)) == count


@pytest.mark.parametrize(("status", "count"), [("Disabled", 1), ("Enabled", 2)])
async def test_markers_only_if_enabled(s3: Any, status: str, count: int) -> None:
    await configure(s3, DeleteMarkerReplication={"Status": status})
    put = await s3.put("a", b"x")
    await s3.call("DeleteObject", key="a")
    await s3.call("DeleteObject", key="a", version_id=put["VersionId"])
    assert len(planned(s3)) == count
