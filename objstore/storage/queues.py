"""Queues as files: one JSON object a line, for tests and local workers to read.

A file that has grown full makes room by becoming its own predecessor, which is then gone. Blocking.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from objstore.storage.blobs import sync_directory

QUEUES_FOLDER = "queues"
QUEUE_BYTES_MAX = 64 * 1024 * 1024
PREDECESSOR = ".old"


class QueueFiles:
    """The queue files of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / QUEUES_FOLDER

    def path(self, name: str) -> Path:
        """The file of a queue; `name` is a name that the caller has checked."""
        return self._folder / f"{name}.jsonl"

    def append(self, name: str, lines: Sequence[bytes]) -> None:
        """Add lines, each without its line break. What was added survives a power loss."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        data = b"".join(line + b"\n" for line in lines)
        descriptor = self._open(self.path(name), len(data))
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data  # A crash cut the last line off.
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if size == 0:
            sync_directory(self._folder)
            sync_directory(self._folder.parent)

    def _open(self, path: Path, more: int) -> int:
        """The descriptor of a queue's file, which is a new one if `more` bytes are too many."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        if os.fstat(descriptor).st_size + more <= QUEUE_BYTES_MAX:
            return descriptor
        os.close(descriptor)
        path.rename(path.with_name(path.name + PREDECESSOR))
        return os.open(path, flags, 0o600)
