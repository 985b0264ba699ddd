"""All objects of a bucket under another KMS key, without moving their bytes: `objstore rewrap`.

Reads a page of versions at a time and may run beside a server. What is under the key already is
passed over, so a run that was stopped is simply begun again. The KMS is asked as the root of the
bucket's account.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kms.aws.clock import Clock
from kms.aws.errors import AWSError
from objstore.call import Trace
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import decode
from objstore.inspect import account_root
from objstore.storage.records import Bucket, StoredObject
from objstore.storage.store import Store
from objstore.trace import TraceFile
from objstore.transfer.rewrap import Target, check, fits, publish, rewrapped

OPERATION = "rewrap"
PAGE_VERSIONS = 500
FAILURES_SHOWN_MAX = 100


@dataclass(slots=True)
class Count:
    """How many versions were met, and what became of them.

    `refused` is what UpdateObjectEncryption refuses: DSSE-KMS, SSE-C, object lock.
    """

    versions: int = 0
    rewrapped: int = 0
    already: int = 0
    refused: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"versions={self.versions} rewrapped={self.rewrapped} already={self.already} "
            f"refused={self.refused} failed={self.failed}"
        )


async def rewrap_bucket(
    store: Store,
    data_keys: DataKeys,
    clock: Clock,
    *,
    bucket: Bucket,
    target: Target,
    report: Callable[[str], None],
    rewrapped_max: int | None = None,
    traces: TraceFile | None = None,
) -> Count:
    """Go through the bucket, until `rewrapped_max` versions have changed if that is given.

    `report` gets a line a page, and one for each of the first failures; `traces` the steps that
    each version took. Raises the KMS's error if there is no such key.
    """
    run = _Run(store, data_keys, clock, bucket, target, report, traces)
    for page in _pages(store, bucket):
        for listed in page:
            if run.count.rewrapped == rewrapped_max:
                return run.count
            await run.one(listed)
        report(str(run.count))
    return run.count


def _pages(store: Store, bucket: Bucket) -> Iterator[list[StoredObject]]:
    """The versions of a bucket that have bytes, as listings have them."""
    key: bytes | None = b""
    version = ""
    while key is not None:
        page = store.list_versions(
            bucket.bucket_id,
            prefix=b"",
            after_key=key,
            after_version=version,
            delimiter=b"",
            limit=PAGE_VERSIONS,
        )
        yield [listed for listed in page.versions if not listed.delete_marker]
        key, version = page.next_key, page.next_version


class _Run:
    """What one run works with, and its count."""

    def __init__(
        self,
        store: Store,
        data_keys: DataKeys,
        clock: Clock,
        bucket: Bucket,
        target: Target,
        report: Callable[[str], None],
        traces: TraceFile | None,
    ) -> None:
        self._store = store
        self._data_keys = data_keys
        self._clock = clock
        self._bucket = bucket
        self._target = target
        self._report = report
        self._traces = traces
        self._caller = account_root(bucket)
        self._key_arn = data_keys.key_arn(self._caller, target.key_id, bucket=bucket)
        self.count = Count()

    async def one(self, listed: StoredObject) -> None:
        """Wrap one version's data key anew, and count what came of it."""
        self.count.versions += 1
        stored = self._store.object(listed.bucket_id, listed.key, listed.version_id, inline=False)
        if stored is None or stored.delete_marker:
            return
        try:
            await self._rewrap(stored)
        except (AWSError, TamperedError) as error:
            self.count.failed += 1
            if self.count.failed <= FAILURES_SHOWN_MAX:
                name = stored.key.decode(errors="backslashreplace")
                self._report(f"{name!r} {stored.version_id}: {error}")

    async def _rewrap(self, stored: StoredObject) -> None:
        manifest = decode(stored.manifest)
        if fits(manifest, self._key_arn, self._target):
            self.count.already += 1
            return
        now_ms = int(self._clock.now() * 1000)
        try:
            check(stored, manifest, now_ms=now_ms)
        except AWSError:
            self.count.refused += 1
            return
        new = self._rewrapped(stored)
        # A version that was replaced meanwhile is the next run's.
        if await publish(self._store, stored, new, now_ms=now_ms):
            self.count.rewrapped += 1

    def _rewrapped(self, stored: StoredObject) -> StoredObject:
        trace = Trace(enabled=self._traces is not None)
        try:
            return rewrapped(
                self._data_keys, self._caller, self._bucket, stored, self._target, trace=trace
            )
        finally:
            if self._traces is not None:
                self._traces.keep(
                    trace,
                    request_id=self._caller.request_id,
                    operation=OPERATION,
                    resource=f"/{self._bucket.name}/{stored.key.decode()}",
                )
