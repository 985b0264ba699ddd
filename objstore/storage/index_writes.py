"""What a transaction does to the index: one function a write, called by the committer.

Each runs in its own savepoint with the conditions judged inside it. Blob files that a write sets
free go to gc_queue in the same transaction, and their number to `Freed`; the files are removed
after the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from objstore.storage.index import (
    blob_is_used,
    bucket_of,
    pack_json,
    pack_refs,
    read_buckets,
    read_object,
    read_part,
    read_parts,
    read_upload,
    select,
)
from objstore.storage.records import (
    INLINE,
    NULL_VERSION,
    BlobRef,
    Bucket,
    BucketExistsError,
    BucketMissingError,
    BucketNotEmptyError,
    Check,
    Part,
    StoredObject,
    Upload,
    UploadChangedError,
    UploadMissingError,
)

PART_NUMBER_MAX = 10_000
UPLOADS_ABORTED_MAX = 100  # of a bucket that is deleted, in one transaction
PARTS_ABORTED_MAX = 10_000  # after which no further upload is begun with
FINISHED_KEEP_MS = 24 * 3600 * 1000
FINISHED_PRUNED_MAX = 100


@dataclass(slots=True)
class Freed:
    """How many blob files a transaction set free."""

    count: int = 0


def create_bucket(connection: apsw.Connection, bucket: Bucket) -> None:
    """Insert a bucket. Raises BucketExistsError."""
    rows = read_buckets(connection, "WHERE name = ?", (bucket.name,))
    if rows:
        raise BucketExistsError(bucket_of(rows[0]))
    connection.execute(
        "INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)",
        (
            bucket.name,
            bucket.bucket_id,
            bucket.account,
            bucket.region,
            bucket.created_ms,
            pack_json(bucket.settings),
        ),
    )


def update_bucket(
    connection: apsw.Connection,
    name: str,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> None:
    """Replace a bucket's settings by `change` of them. Raises BucketMissingError."""
    rows = read_buckets(connection, "WHERE name = ?", (name,))
    if not rows:
        raise BucketMissingError(name)
    settings = pack_json(change(bucket_of(rows[0]).settings))
    connection.execute("UPDATE buckets SET settings = ? WHERE name = ?", (settings, name))


def delete_bucket(connection: apsw.Connection, bucket: Bucket, freed: Freed) -> bool:
    """Remove a bucket without objects; its uploads go first, some in each transaction.

    False if uploads are left and the caller is to go on. Raises BucketMissingError,
    BucketNotEmptyError.
    """
    identity = (bucket.bucket_id,)
    require_bucket(connection, bucket.bucket_id)
    if select(connection, "SELECT 1 FROM objects WHERE bucket_id = ? LIMIT 1", identity):
        raise BucketNotEmptyError(bucket.name)
    sql = "SELECT upload_id FROM uploads WHERE bucket_id = ? LIMIT ?"
    uploads = select(connection, sql, (bucket.bucket_id, UPLOADS_ABORTED_MAX))
    parts = 0
    for (upload_id,) in uploads:
        parts += abort_upload(connection, upload_id, freed)
        if parts >= PARTS_ABORTED_MAX:
            return False
    if len(uploads) == UPLOADS_ABORTED_MAX:
        return False
    connection.execute("DELETE FROM buckets WHERE bucket_id = ?", identity)
    return True


def put_object(
    connection: apsw.Connection,
    new: StoredObject,
    check: Check | None,
    freed: Freed,
    guard: Check | None = None,
) -> None:
    """Insert a version; a null version replaces the null version, which `guard` may refuse.

    Raises BucketMissingError.
    """
    newest = None
    if check is not None:
        newest = read_object(connection, new.bucket_id, new.key)
        if newest is None:
            require_bucket(connection, new.bucket_id)
        check(newest)
    if new.version_id == NULL_VERSION:
        old = newest
        if old is None or old.version_id != NULL_VERSION:
            old = read_object(connection, new.bucket_id, new.key, version_id=NULL_VERSION)
        if old is not None:
            newest = old
            if guard is not None:
                guard(old)
            kept = {ref.blob_id for ref in new.blobs}
            _remove_object(connection, old, freed, kept=kept)
    if newest is None:  # A bucket that has an object exists.
        require_bucket(connection, new.bucket_id)
    _insert_object(connection, new)


