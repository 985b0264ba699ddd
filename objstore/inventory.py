"""Writes the reports of S3 Inventory: lists of objects as CSV, with a manifest, as objects.

A report is written page by page, from run to run, into data files that are compressed as they
grow; where it stands is only in memory. Its manifest comes after all else, and the manifest's
checksum at the very end, so that a report which a crash ended is none; it begins anew then. S3
itself writes the objects, so the destination bucket must let it, and so must the KMS key. What was
refused is tried again later. As at AWS, a report shows each page as it was when it was read.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

import hashlib
import logging
import uuid
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any

from kms.aws.clock import Clock, utc
from kms.aws.errors import AWSError
from objstore.authorize import Authorizer
from objstore.call import Call, Services, nothing_further
from objstore.condition_keys import Asked, Facts
from objstore.crypt.frames import TamperedError
from objstore.crypt.sse import AES256, AWS_KMS, NO_ENCRYPTION_HEADERS, EncryptionHeaders
from objstore.delivery import service_caller
from objstore.errors import S3Error
from objstore.operations.write import put_object
from objstore.rules import inventory
from objstore.rules.inventory import DataFile, Document
from objstore.storage.records import Bucket, StoredObject, StoreError
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.grants import BUCKET_OWNER_FULL_CONTROL
from objstore.transfer.inventory import OF_LISTINGS, Row, values
from objstore.transfer.spool import Spool

LOG = logging.getLogger("objstore.inventory")
SERVICE = "s3.amazonaws.com"
BUCKETS_LISTED = 100
ROWS_A_PAGE = 200
ROWS_A_FILE = 1_000_000
RETRY_SECONDS = 600
_GZIP = zlib.MAX_WBITS | 16


class _Growing:
    """A data file that is being written, compressed, outside of memory."""

    def __init__(self, services: Services) -> None:
        self.rows = 0
        self.spool = Spool(services.store)
        self._gzip = zlib.compressobj(wbits=_GZIP)
        self._md5 = hashlib.md5(usedforsecurity=False)

    async def add(self, lines: list[str]) -> None:
        self.rows += len(lines)
        await self._take(self._gzip.compress("".join(lines).encode()))

    async def finish(self) -> str:
        """No more rows; the MD5 of the file."""
        await self._take(self._gzip.flush())
        return self._md5.hexdigest()

    async def _take(self, data: bytes) -> None:
        self._md5.update(data)
        await self.spool.add([data])


class Inventory:
    """Writes the reports of all buckets, one after the other. One a server."""

    def __init__(
        self, services: Services, authorizer: Authorizer, wall: Clock, *, day_seconds: int
    ) -> None:
        self.services = services
        self.authorizer = authorizer
        self.wall = wall
        self._day_ms = day_seconds * 1000
        self._report: AsyncIterator[None] | None = None
        self._again_ms: dict[tuple[bytes, str], int] = {}

    async def run(self) -> bool:
        """Write one page of the reports that are due; whether more is left."""
        if self._report is None:
            self._report = next(self._due(), None)
            if self._report is None:
                return False
        report, self._report = self._report, None
        with suppress(StopAsyncIteration):
            await anext(report)
            self._report = report
        return True

    def _now_ms(self) -> int:
        return int(self.services.clock.now() * 1000)

    def _due(self) -> Iterator[AsyncIterator[None]]:
        store, now_ms, after = self.services.store, self._now_ms(), ""
        day = now_ms // self._day_ms
        while buckets := store.buckets_with(inventory.SETTING, after=after, limit=BUCKETS_LISTED):
            for bucket in buckets:
                done = bucket.settings.get(inventory.DONE, {})
                for identity, document in bucket.settings[inventory.SETTING].items():
                    waits = self._again_ms.get((bucket.bucket_id, identity), now_ms) > now_ms
                    if not waits and inventory.is_due(document, done.get(identity), day):
                        yield self._attempt(bucket, document, day)
            after = buckets[-1].name

    async def _attempt(self, source: Bucket, document: Document, day: int) -> AsyncIterator[None]:
        """Write one report, and note that; a step a page."""
        name = (source.bucket_id, document["Id"])
        self._again_ms[name] = self._now_ms() + RETRY_SECONDS * 1000
        try:
            async for _ in _Report(self, source, document).write():
                yield
            await self._note(source, document, day)
        except (AWSError, StoreError, TamperedError) as error:
            reason = error.code if isinstance(error, AWSError) else type(error).__name__
            fields = {"bucket": source.name, "id": document["Id"], "reason": reason}
            LOG.warning("an inventory report was not delivered", extra={"fields": fields})
        else:
            del self._again_ms[name]

    async def _note(self, source: Bucket, document: Document, day: int) -> None:
        def change(settings: Mapping[str, Any]) -> Mapping[str, Any]:
            done = {**settings.get(inventory.DONE, {}), document["Id"]: day}
            there = settings.get(inventory.SETTING, {})
            return {**settings, inventory.DONE: {one: done[one] for one in done if one in there}}

        await self.services.store.update_bucket(source.name, change)


class _Report:
    """One report, and where it goes. Raises NoSuchBucket, AccessDenied and what writes raise."""

    def __init__(self, owner: Inventory, source: Bucket, document: Document) -> None:
        self._services = owner.services
        self._source = source
        self._document = document
        self._fields = inventory.fields_of(document)
        self._whole = not OF_LISTINGS.issuperset(self._fields)
        self._base = inventory.folder(document, source.name)
        self._target = self._find_target()
        self._caller = service_caller(SERVICE, source, self._target)
        self._encryption = _encryption(document)
        self._check(owner.authorizer, owner.wall)

    def _find_target(self) -> Bucket:
        wanted = self._document["Destination"]["S3BucketDestination"]
        name = wanted["Bucket"].rpartition(":")[2]
        found = self._services.store.bucket(name)
        if found is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        if wanted.get("AccountId") not in (None, found.account):
            raise S3Error("AccessDenied")
        if found.region != self._source.region:
            raise S3Error("InvalidS3DestinationBucket")
        return found

    def _check(self, authorizer: Authorizer, wall: Clock) -> None:
        """Return if S3 may write what a report has. Raises AccessDenied."""
        encryption = {
            "x-amz-server-side-encryption": self._encryption.server_side_encryption,
            "x-amz-server-side-encryption-aws-kms-key-id": self._encryption.ssekms_key_id,
        }
        headers = {name: value for name, value in encryption.items() if value is not None}
        headers["x-amz-acl"] = BUCKET_OWNER_FULL_CONTROL
        for name in ("manifest.json", "manifest.checksum", "data/"):
            key = f"{self._base}/{name}"
            facts = Facts(headers, {}, wall)
            authorizer.check(Asked(self._caller, "s3:PutObject", self._target, key, facts))

    async def write(self) -> AsyncIterator[None]:
        """Write all of it, a step a page; the manifest after all else, its checksum last."""
        started_ms = int(self._services.clock.now() * 1000)
        started = utc(started_ms // 1000)
        files: list[DataFile] = []
        growing = _Growing(self._services)
        try:
            for lines in self._pages():
                await growing.add(lines)
                if growing.rows >= ROWS_A_FILE:
                    files.append(await self._put_data(growing))
                    growing = _Growing(self._services)
                yield
            if growing.rows:
                files.append(await self._put_data(growing))
        finally:
            growing.spool.close()
        base = inventory.manifest_folder(self._base, started)
        text = inventory.manifest(self._document, self._source.name, started_ms, files)
        symlink = inventory.symlink(self._target.name, files)
        checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
        await self._put_text(inventory.symlink_key(self._base, started), symlink)
        await self._put_text(f"{base}/manifest.json", text)
        await self._put_text(f"{base}/manifest.checksum", checksum.encode())

    def _pages(self) -> Iterator[list[str]]:
        versions = self._document["IncludedObjectVersions"] == inventory.ALL_VERSIONS
        prefix = ((self._document.get("Filter") or {}).get("Prefix") or "").encode()
        for page in (self._versions if versions else self._current)(prefix):
            rows = [row for listed in page if (row := self._row(*listed)) is not None]
            yield [inventory.line(values(row, self._fields)) for row in rows]

    def _row(self, stored: StoredObject, latest: bool) -> Row | None:
        """A version with all that its columns need; None if it is gone meanwhile."""
        if self._whole and not stored.delete_marker:
            found = self._services.store.object(
                self._source.bucket_id, stored.key, stored.version_id, inline=False
            )
            if found is None:
                return None
            stored = found
        return Row(self._source, stored, latest)

    def _versions(self, prefix: bytes) -> Iterator[list[tuple[StoredObject, bool]]]:
        after_key, after_version = b"", ""
        while True:
            page = self._services.store.list_versions(
                self._source.bucket_id,
                prefix=prefix,
                after_key=after_key,
                after_version=after_version,
                delimiter=b"",
                limit=ROWS_A_PAGE,
            )
            yield list(zip(page.versions, page.latest, strict=True))
            if page.next_key is None:
                return
            after_key, after_version = page.next_key, page.next_version

    def _current(self, prefix: bytes) -> Iterator[list[tuple[StoredObject, bool]]]:
        after = b""
        while True:
            page = self._services.store.list_objects(
                self._source.bucket_id, prefix=prefix, after=after, delimiter=b"", limit=ROWS_A_PAGE
            )
            yield [(stored, True) for stored in page.objects]
            if page.next_after is None:
                return
            after = page.next_after

    async def _put_data(self, growing: _Growing) -> DataFile:
        md5 = await growing.finish()
        key = f"{self._base}/data/{uuid.uuid4()}.csv.gz"
        await self._put(key, growing.spool)
        growing.spool.close()
        return DataFile(key, growing.spool.length, md5)

    async def _put_text(self, key: str, text: bytes) -> None:
        spool = Spool(self._services.store)
        try:
            await spool.add([text])
            await self._put(key, spool)
        finally:
            spool.close()

    async def _put(self, key: str, body: Spool) -> None:
        call = Call(self._caller, self._services, nothing_further, self._target)
        await put_object(
            call,
            key=key,
            body=body,
            encryption=self._encryption,
            attributes=AttributeHeaders(acl=BUCKET_OWNER_FULL_CONTROL),
        )


def _encryption(document: Document) -> EncryptionHeaders:
    """The encryption that a configuration wants, else the bucket's default."""
    wanted = document["Destination"]["S3BucketDestination"].get("Encryption") or {}
    if "SSEKMS" in wanted:
        key_id = wanted["SSEKMS"]["KeyId"]
        return EncryptionHeaders(server_side_encryption=AWS_KMS, ssekms_key_id=key_id)
    if "SSES3" in wanted:
        return EncryptionHeaders(server_side_encryption=AES256)
    return NO_ENCRYPTION_HEADERS
