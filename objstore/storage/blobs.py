"""Sealed blobs as files: DATA/blobs/<directory, 8 hex>/<blob id, 32 hex>, one file a blob.

A blob is written under its final random name and nothing refers to it until the index commits, so
there is no temporary name and no rename. Knows no SQL and nothing of what the bytes mean.
Source: design §5; an error of fsync is final for its file (Rebello et al., USENIX ATC 2020).
"""

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from awscrt.checksums import crc64nvme

from kms.aws.clock import Clock
from objstore.storage.records import (
    BLOB_ID_LENGTH,
    INLINE,
    BlobDamagedError,
    BlobMissingError,
    BlobRef,
    NoSpaceError,
)

Buffer = bytes | bytearray | memoryview

BLOBS_FOLDER = "blobs"
DIRECTORY_BLOBS_MAX = 4096
SPACE_RESERVE_BYTES_MIN = 256 * 1024 * 1024
SPACE_RESERVE_SHARE = 100  # The reserve is at least one part in this many of the disk.
SPACE_CACHE_SECONDS = 1.0
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def new_blob_id() -> bytes:
    """A fresh random blob id."""
    return os.urandom(BLOB_ID_LENGTH)


def crc64(data: Buffer, previous: int = 0) -> int:
    """CRC-64/NVME of `data`, continuing from `previous`."""
    return int(crc64nvme(data, previous))


def inline_blob(data: bytes, blob_id: bytes) -> BlobRef:
    """The reference of a sealed blob that will be stored in the index itself."""
    return BlobRef(blob_id, INLINE, len(data), crc64(data))


def blob_path(folder: Path, directory: int, blob_id: bytes) -> str:
    """Where a blob of the data folder lies."""
    return f"{folder}/{BLOBS_FOLDER}/{directory:08x}/{blob_id.hex()}"


def directory_path(folder: Path, directory: int) -> str:
    """Where a blob directory of the data folder lies."""
    return f"{folder}/{BLOBS_FOLDER}/{directory:08x}"