def update_object(
    connection: apsw.Connection,
    old: tuple[bytes, bytes, str | None],
    change: Callable[[StoredObject], StoredObject],
) -> StoredObject | None:
    """Change a version's manifest, mac, attributes and storage class in place; None if there is
    no such one.

    `old` is bucket id, key and version id (None: the newest). `change` may raise to refuse.
    """
    bucket_id, key, version_id = old
    found = read_object(connection, bucket_id, key, version_id=version_id)
    if found is None:
        return None
    new = change(found)
    connection.execute(
        "UPDATE objects SET manifest = ?, mac = ?, attributes = ?, storage_class = ? "
        "WHERE bucket_id = ? AND key = ? AND sequence = ?",
        (
            new.manifest,
            new.mac,
            pack_json(new.attributes),
            new.storage_class,
            bucket_id,
            key,
            found.sequence,
        ),
    )
    return new


def delete_object(
    connection: apsw.Connection,
    old: tuple[bytes, bytes, str | None],
    check: Check | None,
    freed: Freed,
) -> StoredObject | None:
    """Remove a version (None: the null version) for good and return it."""
    bucket_id, key, version_id = old
    found = read_object(connection, bucket_id, key, version_id=version_id or NULL_VERSION)
    if check is not None:
        check(found)
    if found is not None:
        _remove_object(connection, found, freed, kept=set())
    return found


def create_upload(connection: apsw.Connection, upload: Upload) -> None:
    """Insert an upload. Raises BucketMissingError."""
    require_bucket(connection, upload.bucket_id)
    connection.execute(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            upload.upload_id,
            upload.bucket_id,
            upload.key,
            upload.initiated_ms,
            upload.owner,
            upload.storage_class,
            upload.checksum_algorithm,
            upload.checksum_type,
            upload.recipe,
            pack_json(upload.attributes),
        ),
    )


