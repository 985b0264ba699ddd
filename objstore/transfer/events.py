"""What a write tells the world: event records for the destinations of a bucket's notifications.

A record is made with the write and delivered later; it says what AWS's says. Nothing is made for
a bucket that notifies nobody.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from kms.aws.arn import s3_bucket
from kms.aws.identity import Caller
from objstore.call import Call
from objstore.names import instant
from objstore.rules import notification
from objstore.storage.records import NULL_VERSION, Bucket, Message, StoredObject

KIND = "notification"
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
TEST_EVENT = "s3:TestEvent"
SERVICE = "s3.amazonaws.com"
# Events whose records have a newer version of the format.
_NEWER = ("Lifecycle", "ObjectTagging", "ObjectAcl", "ObjectRestore:Delete")


def written(call: Call, event: str, stored: StoredObject) -> tuple[Message, ...]:
    """The message about a version that a call made or changed, if anybody wants to hear of it."""
    if notification.SETTING not in call.bucket.settings:
        return ()
    return _of_call(call, event, stored.key, describe(stored))


def removed(call: Call, key: bytes, version_id: str | None) -> tuple[Message, ...]:
    """The message about a version that a call destroys (None: the only one)."""
    if notification.SETTING not in call.bucket.settings:
        return ()
    named = {"versionId": version_id} if version_id not in (None, NULL_VERSION) else {}
    return _of_call(call, "ObjectRemoved:Delete", key, named)


def _of_call(
    call: Call, event: str, key: bytes, described: Mapping[str, Any]
) -> tuple[Message, ...]:
    return message(
        call.bucket,
        event,
        key,
        described,
        owner=call.canonical_id(call.bucket.account),
        caller=call.caller,
        now_ms=int(call.services.clock.now() * 1000),
    )


def describe(stored: StoredObject) -> dict[str, Any]:
    """A version as records describe it."""
    described: dict[str, Any] = {}
    if stored.delete_marker:
        described["eTag"] = EMPTY_MD5
    else:
        described |= {"size": stored.size, "eTag": stored.etag}
    if stored.version_id != NULL_VERSION:
        described["versionId"] = stored.version_id
    return described


def message(
    bucket: Bucket,
    event: str,
    key: bytes,
    described: Mapping[str, Any],
    *,
    owner: str,
    caller: Caller | None,
    now_ms: int,
    more: Mapping[str, Any] | None = None,
) -> tuple[Message, ...]:
    """The message about an event; `caller` is None for what S3 does by itself.

    `owner` is the canonical id of the bucket's account, `more` what the record has besides.
    """
    document = bucket.settings.get(notification.SETTING)
    if document is None:
        return ()
    found = notification.matching(document, f"s3:{event}", key.decode())
    targets = [[arn, entry["Id"]] for entry, arn in found]
    if not targets:
        return ()
    source = SERVICE if caller is None else caller.source_ip
    record = {
        "eventVersion": "2.3" if event.startswith(_NEWER) else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": _time(now_ms),
        "eventName": event,
        "userIdentity": {"principalId": _principal(caller)},
        "requestParameters": {"sourceIPAddress": source},
        "responseElements": {"x-amz-request-id": "" if caller is None else caller.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": owner},
                "arn": s3_bucket(bucket.name),
            },
            "object": {"key": quote_plus(key, safe="/"), **described},
        },
        **(more or {}),
    }
    return (Message(KIND, {"targets": targets, "record": record}),)


def tests(call: Call, document: Mapping[str, Any]) -> list[Message]:
    """The test event that each destination of a new configuration gets."""
    event = {
        "Service": "Amazon S3",
        "Event": TEST_EVENT,
        "Time": _time(int(call.services.clock.now() * 1000)),
        "Bucket": call.bucket.name,
        "RequestId": call.caller.request_id,
    }
    return [
        Message(KIND, {"targets": [[arn, entry["Id"]]], "test": event})
        for entry, arn in notification.destinations(document)
    ]


def _time(milliseconds: int) -> str:
    return f"{instant(milliseconds):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def _principal(caller: Caller | None) -> str:
    if caller is None:
        return SERVICE
    return f"AWS:{caller.principal.user_id}" if caller.access_key_id else "Anonymous"
