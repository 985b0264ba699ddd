"""Does what lifecycle rules say: expires, removes and moves versions, aborts uploads.

As at AWS, a pass over all buckets follows each midnight (UTC) of the service clock, and one the
start. A pass goes on from run to run, so that each run is bounded; where it stands is only in
memory, since what was done already is not due any more. Every change is checked again in its
transaction: a version that changed meanwhile, or that a lock protects, is left alone.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace

from kms.aws.clock import Clock
from objstore.errors import S3Error
from objstore.rules.aging import Due, Fate, Tags, abortion, decide
from objstore.rules.lifecycle import SETTING
from objstore.storage.records import (
    Bucket,
    BucketMissingError,
    Check,
    Message,
    StoredObject,
    StoreError,
    Upload,
    UploadMissingError,
)
from objstore.storage.store import Store
from objstore.transfer import events, locks, tags, versions
from objstore.transfer.lifetime import version_of

BUCKETS_LISTED = 100
VERSIONS_LISTED = 200
UPLOADS_LISTED = 100
PAGES_A_RUN = 5
CHANGES_AT_ONCE = 32


class ChangedError(StoreError):
    """The version is not the one that was judged any more."""


class Lifecycle:
    """Runs the rules of all buckets of a store. One a server.

    `canonical_id` is that of an account, which event records show.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        day_seconds: int,
        canonical_id: Callable[[str], str],
    ) -> None:
        self._store = store
        self._canonical_id = canonical_id
        self._clock = clock
        self._day_ms = day_seconds * 1000
        self._finished_day: int | None = None
        self._day = 0
        self._pass: AsyncIterator[None] | None = None
        self._slots = asyncio.Semaphore(CHANGES_AT_ONCE)

    async def run(self) -> bool:
        """Do a bounded part of what is due; whether more of this day's pass is left.

        An error ends the pass, and the next run starts it again.
        """
        if self._pass is None:
            self._day = self._now_ms() // self._day_ms
            if self._day == self._finished_day:
                return False
            self._pass = self._everything()
        running, self._pass = self._pass, None
        for _ in range(PAGES_A_RUN):
            try:
                await anext(running)
            except StopAsyncIteration:
                self._finished_day = self._day
                return False
        self._pass = running
        return True

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    async def _everything(self) -> AsyncIterator[None]:
        """One pass, a step a page."""
        after = ""
        while buckets := self._store.buckets_with(SETTING, after=after, limit=BUCKETS_LISTED):
            for bucket in buckets:
                async for _ in self._versions(bucket):
                    yield
                async for _ in self._uploads(bucket):
                    yield
            after = buckets[-1].name

    async def _versions(self, bucket: Bucket) -> AsyncIterator[None]:
        after_key, after_version = b"", ""
        newest = _Newer()
        while True:
            page = self._store.list_versions(
                bucket.bucket_id,
                prefix=b"",
                after_key=after_key,
                after_version=after_version,
                delimiter=b"",
                limit=VERSIONS_LISTED,
            )
            work: list[Awaitable[None]] = []
            for stored, latest in zip(page.versions, page.latest, strict=True):
                newest = newest.before(stored, latest=latest)
                due = self._judge(bucket, stored, newest)
                if due is not None:
                    work.append(self._apply(bucket, stored, due))
            await self._all(work)
            yield
            if page.next_key is None:
                return
            after_key, after_version = page.next_key, page.next_version

    def _judge(self, bucket: Bucket, stored: StoredObject, newer: "_Newer") -> Due | None:
        def tagged() -> Tags:
            found = self._store.object(
                bucket.bucket_id, stored.key, stored.version_id, inline=False
            )
            named: Tags = {} if found is None else found.attributes.get(tags.ATTRIBUTE, {})
            return named

        version = version_of(
            stored,
            tags=tagged,
            superseded_ms=newer.created_ms,
            newer=newer.noncurrent,
            alone=lambda: self._alone(bucket, stored.key),
        )
        return decide(bucket.settings[SETTING], version, now_ms=self._now_ms(), day_ms=self._day_ms)

    def _alone(self, bucket: Bucket, key: bytes) -> bool:
        """Whether a key has one version."""
        page = self._store.list_versions(
            bucket.bucket_id,
            prefix=key,
            after_key=b"",
            after_version="",
            delimiter=b"",
            limit=2,
        )
        return sum(stored.key == key for stored in page.versions) == 1

    async def _uploads(self, bucket: Bucket) -> AsyncIterator[None]:
        document = bucket.settings[SETTING]
        after_key, after_upload = b"", ""
        while True:
            page = self._store.uploads(
                bucket.bucket_id,
                prefix=b"",
                after_key=after_key,
                after_upload=after_upload,
                delimiter=b"",
                limit=UPLOADS_LISTED,
            )
            now_ms = self._now_ms()
            work: list[Awaitable[None]] = []
            for upload in page.uploads:
                found = abortion(
                    document, upload.key.decode(), upload.initiated_ms, day_ms=self._day_ms
                )
                if found is not None and found[0] <= now_ms:
                    work.append(self._abort(upload))
            await self._all(work)
            yield
            if page.next_key is None:
                return
            after_key, after_upload = page.next_key, page.next_upload

    async def _all(self, work: Iterable[Awaitable[None]]) -> None:
        """Do all of it, a few at once; raise the first error when all are done."""

        async def one(job: Awaitable[None]) -> None:
            async with self._slots:
                await job

        results = await asyncio.gather(*map(one, work), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _apply(self, bucket: Bucket, stored: StoredObject, due: Due) -> None:
        now_ms = self._now_ms()
        try:
            if due.fate is Fate.TRANSITION:
                await self._move(bucket, stored, due.storage_class)
            elif due.fate is Fate.EXPIRE and versions.status(bucket) is not None:
                marker = versions.delete_marker(bucket, stored.key, created_ms=now_ms)
                await self._store.put_object(
                    marker,
                    check=_unchanged(stored),
                    guard=locks.guard(now_ms=now_ms),
                    messages=self._event(bucket, "LifecycleExpiration:DeleteMarkerCreated", marker),
                )
            else:
                await self._store.delete_object(
                    stored.bucket_id,
                    stored.key,
                    version_id=stored.version_id,
                    check=_unchanged_and_free(stored, now_ms),
                    messages=self._event(bucket, "LifecycleExpiration:Delete", stored),
                )
        except (ChangedError, BucketMissingError):
            return
        except S3Error as error:
            if error.code != "AccessDenied":  # What a lock says.
                raise

    def _event(
        self, bucket: Bucket, event: str, stored: StoredObject, storage_class: str = ""
    ) -> tuple[Message, ...]:
        """The message of what a rule does."""
        moved = {"transitionEventData": {"destinationStorageClass": storage_class}}
        return events.message(
            bucket,
            event,
            stored.key,
            events.describe(stored),
            owner=self._canonical_id(bucket.account),
            caller=None,
            now_ms=self._now_ms(),
            more={"lifecycleEventData": moved} if storage_class else None,
        )

    async def _move(self, bucket: Bucket, stored: StoredObject, storage_class: str) -> None:
        def change(found: StoredObject) -> StoredObject:
            _unchanged(stored)(found)
            return replace(found, storage_class=storage_class)

        await self._store.update_object(
            stored.bucket_id,
            stored.key,
            version_id=stored.version_id,
            change=change,
            messages=self._event(bucket, "LifecycleTransition", stored, storage_class),
        )

    async def _abort(self, upload: Upload) -> None:
        try:
            await self._store.abort_upload(upload.upload_id)
        except UploadMissingError:
            return


class _Newer:
    """What is known of the version listed before: a key's versions come newest first."""

    def __init__(
        self, *, last_ms: int = 0, created_ms: int | None = None, noncurrent: int = 0
    ) -> None:
        self._last_ms = last_ms
        self.created_ms = created_ms
        self.noncurrent = noncurrent

    def before(self, stored: StoredObject, *, latest: bool) -> "_Newer":
        """What is newer than `stored`, the next version listed."""
        if latest:
            return _Newer(last_ms=stored.modified_ms)
        first = self.created_ms is None
        return _Newer(
            last_ms=stored.modified_ms,
            created_ms=self._last_ms,
            noncurrent=0 if first else self.noncurrent + 1,
        )


def _unchanged(judged: StoredObject) -> Check:
    def check(found: StoredObject | None) -> None:
        if found is None or found.sequence != judged.sequence:
            raise ChangedError(judged.version_id)

    return check


def _unchanged_and_free(judged: StoredObject, now_ms: int) -> Check:
    unchanged, free = _unchanged(judged), locks.guard(now_ms=now_ms)

    def check(found: StoredObject | None) -> None:
        unchanged(found)
        free(found)

    return check