def put_part(connection: apsw.Connection, part: Part, freed: Freed) -> None:
    """Insert or replace a part. Raises UploadMissingError."""
    if not select(connection, "SELECT 1 FROM uploads WHERE upload_id = ?", (part.upload_id,)):
        raise UploadMissingError(part.upload_id)
    old = read_part(connection, part.upload_id, part.number)
    if old is not None:
        _free(connection, (old.blob,), freed)
    _keep(connection, (part.blob,), part.inline)
    connection.execute(
        "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            part.upload_id,
            part.number,
            part.size,
            part.etag,
            part.modified_ms,
            pack_refs((part.blob,)),
            part.sealed,
        ),
    )


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of an upload: the parts chosen, in order, and the object they become."""

    upload_id: str
    numbers: Sequence[int]
    new: StoredObject
    now_ms: int


def complete_upload(
    connection: apsw.Connection,
    completion: Completion,
    check: Check | None,
    freed: Freed,
    guard: Check | None = None,
) -> None:
    """The object appears, upload and parts vanish, unused parts are freed.

    Raises UploadMissingError; UploadChangedError when a chosen part is not the one in `new.blobs`.
    """
    new = completion.new
    if read_upload(connection, completion.upload_id) is None:
        raise UploadMissingError(completion.upload_id)
    parts = {part.number: part.blob for part in _all_parts(connection, completion.upload_id)}
    chosen = tuple([parts.pop(number, None) for number in completion.numbers])
    if chosen != new.blobs:
        raise UploadChangedError(completion.upload_id)
    put_object(connection, new, check, freed, guard)
    _free(connection, tuple(parts.values()), freed)
    _forget_upload(connection, completion.upload_id)
    _remember_finished(connection, completion)


def abort_upload(connection: apsw.Connection, upload_id: str, freed: Freed) -> int:
    """Remove an upload and its parts, and tell how many those were. Raises UploadMissingError."""
    if read_upload(connection, upload_id) is None:
        raise UploadMissingError(upload_id)
    blobs = tuple([part.blob for part in _all_parts(connection, upload_id)])
    _free(connection, blobs, freed)
    _forget_upload(connection, upload_id)
    return len(blobs)


def abandon_blob(connection: apsw.Connection, ref: BlobRef, freed: Freed) -> None:
    """Free a finished blob unless a row came to refer to it."""
    if not blob_is_used(connection, ref.directory, ref.blob_id):
        _queue(connection, ref)
        freed.count += 1


def new_directory(connection: apsw.Connection) -> int:
    """Allocate a blob directory; ids are never used twice."""
    rows = select(connection, "INSERT INTO directories (sealed) VALUES (0) RETURNING id")
    return int(rows[0][0])


def seal_directory(connection: apsw.Connection, directory: int) -> None:
    """Record that every file of a directory has a row."""
    connection.execute("UPDATE directories SET sealed = 1 WHERE id = ?", (directory,))


def require_bucket(connection: apsw.Connection, bucket_id: bytes) -> None:
    """Raise BucketMissingError unless the bucket exists."""
    if not select(connection, "SELECT 1 FROM buckets WHERE bucket_id = ?", (bucket_id,)):
        raise BucketMissingError(bucket_id.hex())


def _insert_object(connection: apsw.Connection, new: StoredObject) -> None:
    # The database orders versions, in the order of their commits; no clock takes part.
    sql = "UPDATE counters SET value = value + 1 WHERE name = 'sequence' RETURNING value"
    [(sequence,)] = select(connection, sql)
    _keep(connection, new.blobs, new.inline)
    single_inline = len(new.blobs) == 1 and new.blobs[0].directory == INLINE
    connection.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.bucket_id,
            new.key,
            sequence,
            new.version_id,
            new.size,
            new.etag,
            new.modified_ms,
            new.storage_class,
            new.checksum_algorithm,
            new.checksum_type,
            int(new.delete_marker),
            new.blobs[0].blob_id if single_inline else None,
            new.manifest,
            new.mac,
            pack_json(new.attributes),
            pack_refs(new.blobs),
        ),
    )


def _remove_object(
    connection: apsw.Connection, old: StoredObject, freed: Freed, *, kept: set[bytes]
) -> None:
    connection.execute(
        "DELETE FROM objects WHERE bucket_id = ? AND key = ? AND sequence = ?",
        (old.bucket_id, old.key, old.sequence),
    )
    _free(connection, tuple([ref for ref in old.blobs if ref.blob_id not in kept]), freed)


def _keep(connection: apsw.Connection, refs: tuple[BlobRef, ...], inline: bytes | None) -> None:
    for ref in refs:
        if ref.directory != INLINE:
            connection.execute(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?)", (ref.directory, ref.blob_id)
            )
        elif inline is not None:
            connection.execute("INSERT OR IGNORE INTO inline VALUES (?, ?)", (ref.blob_id, inline))


def _free(connection: apsw.Connection, refs: tuple[BlobRef, ...], freed: Freed) -> None:
    for ref in refs:
        if ref.directory == INLINE:
            connection.execute("DELETE FROM inline WHERE blob_id = ?", (ref.blob_id,))
            continue
        connection.execute(
            "DELETE FROM blobs WHERE directory = ? AND blob_id = ?", (ref.directory, ref.blob_id)
        )
        _queue(connection, ref)
        freed.count += 1


def _queue(connection: apsw.Connection, ref: BlobRef) -> None:
    connection.execute("INSERT OR IGNORE INTO gc_queue VALUES (?, ?)", (ref.directory, ref.blob_id))


def _all_parts(connection: apsw.Connection, upload_id: str) -> list[Part]:
    return read_parts(connection, upload_id, after=0, limit=PART_NUMBER_MAX)


def _forget_upload(connection: apsw.Connection, upload_id: str) -> None:
    connection.execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))
    connection.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))


def _remember_finished(connection: apsw.Connection, completion: Completion) -> None:
    connection.execute(
        "DELETE FROM finished_uploads WHERE upload_id IN "
        "(SELECT upload_id FROM finished_uploads WHERE finished_ms < ? LIMIT ?)",
        (completion.now_ms - FINISHED_KEEP_MS, FINISHED_PRUNED_MAX),
    )
    new = completion.new
    connection.execute(
        "INSERT OR REPLACE INTO finished_uploads VALUES (?, ?, ?, ?, ?, ?)",
        (
            completion.upload_id,
            new.bucket_id,
            new.key,
            new.version_id,
            new.etag,
            completion.now_ms,
        ),
    )
