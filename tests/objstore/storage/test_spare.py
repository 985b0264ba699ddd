import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.blobs import SpaceReserve
from objstore.storage.records import NoSpaceError
from objstore.storage.spare import SPARE_BYTES, SPARE_NAME, START_BYTES_MIN, keep_room, make_room

RESERVE_BYTES = 10 * SPARE_BYTES

Disk = Callable[[int], None]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Sets how much of a disk is free, on which the spare file is the only one."""
    sizes = [0]

    def held() -> int:
        spare = tmp_path / SPARE_NAME
        return spare.stat().st_size if spare.exists() else 0

    def measured(_: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=sizes[-1] - held(), f_frsize=1, f_blocks=sizes[-1])

    monkeypatch.setattr(os, "statvfs", measured)
    return lambda free: sizes.append(free + held())


def keep(folder: Path) -> bool:
    """Whether there is a spare file after an attempt to make it."""
    keep_room(folder, SpaceReserve(folder, FixedClock(0), reserve_bytes=RESERVE_BYTES))
    return (folder / SPARE_NAME).exists()


def test_it_is_made_when_the_reserve_stays_whole(tmp_path: Path, disk: Disk) -> None:
    disk(RESERVE_BYTES + SPARE_BYTES - 1)
    assert not keep(tmp_path)
    disk(RESERVE_BYTES + SPARE_BYTES)
    assert keep(tmp_path)
    found = (tmp_path / SPARE_NAME).stat()
    assert (found.st_size, found.st_mode & 0o777) == (SPARE_BYTES, 0o600)
    assert found.st_blocks * 512 >= SPARE_BYTES


def test_once_made_it_stays(tmp_path: Path, disk: Disk) -> None:
    disk(RESERVE_BYTES + SPARE_BYTES)
    assert keep(tmp_path)
    disk(0)
    assert keep(tmp_path)


def test_one_that_was_cut_short_is_made_whole_or_goes(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / SPARE_NAME).write_bytes(b"x")
    disk(RESERVE_BYTES)
    assert not keep(tmp_path)


@pytest.mark.parametrize(
    ("free", "stays"), [(SPARE_BYTES, True), (SPARE_BYTES - 1, False), (0, False)]
)
def test_a_start_takes_it_when_the_disk_is_full(
    tmp_path: Path, disk: Disk, free: int, stays: bool
) -> None:
    disk(RESERVE_BYTES + SPARE_BYTES)
    assert keep(tmp_path)
    disk(free)
    make_room(tmp_path)
    assert (tmp_path / SPARE_NAME).exists() == stays


def test_a_start_without_any_room_is_refused(tmp_path: Path, disk: Disk) -> None:
    disk(START_BYTES_MIN)
    make_room(tmp_path)
    disk(START_BYTES_MIN - 1)
    with pytest.raises(NoSpaceError, match="1048575 bytes are free"):
        make_room(tmp_path)
