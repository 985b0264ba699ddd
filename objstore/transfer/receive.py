"""The single way in: plaintext arrives, is verified, sealed and stored.

Nothing that this module returns is visible to readers yet: the caller commits a row that names
the blob. Every verification comes before the blob is made durable, and whatever goes wrong before
that leaves nothing behind but, at worst, an orphan for the sweep.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Mapping
from dataclasses import field
from typing import Any, Protocol, TypeVar

from kms.aws.values import value_class
from objstore.crypt.frames import Buffer
from objstore.crypt.layers import BlobSealer, layers_in, seal_whole, stored_size
from objstore.errors import S3Error
from objstore.storage.blobs import BlobWriter, inline_blob, new_blob_id
from objstore.storage.records import (
    BlobRef,
    BucketMissingError,
    BusyError,
    NoSpaceError,
    UploadMissingError,
)
from objstore.storage.store import Store
from objstore.transfer.integrity import Announcing, Digests

T = TypeVar("T")
Raw = TypeVar("Raw")


class Source(Protocol[Raw]):
    """Where plaintext comes from; `objstore.payload.Payload` is one."""

    @property
    def length(self) -> int: ...

    def batches(self) -> AsyncIterator[Raw]:
        """Raw bytes as they come, in pieces of at most about 1 MiB."""
        ...

    def decode(self, raw: Raw, /) -> Iterable[Buffer]:
        """The plaintext in `raw`; may run in a thread."""
        ...

    def finish(self) -> Mapping[str, str]:
        """Raise unless everything arrived and is what the client signed; returns trailers."""
        ...


class Body(Source[Any], Announcing, Protocol):
    """The body of a whole object, whose sender may announce checksums that come after it."""


class Closing(AsyncIterable[Buffer], Protocol):
    """Bytes that hold something open until they are read or closed."""

    async def aclose(self) -> None: ...


class Plaintext:
    """A `Source` for bytes that this server has itself: `length` bytes of a copy's source.

    Whoever made one closes it.
    """

    def __init__(self, length: int, data: Closing) -> None:
        self.length = length
        self._data = data
        self._seen = 0

    async def batches(self) -> AsyncIterator[Buffer]:
        async for data in self._data:
            yield data

    def decode(self, raw: Buffer) -> Iterable[Buffer]:
        self._seen += memoryview(raw).nbytes
        return (raw,)

    def finish(self) -> Mapping[str, str]:
        if self._seen != self.length:
            raise S3Error("IncompleteBody")
        return {}

    async def aclose(self) -> None:
        """Let go of what the bytes come from, read or not."""
        await self._data.aclose()


@value_class(frozen=True, slots=True)
class Received:
    """What was stored: `size` plaintext bytes as `blob`, whose bytes are `inline` if it is small.

    `md5` is in hexadecimal, None unless it was wanted; `checksum` is in base64.
    """

    blob: BlobRef
    inline: bytes | None
    commitment: bytes
    size: int
    md5: str | None
    checksum_algorithm: str
    checksum: str
    writer: BlobWriter | None = field(repr=False)


async def receive(
    store: Store,
    data_key: bytearray,
    source: Source[Raw],
    *,
    digests: Digests,
    inline: bool = True,
) -> Received:
    """Take in the whole of `source`, sealed under `data_key`, which stays the caller's to wipe.

    What is small goes inline, unless it is one of several parts (`inline` False). Raises what
    `source` and `digests` raise, and ServiceUnavailable if the disk is full.
    """
    if inline and stored_size(source.length, layers_in(data_key)) <= store.inline_bytes_max:
        return await _receive_small(data_key, source, digests)
    return await _receive_large(store, data_key, source, digests)


async def commit(store: Store, received: Received | None, transaction: Awaitable[T]) -> T:
    """Run the transaction that publishes what was received; give the blob up if it refuses.

    Returns what the transaction does. Raises what its check raises, or the S3 error for what
    went wrong.
    """
    try:
        return await transaction
    except Exception as error:
        # A cancelled wait is no refusal: the transaction may be on its way to the disk.
        if received is not None and received.writer is not None:
            await store.run(received.writer.discard)
        raise refusal(error) from error


def refusal(error: Exception) -> Exception:
    """The S3 error for what storage raised; other errors as they are."""
    if isinstance(error, BucketMissingError):
        return S3Error("NoSuchBucket")
    if isinstance(error, UploadMissingError):
        return S3Error("NoSuchUpload")
    if isinstance(error, NoSpaceError):
        return _no_space()
    if isinstance(error, BusyError):
        return S3Error("SlowDown")
    return error


def _no_space() -> S3Error:
    return S3Error("ServiceUnavailable", "Not enough storage space is left")


async def _receive_small(data_key: bytearray, source: Source[Raw], digests: Digests) -> Received:
    plaintext = bytearray()
    async for raw in source.batches():
        for piece in source.decode(raw):
            plaintext += piece
    trailers = source.finish()
    digests.update(plaintext)
    digests.verify(trailers)
    blob_id = new_blob_id()
    sealed, commitment = seal_whole(data_key, blob_id=blob_id, plaintext=plaintext)
    blob = inline_blob(sealed, blob_id)
    return _received(blob, sealed, commitment, len(plaintext), digests, None)


async def _receive_large(
    store: Store, data_key: bytearray, source: Source[Raw], digests: Digests
) -> Received:
    """While a thread works on one batch, the loop receives the next: two batches in memory."""
    pending: asyncio.Future[Any] | None = None
    size = stored_size(source.length, layers_in(data_key))
    opening = asyncio.ensure_future(store.run(store.new_blob, size))
    try:
        writer = await _outcome(opening)
        sealing = _Sealing(writer, data_key, source, digests)
        async for raw in source.batches():
            if pending is not None:
                await _outcome(pending)
            pending = asyncio.ensure_future(store.run(sealing.take, raw))
        if pending is not None:
            await _outcome(pending)
        finishing = pending = asyncio.ensure_future(store.run(sealing.finish))
        blob = await _outcome(finishing)
    except NoSpaceError:
        await _abandon(store, opening, pending)
        raise _no_space() from None
    except BaseException:
        await _abandon(store, opening, pending)
        raise
    return _received(blob, None, sealing.commitment, source.length, digests, writer)


async def _outcome(job: "asyncio.Future[T]") -> T:
    """The result of a thread's job. A cancelled wait leaves the job alone: threads run on."""
    await asyncio.wait((job,))
    return job.result()


