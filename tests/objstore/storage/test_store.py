import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.records import (
    BlobMissingError,
    Bucket,
    NoSpaceError,
    Part,
    StoredObject,
    Upload,
)
from objstore.storage.store import Store, inline_blob

BUCKET = b"B" * 16
MakeObject = Callable[..., StoredObject]


def write(store: Store, data: bytes) -> Any:
    writer = store.new_blob(len(data))
    writer.write(data)
    writer.finish()
    return writer


def files(store: Store) -> list[str]:
    return sorted(path.name for path in (store.folder / "blobs").glob("*/*"))


async def drained(store: Store) -> None:
    """Wait for the collection that earlier writes began."""
    await store.run(store._collect)


async def test_buckets_are_cached_until_they_change(store: Store) -> None:
    bucket = store.bucket("photos")
    assert bucket is not None
    assert store.bucket("photos") is bucket
    await store.update_bucket("photos", lambda old: {**old, "versioning": "Enabled"})
    changed = store.bucket("photos")
    assert changed is not None
    assert changed.settings == {"versioning": "Enabled"}
    assert store.bucket("nothing") is None


async def test_buckets_by_account(store: Store) -> None:
    for name, account in (("alpha", "1"), ("beta", "1"), ("bravo", "1"), ("x", "2")):
        await store.create_bucket(Bucket(name, name.encode().ljust(16), account, name[0], 0))
    found = store.buckets("1", prefix="b", after="beta", limit=9)
    assert [bucket.name for bucket in found] == ["bravo"]
    assert [bucket.name for bucket in store.buckets("1", region="a", limit=9)] == ["alpha"]
    assert len(store.buckets("1", limit=2)) == 2
    await store.update_bucket("alpha", lambda old: {**old, "policy": "long"})
    assert store.buckets("1", limit=1)[0].settings == {}, "nobody reads what may be long"


async def test_inline_objects_come_with_their_bytes(store: Store, make_object: MakeObject) -> None:
    ref = inline_blob(b"sealed", b"i" * 16)
    await store.put_object(make_object(blobs=(ref,), inline=b"sealed", attributes={"a": 1}))
    found = store.object(BUCKET, b"k")
    assert found is not None
    assert (found.inline, found.blobs, found.attributes) == (b"sealed", (ref,), {"a": 1})
    head = store.object(BUCKET, b"k", inline=False)
    assert head is not None
    assert head.inline is None
    with store.open_blob(ref) as reader:
        assert reader.size == 6
    await store.put_object(make_object())
    with pytest.raises(BlobMissingError):
        store.open_blob(ref)


async def test_replaced_blobs_are_collected_and_open_ones_stay_readable(
    store: Store, make_object: MakeObject
) -> None:
    old = await store.run(write, store, b"old")
    await store.put_object(make_object(blobs=(old._ref,)))
    reader = store.open_blob(old._ref)
    new = await store.run(write, store, b"new")
    await store.put_object(make_object(blobs=(new._ref,)))
    await drained(store)
    assert files(store) == [new.blob_id.hex()]
    buffer = bytearray(3)
    reader.read_into(buffer, 0)
    reader.close()
    assert buffer == b"old"
    with pytest.raises(BlobMissingError):
        store.open_blob(old._ref)


