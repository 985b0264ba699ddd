"""Renaming: a row takes another key, and keeps its blobs.

Also remembers, for a while, which rename was done under a client's token, so that one that is
repeated because its answer got lost can succeed without doing anything.
"""

from dataclasses import dataclass

import apsw

from objstore.storage.index import read_object, select
from objstore.storage.index_writes import Freed, put_object
from objstore.storage.records import Check, ObjectChangedError, StoredObject

RENAMES_KEPT_MS = 24 * 3600 * 1000
RENAMES_PRUNED_MAX = 100


@dataclass(frozen=True, slots=True)
class Rename:
    """A row and what becomes of it. `token` is the client's, "" for none.

    `fingerprint` tells one request from another under the same token.
    """

    old: StoredObject
    new: StoredObject
    token: str
    fingerprint: bytes
    now_ms: int


def rename_object(
    connection: apsw.Connection, rename: Rename, check: Check | None, freed: Freed
) -> None:
    """Publish `new` in place of `old`; `check` judges what is there under the new key.

    Raises ObjectChangedError if `old` is not the newest version of its key any more, or is not as
    it was, and what `check` raises.
    """
    old = rename.old
    found = read_object(connection, old.bucket_id, old.key)
    if found != old:
        raise ObjectChangedError(old.key)
    put_object(connection, rename.new, check, freed)
    connection.execute(
        "DELETE FROM objects WHERE bucket_id = ? AND key = ? AND sequence = ?",
        (old.bucket_id, old.key, old.sequence),
    )
    if rename.token:
        _remember(connection, rename)


def read_rename(connection: apsw.Connection, bucket_id: bytes, token: str) -> bytes | None:
    """The fingerprint of the rename that was done under a token."""
    sql = "SELECT fingerprint FROM renames WHERE bucket_id = ? AND token = ?"
    rows = select(connection, sql, (bucket_id, token))
    return rows[0][0] if rows else None


def _remember(connection: apsw.Connection, rename: Rename) -> None:
    connection.execute(
        "DELETE FROM renames WHERE (bucket_id, token) IN "
        "(SELECT bucket_id, token FROM renames WHERE finished_ms < ? LIMIT ?)",
        (rename.now_ms - RENAMES_KEPT_MS, RENAMES_PRUNED_MAX),
    )
    connection.execute(
        "INSERT OR REPLACE INTO renames VALUES (?, ?, ?, ?)",
        (rename.old.bucket_id, rename.token, rename.fingerprint, rename.now_ms),
    )
