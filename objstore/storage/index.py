"""The index: one SQLite database with every row of the store. Opening it, and the point reads.

Only apsw's SQLite may open the file: versions before 3.51.3 can corrupt a WAL that one connection
writes while another checkpoints (https://www.sqlite.org/wal.html#walresetbug). Keys are BLOBs, so
SQLite's order is S3's byte order. Each read is one statement that is run to its end, because an
open statement would hold a snapshot and stop the checkpointer.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from objstore.storage.records import (
    BlobRef,
    Bucket,
    FinishedUpload,
    Part,
    StoredObject,
    StoreError,
    Upload,
)

INDEX_NAME = "index.db"
FORMAT_VERSION = 1
SQLITE_VERSION_MIN = (3, 51, 3)
BUSY_MILLISECONDS_MAX = 10_000
READER_MMAP_BYTES = 256 * 1024 * 1024

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE buckets (
  name TEXT PRIMARY KEY, bucket_id BLOB NOT NULL UNIQUE, account TEXT NOT NULL,
  region TEXT NOT NULL, created_ms INTEGER NOT NULL, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX buckets_by_account ON buckets (account, name);
CREATE TABLE objects (
  bucket_id BLOB NOT NULL, key BLOB NOT NULL, sequence INTEGER NOT NULL,
  version_id TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified_ms INTEGER NOT NULL, storage_class TEXT NOT NULL, checksum_algorithm TEXT NOT NULL,
  checksum_type TEXT NOT NULL, delete_marker INTEGER NOT NULL, inline_id BLOB,
  manifest BLOB NOT NULL, mac BLOB NOT NULL, attributes TEXT NOT NULL, blobs BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, sequence DESC)) WITHOUT ROWID;
CREATE UNIQUE INDEX objects_by_version ON objects (bucket_id, key, version_id);
CREATE TABLE uploads (
  upload_id TEXT PRIMARY KEY, bucket_id BLOB NOT NULL, key BLOB NOT NULL,
  initiated_ms INTEGER NOT NULL, owner TEXT NOT NULL, storage_class TEXT NOT NULL,
  checksum_algorithm TEXT NOT NULL, checksum_type TEXT NOT NULL, recipe BLOB NOT NULL,
  attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX uploads_by_key ON uploads (bucket_id, key, upload_id);
CREATE TABLE parts (
  upload_id TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified_ms INTEGER NOT NULL, blob BLOB NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (upload_id, number)) WITHOUT ROWID;
CREATE TABLE finished_uploads (
  upload_id TEXT PRIMARY KEY, bucket_id BLOB NOT NULL, key BLOB NOT NULL,
  version_id TEXT NOT NULL, etag TEXT NOT NULL, finished_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX finished_uploads_by_time ON finished_uploads (finished_ms);
CREATE TABLE renames (
  bucket_id BLOB NOT NULL, token TEXT NOT NULL, fingerprint BLOB NOT NULL,
  finished_ms INTEGER NOT NULL, PRIMARY KEY (bucket_id, token)) WITHOUT ROWID;
CREATE INDEX renames_by_time ON renames (finished_ms);
CREATE TABLE inline (blob_id BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE directories (id INTEGER PRIMARY KEY AUTOINCREMENT, sealed INTEGER NOT NULL);
CREATE TABLE blobs (
  directory INTEGER NOT NULL, blob_id BLOB NOT NULL, PRIMARY KEY (directory, blob_id)
  ) WITHOUT ROWID;
CREATE TABLE gc_queue (
  directory INTEGER NOT NULL, blob_id BLOB NOT NULL, PRIMARY KEY (directory, blob_id)
  ) WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, due_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX outbox_by_kind ON outbox (kind, id);
CREATE TABLE identities (
  account TEXT NOT NULL, kind TEXT NOT NULL, folded TEXT NOT NULL, name TEXT NOT NULL,
  unique_id TEXT NOT NULL UNIQUE, path TEXT NOT NULL, created_ms INTEGER NOT NULL,
  attributes TEXT NOT NULL, PRIMARY KEY (account, kind, folded)) WITHOUT ROWID;
CREATE TABLE identity_documents (
  owner_id TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, created_ms INTEGER NOT NULL,
  text TEXT NOT NULL, PRIMARY KEY (owner_id, name)) WITHOUT ROWID;
CREATE TABLE identity_links (
  account TEXT NOT NULL, relation TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
  PRIMARY KEY (account, relation, source, target)) WITHOUT ROWID;
CREATE INDEX identity_links_by_target ON identity_links (account, relation, target, source);
CREATE TABLE access_keys (
  access_key_id TEXT PRIMARY KEY, account TEXT NOT NULL, owner_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL, active INTEGER NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX access_keys_by_owner ON access_keys (owner_id, created_ms);
CREATE TABLE access_key_uses (
  access_key_id TEXT PRIMARY KEY, used_ms INTEGER NOT NULL, service TEXT NOT NULL,
  region TEXT NOT NULL) WITHOUT ROWID;
"""

