from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.storage.records import Bucket
from objstore.transfer import attributes
from objstore.transfer.attributes import NO_ATTRIBUTE_HEADERS, AttributeHeaders

LOCKED = {
    "object_lock": {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
    }
}
DAY_MS = 24 * 3600 * 1000


def bucket(settings: dict[str, Any]) -> Bucket:
    return Bucket("bucket", bytes(16), "123456789012", "us-east-1", 0, settings)


def call_of(s3: Any, settings: dict[str, Any] | None = None) -> Call:
    target = s3.bucket if settings is None else bucket(settings)
    return Call(s3.caller, s3.services, s3._authorize, target)


async def test_headers_become_attributes(s3: Any) -> None:
    assert attributes.asked(call_of(s3), "k", NO_ATTRIBUTE_HEADERS) == {}
    assert attributes.asked(call_of(s3), "k", AttributeHeaders(tagging="")) == {}
    until = datetime(2030, 1, 1, tzinfo=UTC)
    headers = AttributeHeaders("COMPLIANCE", until, "ON", tagging="a=1")
    assert attributes.asked(call_of(s3, LOCKED), "k", headers) == {
        "tags": {"a": "1"},
        "retention": {"Mode": "COMPLIANCE", "UntilMs": 1_893_456_000_000},
        "legal_hold": "ON",
    }


def test_a_retention_that_was_asked_for_outranks_the_default() -> None:
    asked_for = {"tags": {"a": "1"}}
    assert attributes.of_new(bucket({}), asked_for, created_ms=0) == asked_for
    assert attributes.of_new(bucket(LOCKED), asked_for, created_ms=0) == {
        **asked_for,
        "retention": {"Mode": "GOVERNANCE", "UntilMs": DAY_MS},
    }
    own = {"retention": {"Mode": "COMPLIANCE", "UntilMs": 1}}
    assert attributes.of_new(bucket(LOCKED), own, created_ms=0) == own


async def test_attributes_change_in_place(s3: Any) -> None:
    put = await s3.put("k", b"data", attributes=AttributeHeaders(tagging="a=1"))
    changed = await attributes.change(call_of(s3), "k", None, lambda old: {**old, "more": 1})
    assert changed.attributes == {"tags": {"a": "1"}, "more": 1}
    reply, body = await s3.get("k")
    assert (reply["ETag"], body) == (put["ETag"], b"data")


async def test_a_change_may_refuse(s3: Any) -> None:
    await s3.put("k", b"data")

    def refuse(_: attributes.Attributes) -> attributes.Attributes:
        raise LookupError

    with pytest.raises(LookupError):
        await attributes.change(call_of(s3), "k", None, refuse)
    for key, version_id, code in (("none", None, "NoSuchKey"), ("none", "null", "NoSuchVersion")):
        with pytest.raises(AWSError, match=code):
            await attributes.change(call_of(s3), key, version_id, lambda old: old)


async def test_what_goes_away_meanwhile_is_missing(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("k", b"data")
    update = s3.store.update_object

    async def delete_first(bucket_id: bytes, key: bytes, **members: Any) -> Any:
        await s3.store.delete_object(bucket_id, key, version_id=None)
        return await update(bucket_id, key, **members)

    monkeypatch.setattr(s3.store, "update_object", delete_first)
    with pytest.raises(AWSError, match="NoSuchKey"):
        await attributes.change(call_of(s3), "k", None, lambda old: old)
