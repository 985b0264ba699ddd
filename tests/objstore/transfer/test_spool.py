"""Bodies of unknown length: small ones stay in memory, large ones lie sealed on the disk."""

from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.store import Store
from objstore.transfer.spool import BATCH_BYTES, Spool

MARK = b"CANARY-in-clear-"


async def through(store: Store, data: bytes, piece: int) -> tuple[bytes, Spool]:
    spool = Spool(store)
    for start in range(0, len(data), piece):
        await spool.add([data[start : start + piece]])
    found = b""
    async for raw in spool.batches():
        found += b"".join(map(bytes, spool.decode(raw)))
    assert spool.finish() == {}
    return found, spool


@pytest.mark.parametrize(
    ("size", "piece"),
    [
        (0, 1),
        (1, 1),
        (BATCH_BYTES, 10_000),
        (BATCH_BYTES + 1, 10_000),
        (3 * BATCH_BYTES, BATCH_BYTES),
        (3 * BATCH_BYTES + 5, 2 * BATCH_BYTES),
    ],
)
async def test_what_goes_in_comes_out(tmp_path: Path, size: int, piece: int) -> None:
    data = (MARK * (size // len(MARK) + 1))[:size]
    store = Store.open(tmp_path, wall=FixedClock(0), space_reserve_bytes=0)
    found, spool = await through(store, data, piece)
    assert found == data
    assert spool.length == size
    spool.close()
    await store.close()


async def test_nothing_lies_on_the_disk_in_clear(tmp_path: Path) -> None:
    store = Store.open(tmp_path, wall=FixedClock(0), space_reserve_bytes=0)
    spool = Spool(store)
    await spool.add([MARK * (BATCH_BYTES // 4)])
    written = spool._file
    assert written is not None
    written.rewind()
    on_disk = written.read(10 * BATCH_BYTES)
    assert len(on_disk) > BATCH_BYTES
    assert MARK not in on_disk
    spool.close()
    await store.close()
