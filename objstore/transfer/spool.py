"""Holds a body whose length shows only at its end, until it can go the single way in.

A blob's header says how long it is, and a form does not say how long its file is. Up to one batch
stays in memory; more goes, sealed, to a temporary file. Afterwards a spool is a `Source`.
"""

from collections.abc import AsyncIterator, Iterable, Mapping

from objstore.crypt.frames import Buffer
from objstore.crypt.scratch import TAG_LENGTH, Scratch
from objstore.storage.spool import SpoolFile
from objstore.storage.store import Store

BATCH_BYTES = 1024 * 1024


class Spool:
    """First `add` what comes, then hand it to `receive`; `close` in the end."""

    trailer_names: frozenset[str] = frozenset()

    def __init__(self, store: Store) -> None:
        self.length = 0
        self._store = store
        self._scratch = Scratch()
        self._file: SpoolFile | None = None
        self._records = 0
        self._opened = 0
        self._rest = bytearray()

    async def add(self, pieces: Iterable[Buffer]) -> None:
        """Take in more. Raises NoSpaceError."""
        for piece in pieces:
            self._rest += piece
            self.length += len(piece)
        while len(self._rest) > BATCH_BYTES:
            record = bytes(memoryview(self._rest)[:BATCH_BYTES])
            del self._rest[:BATCH_BYTES]
            await self._store.run(self._write, record)

    def _write(self, plaintext: bytes) -> None:
        if self._file is None:
            self._file = self._store.new_spool()
        self._file.append(self._scratch.seal(plaintext))
        self._records += 1

    async def batches(self) -> AsyncIterator[bytes]:
        """Sealed records from the file, then the plaintext that never left memory."""
        if self._file is not None:
            self._file.rewind()
            for _ in range(self._records):
                yield await self._store.run(self._file.read, BATCH_BYTES + TAG_LENGTH)
        if self._rest:
            yield bytes(self._rest)

    def decode(self, raw: Buffer) -> Iterable[Buffer]:
        """The plaintext of a batch; they come in order. May run in another thread."""
        if self._opened == self._records:
            return (raw,)
        self._opened += 1
        return (self._scratch.open(self._opened - 1, raw),)

    def finish(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
