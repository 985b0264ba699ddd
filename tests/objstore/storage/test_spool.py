"""A file without a name."""

from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.blobs import SpaceReserve
from objstore.storage.records import NoSpaceError
from objstore.storage.spool import SpoolFile


def test_what_is_appended_is_read_and_leaves_no_name(tmp_path: Path) -> None:
    spool = SpoolFile(tmp_path, SpaceReserve(tmp_path, FixedClock(0), reserve_bytes=0))
    spool.append(b"abc" * 100_000)
    spool.append(b"def")
    assert list(tmp_path.iterdir()) == []
    spool.rewind()
    assert spool.read(300_000) == b"abc" * 100_000
    assert spool.read(10) == b"def"
    assert spool.read(10) == b""
    spool.close()


def test_it_keeps_off_the_reserve(tmp_path: Path) -> None:
    spool = SpoolFile(tmp_path, SpaceReserve(tmp_path, FixedClock(0), reserve_bytes=1 << 60))
    with pytest.raises(NoSpaceError):
        spool.append(b"x")
    spool.close()
