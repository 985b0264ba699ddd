"""A store on a real disk, and short ways to make its rows."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.records import Bucket, Part, StoredObject, Upload
from objstore.storage.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "data", wall=FixedClock(1e9), space_reserve_bytes=0)
    await store.create_bucket(Bucket("photos", b"B" * 16, "123456789012", "us-east-1", 0))
    yield store
    await store.close()


@pytest.fixture
def make_object() -> Callable[..., StoredObject]:
    def make(key: bytes = b"k", **changes: Any) -> StoredObject:
        values: dict[str, Any] = {
            "bucket_id": b"B" * 16,
            "key": key,
            "version_id": "null",
            "size": 1,
            "etag": "e",
            "modified_ms": 5,
            "storage_class": "STANDARD",
            "checksum_algorithm": "CRC64NVME",
            "checksum_type": "FULL_OBJECT",
            "manifest": b"m",
            "mac": b"c",
            "blobs": (),
        }
        return StoredObject(**(values | changes))

    return make


@pytest.fixture
def make_upload() -> Callable[..., Upload]:
    def make(upload_id: str = "u", key: bytes = b"k") -> Upload:
        return Upload(upload_id, b"B" * 16, key, 1, "owner", "STANDARD", "", "", b"recipe")

    return make


@pytest.fixture
def make_part(store: Store) -> Callable[..., Part]:
    def make(number: int, data: bytes = b"sealed", upload_id: str = "u") -> Part:
        writer = store.new_blob(len(data))
        writer.write(data)
        return Part(upload_id, number, len(data), "e", 1, writer.finish(), b"s")

    return make