async def _abandon(
    store: Store,
    opening: "asyncio.Future[BlobWriter]",
    pending: "asyncio.Future[Any] | None",
) -> None:
    """Remove the blob once no thread works on it any more."""
    for job in (opening, pending):
        if job is not None:
            await asyncio.wait((job,))
            job.exception()
    if opening.exception() is None:
        await store.run(opening.result().discard)


def _received(
    blob: BlobRef,
    inline: bytes | None,
    commitment: bytes,
    size: int,
    digests: Digests,
    writer: BlobWriter | None,
) -> Received:
    return Received(
        blob,
        inline,
        commitment,
        size,
        digests.md5,
        digests.algorithm.value,
        digests.checksum,
        writer,
    )


class _Sealing:
    """The thread's half of the pipeline: decodes, hashes, seals and writes batch by batch."""

    def __init__(
        self, writer: BlobWriter, data_key: bytearray, source: Source[Any], digests: Digests
    ) -> None:
        self._writer = writer
        self._source = source
        self._digests = digests
        self._sealer = BlobSealer(data_key, blob_id=writer.blob_id, plaintext_length=source.length)
        self.commitment = self._sealer.commitment
        self._write(self._sealer.begin())

    def take(self, raw: object) -> None:
        """Work on one batch as it came from the source."""
        for piece in self._source.decode(raw):
            self._digests.update(piece)
            self._write(self._sealer.add(piece))

    def finish(self) -> BlobRef:
        """Verify everything, seal the end and make the blob durable."""
        self._digests.verify(self._source.finish())
        self._write(self._sealer.finish())
        return self._writer.finish()

    def _write(self, sealed: Iterable[Buffer]) -> None:
        for piece in sealed:
            self._writer.write(piece)
