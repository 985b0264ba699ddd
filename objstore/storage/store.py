"""The store as one object: rows, blobs, durable writes. One per worker process.

Reads are one statement on the calling thread. Writes return after the group commit that holds
them is on disk. Blob files are written, and removed, in a bounded thread pool. Knows no HTTP, no
XML, no KMS, and nothing of what the bytes mean. Source: design §5.
"""

import asyncio
import concurrent.futures
import fcntl
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from kms.aws.clock import Clock, monotonic
from kms.aws.generation import Generation
from objstore.storage import index, index_listing, index_renames, index_sweep, index_writes
from objstore.storage.blobs import (
    BlobFolder,
    BlobReader,
    BlobWriter,
    InlineReader,
    SpaceReserve,
    create_folder,
    inline_blob,
    new_blob_id,
    unlink_blobs,
)
from objstore.storage.commits import Committer, Transaction
from objstore.storage.index_checkpoint import Checkpointer
from objstore.storage.index_outbox import telling, telling_if_found
from objstore.storage.index_writes import Freed
from objstore.storage.records import (
    INLINE,
    BlobMissingError,
    BlobRef,
    Bucket,
    BusyError,
    Check,
    FinishedUpload,
    Message,
    Page,
    Part,
    StoredObject,
    Upload,
    UploadPage,
    VersionPage,
)
from objstore.storage.spare import keep_room
from objstore.storage.spool import SpoolFile
from objstore.storage.store_identities import IdentityStore
from objstore.storage.store_outbox import Outbox

__all__ = ["Store", "create_folder", "inline_blob", "new_blob_id"]

THREADS_MAX = 8
INLINE_BYTES_MAX = 16 * 1024
BUCKETS_CACHED_MAX = 1024
COLLECTED_BATCH = 256
START_LOCK = "start.lock"
INDEX_MARK = "index.mark"
LOOK_AGAIN_SECONDS = 0.25
_ROW_BYTES = 4096  # What a write without a blob is taken to need.

T = TypeVar("T")


