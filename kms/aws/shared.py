"""Small values that the processes of a server share, in mapped files: looking costs no call.

A value is a few aligned bytes that are written at once, so nobody sees half of one.
"""

import mmap
import os
import struct
from pathlib import Path

_NUMBER = struct.Struct("<d")


def map_file(path: Path, length: int) -> mmap.mmap:
    """Map the first `length` bytes of a file, which is made of zeros if it is missing.

    They have their place on the disk then: a write to a mapping that finds none kills the process.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, length)
        os.posix_fallocate(descriptor, 0, length)
        return mmap.mmap(descriptor, length)
    finally:
        os.close(descriptor)


class SharedNumber:
    """A number in the file at `path`; zero at first."""

    def __init__(self, path: Path) -> None:
        self._mapped = map_file(path, _NUMBER.size)

    @property
    def value(self) -> float:
        number: float = _NUMBER.unpack_from(self._mapped)[0]
        return number

    @value.setter
    def value(self, number: float) -> None:
        self._mapped[: _NUMBER.size] = _NUMBER.pack(number)

    def close(self) -> None:
        """Unmap the file; a second call does nothing."""
        self._mapped.close()
