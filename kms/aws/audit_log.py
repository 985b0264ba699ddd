"""Writes the audit trail: CloudTrail records, one a line, in files of one folder.

Recording costs a request one append. A thread turns what was gathered into lines and writes them,
often while there is much to write, so that it never holds up requests for long; it has the disk
take them a few times a second. A crash loses that much at most. Every process has files of its own,
begun anew when they are large or old, so processes need no lock. The oldest files go when all
together are too many, or too old.

A file is named by the time of its first event, so that names sort by age. If the disk refuses,
or has so little room that what it has is kept for deletes and changes of keys, events wait in
memory; those beyond `PENDING_MAX` are lost, and that is logged.
"""

import errno
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kms.aws.audit import Event
from kms.aws.audit_record import lines_of
from kms.aws.clock import Clock, monotonic, utc

LOG = logging.getLogger("kms.audit")
QUIET_SECONDS = 0.25  # between two looks at whether there is something to write
BUSY_SECONDS = 0.02
SYNC_SECONDS = 0.25
PENDING_MAX = 200_000
EVENTS_PER_WRITE_MAX = 128
FILE_BYTES_MAX = 8 * 1024 * 1024
FILE_SECONDS_MAX = 3_600.0
FOLDER_BYTES_MAX = 1024 * 1024 * 1024
FOLDER_FILES_MAX = 4_096
FREE_BYTES_MIN = 128 * 1024 * 1024
RETENTION_SECONDS = 90 * 86_400.0
SUFFIX = ".jsonl"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_STAMP = "%Y%m%dT%H%M%SZ"


class AuditLog:
    """An `AuditSink` that keeps what it is told in `folder`. `clock` says what is too old."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        file_bytes_max: int = FILE_BYTES_MAX,
        folder_bytes_max: int = FOLDER_BYTES_MAX,
        free_bytes_min: int = FREE_BYTES_MIN,
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._file_bytes_max = file_bytes_max
        self._folder_bytes_max = folder_bytes_max
        self._free_bytes_min = free_bytes_min
        self._pending: deque[Event] = deque()
        self._descriptor = -1
        self._path = folder
        self._size = 0
        self._rotate_at = 0.0
        self._unsynced = False
        self._broken = False
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Take an event; it is in a file within a second."""
        self._pending.append(event)

    def flush(self) -> None:
        """Write what was recorded so far, and have the disk take it."""
        with self._lock:
            if self._write_pending() and self._unsynced:
                os.fdatasync(self._descriptor)
                self._unsynced = False

    def clear(self) -> None:
        """Forget everything, in all files."""
        with self._lock:
            self._pending.clear()
            self._close_file()
            for path in files_of(self.folder):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Write the rest, if need be into the room that is kept. Nothing may be recorded then."""
        self._stopping.set()
        self._thread.join()
        self._free_bytes_min = 0
        self.flush()
        if self._pending:
            LOG.error("events of the audit trail are lost: %d", len(self._pending))
        self._close_file()

    def _run(self) -> None:
        pause, sync_at = QUIET_SECONDS, 0.0
        while not self._stopping.wait(pause):
            busy = bool(self._pending) and not self._broken
            pause = BUSY_SECONDS if busy else QUIET_SECONDS
            try:
                if self._unsynced and monotonic() >= sync_at:
                    self.flush()
                    sync_at = monotonic() + SYNC_SECONDS
                elif self._pending:
                    with self._lock:
                        self._write_pending()
            except OSError:
                LOG.exception("the disk may not have all of the audit trail")

    def _write_pending(self) -> bool:
        """Write what was recorded so far; False if the disk did not take all of it."""
        count = len(self._pending)
        while count > 0:
            some = [self._pending.popleft() for _ in range(min(count, EVENTS_PER_WRITE_MAX))]
            count -= len(some)
            try:
                self._write(some)
            except OSError as error:
                self._keep(some, error)
                return False
        return True

    def _keep(self, events: list[Event], error: OSError) -> None:
        """The disk did not take these: try again later.

        In the same file if the disk is only full: a new one for every try would in the end push
        out the oldest.
        """
        if not self._broken:
            LOG.exception("the audit trail cannot be written")
            self._broken = True
        self._pending.extendleft(reversed(events))
        if error.errno not in _DISK_FULL:
            with suppress(OSError):
                self._close_file()
        lost = len(self._pending) - PENDING_MAX
        if lost > 0:
            for _ in range(lost):
                self._pending.pop()
            LOG.error("events of the audit trail are lost: %d", lost)

    def _write(self, events: list[Event]) -> None:
        data = b"".join(map(_lines, events))
        if self._descriptor >= 0 and not self._is_fit(len(data)):
            self._close_file()
        if self._descriptor < 0:
            self._open_file(events[0]["eventTime"])
        self._leave_room(len(data))
        self._unsynced = True
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            # The file ends with a whole line, and nothing is in it twice.
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written
        self._broken = False

    def _leave_room(self, more: int) -> None:
        disk = os.fstatvfs(self._descriptor)
        if disk.f_bavail * disk.f_frsize - more < self._free_bytes_min:
            raise OSError(errno.ENOSPC, "the room that is left is kept", str(self._path))

    def _is_fit(self, more: int) -> bool:
        """Whether the open file may go on: neither full, nor old, nor removed by somebody."""
        return (
            self._size + more <= self._file_bytes_max
            and monotonic() < self._rotate_at
            and os.fstat(self._descriptor).st_nlink > 0
        )

    def _open_file(self, started: float) -> None:
        name = f"{utc(started).strftime(_STAMP)}-{secrets.token_hex(8)}{SUFFIX}"
        self._path = self.folder / name
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = 0
        self._rotate_at = monotonic() + FILE_SECONDS_MAX
        self._prune()

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                if self._unsynced:
                    os.fdatasync(descriptor)
            finally:
                self._unsynced = False
                os.close(descriptor)

    def _prune(self) -> None:
        """Remove the oldest files beyond what the folder may hold; never the open one."""
        oldest = utc(self._clock.now() - RETENTION_SECONDS).strftime(_STAMP)
        for path in list(_surplus(files_of(self.folder), self._folder_bytes_max, oldest)):
            if path != self._path:
                path.unlink(missing_ok=True)


def _lines(event: Event) -> bytes:
    try:
        return b"\n".join([*lines_of(event), b""])
    except Exception:
        # One that cannot be written down must not keep the others from it.
        LOG.exception("an event has no record: %s", event.get("eventName"))
        return b""


def files_of(folder: Path) -> list[Path]:
    """The files of a trail, the newest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), reverse=True)


def _surplus(newest_first: Iterable[Path], bytes_max: int, oldest: str) -> Iterator[Path]:
    total = 0
    for number, path in enumerate(newest_first):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
        if total > bytes_max or number >= FOLDER_FILES_MAX or path.name < oldest:
            yield path
