"""Moves committed pages from the write-ahead log into the database, off the commit path.

One process of those that share the folder is elected by a file lock. Checkpoints are PASSIVE and
wait for nobody; only a log that grew large is truncated, and then only when no commit is running.
Source: https://www.sqlite.org/wal.html#ckpt
"""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

import apsw

from objstore.storage.commits import COMMIT_LOCK, locked
from objstore.storage.index import INDEX_NAME, connect

CHECKPOINT_SECONDS = 0.25
CHECKPOINT_LOCK = "checkpoint.lock"
LOG_BYTES_MAX = 64 * 1024 * 1024
TRUNCATE_WAIT_MILLISECONDS = 50


class Checkpointer:
    """The background thread. Stands by while another process is elected."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. Blocking, for at most one checkpoint."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(CHECKPOINT_SECONDS):
            # Whatever goes wrong passes; a log that nobody empties does not.
            with contextlib.suppress(apsw.Error, OSError):
                self._stand()

    def _stand(self) -> None:
        with locked(self._folder / CHECKPOINT_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB) as elected:
            if elected:
                self._serve()

    def _serve(self) -> None:
        connection = connect(self._folder)
        try:
            connection.set_busy_timeout(TRUNCATE_WAIT_MILLISECONDS)
            while not self._stop.wait(CHECKPOINT_SECONDS):
                checkpoint(connection, self._folder)
        finally:
            connection.close()


def checkpoint(
    connection: apsw.Connection, folder: Path, *, log_bytes_max: int = LOG_BYTES_MAX
) -> None:
    """One checkpoint; empties the log too if it is larger than allowed and nobody commits."""
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if os.path.getsize(folder / f"{INDEX_NAME}-wal") <= log_bytes_max:
            return
        with locked(folder / COMMIT_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB) as idle:
            if idle:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.Error, FileNotFoundError):
        # A reader is in the way, or the disk is full; the next round comes soon.
        return
