import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.blobs import blob_path
from objstore.storage.records import BlobRef, Bucket, StoredObject
from objstore.storage.store import Store, inline_blob
from objstore.storage.sweep import Problem, boot_sweep, check

BUCKET = b"B" * 16

# Replaces one object in a file by another, and kills itself at the step named.
CRASHING = """
import asyncio, os, signal, sys
from pathlib import Path
from kms.aws.clock import SystemClock
from objstore.storage import store as module
from objstore.storage.records import Bucket, StoredObject
from objstore.storage.store import Store

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def put(store, data, step=""):
    writer = store.new_blob(len(data))
    if step == "after open": die()
    writer.write(data)
    if step == "after write": die()
    ref = writer.finish()
    if step == "after fsync": die()
    if step == "before gc": module.unlink_blobs = die
    check = die if step == "in the transaction" else None
    await store.put_object(StoredObject(b"B" * 16, b"k", "null", len(data), data.decode(), 0, "",
        "", "", b"", b"", (ref,)), check=check)
    if step == "after commit": die()

async def main():
    store = Store.open(Path(sys.argv[1]), wall=SystemClock(), space_reserve_bytes=0)
    await store.create_bucket(Bucket("b", b"B" * 16, "1", "r", 0))
    await put(store, b"old")
    await put(store, b"newer", sys.argv[2])
    await store.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("after open", "old"),
        ("after write", "old"),
        ("after fsync", "old"),
        ("in the transaction", "old"),
        ("before gc", "newer"),
        ("after commit", "newer"),
        ("never", "newer"),
    ],
)
async def test_a_crash_leaves_the_old_or_the_new(tmp_path: Path, step: str, wanted: str) -> None:
    folder = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CRASHING, folder, step)
    assert await process.wait() == (0 if step == "never" else -signal.SIGKILL)
    swept = boot_sweep(folder)
    assert not swept.skipped
    report = check(folder)
    assert list(report) == []
    assert (report.rows, report.blobs, report.bytes) == (1, 1, len(wanted))
    store = Store.open(folder, wall=FixedClock(0), space_reserve_bytes=0)
    found = store.object(BUCKET, b"k")
    await store.close()
    assert found is not None
    assert found.etag == wanted
    names = [path.name for path in (folder / "blobs").glob("*/*")]
    assert names == [found.blobs[0].blob_id.hex()]
    assert boot_sweep(folder).directories == 0


async def test_the_sweep_keeps_away_from_an_open_store(store: Store) -> None:
    writer = store.new_blob(1)
    assert boot_sweep(store.folder).skipped
    assert list(check(store.folder)) == []
    writer.write(b"x")
    writer.finish()
    writer.discard()


async def damaged(
    folder: Path, make_object: Callable[..., StoredObject], damage: Callable[[Path], None]
) -> list[Problem]:
    """What a check finds after `damage` was done to the file of a stored object."""
    store = Store.open(folder, wall=FixedClock(0), space_reserve_bytes=0)
    await store.create_bucket(Bucket("b", BUCKET, "1", "r", 0))
    writer = store.new_blob(4)
    writer.write(b"data")
    ref: BlobRef = writer.finish()
    await store.put_object(make_object(blobs=(ref,)))
    small = inline_blob(b"small", b"i" * 16)
    await store.put_object(make_object(b"inline", blobs=(small,), inline=b"small"))
    await store.close()
    damage(Path(blob_path(folder, ref.directory, ref.blob_id)))
    return [finding.problem for finding in check(folder)]


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        (lambda path: path.write_bytes(b"dat4"), [Problem.CHECKSUM]),
        (lambda path: path.write_bytes(b"dat"), [Problem.SIZE]),
        (lambda path: path.unlink(), [Problem.MISSING]),
        (lambda path: (path.parent / ("ab" * 16)).write_bytes(b""), [Problem.STRAY]),
        (lambda path: (path.parent / "README").write_bytes(b""), []),
        (os.path.exists, []),
    ],
)
async def test_a_check_names_what_is_wrong(
    tmp_path: Path,
    make_object: Callable[..., StoredObject],
    damage: Callable[[Path], None],
    problems: list[Problem],
) -> None:
    assert await damaged(tmp_path / "data", make_object, damage) == problems
