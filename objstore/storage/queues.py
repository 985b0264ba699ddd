"""Queues as files: one JSON object a line, for tests and local workers to read.

A file that has grown full makes room by becoming its own predecessor, which is then gone. Blocking.
"""

import os
from collections.abc import Sequence
from pathlib import Path

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
        path = self.path(name)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(line + b"\n" for line in lines)
            if os.fstat(descriptor).st_size + len(data) > QUEUE_BYTES_MAX:
                path.rename(path.with_name(path.name + PREDECESSOR))
                os.close(descriptor)
                descriptor = os.open(
                    path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
                )
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