class Store:
    """See the module. Open with `Store.open`; end with `await close()`."""

    def __init__(
        self, folder: Path, *, reserve: SpaceReserve, clock: Clock, inline_bytes_max: int
    ) -> None:
        self.folder = folder
        self.inline_bytes_max = inline_bytes_max
        self._clock = clock
        self._reserve = reserve
        self._start_lock = os.open(
            folder / START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        # Held while the store is open: a boot sweep must not meet blobs that are being written.
        fcntl.flock(self._start_lock, fcntl.LOCK_SH)
        try:
            self._committer = Committer(folder)
        except BaseException:
            os.close(self._start_lock)
            raise
        self._checkpointer = Checkpointer(folder)
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS_MAX, "store")
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._buckets: dict[str, Bucket] = {}
        self._mark = Generation(folder / INDEX_MARK)
        self._seen_mark = b""
        self._look_again_at = 0.0
        self._collecting = threading.Lock()
        self._closing = False
        self.outbox = Outbox(self._reader, self._committer)
        self.identities = IdentityStore(self._reader, self._committer, self._mark)
        self._blobs = BlobFolder(
            folder,
            new_directory=lambda: self._committer.submit(index_writes.new_directory).result(),
            seal=self._seal,
            abandon=self._abandon,
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        wall: Clock,
        space_reserve_bytes: int | None = None,
        inline_bytes_max: int = INLINE_BYTES_MAX,
    ) -> "Store":
        """Open a data folder, made if new. Raises IndexVersionError.

        `space_reserve_bytes` is the free space that writes must leave; by default 1 % of the
        disk and at least 256 MiB.
        """
        create_folder(folder)
        reserve = SpaceReserve(folder, wall, reserve_bytes=space_reserve_bytes)
        return cls(folder, reserve=reserve, clock=wall, inline_bytes_max=inline_bytes_max)

    async def close(self) -> None:
        """Finish what runs, then close every file; what is left to collect waits for a start."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._closing = True
        self._pool.shutdown(wait=True)
        self._blobs.close()
        self._committer.close()
        self._checkpointer.close()
        for reader in self._readers:
            reader.close()
        self._mark.close()
        os.close(self._start_lock)

    async def keep_spare(self) -> None:
        """Have the room that a start on a full disk needs, if there is enough now."""
        await asyncio.to_thread(keep_room, self.folder, self._reserve)

    # Reads.

    def _reader(self) -> apsw.Connection:
        """The reading connection of this thread."""
        reader: apsw.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = index.connect(self.folder, read_only=True)
            self._readers.append(reader)
        return reader

    def bucket(self, name: str) -> Bucket | None:
        """The bucket of that name. For one thread, the event loop's.

        Known buckets are kept until some process changes one; and not for long, in case a
        process died between its commit and its saying so.
        """
        mark, now = self._mark.mark, monotonic()
        if mark != self._seen_mark or now >= self._look_again_at:
            self._buckets.clear()
            self._seen_mark, self._look_again_at = mark, now + LOOK_AGAIN_SECONDS
        bucket = self._buckets.get(name)
        if bucket is None:
            rows = index.read_buckets(self._reader(), "WHERE name = ?", (name,))
            if not rows:
                return None
            bucket = index.bucket_of(rows[0])
            if len(self._buckets) >= BUCKETS_CACHED_MAX:
                self._buckets.clear()
            self._buckets[name] = bucket
        return bucket

    def buckets(
        self,
        account: str,
        *,
        prefix: str = "",
        after: str = "",
        region: str | None = None,
        limit: int,
    ) -> list[Bucket]:
        """An account's buckets by name, after `after`; rows come without settings."""
        condition = "WHERE account = ? AND name > ? AND substr(name, 1, ?) = ? "
        values: tuple[Any, ...] = (account, after, len(prefix), prefix)
        if region is not None:
            condition += "AND region = ? "
            values = (*values, region)
        rows = index.read_bare_buckets(
            self._reader(), condition + "ORDER BY name LIMIT ?", (*values, limit)
        )
        return [index.bucket_of(row) for row in rows]

    def buckets_with(self, setting: str, *, after: str, limit: int) -> list[Bucket]:
        """Buckets of all accounts that have a setting of that name, by name, after `after`."""
        condition = "WHERE name > ? AND json_type(settings, '$.' || ?) IS NOT NULL "
        rows = index.read_buckets(
            self._reader(), condition + "ORDER BY name LIMIT ?", (after, setting, limit)
        )
        return [index.bucket_of(row) for row in rows]

    def bucket_count(self, account: str) -> int:
        """How many buckets an account has."""
        return index.count_buckets(self._reader(), account)

    def object(
        self, bucket_id: bytes, key: bytes, version_id: str | None = None, *, inline: bool = True
    ) -> StoredObject | None:
        """The newest version, which may be a delete marker, or the version named."""
        return index.read_object(
            self._reader(), bucket_id, key, version_id=version_id, inline=inline
        )

    def list_objects(
        self, bucket_id: bytes, *, prefix: bytes, after: bytes, delimiter: bytes, limit: int
    ) -> Page:
        """A page of the newest versions; rows come without manifest, blobs and attributes."""
        asked = index_listing.Range(bucket_id, prefix, delimiter, limit)
        return index_listing.list_objects(self._reader(), asked, after)

    def list_versions(
        self,
        bucket_id: bytes,
        *,
        prefix: bytes,
        after_key: bytes,
        after_version: str,
        delimiter: bytes,
        limit: int,
    ) -> VersionPage:
        """A page of versions and delete markers; rows as in `list_objects`."""
        asked = index_listing.Range(bucket_id, prefix, delimiter, limit)
        return index_listing.list_versions(
            self._reader(), asked, after_key=after_key, after_version=after_version
        )

    def upload(self, upload_id: str) -> Upload | None:
        """An upload in progress."""
        return index.read_upload(self._reader(), upload_id)

    def finished_upload(self, upload_id: str) -> FinishedUpload | None:
        """What an upload became, for a day after its completion."""
        return index.read_finished(self._reader(), upload_id)

    def finished_rename(self, bucket_id: bytes, token: str) -> bytes | None:
        """The fingerprint of the rename that was done under a client's token, for a day."""
        return index_renames.read_rename(self._reader(), bucket_id, token)

    def uploads(
        self,
        bucket_id: bytes,
        *,
        prefix: bytes,
        after_key: bytes,
        after_upload: str,
        delimiter: bytes,
        limit: int,
    ) -> UploadPage:
        """A page of uploads in progress."""
        asked = index_listing.Range(bucket_id, prefix, delimiter, limit)
        return index_listing.list_uploads(
            self._reader(), asked, after_key=after_key, after_upload=after_upload
        )

    def parts(self, upload_id: str, *, after: int, limit: int) -> list[Part]:
        """Parts with numbers above `after`, ascending."""
        return index.read_parts(self._reader(), upload_id, after=after, limit=limit)

    def part(self, upload_id: str, number: int) -> Part | None:
        """One part."""
        return index.read_part(self._reader(), upload_id, number)

    # Durable writes. Each may also raise BusyError, and NoSpaceError if it adds something.

    async def create_bucket(self, bucket: Bucket) -> None:
        """Add a bucket. Raises BucketExistsError."""
        self._reserve.claim(_ROW_BYTES)
        await self._committer.commit(lambda c: index_writes.create_bucket(c, bucket))
        self._mark.change()

    async def update_bucket(
        self, name: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """Replace a bucket's settings by `change` of them. Raises BucketMissingError."""
        await self._committer.commit(lambda c: index_writes.update_bucket(c, name, change))
        self._mark.change()

    async def delete_bucket(self, bucket: Bucket) -> None:
        """Remove a bucket and its uploads. Raises BucketMissingError, BucketNotEmptyError."""
        freed = Freed()
        try:
            while not await self._committer.commit(
                lambda c: index_writes.delete_bucket(c, bucket, freed)
            ):
                pass
        finally:
            self._settle((), freed)
        self._mark.change()

    async def put_object(
        self,
        new: StoredObject,
        *,
        check: Check | None = None,
        guard: Check | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Publish a version. Raises BucketMissingError.

        `check` judges the newest version so far, `guard` the null version that is replaced.
        `messages`, here and elsewhere, go into the outbox with the write.
        """
        if not new.delete_marker:
            self._reserve.claim(_ROW_BYTES + len(new.inline or b""))
        freed = Freed()
        await self._committer.commit(
            telling(lambda c: index_writes.put_object(c, new, check, freed, guard), messages)
        )
        self._settle(new.blobs, freed)

    async def update_object(
        self,
        bucket_id: bytes,
        key: bytes,
        *,
        version_id: str | None,
        change: Callable[[StoredObject], StoredObject],
        messages: Sequence[Message] = (),
    ) -> StoredObject | None:
        """Change a version (None: the newest) in place: what `index_writes.update_object` writes.

        `change` runs inside the transaction and may raise to refuse. None: no such version.
        """
        old = (bucket_id, key, version_id)
        return await self._committer.commit(
            telling_if_found(lambda c: index_writes.update_object(c, old, change), messages)
        )

    async def delete_object(
        self,
        bucket_id: bytes,
        key: bytes,
        *,
        version_id: str | None,
        check: Check | None = None,
        messages: Sequence[Message] = (),
    ) -> StoredObject | None:
        """Remove a version (None: the null version) for good; `check` judges that version."""
        old, freed = (bucket_id, key, version_id), Freed()
        found = await self._committer.commit(
            telling_if_found(lambda c: index_writes.delete_object(c, old, check, freed), messages)
        )
        self._settle((), freed)
        return found

    async def rename_object(
        self,
        old: StoredObject,
        new: StoredObject,
        *,
        check: Check | None,
        token: str,
        fingerprint: bytes,
        now_ms: int,
    ) -> None:
        """Publish `new`, which has the blobs of `old`, and take `old` away; see index_renames."""
        rename = index_renames.Rename(old, new, token, fingerprint, now_ms)
        freed = Freed()
        await self._committer.commit(lambda c: index_renames.rename_object(c, rename, check, freed))
        self._settle((), freed)

    async def create_upload(self, upload: Upload) -> None:
        """Begin a multipart upload. Raises BucketMissingError."""
        self._reserve.claim(_ROW_BYTES)
        await self._committer.commit(lambda c: index_writes.create_upload(c, upload))

    async def put_part(self, part: Part) -> None:
        """Add or replace a part; an inline blob's bytes are in `part.inline`.

        Raises UploadMissingError.
        """
        self._reserve.claim(_ROW_BYTES + len(part.inline or b""))
        freed = Freed()
        await self._committer.commit(lambda c: index_writes.put_part(c, part, freed))
        self._settle((part.blob,), freed)

    async def complete_upload(
        self,
        upload_id: str,
        numbers: Sequence[int],
        new: StoredObject,
        *,
        check: Check | None = None,
        guard: Check | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Turn the parts of these numbers, whose blobs are `new.blobs`, into an object.

        Raises UploadMissingError, UploadChangedError, BucketMissingError.
        """
        self._reserve.claim(_ROW_BYTES)
        freed = Freed()
        now_ms = int(self._clock.now() * 1000)
        completion = index_writes.Completion(upload_id, numbers, new, now_ms)
        await self._committer.commit(
            telling(
                lambda c: index_writes.complete_upload(c, completion, check, freed, guard),
                messages,
            )
        )
        self._settle((), freed)

    async def abort_upload(self, upload_id: str) -> None:
        """Drop an upload and its parts. Raises UploadMissingError."""
        freed = Freed()
        await self._committer.commit(lambda c: index_writes.abort_upload(c, upload_id, freed))
        self._settle((), freed)

    async def reset(self) -> None:
        """Empty the store in one transaction; blob files go later. For development servers."""
        await self._committer.commit(index_sweep.empty)
        self._mark.change()
        self._settle((), Freed(1))

    # Blobs.

    def new_blob(self, size: int) -> BlobWriter:
        """Open a blob file of `size` bytes for writing. Blocking. Raises NoSpaceError."""
        self._reserve.claim(size + _ROW_BYTES)
        return self._blobs.new_blob(size)

    def new_spool(self) -> SpoolFile:
        """Open a temporary file. Blocking. Raises NoSpaceError."""
        return SpoolFile(self.folder, self._reserve)

    def open_blob(self, ref: BlobRef) -> BlobReader:
        """Open a blob, in a file or inline. Raises BlobMissingError, BlobDamagedError."""
        if ref.directory != INLINE:
            return BlobReader(self.folder, ref)
        data = index.read_inline(self._reader(), ref.blob_id)
        if data is None:
            raise BlobMissingError(ref.blob_id.hex())
        return InlineReader(data, ref)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run blocking work in the store's bounded thread pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(function, *args))

    # After the commit.

    def _settle(self, refs: tuple[BlobRef, ...], freed: Freed) -> None:
        for ref in refs:
            if ref.directory != INLINE:
                self._blobs.settle(ref)
        if freed.count:
            self._collect_later()

    def _seal(self, directory: int) -> None:
        self._later(lambda c: index_writes.seal_directory(c, directory))

    def _abandon(self, ref: BlobRef) -> None:
        freed = Freed()

        def settle(_: concurrent.futures.Future[None]) -> None:
            self._settle((ref,), freed)

        done = self._later(lambda c: index_writes.abandon_blob(c, ref, freed))
        if done is not None:
            done.add_done_callback(settle)

    def _later(self, transaction: Transaction[None]) -> concurrent.futures.Future[None] | None:
        try:
            return self._committer.submit(transaction)
        except BusyError:
            # Only tidiness is lost: the next boot sweep looks at the directory.
            return None

    def _collect_later(self) -> None:
        try:
            self._pool.submit(self._collect)
        except RuntimeError:
            # The store is closing; the queue is on disk for the next start.
            return

    def _collect(self) -> None:
        """Remove freed files, and only then their entries in the queue."""
        with self._collecting:
            while names := index_sweep.queued_blobs(self._reader(), COLLECTED_BATCH):
                unlink_blobs(self.folder, names)
                done = self._later(functools.partial(index_sweep.unqueue, names=names))
                if done is None or self._closing:
                    return
                done.result()
