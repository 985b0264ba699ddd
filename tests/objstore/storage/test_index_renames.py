from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from objstore.storage.index_renames import RENAMES_KEPT_MS
from objstore.storage.records import ObjectChangedError, StoredObject
from objstore.storage.store import Store

MakeObject = Callable[..., StoredObject]
BUCKET = b"B" * 16


async def rename(store: Store, old: StoredObject, key: bytes, **members: object) -> None:
    arguments = {"check": None, "token": "", "fingerprint": b"", "now_ms": 0, **members}
    await store.rename_object(old, replace(old, key=key), **arguments)  # type: ignore[arg-type]


async def put(store: Store, make_object: MakeObject, key: bytes) -> StoredObject:
    await store.put_object(make_object(key=key))
    stored = store.object(BUCKET, key, inline=False)
    assert stored is not None
    return stored


async def test_a_row_takes_another_key(store: Store, make_object: MakeObject) -> None:
    old = await put(store, make_object, b"old")
    await rename(store, old, b"new")
    assert store.object(BUCKET, b"old") is None
    new = store.object(BUCKET, b"new")
    assert new is not None
    assert (new.blobs, new.manifest) == (old.blobs, old.manifest)
    assert new.inline == make_object(key=b"old").inline


async def test_what_changed_meanwhile_stays(store: Store, make_object: MakeObject) -> None:
    old = await put(store, make_object, b"old")
    await put(store, make_object, b"old")
    for source in (old, replace(old, key=b"gone")):
        with pytest.raises(ObjectChangedError):
            await rename(store, source, b"new")
    assert store.object(BUCKET, b"new") is None


async def test_what_was_set_meanwhile_is_not_lost(store: Store, make_object: MakeObject) -> None:
    """Such as an ACL that makes an object private while it is renamed."""
    old = await put(store, make_object, b"old")
    for changes in ({"attributes": {"acl": "private"}}, {"storage_class": "GLACIER"}):
        seen: Any = changes
        change = partial(replace, **seen)
        await store.update_object(BUCKET, b"old", version_id=None, change=change)
        with pytest.raises(ObjectChangedError):
            await rename(store, old, b"new")
        found = store.object(BUCKET, b"old", inline=False)
        assert found is not None
        old = found
    await rename(store, old, b"new")
    new = store.object(BUCKET, b"new")
    assert new is not None
    assert (new.attributes, new.storage_class) == ({"acl": "private"}, "GLACIER")


async def test_tokens_are_remembered_for_a_day(store: Store, make_object: MakeObject) -> None:
    old = await put(store, make_object, b"old")
    await rename(store, old, b"new", token="t", fingerprint=b"f", now_ms=1)
    assert store.finished_rename(BUCKET, "t") == b"f"
    assert store.finished_rename(b"C" * 16, "t") is None
    assert store.finished_rename(BUCKET, "u") is None
    old = await put(store, make_object, b"old")
    later = {"token": "u", "fingerprint": b"g", "now_ms": RENAMES_KEPT_MS + 2}
    await rename(store, old, b"new", **later)
    assert store.finished_rename(BUCKET, "t") is None
    assert store.finished_rename(BUCKET, "u") == b"g"
