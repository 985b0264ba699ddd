"""Connections to the key store's database, and the transactions that write to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

FILE_NAME = "keys.db"
SQLITE_VERSION_MIN = (3, 51, 3)
BUSY_TIMEOUT_MS = 5_000


class StoreError(Exception):
    """The key store cannot be used: wrong SQLite, an unknown schema or an unreadable file."""


def connect(folder: Path) -> apsw.Connection:
    """A connection to the database of `folder`, which is made if there is none."""
    if _version_tuple(apsw.sqlite_lib_version()) < SQLITE_VERSION_MIN:
        raise StoreError(f"SQLite {apsw.sqlite_lib_version()} is too old")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection = apsw.Connection(str(folder / FILE_NAME))
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.pragma("journal_mode", "WAL")
        connection.pragma("synchronous", "FULL")
        connection.pragma("secure_delete", "ON")
    except apsw.Error as error:
        raise StoreError(f"cannot open {folder / FILE_NAME}: {error}") from None
    return connection


@contextmanager
def immediate(connection: apsw.Connection) -> Iterator[None]:
    """A write transaction; waits up to BUSY_TIMEOUT_MS for other processes' to end."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except apsw.BusyError:
        raise StoreError("another process kept the key store locked for too long") from None
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, apsw.Error):
            raise StoreError(f"the key store could not be written: {error}") from None
        raise


def _version_tuple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
