"""Group commit: one thread that runs the transactions of this process, many to a disk flush.

Processes take turns by a blocking lock on DATA/commit.lock, which the kernel frees when its holder
dies; SQLite's own busy handler starves all writers but one. A refused transaction leaves the others
alone: most are refused before they change anything, and where one is not, all run again, each with
a savepoint. So a transaction may be called twice. Futures resolve only when the commit is on disk.
"""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from objstore.storage.index import connect, prepare
from objstore.storage.records import BusyError, NoSpaceError

QUEUED_MAX = 4096
BATCH_MAX = 256
COMMIT_LOCK = "commit.lock"

T = TypeVar("T")
Transaction = Callable[[apsw.Connection], T]


@contextlib.contextmanager
def locked(path: Path, operation: int) -> Iterator[bool]:
    """Hold a file lock (`fcntl.LOCK_…`); yields False if a non-blocking one is taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class _Job:
    transaction: Transaction[Any]
    future: asyncio.Future[Any] | concurrent.futures.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    result: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        """Hand the outcome to a caller that still waits."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Committer:
    """Commits transactions in the order they were given. All methods are thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = os.open(folder / COMMIT_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._connection = connect(folder)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            prepare(self._connection)
        except BaseException:
            os.close(self._lock)
            raise
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    async def commit(self, transaction: Transaction[T]) -> T:
        """Run a transaction; its result, or its exception, once the commit is durable.

        Cancelling the caller does not take the transaction back. Raises BusyError.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Job(transaction, future, loop))
        return await future

    def submit(self, transaction: Transaction[T]) -> concurrent.futures.Future[T]:
        """The same for threads other than an event loop's. Raises BusyError."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(_Job(transaction, future, None))
        return future

    def close(self) -> None:
        """Commit what is queued and stop. Blocking."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()
        os.close(self._lock)

    def _put(self, job: _Job) -> None:
        if self._queue.qsize() >= QUEUED_MAX:
            raise BusyError("too many transactions are waiting")
        self._queue.put(job)

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            batch = [job]
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                # What queued up while other processes committed goes into this flush too.
                last = self._drain(batch)
                self._commit(batch)
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            _resolve(batch)
            if last:
                return

    def _drain(self, batch: list[_Job]) -> bool:
        while len(batch) < BATCH_MAX:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return False
            if job is None:
                return True
            batch.append(job)
        return False

    def _commit(self, batch: list[_Job]) -> None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            if not all(map(self._run, batch)):
                execute("ROLLBACK")
                execute("BEGIN IMMEDIATE")
                for job in batch:
                    execute("SAVEPOINT job")
                    if not self._run(job):
                        execute("ROLLBACK TO job")
                    execute("RELEASE job")
            execute("COMMIT")
        except Exception as error:
            # Nothing of the batch is on disk, so nobody may hear of success.
            for job in batch:
                job.error = job.error or error
            if self._connection.in_transaction:
                with contextlib.suppress(apsw.Error):
                    execute("ROLLBACK")
        for job in batch:
            if isinstance(job.error, apsw.FullError):
                job.error = NoSpaceError("the disk is full")

    def _run(self, job: _Job) -> bool:
        """Whether the transaction did all that it would do, or nothing."""
        changes = self._connection.total_changes()
        job.error = None
        try:
            job.result = job.transaction(self._connection)
        except Exception as error:
            job.error = error
            if not self._connection.in_transaction:
                # SQLite takes everything back when the disk fails it in some ways.
                raise
        return job.error is None or self._connection.total_changes() == changes


def _resolve(batch: list[_Job]) -> None:
    """Resolve a batch with one wake-up for each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        if job.loop is None:
            job.resolve()
        else:
            loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        # A loop that has closed meanwhile has nobody waiting on it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve_all, jobs)


def _resolve_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.resolve()
