"""Looks for bytes in files that are larger than memory."""

from collections.abc import Collection
from pathlib import Path

READ_BYTES = 16 << 20


def holds(path: Path, needles: Collection[bytes]) -> bool:
    """Whether one of the needles is in a file."""
    overlap = max(map(len, needles))
    before = b""
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            window = before + piece
            if any(needle in window for needle in needles):
                return True
            before = window[-overlap:]
    return False
