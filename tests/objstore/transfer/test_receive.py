import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.frames import CHUNK_LOG2, Opener, open_small, sealed_size
from objstore.crypt.layers import BATCH_BYTES
from objstore.storage.blobs import BlobWriter, blob_path
from objstore.storage.records import (
    INLINE,
    BucketMissingError,
    BusyError,
    NoSpaceError,
    UploadMissingError,
)
from objstore.storage.store import Store
from objstore.storage.sweep import boot_sweep
from objstore.transfer.integrity import Digests, body_digests
from objstore.transfer.receive import Plaintext, Received, commit, receive

CHUNK = 1 << CHUNK_LOG2
LARGE = b"0123456789abcdef" * (3 * BATCH_BYTES // 16)


def digests() -> Digests:
    return Digests(None, kept=Algorithm.CRC32, want_md5=True)


def blob_files(store: Store) -> list[Path]:
    return [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]


def opened(store: Store, data_key: bytearray, received: Received) -> bytes:
    """What was stored, opened again."""
    blob = received.blob
    if received.inline is not None:
        sealed = received.inline
    else:
        sealed = Path(blob_path(store.folder, blob.directory, blob.blob_id)).read_bytes()
    assert len(sealed) == blob.size == sealed_size(received.size)
    if received.size == 0:
        return open_small(
            data_key,
            sealed,
            blob_id=blob.blob_id,
            plaintext_length=0,
            commitment=received.commitment,
        )
    opener = Opener(
        data_key,
        sealed[:128],
        blob_id=blob.blob_id,
        size=len(sealed),
        plaintext_length=received.size,
        commitment=received.commitment,
    )
    out = memoryview(bytearray(len(sealed)))
    opener.open(sealed[128:], 0, out)
    return bytes(out[: received.size])


@pytest.mark.parametrize("piece", [1000, CHUNK, CHUNK + 1, BATCH_BYTES, 3 * BATCH_BYTES])
@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, len(LARGE)])
async def test_large_bodies_become_files(
    store: Store, data_key: bytearray, pieces: Any, size: int, piece: int
) -> None:
    data = LARGE[:size]
    source = pieces(*(data[at : at + piece] for at in range(0, size, piece)))
    received = await receive(store, data_key, source, digests=digests())
    assert (received.inline, received.size) == (None, size)
    assert received.blob.directory != INLINE
    assert received.checksum == checksum(Algorithm.CRC32, data)
    assert opened(store, data_key, received) == data


@pytest.mark.parametrize("size", [0, 1, 16_000])
async def test_small_bodies_stay_inline(
    store: Store, data_key: bytearray, pieces: Any, size: int
) -> None:
    data = LARGE[:size]
    received = await receive(store, data_key, pieces(data), digests=digests())
    assert (received.blob.directory, received.size) == (INLINE, size)
    assert opened(store, data_key, received) == data
    assert blob_files(store) == []


async def test_the_same_bytes_are_never_sealed_the_same(
    store: Store, data_key: bytearray, pieces: Any
) -> None:
    sealed = {
        (await receive(store, data_key, pieces(b"same"), digests=digests())).inline
        for _ in range(3)
    }
    assert len(sealed) == 3


class Body:
    trailer_names: frozenset[str] = frozenset()


@pytest.mark.parametrize("size", [10, 200_000, len(LARGE)])
@pytest.mark.parametrize("failure", ["checksum", "torn", "decode", "finish"])
async def test_what_does_not_verify_leaves_nothing(
    store: Store, data_key: bytearray, pieces: Any, size: int, failure: str
) -> None:
    class Failing(pieces):  # type: ignore[misc]
        def decode(self, raw: bytes) -> Iterable[bytes]:
            if failure == "decode":
                raise AWSError("decode")
            return (raw,)

        def finish(self) -> dict[str, str]:
            if failure == "finish":
                raise AWSError("finish")
            return {}

    half = size // 2
    end = AWSError("torn") if failure == "torn" else None
    source = Failing(LARGE[:half], LARGE[half:size], end=end)
    wrong = ChecksumHeaders(checksum_sha256=checksum(Algorithm.SHA256, b"other"))
    body: Any = Body()
    made = body_digests(body, wrong, None, want_md5=False) if failure == "checksum" else digests()
    code = "BadDigest" if failure == "checksum" else failure
    with pytest.raises(AWSError, match=code):
        await receive(store, data_key, source, digests=made)
    assert blob_files(store) == []


async def test_a_cancelled_upload_leaves_nothing(
    store: Store, data_key: bytearray, pieces: Any
) -> None:
    waiting = asyncio.Event()

    class Stalled(pieces):  # type: ignore[misc]
        async def batches(self) -> AsyncIterator[bytes]:
            yield LARGE[:BATCH_BYTES]
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(receive(store, data_key, Stalled(LARGE), digests=digests()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert blob_files(store) == []


@pytest.mark.parametrize("method", ["new_blob", "write", "finish"])
async def test_a_full_disk_is_told(
    store: Store, data_key: bytearray, pieces: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*arguments: Any) -> Any:
        raise NoSpaceError("full")

    owner = Store if method == "new_blob" else BlobWriter
    monkeypatch.setattr(owner, method, full)
    with pytest.raises(AWSError) as caught:
        await receive(store, data_key, pieces(LARGE), digests=digests())
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
    assert blob_files(store) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BucketMissingError("b"), "NoSuchBucket"),
        (UploadMissingError("u"), "NoSuchUpload"),
        (NoSpaceError("full"), "ServiceUnavailable"),
        (BusyError("busy"), "SlowDown"),
        (AWSError("PreconditionFailed"), "PreconditionFailed"),
    ],
)
async def test_a_refused_transaction_gives_the_blob_up(
    tmp_path: Path, data_key: bytearray, pieces: Any, error: Exception, code: str
) -> None:
    store = Store.open(tmp_path, wall=FixedClock(1e9), space_reserve_bytes=0)
    received = await receive(store, data_key, pieces(LARGE), digests=digests())
    assert len(blob_files(store)) == 1

    async def refuse() -> None:
        raise error

    for given_up in (received, None):
        with pytest.raises(AWSError) as caught:
            await commit(store, given_up, refuse())
        assert caught.value.code == code
    await store.close()
    # The file goes in the background, or at the next start if the server stops before.
    boot_sweep(tmp_path)
    assert blob_files(store) == []


async def test_other_failures_stay_what_they_are(store: Store) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await commit(store, None, fail())


async def test_plaintext_of_a_copy_must_be_whole(store: Store, data_key: bytearray) -> None:
    async def data() -> AsyncGenerator[bytes]:
        yield b"12"
        yield b"345"

    received = await receive(store, data_key, Plaintext(5, data()), digests=digests())
    assert opened(store, data_key, received) == b"12345"
    with pytest.raises(AWSError, match="IncompleteBody"):
        await receive(store, data_key, Plaintext(6, data()), digests=digests())
