"""Sweeps: what a crash left behind is removed at start, and a check finds what is wrong.

The boot sweep looks only at unsealed directories, so it is bounded by the processes that ran, not
by the store. The check reads everything, changes nothing, and needs no keys.
Source: design §5.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import apsw

from objstore.storage.blobs import (
    BlobReader,
    blob_path,
    crc64,
    directory_path,
    unlink_blobs,
)
from objstore.storage.commits import COMMIT_LOCK, locked
from objstore.storage.index import blob_is_used, connect, prepare, read_inline
from objstore.storage.index_sweep import (
    count_blobs,
    directories,
    integrity,
    is_queued,
    is_referenced,
    queued_blobs,
    references,
    unqueue,
    unsealed_directories,
)
from objstore.storage.index_writes import seal_directory
from objstore.storage.records import (
    BLOB_ID_LENGTH,
    INLINE,
    BlobDamagedError,
    BlobMissingError,
    BlobRef,
)
from objstore.storage.store import START_LOCK, create_folder

READ_BYTES = 1024 * 1024
QUEUED_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Swept:
    """What a boot sweep did. `skipped`: another process has the store open."""

    directories: int = 0
    files_removed: int = 0
    skipped: bool = False


def boot_sweep(folder: Path) -> Swept:
    """Remove files that no row refers to. Call before any Store of the folder is opened."""
    create_folder(folder)
    with locked(folder / START_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
        if not alone:
            return Swept(skipped=True)
        connection = connect(folder)
        try:
            with locked(folder / COMMIT_LOCK, fcntl.LOCK_EX):
                prepare(connection)
                return _sweep(connection, folder)
        finally:
            connection.close()


def _sweep(connection: apsw.Connection, folder: Path) -> Swept:
    removed = 0
    while names := queued_blobs(connection, QUEUED_BATCH):
        unlink_blobs(folder, names)
        with connection:
            unqueue(connection, names)
        removed += len(names)
    unsealed = unsealed_directories(connection)
    for directory in unsealed:
        strays = [
            (directory, blob_id)
            for blob_id in _blob_files(folder, directory)
            if not blob_is_used(connection, directory, blob_id)
        ]
        unlink_blobs(folder, strays)
        removed += len(strays)
        with connection:
            seal_directory(connection, directory)
    return Swept(len(unsealed), removed)


def _blob_files(folder: Path, directory: int) -> Iterator[bytes]:
    """The ids of the blobs in a directory; other names are not ours and stay."""
    path = directory_path(folder, directory)
    if not os.path.isdir(path):
        # The process died between the row and the directory.
        return
    with os.scandir(path) as entries:
        for entry in entries:
            blob_id = _hex(entry.name)
            if len(blob_id) == BLOB_ID_LENGTH:
                yield blob_id


def _hex(name: str) -> bytes:
    try:
        return bytes.fromhex(name)
    except ValueError:
        return b""


class Problem(Enum):
    """What a check can find."""

    INDEX = "the index itself is damaged"
    MISSING = "a row's blob is missing"
    SIZE = "a blob has the wrong size"
    CHECKSUM = "a blob has the wrong checksum"
    UNLISTED = "a blob in use has no row of its own"
    STRAY = "a blob file has no row"
    LEAKED = "blobs have rows that nothing uses"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    problem: Problem
    subject: str


class Report:
    """A check as an iterator of findings. The counts are final when it is exhausted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self.blobs = 0
        self.bytes = 0
        self.findings = 0

    def __iter__(self) -> Iterator[Finding]:
        connection = connect(self.folder, read_only=True)
        try:
            with locked(self.folder / START_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
                for finding in self._find(connection, alone):
                    self.findings += 1
                    yield finding
        finally:
            connection.close()

    def _find(self, connection: apsw.Connection, alone: bool) -> Iterator[Finding]:
        for text in integrity(connection):
            yield Finding(Problem.INDEX, text)
        for subject, refs in references(connection):
            self.rows += 1
            for ref in refs:
                problem = self._judge(connection, ref)
                # A blob that was collected since its row was read is no finding.
                if problem is not None and (alone or is_referenced(connection, ref)):
                    yield Finding(problem, f"{subject} blob {ref.blob_id.hex()}")
        if alone and count_blobs(connection) > self.blobs:
            yield Finding(Problem.LEAKED, str(count_blobs(connection) - self.blobs))
        for directory, sealed in directories(connection):
            if sealed or alone:
                yield from self._strays(connection, directory)

    def _judge(self, connection: apsw.Connection, ref: BlobRef) -> Problem | None:
        self.blobs += 1
        self.bytes += ref.size
        if not is_referenced(connection, ref):
            return Problem.MISSING if ref.directory == INLINE else Problem.UNLISTED
        if ref.directory == INLINE:
            data = read_inline(connection, ref.blob_id) or b""
            if len(data) != ref.size:
                return Problem.SIZE
            return None if crc64(data) == ref.crc64 else Problem.CHECKSUM
        return _judge_file(self.folder, ref)

    def _strays(self, connection: apsw.Connection, directory: int) -> Iterator[Finding]:
        for blob_id in _blob_files(self.folder, directory):
            if blob_is_used(connection, directory, blob_id):
                continue
            queued = is_queued(connection, directory, blob_id)
            # A file seen before its removal is gone by now.
            if not queued and os.path.exists(blob_path(self.folder, directory, blob_id)):
                yield Finding(Problem.STRAY, f"{directory:08x}/{blob_id.hex()}")


def _judge_file(folder: Path, ref: BlobRef) -> Problem | None:
    try:
        with BlobReader(folder, ref) as reader:
            return None if _file_crc64(reader) == ref.crc64 else Problem.CHECKSUM
    except BlobMissingError:
        return Problem.MISSING
    except BlobDamagedError:
        return Problem.SIZE


def _file_crc64(reader: BlobReader) -> int:
    buffer = memoryview(bytearray(min(READ_BYTES, reader.size)))
    value = 0
    for offset in range(0, reader.size, READ_BYTES):
        view = buffer[: min(READ_BYTES, reader.size - offset)]
        reader.read_into(view, offset)
        value = crc64(view, value)
    return value


def check(folder: Path) -> Report:
    """Verify the whole store without keys: iterate the report for the findings."""
    return Report(folder)
