"""A file without a name, for bytes whose number is not known yet. Blocking.

It vanishes when it is closed or its process ends, so no sweep has to know of it.
"""

import tempfile
from pathlib import Path

from objstore.storage.blobs import Buffer, SpaceReserve, storage_error


class SpoolFile:
    """Appended to, then read from the start; one thread at a time."""

    def __init__(self, folder: Path, reserve: SpaceReserve) -> None:
        self._reserve = reserve
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise storage_error(error) from error

    def append(self, data: Buffer) -> None:
        """Write all of `data`. Raises NoSpaceError."""
        self._reserve.claim(len(data))
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise storage_error(error) from error

    def rewind(self) -> None:
        """Read from the start next."""
        self._file.seek(0)

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        pieces = []
        while size and (piece := self._file.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._file.close()
