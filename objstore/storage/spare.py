"""Room to start in: a file of blocks that a start on a full disk gives back to it.

Opening the databases takes a few blocks, and so does deleting from them. A server that runs has
them from the reserve; one that was stopped may find that something else took the last one.
"""

import os
from pathlib import Path

from objstore.storage.blobs import SpaceReserve, allocate
from objstore.storage.records import NoSpaceError

SPARE_NAME = "spare"
SPARE_BYTES = 8 * 1024 * 1024
START_BYTES_MIN = 1024 * 1024


def make_room(folder: Path) -> None:
    """Have room to start in, at the cost of the spare file. Raises NoSpaceError if that is gone."""
    if _free_bytes(folder) < SPARE_BYTES:
        (folder / SPARE_NAME).unlink(missing_ok=True)
    if (free := _free_bytes(folder)) < START_BYTES_MIN:
        raise NoSpaceError(f"{free} bytes are free, and a start takes {START_BYTES_MIN}")


def keep_room(folder: Path, reserve: SpaceReserve) -> None:
    """Make the spare file if it is missing and the free-space reserve stays whole without it."""
    path = folder / SPARE_NAME
    if path.exists() and path.stat().st_size == SPARE_BYTES:
        return
    try:
        reserve.claim(SPARE_BYTES)
        _make(path)
    except NoSpaceError:
        path.unlink(missing_ok=True)


def _make(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        allocate(descriptor, SPARE_BYTES)
    finally:
        os.close(descriptor)


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