OBJECT_COLUMNS = (
    "version_id, size, etag, modified_ms, storage_class, checksum_algorithm, checksum_type, "
    "manifest, mac, blobs, attributes, delete_marker, sequence"
)
UPLOAD_COLUMNS = (
    "upload_id, bucket_id, key, initiated_ms, owner, storage_class, checksum_algorithm, "
    "checksum_type, recipe, attributes"
)
_BUCKET = "SELECT name, bucket_id, account, region, created_ms, settings FROM buckets "
_BARE_BUCKET = "SELECT name, bucket_id, account, region, created_ms, '{}' FROM buckets "
_OBJECT = f"SELECT {OBJECT_COLUMNS} FROM objects WHERE bucket_id = ? AND key = ? "
_OBJECT_INLINE = (
    f"SELECT {OBJECT_COLUMNS}, data FROM objects "
    "LEFT JOIN inline ON inline.blob_id = objects.inline_id WHERE bucket_id = ? AND key = ? "
)
_NEWEST = "ORDER BY sequence DESC LIMIT 1"
_VERSION = "AND version_id = ?"
_PART = "SELECT upload_id, number, size, etag, modified_ms, blob, sealed FROM parts "
_REF = struct.Struct(">16sIQQ")


class IndexVersionError(StoreError):
    """The SQLite library or the format of the data folder is not one this version can use."""


def connect(folder: Path, *, read_only: bool = False) -> apsw.Connection:
    """A connection to the index of a data folder, for one thread at a time.

    Raises IndexVersionError for a SQLite that is not safe here.
    """
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_VERSION_MIN:
        raise IndexVersionError(f"SQLite {apsw.sqlite_lib_version()} is too old")
    flags = apsw.SQLITE_OPEN_READWRITE | (0 if read_only else apsw.SQLITE_OPEN_CREATE)
    connection = apsw.Connection(str(folder / INDEX_NAME), flags=flags)
    connection.set_busy_timeout(BUSY_MILLISECONDS_MAX)
    # Without the stability guarantee, SQLite prepares a statement with ORDER BY and LIMIT again
    # each time values are bound to it, which costs more than running it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA synchronous = FULL").fetchall()
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    connection.execute("PRAGMA cell_size_check = ON").fetchall()
    connection.execute("PRAGMA trusted_schema = OFF").fetchall()
    if read_only:
        # A bad page under mmap is a SIGBUS, which only a reader can afford.
        connection.execute(f"PRAGMA mmap_size = {READER_MMAP_BYTES}").fetchall()
        connection.execute("PRAGMA query_only = ON").fetchall()
    return connection


def prepare(connection: apsw.Connection) -> None:
    """Create the schema if the index is new. The caller holds the commit lock.

    Raises IndexVersionError for a folder of another format.
    """
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if not select(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'meta'"):
        with connection:
            connection.execute(SCHEMA).fetchall()
            connection.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT_VERSION,))
            connection.execute("INSERT INTO counters VALUES ('sequence', 0), ('identities', 0)")
    [(version,)] = select(connection, "SELECT value FROM meta WHERE name = 'format'")
    if version != FORMAT_VERSION:
        raise IndexVersionError(f"the index has format {version}, not {FORMAT_VERSION}")


