"""The statements of the sweeps and of the check: what is unsealed, queued, referred to."""

from collections.abc import Iterator
from typing import Any

import apsw

from objstore.storage.index import select, unpack_refs
from objstore.storage.index_identities import bump_generation
from objstore.storage.records import INLINE, BlobRef

PAGE_ROWS = 500
RESET_TABLES = (
    "buckets",
    "objects",
    "uploads",
    "parts",
    "finished_uploads",
    "renames",
    "outbox",
    "inline",
    "blobs",
    "identities",
    "identity_documents",
    "identity_links",
    "access_keys",
    "access_key_uses",
)


def unsealed_directories(connection: apsw.Connection) -> list[int]:
    """The directories that may hold files without rows."""
    return [row[0] for row in select(connection, "SELECT id FROM directories WHERE sealed = 0")]


def directories(connection: apsw.Connection) -> list[tuple[int, bool]]:
    """All directories and whether they are sealed."""
    rows = select(connection, "SELECT id, sealed FROM directories ORDER BY id")
    return [(row[0], row[1] != 0) for row in rows]


def queued_blobs(connection: apsw.Connection, limit: int) -> list[tuple[int, bytes]]:
    """Up to `limit` freed blobs whose files are still to be removed."""
    return select(connection, "SELECT directory, blob_id FROM gc_queue LIMIT ?", (limit,))


def is_queued(connection: apsw.Connection, directory: int, blob_id: bytes) -> bool:
    """Whether a blob's file is still to be removed."""
    sql = "SELECT 1 FROM gc_queue WHERE directory = ? AND blob_id = ?"
    return bool(select(connection, sql, (directory, blob_id)))


def unqueue(connection: apsw.Connection, names: list[tuple[int, bytes]]) -> None:
    """Note that the files of freed blobs are gone."""
    connection.executemany("DELETE FROM gc_queue WHERE directory = ? AND blob_id = ?", names)


def empty(connection: apsw.Connection) -> None:
    """Remove every bucket, object, upload and identity; queue every blob file for removal."""
    connection.execute("INSERT OR IGNORE INTO gc_queue SELECT directory, blob_id FROM blobs")
    for table in RESET_TABLES:
        connection.execute(f"DELETE FROM {table}")
    bump_generation(connection)


def references(connection: apsw.Connection) -> Iterator[tuple[str, tuple[BlobRef, ...]]]:
    """Every version and every part, named for a report, with its blobs. Reads in pages."""
    position: tuple[Any, ...] = (b"", b"", "")
    while rows := select(
        connection,
        "SELECT bucket_id, key, version_id, blobs FROM objects "
        "WHERE (bucket_id, key, version_id) > (?, ?, ?) "
        "ORDER BY bucket_id, key, version_id LIMIT ?",
        (*position, PAGE_ROWS),
    ):
        for bucket_id, key, version_id, blobs in rows:
            yield f"object {bucket_id.hex()}/{key!r} {version_id}", unpack_refs(blobs)
        position = rows[-1][:3]
    part: tuple[Any, ...] = ("", 0)
    while rows := select(
        connection,
        "SELECT upload_id, number, blob FROM parts WHERE (upload_id, number) > (?, ?) "
        "ORDER BY upload_id, number LIMIT ?",
        (*part, PAGE_ROWS),
    ):
        for upload_id, number, blob in rows:
            yield f"part {upload_id} {number}", unpack_refs(blob)
        part = rows[-1][:2]


def is_referenced(connection: apsw.Connection, ref: BlobRef) -> bool:
    """Whether a blob has its row."""
    if ref.directory == INLINE:
        return bool(select(connection, "SELECT 1 FROM inline WHERE blob_id = ?", (ref.blob_id,)))
    sql = "SELECT 1 FROM blobs WHERE directory = ? AND blob_id = ?"
    return bool(select(connection, sql, (ref.directory, ref.blob_id)))


def count_blobs(connection: apsw.Connection) -> int:
    """How many blobs, in files and inline, have rows."""
    sql = "SELECT (SELECT count(*) FROM blobs) + (SELECT count(*) FROM inline)"
    return int(select(connection, sql)[0][0])


def integrity(connection: apsw.Connection) -> list[str]:
    """What SQLite finds wrong with the file; empty if nothing."""
    texts = [str(row[0]) for row in select(connection, "PRAGMA integrity_check(100)")]
    return [] if texts == ["ok"] else texts
