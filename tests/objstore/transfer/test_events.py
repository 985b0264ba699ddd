"""Event records: AWS's shape, made with the write, for those who want to hear of it."""

from typing import Any

import pytest

from objstore.operations.copy import SourceNamed
from objstore.transfer.events import KIND, message

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
EVERYTHING = [
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:ObjectRestore:*",
]


async def listen(s3: Any, *events: str, **more: Any) -> None:
    entry = {"Id": "all", "QueueArn": QUEUE, "Events": list(events or EVERYTHING), **more}
    await s3.call(
        "PutBucketNotificationConfiguration",
        notification_configuration={"QueueConfigurations": [entry]},
    )
    s3.bucket = s3.store.bucket("bucket")
    await heard(s3)


async def heard(s3: Any) -> list[dict[str, Any]]:
    """The bodies of the messages so far, taken out."""
    queued = s3.store.outbox.due(KIND, now_ms=0, limit=100)
    await s3.store.outbox.settle([one.identity for one in queued])
    return [dict(one.message.body) for one in queued]


async def test_a_record_is_awss(s3: Any) -> None:
    await listen(s3)
    put = await s3.put("in/a b+ü", b"12345")
    [body] = await heard(s3)
    assert body["targets"] == [[QUEUE, "all"]]
    assert body["record"] == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2023-11-14T22:13:20.250Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:123456789012"},
        "requestParameters": {"sourceIPAddress": s3.caller.source_ip},
        "responseElements": {"x-amz-request-id": s3.caller.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {
                "name": "bucket",
                "ownerIdentity": {"principalId": s3.services.account("123456789012").canonical_id},
                "arn": "arn:aws:s3:::bucket",
            },
            "object": {
                "key": "in/a+b%2B%C3%BC",
                "size": 5,
                "eTag": put["ETag"].strip('"'),
            },
        },
    }


async def test_each_way_to_write_has_its_event(s3: Any) -> None:
    await listen(s3)
    await s3.put("a", b"x")
    await s3.call("CopyObject", key="b", named=SourceNamed("bucket/a"))
    upload = await s3.begin("c")
    part = await s3.part("c", upload, 1, b"x")
    await s3.complete("c", upload, {1: part["ETag"]})
    await s3.call("PutObjectTagging", key="a", tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    await s3.call("DeleteObjectTagging", key="a")
    await s3.call("DeleteObject", key="a")
    await s3.call("DeleteObjects", delete={"Objects": [{"Key": "c"}, {"Key": "nothing"}]})
    assert [body["record"]["eventName"] for body in await heard(s3)] == [
        "ObjectCreated:Put",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectRemoved:Delete",
        "ObjectRemoved:Delete",
    ]


async def test_versions_and_markers(s3: Any) -> None:
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    await listen(s3)
    put = await s3.put("a", b"x")
    marker = await s3.call("DeleteObject", key="a")
    await s3.call("DeleteObject", key="a", version_id=put["VersionId"])
    created, hidden, gone = [body["record"] for body in await heard(s3)]
    assert created["s3"]["object"]["versionId"] == put["VersionId"]
    assert hidden["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    assert hidden["s3"]["object"] == {
        "key": "a",
        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
        "versionId": marker["VersionId"],
    }
    assert gone["eventName"] == "ObjectRemoved:Delete"
    assert gone["s3"]["object"] == {"key": "a", "versionId": put["VersionId"]}


async def test_only_what_is_wanted_is_told(s3: Any) -> None:
    rules = [{"Name": "prefix", "Value": "in/"}]
    await listen(s3, "s3:ObjectCreated:Put", Filter={"Key": {"FilterRules": rules}})
    for key in ("in/a", "out/a"):
        await s3.put(key, b"x")
    await s3.call("DeleteObject", key="in/a")
    assert [body["record"]["s3"]["object"]["key"] for body in await heard(s3)] == ["in/a"]
    await s3.call("PutBucketNotificationConfiguration", notification_configuration={})
    s3.bucket = s3.store.bucket("bucket")
    await s3.put("in/b", b"x")
    assert await heard(s3) == []


async def test_a_refused_write_tells_nothing(s3: Any) -> None:
    await listen(s3)
    with pytest.raises(Exception, match="BadDigest"):
        await s3.put("a", b"x", content_md5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert await heard(s3) == []


async def test_destinations_get_a_test_event(s3: Any) -> None:
    entry = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
    await s3.call(
        "PutBucketNotificationConfiguration",
        notification_configuration={"QueueConfigurations": [entry]},
    )
    [body] = await heard(s3)
    assert body["targets"][0][0] == QUEUE
    assert body["test"] == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2023-11-14T22:13:20.250Z",
        "Bucket": "bucket",
        "RequestId": s3.caller.request_id,
    }


async def test_what_s3_does_by_itself(s3: Any) -> None:
    entry = {"Id": "q", "QueueArn": QUEUE, "Events": ["s3:LifecycleTransition"]}
    await s3.call(
        "PutBucketNotificationConfiguration",
        notification_configuration={"QueueConfigurations": [entry]},
    )
    bucket = s3.store.bucket("bucket")
    more = {"lifecycleEventData": {"transitionEventData": {"destinationStorageClass": "GLACIER"}}}
    [made] = message(
        bucket, "LifecycleTransition", b"a", {}, owner="o", caller=None, now_ms=0, more=more
    )
    record = made.body["record"]
    assert record["eventVersion"] == "2.3"
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert record["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
    assert record["lifecycleEventData"] == more["lifecycleEventData"]
    assert message(bucket, "ObjectCreated:Put", b"a", {}, owner="o", caller=None, now_ms=0) == ()