def select(connection: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """All rows of one statement."""
    return connection.execute(sql, values).fetchall()


def pack_refs(refs: tuple[BlobRef, ...]) -> bytes:
    """Blob references as a column: 36 bytes each."""
    return b"".join(_REF.pack(ref.blob_id, ref.directory, ref.size, ref.crc64) for ref in refs)


def unpack_refs(packed: bytes) -> tuple[BlobRef, ...]:
    """The references that `pack_refs` wrote."""
    return tuple([BlobRef(*fields) for fields in _REF.iter_unpack(packed)])


def pack_json(value: Mapping[str, Any]) -> str:
    """Settings and attributes as a column."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if value else "{}"


def unpack_json(text: str) -> dict[str, Any]:
    """What `pack_json` wrote."""
    value: dict[str, Any] = {} if text == "{}" else json.loads(text)
    return value


def stored_object(bucket_id: bytes, key: bytes, row: Any, inline: bytes | None) -> StoredObject:
    """The object of a row of OBJECT_COLUMNS."""
    refs, attributes = unpack_refs(row[9]), unpack_json(row[10])
    values: Any = (bucket_id, key, *row[:9], refs, attributes, inline, row[11] != 0, row[12])
    return StoredObject(*values)


def read_buckets(connection: apsw.Connection, condition: str, values: tuple[Any, ...]) -> list[Any]:
    """Raw bucket rows; `condition` is one of this package's own clauses."""
    return select(connection, _BUCKET + condition, values)


def read_bare_buckets(
    connection: apsw.Connection, condition: str, values: tuple[Any, ...]
) -> list[Any]:
    """As `read_buckets`, without the settings, which may be long."""
    return select(connection, _BARE_BUCKET + condition, values)


def bucket_of(row: Any) -> Bucket:
    """The bucket of a raw row."""
    values: Any = (*row[:5], unpack_json(row[5]))
    return Bucket(*values)


def count_buckets(connection: apsw.Connection, account: str) -> int:
    """How many buckets an account has."""
    [(count,)] = select(connection, "SELECT count(*) FROM buckets WHERE account = ?", (account,))
    return int(count)


def read_object(
    connection: apsw.Connection,
    bucket_id: bytes,
    key: bytes,
    *,
    version_id: str | None = None,
    inline: bool = False,
) -> StoredObject | None:
    """The newest version of a key, or the version named; with its inline bytes if asked."""
    sql = (_OBJECT_INLINE if inline else _OBJECT) + (_NEWEST if version_id is None else _VERSION)
    values = (bucket_id, key) if version_id is None else (bucket_id, key, version_id)
    rows = select(connection, sql, values)
    if not rows:
        return None
    return stored_object(bucket_id, key, rows[0], rows[0][13] if inline else None)


def read_inline(connection: apsw.Connection, blob_id: bytes) -> bytes | None:
    """The bytes of an inline blob."""
    rows = select(connection, "SELECT data FROM inline WHERE blob_id = ?", (blob_id,))
    return rows[0][0] if rows else None


def upload_of(row: Any) -> Upload:
    """The upload of a row of UPLOAD_COLUMNS."""
    values: Any = (*row[:9], unpack_json(row[9]))
    return Upload(*values)


def read_upload(connection: apsw.Connection, upload_id: str) -> Upload | None:
    """An upload in progress."""
    sql = f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE upload_id = ?"
    rows = select(connection, sql, (upload_id,))
    return upload_of(rows[0]) if rows else None


def read_finished(connection: apsw.Connection, upload_id: str) -> FinishedUpload | None:
    """What a finished upload became, if that is still remembered."""
    sql = (
        "SELECT upload_id, bucket_id, key, version_id, etag FROM finished_uploads "
        "WHERE upload_id = ?"
    )
    rows = select(connection, sql, (upload_id,))
    return FinishedUpload(*rows[0]) if rows else None


def part_of(row: Any) -> Part:
    """The part of a row of the parts table."""
    values: Any = (*row[:5], unpack_refs(row[5])[0], row[6])
    return Part(*values)


def read_part(connection: apsw.Connection, upload_id: str, number: int) -> Part | None:
    """One part."""
    rows = select(connection, _PART + "WHERE upload_id = ? AND number = ?", (upload_id, number))
    return part_of(rows[0]) if rows else None


def read_parts(
    connection: apsw.Connection, upload_id: str, *, after: int, limit: int
) -> list[Part]:
    """Up to `limit` parts with numbers above `after`, ascending."""
    sql = _PART + "WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?"
    return [part_of(row) for row in select(connection, sql, (upload_id, after, limit))]


def blob_is_used(connection: apsw.Connection, directory: int, blob_id: bytes) -> bool:
    """Whether a row refers to a blob file."""
    sql = "SELECT 1 FROM blobs WHERE directory = ? AND blob_id = ?"
    return bool(select(connection, sql, (directory, blob_id)))
