"""Ordered pages of objects, versions and uploads, with delimiters.

A listing seeks past what it has summed up: a common prefix, or a key with many versions. So its
cost grows with the page, not with the bucket. Each page reads one snapshot.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import apsw

from objstore.storage.index import UPLOAD_COLUMNS, upload_of
from objstore.storage.records import Page, StoredObject, Upload, UploadPage, VersionPage

PAGE_MAX = 10_000
VERSIONS_STEPPED_MAX = 16  # Older versions stepped over before a seek to the next key.
HIDDEN_STEPPED_MAX = 20_000  # Keys under delete markers stepped over before a page ends early.

_LISTED = (
    "key, version_id, size, etag, modified_ms, storage_class, checksum_algorithm, checksum_type, "
    "delete_marker, sequence"
)
_OBJECTS = f"SELECT {_LISTED} FROM objects WHERE bucket_id = ? AND key >= ?"
_OLDER = f"SELECT {_LISTED} FROM objects WHERE bucket_id = ? AND key = ? AND sequence < ?"
_OBJECT_ORDER = " ORDER BY key, sequence DESC"
_UPLOADS = f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE bucket_id = ?"

_NOTHING: Mapping[str, Any] = {}  # what listed rows share for attributes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """What a page is about: the keys that start with `prefix`, grouped by `delimiter`."""

    bucket_id: bytes
    prefix: bytes
    delimiter: bytes
    limit: int

    def common_prefix(self, key: bytes) -> bytes | None:
        """The common prefix that a key belongs to, if any."""
        if not self.delimiter:
            return None
        end = key.find(self.delimiter, len(self.prefix))
        return None if end < 0 else key[: end + len(self.delimiter)]


@dataclass(slots=True)
class _Filling(Generic[T]):
    """A page being filled. `more` is set by the first entry that does not fit."""

    limit: int
    room: int
    rows: list[T] = field(default_factory=list)
    common_prefixes: list[bytes] = field(default_factory=list)
    more: bool = False
    hidden: int = 0
    last_key: bytes = b""
    last_id: str = ""

    def add(self, row: T | None, key: bytes, identity: str = "") -> bool:
        """Take an entry (None: a common prefix); False when the page is full."""
        if self.room <= 0:
            self.more = True
            return False
        self.room -= 1
        if row is None:
            self.common_prefixes.append(key)
        else:
            self.rows.append(row)
        self.last_key, self.last_id = key, identity
        return True

    def step_over(self, key: bytes) -> bool:
        """Pass a key that is hidden; False when the page is to end here, however little it has."""
        self.hidden += 1
        if self.hidden < HIDDEN_STEPPED_MAX:
            return True
        self.more, self.last_key, self.last_id = True, key, ""
        return False

    @property
    def next_key(self) -> bytes | None:
        """The marker of the following page."""
        return self.last_key if self.more and self.limit else None


def _filling(asked: Range) -> "_Filling[Any]":
    limit = min(asked.limit, PAGE_MAX)
    return _Filling(limit, limit)


def successor(prefix: bytes) -> bytes | None:
    """The first byte string after all that start with `prefix`; None if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def list_objects(connection: apsw.Connection, asked: Range, after: bytes) -> Page:
    """The newest versions that are not delete markers, in key order, after `after`."""
    page: _Filling[StoredObject] = _filling(asked)
    start: bytes | None = max(asked.prefix, after + b"\0" if after else b"")
    with connection:
        while start is not None:
            start = _fill_objects(_rows(connection, asked, start), asked, page, after)
    return Page(tuple(page.rows), tuple(page.common_prefixes), page.next_key)


def _fill_objects(
    rows: Iterator[Any], asked: Range, page: _Filling[StoredObject], after: bytes
) -> bytes | None:
    """Fill from one scan; returns where to seek next, or None when the page is done."""
    current: bytes | None = None
    stepped = 0
    for row in rows:
        key = row[0]
        if key == current:
            stepped += 1
            if stepped >= VERSIONS_STEPPED_MAX:
                return bytes(key) + b"\0"
            continue
        current, stepped = key, 0
        if row[8]:
            if not page.step_over(key):
                return None
            continue
        group = asked.common_prefix(key) if asked.delimiter else None
        if group is None:
            if not page.add(_listed(asked.bucket_id, row), key):
                return None
        elif group > after and not page.add(None, group):
            return None
        else:
            return successor(group)
    return None


