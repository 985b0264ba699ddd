"""A store on a real disk, a data key, and sources to receive from."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.records import Bucket
from objstore.storage.store import Store

BUCKET = Bucket("bucket", b"B" * 16, "123456789012", "us-east-1", 0)


class Pieces:
    """A source of these pieces that claims to have `length` bytes."""

    def __init__(
        self, *pieces: bytes, length: int | None = None, end: Exception | None = None
    ) -> None:
        self.length = sum(map(len, pieces)) if length is None else length
        self._pieces = pieces
        self._end = end

    async def batches(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._end is not None:
            raise self._end

    def decode(self, raw: bytes) -> Iterable[bytes]:
        return (raw[: len(raw) // 2], raw[len(raw) // 2 :])

    def finish(self) -> Mapping[str, str]:
        return {}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path, wall=FixedClock(1e9), space_reserve_bytes=0)
    await store.create_bucket(BUCKET)
    yield store
    await store.close()


@pytest.fixture
def bucket() -> Bucket:
    return BUCKET


@pytest.fixture
def data_key() -> bytearray:
    return bytearray(range(32))


@pytest.fixture
def pieces() -> type[Pieces]:
    return Pieces
