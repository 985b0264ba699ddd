import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objstore.checksum import Algorithm
from objstore.crypt.data_keys import Envelope
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import Manifest, Mode, PartEntry, decode
from objstore.storage.blobs import BlobReader, blob_path
from objstore.storage.records import (
    BlobDamagedError,
    BlobMissingError,
    Bucket,
    Part,
    StoredObject,
    Upload,
)
from objstore.storage.store import Store
from objstore.transfer.integrity import Digests
from objstore.transfer.publish import FULL_OBJECT, Description, Stored, publishable
from objstore.transfer.receive import receive
from objstore.transfer.send import BATCH_BYTES, Sending, send

LENGTHS = (200_000, 1, 131_072, 40_000)


@pytest.fixture
async def make(store: Store, data_key: bytearray, bucket: Bucket, pieces: Any) -> Any:
    """Makes the row of an object whose parts have these lengths, and its manifest."""

    async def make(*lengths: int) -> tuple[StoredObject, Manifest]:
        entries, blobs, inline = [], [], None
        upload = Upload(os.urandom(8).hex(), bucket.bucket_id, b"k", 0, "", "", "", "", b"")
        await store.create_upload(upload)
        for number, length in enumerate(lengths, 1):
            digests = Digests(None, kept=Algorithm.CRC32)
            source = pieces(b"%d" % number * length)
            received = await receive(store, data_key, source, digests=digests)
            blob, inline = received.blob, received.inline
            part = Part(upload.upload_id, number, length, "", 0, blob, b"", inline)
            await store.put_part(part)
            entries.append(PartEntry(number, blob.blob_id, length, received.commitment))
            blobs.append(blob)
        stored = publishable(
            Envelope(Mode.SSE_S3, "", b"wrapped", {}),
            data_key=data_key,
            bucket=bucket,
            key=b"k",
            created_ms=0,
            description=Description({}, {}, "STANDARD"),
            stored=Stored(
                "etag",
                tuple(entries),
                tuple(blobs),
                inline if len(lengths) == 1 else None,
                "",
                FULL_OBJECT,
            ),
        )
        return stored, decode(stored.manifest)

    return make


def whole(*lengths: int) -> bytes:
    return b"".join(b"%d" % number * length for number, length in enumerate(lengths, 1))


def path_of(store: Store, stored: StoredObject) -> Path:
    (blob, *_) = stored.blobs
    return Path(blob_path(store.folder, blob.directory, blob.blob_id))


async def read(store: Store, data_key: bytearray, row: Any, start: int, stop: int) -> bytes:
    stored, manifest = row
    body = await send(store, data_key, stored=stored, manifest=manifest, start=start, stop=stop)
    if isinstance(body, bytes):
        return body
    return b"".join([bytes(batch) async for batch in body])