def list_versions(
    connection: apsw.Connection, asked: Range, *, after_key: bytes, after_version: str
) -> VersionPage:
    """All versions and delete markers, each key's newest first, after a key or a version.

    An empty `after_version` means after all of `after_key`. One that no longer exists starts that
    key again: whoever deletes page by page must not lose the rest.
    """
    page: _Filling[tuple[StoredObject, bool]] = _filling(asked)
    with connection:
        below = _sequence(connection, asked.bucket_id, after_key, after_version)
        fresh = after_key + b"\0" if after_key and not after_version else after_key
        start: bytes | None = max(asked.prefix, fresh)
        if below is not None and start == after_key:
            # What is left of this key is older than a version that is there.
            values = (asked.bucket_id, after_key, below)
            rows = _bounded(connection, _OLDER, values, asked, _OBJECT_ORDER)
            start = _fill_versions(rows, asked, page, after_key, older=True)
        while start is not None:
            rows = _rows(connection, asked, start)
            start = _fill_versions(rows, asked, page, after_key)
    return VersionPage(
        tuple([row for row, _ in page.rows]),
        tuple([latest for _, latest in page.rows]),
        tuple(page.common_prefixes),
        page.next_key,
        page.last_id if page.more else "",
    )


def _sequence(
    connection: apsw.Connection, bucket_id: bytes, key: bytes, version_id: str
) -> int | None:
    sql = "SELECT sequence FROM objects WHERE bucket_id = ? AND key = ? AND version_id = ?"
    rows: list[Any] = connection.execute(sql, (bucket_id, key, version_id)).fetchall()
    return rows[0][0] if version_id and rows else None


def _fill_versions(
    rows: Iterator[Any],
    asked: Range,
    page: _Filling[tuple[StoredObject, bool]],
    after_key: bytes,
    *,
    older: bool = False,
) -> bytes | None:
    """Fill from one scan; returns where to seek next, or None when the page is done.

    `older` tells a scan of what is left of `after_key`, after which the next key follows.
    """
    current = after_key if older else None
    for row in rows:
        key = row[0]
        latest = key != current
        current = key
        group = asked.common_prefix(key)
        if group is None:
            if not page.add((_listed(asked.bucket_id, row), latest), key, row[1]):
                return None
        elif group > after_key and not page.add(None, group):
            return None
        else:
            return successor(group)
    return after_key + b"\0" if older else None


def list_uploads(
    connection: apsw.Connection, asked: Range, *, after_key: bytes, after_upload: str
) -> UploadPage:
    """Uploads in progress by key and upload id, after a key or an upload of that key."""
    page: _Filling[Upload] = _filling(asked)
    fresh = after_key + b"\0" if after_key and not after_upload else after_key
    start: bytes | None = max(asked.prefix, fresh)
    with connection:
        while start is not None:
            start = _fill_uploads(connection, asked, page, (start, after_key, after_upload))
    return UploadPage(
        tuple(page.rows),
        tuple(page.common_prefixes),
        page.next_key,
        page.last_id if page.more else "",
    )


def _fill_uploads(
    connection: apsw.Connection,
    asked: Range,
    page: _Filling[Upload],
    position: tuple[bytes, bytes, str],
) -> bytes | None:
    start, after_key, after_upload = position
    sql = _UPLOADS + " AND (key, upload_id) > (?, ?)"
    first = (start, after_upload if start == after_key else "")
    rows = _bounded(connection, sql, (asked.bucket_id, *first), asked, " ORDER BY key, upload_id")
    for row in rows:
        group = asked.common_prefix(row[2])
        if group is None:
            if not page.add(upload_of(row), row[2], row[0]):
                return None
        elif group > after_key and not page.add(None, group):
            return None
        else:
            return successor(group)
    return None


def _rows(connection: apsw.Connection, asked: Range, start: bytes) -> Iterator[Any]:
    return _bounded(connection, _OBJECTS, (asked.bucket_id, start), asked, _OBJECT_ORDER)


def _bounded(
    connection: apsw.Connection, sql: str, values: tuple[Any, ...], asked: Range, order: str
) -> Iterator[Any]:
    end = successor(asked.prefix) if asked.prefix else None
    if end is not None:
        sql += " AND key < ?"
        values = (*values, end)
    cursor = connection.execute(sql + order, values)
    try:
        yield from cursor
    finally:
        cursor.close()


def _listed(bucket_id: bytes, row: Any) -> StoredObject:
    values: Any = (bucket_id, *row[:8], b"", b"", (), _NOTHING, None, row[8] != 0, row[9])
    return StoredObject(*values)
