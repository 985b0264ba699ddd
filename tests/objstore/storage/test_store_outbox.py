"""The outbox of a store: what a write says is there after it, and what fails says nothing."""

from typing import Any

import pytest

from objstore.storage.records import Message

TOLD = [Message("k", {"n": 1})]


async def test_messages_of_their_own(s3: Any) -> None:
    outbox = s3.store.outbox
    await outbox.add(TOLD)
    [queued] = outbox.due("k", now_ms=0, limit=10)
    assert queued.message == TOLD[0]
    assert outbox.count("k") == 1
    await outbox.settle([queued.identity])
    assert outbox.due("k", now_ms=0, limit=10) == []


async def test_a_write_that_is_refused_tells_nothing(s3: Any) -> None:
    await s3.put("a", b"x")
    stored = s3.store.object(s3.bucket.bucket_id, b"a")

    def refuse(_: Any) -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await s3.store.put_object(stored, check=refuse, messages=TOLD)
    await s3.store.delete_object(s3.bucket.bucket_id, b"nothing", version_id=None, messages=TOLD)
    assert s3.store.outbox.count("k") == 0
    await s3.store.delete_object(s3.bucket.bucket_id, b"a", version_id=None, messages=TOLD)
    assert s3.store.outbox.count("k") == 1


async def test_a_reset_forgets_messages(s3: Any) -> None:
    await s3.store.outbox.add(TOLD)
    await s3.store.reset()
    assert s3.store.outbox.count("k") == 0
