import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage import blobs
from objstore.storage.blobs import (
    BlobFolder,
    BlobReader,
    InlineReader,
    SpaceReserve,
    blob_path,
    crc64,
    inline_blob,
)
from objstore.storage.records import (
    BlobDamagedError,
    BlobMissingError,
    BlobRef,
    NoSpaceError,
)


class Folder:
    """A blob folder whose directory rows are a list."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sealed: list[int] = []
        self.abandoned: list[BlobRef] = []
        self.ids: Iterator[int] = iter(range(1, 100))
        (path / "blobs").mkdir()
        self.blobs = BlobFolder(
            path,
            new_directory=lambda: next(self.ids),
            seal=self.sealed.append,
            abandon=self.abandoned.append,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def write(folder: Folder, data: bytes) -> BlobRef:
    writer = folder.blobs.new_blob(len(data))
    writer.write(data[:3])
    writer.write(data[3:])
    return writer.finish()


def test_crc64_is_the_nvme_one() -> None:
    assert crc64(b"123456789") == 0xAE8B14860A799888


@pytest.mark.parametrize("data", [b"", b"a", b"sealed bytes" * 1000])
def test_what_was_written_is_read(folder: Folder, data: bytes) -> None:
    ref = write(folder, data)
    assert (ref.size, ref.crc64) == (len(data), crc64(data))
    with BlobReader(folder.path, ref) as reader:
        buffer = bytearray(len(data))
        reader.read_into(buffer, 0)
        assert bytes(buffer) == data
        assert reader.try_read_into(buffer, 0)
    assert os.stat(blob_path(folder.path, 1, ref.blob_id)).st_mode & 0o777 == 0o600


def test_short_writes_are_continued(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write_all(fd, data[:2]))
    ref = write(folder, b"0123456789")
    assert Path(blob_path(folder.path, 1, ref.blob_id)).read_bytes() == b"0123456789"


@pytest.mark.parametrize("data", [b"12", b"1234"])
def test_a_blob_of_the_wrong_size_is_refused(folder: Folder, data: bytes) -> None:
    writer = folder.blobs.new_blob(3)
    with pytest.raises(ValueError, match="bytes than the blob"):
        write_and_finish(writer, data)
    writer.discard()
    assert list((folder.path / "blobs/00000001").iterdir()) == []


def write_and_finish(writer: blobs.BlobWriter, data: bytes) -> None:
    writer.write(data)
    writer.finish()


def test_a_failed_fsync_is_final(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = folder.blobs.new_blob(1)
    writer.write(b"x")

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "injected")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="injected"):
        writer.finish()
    assert list((folder.path / "blobs/00000001").iterdir()) == []


def test_a_full_disk_is_no_space(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "injected")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(NoSpaceError):
        folder.blobs.new_blob(5)
    assert list((folder.path / "blobs/00000001").iterdir()) == []


def test_a_filesystem_without_fallocate_will_do(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "injected")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    assert write(folder, b"12345").size == 5


def test_missing_and_damaged_blobs_are_told_apart(folder: Folder) -> None:
    ref = write(folder, b"12345")
    path = Path(blob_path(folder.path, 1, ref.blob_id))
    reader = BlobReader(folder.path, ref)
    with pytest.raises(BlobDamagedError):
        reader.read_into(bytearray(6), 0)
    assert not reader.try_read_into(bytearray(6), 0)
    reader.close()
    path.write_bytes(b"1234")
    with pytest.raises(BlobDamagedError):
        BlobReader(folder.path, ref)
    path.unlink()
    with pytest.raises(BlobMissingError):
        BlobReader(folder.path, ref)


def test_discarding_a_finished_blob_asks_the_index(folder: Folder) -> None:
    writer = folder.blobs.new_blob(1)
    writer.write(b"x")
    ref = writer.finish()
    writer.discard()
    writer.discard()
    assert folder.abandoned == [ref]
    assert os.path.exists(blob_path(folder.path, 1, ref.blob_id))


def test_directories_roll_and_are_sealed_when_nothing_is_pending(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "DIRECTORY_BLOBS_MAX", 2)
    refs = [write(folder, b"x") for _ in range(3)]
    assert [ref.directory for ref in refs] == [1, 1, 2]
    folder.blobs.settle(refs[0])
    folder.blobs.settle(refs[0])
    assert folder.sealed == []
    folder.blobs.settle(refs[1])
    assert folder.sealed == [1]
    folder.blobs.close()
    assert folder.sealed == [1]
    folder.blobs.settle(refs[2])
    assert folder.sealed == [1, 2]


def test_inline_bytes_read_like_a_file() -> None:
    ref = inline_blob(b"12345", b"i" * 16)
    reader = InlineReader(b"12345", ref)
    buffer = bytearray(2)
    assert reader.try_read_into(buffer, 3)
    assert buffer == b"45"
    with pytest.raises(BlobDamagedError):
        reader.read_into(buffer, 4)
    with pytest.raises(BlobDamagedError):
        InlineReader(b"1234", ref)


def test_the_reserve_is_kept_and_measured_again(tmp_path: Path) -> None:
    clock = FixedClock(0)
    SpaceReserve(tmp_path, clock).claim(1)
    reserve = SpaceReserve(tmp_path, clock, reserve_bytes=1 << 62)
    with pytest.raises(NoSpaceError):
        reserve.claim(1)
    reserve._reserve_bytes = 0
    with pytest.raises(NoSpaceError):
        reserve.claim(1)
    clock.advance(1)
    reserve.claim(1)


def test_what_is_claimed_is_used_until_the_disk_is_measured(tmp_path: Path) -> None:
    clock = FixedClock(0)
    reserve = SpaceReserve(tmp_path, clock, reserve_bytes=0)
    reserve.claim(0)
    half = reserve._room_bytes // 2 + 1
    reserve.claim(half)
    with pytest.raises(NoSpaceError):
        reserve.claim(half)
    clock.advance(1)
    reserve.claim(half)


def test_a_full_disk_has_no_room_for_a_directory(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(NoSpaceError):
        folder.blobs.new_blob(1)
    monkeypatch.undo()
    folder.blobs.new_blob(1).discard()
