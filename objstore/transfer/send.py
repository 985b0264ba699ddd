"""The way out: sealed blobs become verified plaintext, batch by batch.

The first batch is opened before anything is answered, so that tampering found there is an error
and not a torn reply; what is found later raises in the middle of the body, which ends the
connection. Bytes that were not verified never leave.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from itertools import accumulate

from objstore.crypt.frames import Buffer, wipe
from objstore.crypt.layers import BlobOpener, layers_in, open_whole
from objstore.crypt.manifest import Manifest, PartEntry
from objstore.storage.blobs import BlobReader
from objstore.storage.records import BlobRef, StoredObject
from objstore.storage.store import Store

BATCH_BYTES = 1024 * 1024

Body = bytes | AsyncIterator[Buffer]


class Sending:
    """The plaintext of a span of an object, as an asynchronous iterator of batches.

    Whoever holds one must iterate it to its end or `aclose` it: it keeps a file open and, while
    parts are left to be opened, a copy of the data key.
    """

    def __init__(
        self,
        store: Store,
        data_key: bytearray,
        *,
        manifest: Manifest,
        blobs: tuple[BlobRef, ...],
        start: int,
        stop: int,
    ) -> None:
        self._store = store
        self._data_key = bytearray(data_key)
        self._parts = manifest.parts
        self._blobs = blobs
        self._ends = list(accumulate(part.length for part in manifest.parts))
        self._at = start
        self._stop = stop
        self._part: _OpenPart | None = None
        self._first: Buffer | None = None
        self._sealed = bytearray()  # Batches are read into it one after the other.

    def __aiter__(self) -> "Sending":
        return self

    async def prime(self) -> None:
        """Have the first batch verified and waiting; close the file if that was all."""
        self._first = await self.__anext__()
        if self._at >= self._stop:
            await self.aclose()

    async def __anext__(self) -> Buffer:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._at >= self._stop:
            await self.aclose()
            raise StopAsyncIteration
        try:
            return await self._next()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the file and wipe the key; may be called again."""
        self._wipe()
        if self._part is not None:
            self._part.close()
            self._part = None

    async def _next(self) -> Buffer:
        part = self._part
        if part is None or self._at >= part.stop:
            part = await self._open_next()
        batch = part.batch(self._at, self._stop, self._sealed)
        if batch.read_warm():
            plaintext = batch.open()
        else:
            plaintext = await self._store.run(batch.read_and_open)
        self._at += len(plaintext)
        return plaintext

    async def _open_next(self) -> "_OpenPart":
        if self._part is not None:
            self._part.close()
            self._part = None
        index = bisect_right(self._ends, self._at)
        start = self._ends[index] - self._parts[index].length
        entry, ref = self._parts[index], self._blobs[index]
        opening = (self._store, self._data_key, entry, ref, start)
        if layers_in(self._data_key) == 1:
            self._part = _open_part(*opening)
        else:
            # The inner header is inside the first chunk: more than the loop should wait for.
            job = asyncio.ensure_future(self._store.run(_open_part, *opening))
            try:
                self._part = await asyncio.shield(job)
            except asyncio.CancelledError:
                job.add_done_callback(_close_late)
                raise
        if self._part.stop >= self._stop:
            self._wipe()
        return self._part

    def _wipe(self) -> None:
        wipe(self._data_key)


def _open_part(
    store: Store, data_key: bytearray, entry: PartEntry, ref: BlobRef, start: int
) -> "_OpenPart":
    reader = store.open_blob(ref)

    def read(offset: int, length: int) -> bytearray:
        buffer = bytearray(length)
        if not reader.try_read_into(buffer, offset):
            # One page of a single layer, and everything else waits for it.
            reader.read_into(buffer, offset)
        return buffer

    try:
        opener = BlobOpener(
            data_key,
            read,
            blob_id=entry.blob_id,
            size=reader.size,
            plaintext_length=entry.length,
            commitment=entry.commitment,
        )
    except BaseException:
        reader.close()
        raise
    return _OpenPart(reader, opener, start=start, stop=start + entry.length)


def _close_late(job: "asyncio.Future[_OpenPart]") -> None:
    """Close what a thread opened for somebody who did not wait."""
    if not job.cancelled() and job.exception() is None:
        job.result().close()


class _OpenPart:
    """A part whose blob is open and whose header is verified; offsets are the object's."""

    def __init__(self, reader: BlobReader, opener: BlobOpener, *, start: int, stop: int) -> None:
        self._reader = reader
        self._opener = opener
        self._start = start
        self.stop = stop

    def batch(self, at: int, stop: int, sealed: bytearray) -> "_Batch":
        """The batch that starts at `at`: up to the next multiple of a batch, or `stop`.

        It is read into `sealed`, which grows to hold it.
        """
        first = at - self._start
        last = min(stop, self.stop) - self._start
        last = min(last, (first // BATCH_BYTES + 1) * BATCH_BYTES)
        return _Batch(self._reader, self._opener, start=first, stop=last, sealed=sealed)

    def close(self) -> None:
        self._reader.close()


class _Batch:
    """One read of consecutive sealed chunks and its opening."""

    def __init__(
        self, reader: BlobReader, opener: BlobOpener, *, start: int, stop: int, sealed: bytearray
    ) -> None:
        self._reader = reader
        self._opener = opener
        self._located = opener.locate(start, stop)
        length = self._located.length
        if len(sealed) < length:
            sealed.extend(bytes(length - len(sealed)))
        self._sealed = memoryview(sealed)[:length]

    def read_warm(self) -> bool:
        """Read what lies in the page cache; False if the disk would have to be asked."""
        return self._reader.try_read_into(self._sealed, self._located.offset)

    def read_and_open(self) -> memoryview:
        self._reader.read_into(self._sealed, self._located.offset)
        return self.open()

    def open(self) -> memoryview:
        try:
            return self._opener.open(self._located, self._sealed)
        finally:
            # The next batch may need a larger buffer, and a thread may still know this one's.
            self._sealed.release()


async def send(
    store: Store,
    data_key: bytearray,
    *,
    stored: StoredObject,
    manifest: Manifest,
    start: int,
    stop: int,
) -> bytes | Sending:
    """The plaintext bytes `start` to `stop` of an object, its first batch already verified.

    Bytes for an object that lies inline, else an iterator. `data_key` stays the caller's to wipe.
    Raises BlobMissingError if the object was replaced meanwhile, TamperedError if what is stored
    is not what was written.
    """
    if stored.inline is not None:
        part = manifest.parts[0]
        plaintext = open_whole(
            data_key,
            stored.inline,
            blob_id=part.blob_id,
            plaintext_length=part.length,
            commitment=part.commitment,
        )
        return plaintext[start:stop]
    if start == stop:
        return b""
    sending = Sending(
        store, data_key, manifest=manifest, blobs=stored.blobs, start=start, stop=stop
    )
    await sending.prime()
    return sending
