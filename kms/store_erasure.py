"""Takes destroyed materials off the disk: out of the database's pages and out of its log.

Deleting a row zeroes its bytes where they are (`secure_delete`), but not the copies that SQLite
leaves in the unused parts of pages when it moves rows between them. So a transaction that destroys
owes an erasure, which rewrites the database from its rows and empties the log: at once if the
database is small, else by the next sweep. The debt is a row that is written with the destruction:
a crash, or a reader in the way, only puts the erasure off.
Source: https://sqlite.org/pragma.html#pragma_secure_delete, https://sqlite.org/lang_vacuum.html
"""

import logging

import apsw

LOG = logging.getLogger("kms.store_erasure")
OWED = "erasure-owed"
FAILED = "destroyed key material could not be taken off the disk yet"
PAGES_AT_ONCE_MAX = 1024  # Some 4 MiB, which takes some 50 ms.


def owe(connection: apsw.Connection) -> None:
    """Note, in the transaction that destroys, that an erasure is owed."""
    connection.execute("INSERT OR IGNORE INTO settings VALUES (?,x'')", (OWED,))


def is_owed(connection: apsw.Connection) -> bool:
    """Whether materials were destroyed of which the disk may still have copies."""
    return bool(connection.execute("SELECT 1 FROM settings WHERE name=?", (OWED,)).fetchall())


def begin(connection: apsw.Connection) -> None:
    """What is done right after a destruction: all of it, or only the emptying of the log.

    It raises nothing, because the destruction is committed.
    """
    try:
        if connection.pragma("page_count") <= PAGES_AT_ONCE_MAX:
            settle(connection)
        else:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        pass  # The debt stays.
    except apsw.Error:
        LOG.exception(FAILED)


def settle(connection: apsw.Connection) -> bool:
    """Erase if that is owed; False if it is still owed. Not inside a transaction."""
    if not is_owed(connection):
        return True
    try:
        # The rows that stay pass through memory, not through a file in another folder.
        connection.pragma("temp_store", "MEMORY")
        connection.execute("VACUUM")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute("DELETE FROM settings WHERE name=?", (OWED,))
    except (apsw.BusyError, apsw.LockedError):
        return False
    except apsw.Error:
        LOG.exception(FAILED)
        return False
    return True