async def test_a_store_that_closes_collects_one_more_batch(
    store: Store, make_object: MakeObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objstore.storage.store.COLLECTED_BATCH", 1)
    monkeypatch.setattr(store, "_collect_later", lambda: None)
    blobs = [await store.run(write, store, data) for data in (b"1", b"2", b"3")]
    await store.put_object(make_object(blobs=tuple([blob._ref for blob in blobs])))
    await store.delete_object(BUCKET, b"k", version_id="null")
    store._closing = True
    await drained(store)
    assert len(files(store)) == 2
    store._closing = False
    await drained(store)
    assert files(store) == []


async def test_discarding_after_the_commit_loses_nothing(
    store: Store, make_object: MakeObject
) -> None:
    kept, dropped = [await store.run(write, store, data) for data in (b"1", b"2")]
    await store.put_object(make_object(blobs=(kept._ref,)))
    kept.discard()
    dropped.discard()
    await store.create_bucket(Bucket("later", b"L" * 16, "1", "r", 0))
    await drained(store)
    assert files(store) == [kept.blob_id.hex()]


async def test_no_space_stops_writes_but_not_deletes(
    tmp_path: Path, make_object: MakeObject
) -> None:
    full = Store.open(tmp_path / "full", wall=FixedClock(0), space_reserve_bytes=1 << 62)
    with pytest.raises(NoSpaceError):
        await full.create_bucket(Bucket("b", BUCKET, "1", "r", 0))
    full._reserve._reserve_bytes = 0
    full._clock.advance(2)  # type: ignore[attr-defined]
    await full.create_bucket(Bucket("b", BUCKET, "1", "r", 0))
    await full.put_object(make_object())
    full._reserve._room_bytes = 0
    with pytest.raises(NoSpaceError):
        await full.put_object(make_object())
    with pytest.raises(NoSpaceError):
        full.new_blob(1)
    await full.put_object(make_object(version_id="m", delete_marker=True))
    assert await full.delete_object(BUCKET, b"k", version_id=None) is not None
    await full.close()


async def test_uploads_from_begin_to_end(
    store: Store,
    make_object: MakeObject,
    make_upload: Callable[..., Upload],
    make_part: Callable[..., Part],
) -> None:
    await store.create_upload(make_upload())
    parts = [await store.run(make_part, number) for number in (1, 1, 2, 3)]
    for part in parts:
        await store.put_part(part)
    assert store.part("u", 1) == parts[1]
    assert store.parts("u", after=1, limit=5) == parts[2:]
    new = make_object(blobs=(parts[1].blob, parts[3].blob))
    await store.complete_upload("u", [1, 3], new)
    await drained(store)
    assert files(store) == sorted(ref.blob_id.hex() for ref in new.blobs)
    finished = store.finished_upload("u")
    assert finished is not None
    assert (finished.version_id, finished.etag) == ("null", "e")
    assert store.upload("u") is None


async def test_updates_change_only_what_needs_no_new_blob(
    store: Store, make_object: MakeObject
) -> None:
    await store.put_object(make_object())
    new = await store.update_object(
        BUCKET, b"k", version_id=None, change=lambda old: make_object(attributes={"t": 1})
    )
    assert new is not None
    found = store.object(BUCKET, b"k")
    assert found is not None
    assert found.attributes == {"t": 1}
    gone = await store.update_object(BUCKET, b"x", version_id=None, change=lambda old: old)
    assert gone is None


async def test_reset_empties_everything(store: Store, make_object: MakeObject) -> None:
    blob = await store.run(write, store, b"data")
    await store.put_object(make_object(blobs=(blob._ref,)))
    await store.reset()
    assert store.bucket("photos") is None
    assert store.object(BUCKET, b"k") is None
    await drained(store)
    assert files(store) == []


WORKER = """
import asyncio, sys
from pathlib import Path
from kms.aws.clock import SystemClock
from objstore.storage.records import StoredObject
from objstore.storage.store import Store

async def main():
    store = Store.open(Path(sys.argv[1]), wall=SystemClock(), space_reserve_bytes=0)
    name = sys.argv[2].encode()
    await asyncio.gather(*[
        store.put_object(StoredObject(b"B" * 16, b"%s%03d" % (name, number), "null", 0, "", 0, "",
                                      "", "", b"", b"", ()))
        for number in range(100)
    ])
    await store.close()

asyncio.run(main())
"""


async def test_two_processes_commit_to_one_folder(store: Store) -> None:
    bucket = store.bucket("photos")
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, store.folder, name)
        for name in ("a", "b")
    ]
    assert [await worker.wait() for worker in workers] == [0, 0]
    page = store.list_objects(BUCKET, prefix=b"", after=b"", delimiter=b"", limit=1000)
    assert len(page.objects) == 200
    assert len({row.sequence for row in store_versions(store)}) == 200
    assert store.bucket("photos") == bucket


def store_versions(store: Store) -> tuple[StoredObject, ...]:
    return store.list_versions(
        BUCKET, prefix=b"", after_key=b"", after_version="", delimiter=b"", limit=1000
    ).versions


def test_the_store_needs_no_other_package_to_import() -> None:
    code = "import sys, objstore.storage.store; assert 'starlette' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