SPANS = [
    (0, sum(LENGTHS)),
    (0, 1),
    (199_999, 200_002),
    (200_000, 200_001),
    (200_001, 331_073),
    (131_071, 131_073),
    (sum(LENGTHS) - 1, sum(LENGTHS)),
    (5, 5),
]


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize(("start", "stop"), SPANS)
async def test_spans_of_an_object_of_parts(
    store: Store,
    data_key: bytearray,
    make: Any,
    start: int,
    stop: int,
    warm: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not warm:
        monkeypatch.setattr(BlobReader, "try_read_into", lambda *_: False)
    row = await make(*LENGTHS)
    assert await read(store, data_key, row, start, stop) == whole(*LENGTHS)[start:stop]


@pytest.mark.parametrize("size", [0, 1, 16_000])
async def test_small_objects_come_as_bytes(
    store: Store, data_key: bytearray, make: Any, size: int
) -> None:
    stored, manifest = await make(size)
    assert stored.inline is not None
    arguments = {"stored": stored, "manifest": manifest}
    body = await send(store, data_key, **arguments, start=0, stop=size)
    assert body == whole(size)
    assert (
        await send(store, data_key, **arguments, start=size // 2, stop=size)
        == (whole(size)[size // 2 :])
    )


async def test_a_batch_lets_go_of_the_buffer_that_the_next_one_grows(
    store: Store, data_key: bytearray, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BlobReader, "try_read_into", lambda *_: False)
    kept: list[Any] = []
    run = Store.run

    async def keep(store: Store, function: Any, *arguments: Any) -> Any:
        """A thread that forgets its work late."""
        kept.append(function)
        return await run(store, function, *arguments)

    monkeypatch.setattr(Store, "run", keep)
    row = await make(20_000, 200_000, 2 * BATCH_BYTES)
    assert await read(store, data_key, row, 0, row[0].size) == (
        whole(20_000, 200_000, 2 * BATCH_BYTES)
    )
    assert len(kept) >= 4


async def test_batches_are_bounded(store: Store, data_key: bytearray, make: Any) -> None:
    stored, manifest = await make(3 * BATCH_BYTES)
    body: Any = await send(
        store, data_key, stored=stored, manifest=manifest, start=10, stop=stored.size
    )
    lengths = [len(batch) async for batch in body]
    assert lengths == [BATCH_BYTES - 10, BATCH_BYTES, BATCH_BYTES]


async def test_the_key_is_gone_as_soon_as_the_last_part_is_open(
    store: Store, data_key: bytearray, make: Any
) -> None:
    stored, manifest = await make(*LENGTHS)
    sending = Sending(
        store, data_key, manifest=manifest, blobs=stored.blobs, start=0, stop=stored.size
    )
    await sending.prime()
    assert any(sending._data_key)
    assert [b"x" async for _ in sending]
    assert not any(sending._data_key)
    assert any(data_key), "the caller's own key is the caller's to wipe"
    one, manifest = await make(200_000)
    single: Any = await send(store, data_key, stored=one, manifest=manifest, start=0, stop=200_000)
    assert not any(single._data_key)


async def test_whoever_stops_early_leaves_no_file_open(
    store: Store, data_key: bytearray, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[BlobReader] = []
    close = BlobReader.close

    def noted(reader: BlobReader) -> None:
        closed.append(reader)
        close(reader)

    monkeypatch.setattr(BlobReader, "close", noted)
    stored, manifest = await make(2 * BATCH_BYTES)
    sending: Any = await send(
        store, data_key, stored=stored, manifest=manifest, start=0, stop=stored.size
    )
    assert closed == []
    await sending.aclose()
    await sending.aclose()
    assert len(closed) == 1
    await read(store, data_key, (stored, manifest), 0, 10)
    assert len(closed) == 2


@pytest.mark.parametrize("at", [0, 30, 60, 100, 127, 128, 140_000, -1])
async def test_a_changed_byte_is_never_sent(
    store: Store, data_key: bytearray, make: Any, at: int
) -> None:
    stored, manifest = await make(200_000)
    path = path_of(store, stored)
    sealed = bytearray(path.read_bytes())
    sealed[at] ^= 0x80
    path.write_bytes(sealed)
    with pytest.raises(TamperedError):
        await read(store, data_key, (stored, manifest), 0, 200_000)


async def test_blobs_that_changed_places(store: Store, data_key: bytearray, make: Any) -> None:
    stored, manifest = await make(200_000, 200_000)
    swapped = replace(stored, blobs=stored.blobs[::-1])
    with pytest.raises(TamperedError, match="header"):
        await read(store, data_key, (swapped, manifest), 0, 400_000)
    with pytest.raises(TamperedError):
        await read(store, bytearray(32), (stored, manifest), 0, 400_000)


async def test_short_and_missing_files(store: Store, data_key: bytearray, make: Any) -> None:
    stored, manifest = await make(200_000)
    path = path_of(store, stored)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BlobDamagedError):
        await read(store, data_key, (stored, manifest), 0, 1)
    path.unlink()
    with pytest.raises(BlobMissingError):
        await read(store, data_key, (stored, manifest), 0, 1)