def sync_directory(path: str | Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlink_blobs(folder: Path, names: list[tuple[int, bytes]]) -> None:
    """Remove blobs durably; those already gone are fine."""
    for directory, blob_id in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(blob_path(folder, directory, blob_id))
    for directory in {directory for directory, _ in names}:
        with contextlib.suppress(FileNotFoundError):
            sync_directory(directory_path(folder, directory))


def create_folder(folder: Path) -> None:
    """Make the data folder, readable to its owner only, and its blob folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / BLOBS_FOLDER).mkdir(mode=0o700, exist_ok=True)
    sync_directory(folder)
    sync_directory(folder.parent)


class SpaceReserve:
    """Refuses writes that would eat into the free space kept for deletes and the index."""

    def __init__(self, folder: Path, clock: Clock, *, reserve_bytes: int | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._reserve_bytes = reserve_bytes
        self._room_bytes = 0
        self._measured = float("-inf")

    def claim(self, size: int) -> None:
        """Raise NoSpaceError unless `size` more bytes leave the reserve whole.

        What is claimed counts as used until the disk is measured again.
        """
        now = self._clock.now()
        if abs(now - self._measured) >= SPACE_CACHE_SECONDS:
            self._measure()
            self._measured = now
        if size > self._room_bytes:
            raise NoSpaceError("the free-space reserve would be used up")
        self._room_bytes -= size

    def _measure(self) -> None:
        disk = os.statvfs(self._folder)
        reserve = self._reserve_bytes
        if reserve is None:
            reserve = max(
                SPACE_RESERVE_BYTES_MIN, disk.f_blocks * disk.f_frsize // SPACE_RESERVE_SHARE
            )
        self._room_bytes = disk.f_bavail * disk.f_frsize - reserve


class BlobWriter:
    """Writes one blob of a size known before. Blocking; one thread at a time.

    End with `finish` or `discard`. `discard` after `finish` is safe at any time: the blob goes
    only if no row refers to it.
    """

    def __init__(
        self,
        path: str,
        ref: BlobRef,
        *,
        forget: Callable[[BlobRef], None],
        abandon: Callable[[BlobRef], None],
    ) -> None:
        self.blob_id = ref.blob_id
        self._ref = ref
        self._path = path
        self._forget = forget
        self._abandon = abandon
        self._crc64 = 0
        self._written = 0
        self._finished = False
        self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            allocate(self._descriptor, ref.size)
        except BaseException:
            self.discard()
            raise

    def write(self, data: Buffer) -> None:
        """Append all of `data`. Raises NoSpaceError, OSError; ValueError past the size."""
        view = memoryview(data)
        if self._written + len(view) > self._ref.size:
            raise ValueError("more bytes than the blob was opened for")
        self._crc64 = crc64(view, self._crc64)
        self._written += len(view)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise storage_error(error) from error

    def finish(self) -> BlobRef:
        """Make the blob durable. An error is final: the file is removed and the error raised."""
        if self._written != self._ref.size:
            self.discard()
            raise ValueError("fewer bytes than the blob was opened for")
        try:
            os.fsync(self._descriptor)
            sync_directory(os.path.dirname(self._path))
        except OSError as error:
            self.discard()
            raise storage_error(error) from error
        os.close(self._descriptor)
        self._descriptor = -1
        self._finished = True
        self._ref = BlobRef(self.blob_id, self._ref.directory, self._ref.size, self._crc64)
        return self._ref

    def discard(self) -> None:
        """Give the blob up. Idempotent."""
        if self._finished:
            self._finished = False
            self._abandon(self._ref)
        elif self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            self._forget(self._ref)


def allocate(descriptor: int, size: int) -> None:
    """Give a file its place on the disk. Raises NoSpaceError, OSError."""
    if size == 0:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        # A filesystem without fallocate only loses the early warning of a full disk.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise storage_error(error) from error


def storage_error(error: OSError) -> Exception:
    """NoSpaceError for a full disk; other errors as they are."""
    return NoSpaceError("the disk is full") if error.errno in _DISK_FULL else error


class BlobReader:
    """Reads one blob file. Stays valid when the blob is removed meanwhile."""

    def __init__(self, folder: Path, ref: BlobRef) -> None:
        self.size = ref.size
        try:
            self._descriptor = os.open(
                blob_path(folder, ref.directory, ref.blob_id), os.O_RDONLY | os.O_CLOEXEC
            )
        except FileNotFoundError as error:
            raise BlobMissingError(ref.blob_id.hex()) from error
        if os.fstat(self._descriptor).st_size != ref.size:
            self.close()
            raise BlobDamagedError(ref.blob_id.hex())

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        """Fill all of `buffer` from `offset`. Blocking. Raises BlobDamagedError."""
        view = memoryview(buffer)
        while view:
            try:
                count = os.preadv(self._descriptor, [view], offset)
            except OSError as error:
                raise BlobDamagedError("the disk could not read a blob") from error
            if count == 0:
                raise BlobDamagedError("a blob ends early")
            view = view[count:]
            offset += count

    def try_read_into(self, buffer: bytearray | memoryview, offset: int) -> bool:
        """Fill all of `buffer` if the page cache has it; False if the disk would be waited for."""
        try:
            return os.preadv(self._descriptor, [buffer], offset, os.RWF_NOWAIT) == len(buffer)
        except OSError:
            # Not in the cache, not supported, or broken: the blocking read finds out which.
            return False

    def close(self) -> None:
        """Release the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "BlobReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class InlineReader(BlobReader):
    """Reads a blob that came out of the index, through the same interface."""

    def __init__(self, data: bytes, ref: BlobRef) -> None:
        self.size = ref.size
        self._data = data
        self._descriptor = -1
        if len(data) != ref.size:
            raise BlobDamagedError(ref.blob_id.hex())

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        """Fill all of `buffer` from `offset`. Raises BlobDamagedError."""
        part = self._data[offset : offset + len(buffer)]
        if len(part) != len(buffer):
            raise BlobDamagedError("a blob ends early")
        memoryview(buffer)[:] = part

    def try_read_into(self, buffer: bytearray | memoryview, offset: int) -> bool:
        """As `read_into`: the bytes are in memory."""
        self.read_into(buffer, offset)
        return True


class BlobFolder:
    """The directory that this process writes blobs to, rolled when it is full. Thread-safe.

    `new_directory` returns the id of a directory row that is committed; `seal` records that a
    directory holds nothing but blobs with rows, so that sweeps may leave it alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        new_directory: Callable[[], int],
        seal: Callable[[int], None],
        abandon: Callable[[BlobRef], None],
    ) -> None:
        self._folder = folder
        self._new_directory = new_directory
        self._seal = seal
        self._abandon = abandon
        self._lock = threading.Lock()
        self._active = INLINE
        self._count = 0
        # Blobs that were opened and are neither committed nor removed, by directory.
        self._pending: dict[int, set[bytes]] = {}

    def new_blob(self, size: int) -> BlobWriter:
        """Open a blob of `size` bytes for writing. Blocking. Raises NoSpaceError, OSError."""
        with self._lock:
            if self._active == INLINE or self._count >= DIRECTORY_BLOBS_MAX:
                try:
                    self._roll()
                except OSError as error:
                    raise storage_error(error) from error
            self._count += 1
            ref = BlobRef(new_blob_id(), self._active, size, 0)
            self._pending[self._active].add(ref.blob_id)
        path = blob_path(self._folder, ref.directory, ref.blob_id)
        try:
            return BlobWriter(path, ref, forget=self.settle, abandon=self._abandon)
        except OSError as error:
            self.settle(ref)
            raise storage_error(error) from error

    def settle(self, ref: BlobRef) -> None:
        """Note that a blob is committed or gone: it no longer keeps its directory open."""
        with self._lock:
            pending = self._pending.get(ref.directory)
            if pending is None:
                return
            pending.discard(ref.blob_id)
            if pending or ref.directory == self._active:
                return
            del self._pending[ref.directory]
        self._seal(ref.directory)

    def close(self) -> None:
        """Seal what can be sealed; no new blobs after this."""
        with self._lock:
            empty = [directory for directory, blobs in self._pending.items() if not blobs]
            self._active = INLINE
        for directory in empty:
            self._seal(directory)

    def _roll(self) -> None:
        full = self._active
        directory = self._new_directory()
        os.mkdir(directory_path(self._folder, directory), 0o700)
        sync_directory(self._folder / BLOBS_FOLDER)
        self._pending[directory] = set()
        self._active = directory
        self._count = 0
        if full != INLINE and not self._pending[full]:
            del self._pending[full]
            self._seal(full)
