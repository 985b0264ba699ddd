"""Whole blobs: one layer of frames, or two around each other (DSSE-KMS).

    data key = inner (32)             blob = frames(inner, plaintext)
    data key = inner (32) ‖ outer (32)    blob = frames(outer, frames(inner, plaintext))

Both layers are frames of format v1 with the same blob id; their keys, salts, nonces and commitments
are independent, so either alone keeps the content secret and unchanged. Pure but for `read`, by
which an opener gets the beginning of a blob. Specification: docs/format.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from objstore.crypt.frames import (
    COMMITMENT_LENGTH,
    DATA_KEY_LENGTH,
    HEADER_LENGTH,
    TAG_LENGTH,
    Buffer,
    Header,
    Opener,
    Sealer,
    TamperedError,
    open_small,
    seal_small,
    sealed_size,
)

BATCH_BYTES = 1024 * 1024

Read = Callable[[int, int], bytearray]
"""read(offset, length): bytes of a blob."""


def layers_in(data_key: bytearray) -> int:
    """How many layers a data key is for."""
    return len(data_key) // DATA_KEY_LENGTH


def stored_size(plaintext_length: int, layers: int) -> int:
    """The length in bytes of the blob that holds `plaintext_length` bytes."""
    size = sealed_size(plaintext_length)
    return size if layers == 1 else sealed_size(size)


def seal_whole(data_key: bytearray, *, blob_id: bytes, plaintext: Buffer) -> tuple[bytes, bytes]:
    """Seal a plaintext that fits in memory: (blob, commitment)."""
    if len(data_key) == DATA_KEY_LENGTH:
        return seal_small(data_key, blob_id=blob_id, plaintext=plaintext)
    inner_key, outer_key = _halves(data_key)
    inner, committed = seal_small(inner_key, blob_id=blob_id, plaintext=plaintext)
    outer, outer_committed = seal_small(outer_key, blob_id=blob_id, plaintext=inner)
    return outer, committed + outer_committed


def open_whole(
    data_key: bytearray,
    blob: Buffer,
    *,
    blob_id: bytes,
    plaintext_length: int,
    commitment: bytes,
) -> bytes:
    """The plaintext of a blob that lies in memory. Raises TamperedError."""
    if len(data_key) == DATA_KEY_LENGTH:
        return open_small(
            data_key,
            blob,
            blob_id=blob_id,
            plaintext_length=plaintext_length,
            commitment=commitment,
        )
    inner_key, outer_key = _halves(data_key)
    inner = open_small(
        outer_key,
        blob,
        blob_id=blob_id,
        plaintext_length=Header.parse(bytes(blob[:HEADER_LENGTH])).plaintext_length,
        commitment=commitment[COMMITMENT_LENGTH:],
    )
    return open_small(
        inner_key,
        inner,
        blob_id=blob_id,
        plaintext_length=plaintext_length,
        commitment=commitment[:COMMITMENT_LENGTH],
    )


class BlobSealer:
    """Seals one blob from pieces of any size. The data key is not needed after the constructor.

    Write what `begin`, `add` and `finish` yield, in that order, each before asking for the next:
    the buffers are used again.
    """

    __slots__ = ("_inner", "_outer", "commitment")

    def __init__(self, data_key: bytearray, *, blob_id: bytes, plaintext_length: int) -> None:
        view = memoryview(data_key)
        self._inner = _Layer(view[:DATA_KEY_LENGTH], blob_id, plaintext_length)
        self._outer: _Layer | None = None
        self.commitment = self._inner.sealer.commitment
        if len(data_key) > DATA_KEY_LENGTH:
            inner_size = sealed_size(plaintext_length)
            self._outer = _Layer(view[DATA_KEY_LENGTH:], blob_id, inner_size)
            self.commitment += self._outer.sealer.commitment

    def begin(self) -> Iterator[Buffer]:
        if self._outer is not None:
            yield self._outer.sealer.header
        yield from self._through(iter((self._inner.sealer.header,)))

    def add(self, plaintext: Buffer) -> Iterator[Buffer]:
        """Seal the next bytes, as far as chunks are whole."""
        return self._through(self._inner.add(memoryview(plaintext)))

    def finish(self) -> Iterator[Buffer]:
        """Seal what is left, after the last `add`."""
        yield from self._through(self._inner.finish())
        if self._outer is not None:
            yield from self._outer.finish()

    def _through(self, sealed: Iterator[Buffer]) -> Iterator[Buffer]:
        """What the inner layer made, sealed by the outer one if there is one."""
        if self._outer is None:
            yield from sealed
        else:
            for piece in sealed:
                yield from self._outer.add(memoryview(piece))


class _Layer:
    """One layer of a blob being sealed. The end of a piece waits until its chunk is whole."""

    __slots__ = ("_out", "_rest", "sealer")

    def __init__(self, key: memoryview, blob_id: bytes, plaintext_length: int) -> None:
        self.sealer = Sealer(key, blob_id=blob_id, plaintext_length=plaintext_length)
        self._rest = bytearray()
        self._out = memoryview(bytearray(sealed_size(BATCH_BYTES)))

    def add(self, plaintext: memoryview) -> Iterator[Buffer]:
        chunk = self.sealer.chunk_length
        if self._rest:
            room = chunk - len(self._rest)
            self._rest += plaintext[:room]
            plaintext = plaintext[room:]
            if len(self._rest) < chunk:
                return
            yield self._seal(memoryview(self._rest))
            self._rest = bytearray()
        whole = len(plaintext) - len(plaintext) % chunk
        for start in range(0, whole, BATCH_BYTES):
            yield self._seal(plaintext[start : min(start + BATCH_BYTES, whole)])
        self._rest += plaintext[whole:]

    def finish(self) -> Iterator[Buffer]:
        if not self.sealer.finished:
            yield self._seal(memoryview(self._rest))

    def _seal(self, plaintext: memoryview) -> memoryview:
        return self._out[: self.sealer.seal(plaintext, self._out)]


@dataclass(frozen=True, slots=True)
class Located:
    """Where the chunks of some plaintext lie: `length` bytes of the blob from `offset` on.

    `spans` are, for each layer from the outside in, the first chunk, how many bytes of what is
    opened to skip, and how many to keep.
    """

    offset: int
    length: int
    spans: tuple[tuple[int, int, int], ...]


class BlobOpener:
    """Opens one blob, any span in any order. The data key is not kept."""

    __slots__ = ("_layers", "chunk_length")

    def __init__(
        self,
        data_key: bytearray,
        read: Read,
        *,
        blob_id: bytes,
        size: int,
        plaintext_length: int,
        commitment: bytes,
    ) -> None:
        """Verify all that can be before the first byte; raises TamperedError.

        `size` is the blob's length in bytes on disk; blob id, plaintext length and commitment are
        what the (verified) manifest says. Reads the header, and of two layers the first chunk.
        """
        header = bytes(read(0, min(HEADER_LENGTH, size)))
        self._layers: tuple[Opener, ...]
        if len(data_key) == DATA_KEY_LENGTH:
            inner = Opener(
                data_key,
                header,
                blob_id=blob_id,
                size=size,
                plaintext_length=plaintext_length,
                commitment=commitment,
            )
            self._layers = (inner,)
        else:
            inner_key, outer_key = _halves(data_key)
            outer = Opener(
                outer_key,
                header,
                blob_id=blob_id,
                size=size,
                plaintext_length=Header.parse(header).plaintext_length,
                commitment=commitment[COMMITMENT_LENGTH:],
            )
            inner = Opener(
                inner_key,
                _inner_header(outer, read),
                blob_id=blob_id,
                size=outer.plaintext_length,
                plaintext_length=plaintext_length,
                commitment=commitment[:COMMITMENT_LENGTH],
            )
            self._layers = (outer, inner)
        self.chunk_length = inner.chunk_length

    def locate(self, start: int, stop: int) -> Located:
        """Where plaintext[start:stop] lies. Raises ValueError as `Opener.span` does."""
        spans = []
        offset = length = 0
        for opener in reversed(self._layers):
            offset, length, first = opener.span(start, stop)
            spans.append((first, start - first * opener.chunk_length, stop - start))
            start, stop = offset, offset + length
        return Located(offset, length, tuple(reversed(spans)))

    def open(self, located: Located, sealed: Buffer) -> memoryview:
        """The plaintext that was asked for, from the bytes where it lies. Raises TamperedError."""
        view = memoryview(sealed)
        for opener, (first, skip, length) in zip(self._layers, located.spans, strict=True):
            out = memoryview(bytearray(len(view)))
            opener.open(view, first, out)
            view = out[skip : skip + length]
        return view


def _inner_header(outer: Opener, read: Read) -> bytes:
    """The inner layer's header, which is the beginning of the outer's plaintext."""
    stop = min(HEADER_LENGTH, outer.plaintext_length)
    if stop == 0:
        raise TamperedError("header")
    offset, length, first = outer.span(0, stop)
    out = bytearray(length - TAG_LENGTH)
    outer.open(read(offset, length), first, out)
    return bytes(out[:stop])


def _halves(data_key: bytearray) -> tuple[memoryview, memoryview]:
    view = memoryview(data_key)
    return view[:DATA_KEY_LENGTH], view[DATA_KEY_LENGTH:]
