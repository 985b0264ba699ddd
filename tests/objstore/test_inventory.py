"""Reports of S3 Inventory, written by a real store into a bucket of its own."""

import csv
import gzip
import hashlib
import io
import json
import logging
from typing import Any

import pytest

from objstore import inventory
from objstore.authorize import Authorizer
from objstore.crypt.sse import EncryptionHeaders
from objstore.inventory import Inventory
from objstore.operations.write import put_object
from objstore.storage.records import NoSpaceError

ACCOUNT = "123456789012"
DAY = 24 * 3600
STARTED = "2023-11-14T22-13Z"
SYMLINK = "p/bucket/list/hive/dt=2023-11-14-22-13/symlink.txt"
MANIFEST = f"p/bucket/list/{STARTED}/manifest.json"
CHECKSUM = f"p/bucket/list/{STARTED}/manifest.checksum"


class Listing:
    """A bucket whose reports go to another, which lets S3 write unless it is told not to."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        authorizer = Authorizer(
            s3.store, s3.clock, account=s3.services.account, account_of=s3.services.account_of
        )
        self.runner = Inventory(s3.services, authorizer, s3.clock, day_seconds=DAY)

    async def begin(self, *, allowed: bool = True, **more: Any) -> None:
        await self.s3.make_bucket("reports")
        if allowed:
            await self.allow()
        await self.configure(**more)

    async def allow(self, source: str = "arn:aws:s3:::bucket") -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::reports/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": source},
                "StringEquals": {
                    "aws:SourceAccount": ACCOUNT,
                    "s3:x-amz-acl": "bucket-owner-full-control",
                },
            },
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await self.s3.store.update_bucket("reports", lambda old: {**old, "policy": document})

    async def configure(self, **more: Any) -> None:
        destination = {"Bucket": "arn:aws:s3:::reports", "Format": "CSV", "Prefix": "p"}
        document = {
            "Id": "list",
            "IsEnabled": True,
            "IncludedObjectVersions": "Current",
            "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": {**destination, **more.pop("destination", {})}},
            **more,
        }
        await self.s3.call(
            "PutBucketInventoryConfiguration", id="list", inventory_configuration=document
        )
        self.refresh()

    def refresh(self) -> None:
        self.s3.bucket = self.s3.store.bucket("bucket")

    async def run(self) -> None:
        while await self.runner.run():
            pass

    async def delivered(self) -> dict[str, bytes]:
        """What is in the bucket of reports, by key."""
        own, self.s3.bucket = self.s3.bucket, self.s3.store.bucket("reports")
        found = {}
        for entry in (await self.s3.call("ListObjectsV2")).get("Contents", ()):
            _, found[entry["Key"]] = await self.s3.get(entry["Key"])
        self.s3.bucket = own
        return found

    async def rows(self) -> list[dict[str, str]]:
        """The rows of the one report there is, by the names of the manifest."""
        found = await self.delivered()
        [manifest] = [json.loads(text) for key, text in found.items() if key.endswith(".json")]
        names = manifest["fileSchema"].split(", ")
        return [
            dict(zip(names, row, strict=True))
            for file in manifest["files"]
            for row in csv.reader(io.StringIO(gzip.decompress(found[file["key"]]).decode()))
        ]


@pytest.fixture
def listing(s3: Any) -> Listing:
    return Listing(s3)


async def test_a_report_is_files_a_manifest_and_its_checksum(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "ROWS_A_PAGE", 2)
    monkeypatch.setattr(inventory, "ROWS_A_FILE", 4)
    for number in range(7):
        await listing.s3.put(f"k/{number}", b"x" * number)
    await listing.begin(OptionalFields=["Size"])
    await listing.run()
    found = await listing.delivered()
    data = sorted(key for key in found if key.startswith("p/bucket/list/data/"))
    assert len(data) == 2
    assert sorted({*found} - {*data}) == sorted([SYMLINK, MANIFEST, CHECKSUM])
    assert found[CHECKSUM].decode() == hashlib.md5(found[MANIFEST]).hexdigest()
    files = json.loads(found[MANIFEST])["files"]
    assert sorted(file["key"] for file in files) == data
    for file in files:
        assert file["size"] == len(found[file["key"]])
        assert file["MD5checksum"] == hashlib.md5(found[file["key"]]).hexdigest()
    assert found[SYMLINK].decode().splitlines() == [f"s3://reports/{f['key']}" for f in files]
    assert await listing.rows() == [
        {"Bucket": "bucket", "Key": f"k/{number}", "Size": str(number)} for number in range(7)
    ]


async def test_an_empty_bucket_has_a_manifest_without_files(listing: Listing) -> None:
    await listing.begin()
    await listing.run()
    assert sorted(await listing.delivered()) == sorted([SYMLINK, MANIFEST, CHECKSUM])
    assert await listing.rows() == []


async def test_all_versions_and_a_prefix(listing: Listing) -> None:
    status = {"Status": "Enabled"}
    await listing.s3.call("PutBucketVersioning", versioning_configuration=status)
    listing.refresh()
    ids = [(await listing.s3.put("logs/a b", b"x"))["VersionId"] for _ in range(2)]
    await listing.s3.put("other", b"x")
    await listing.s3.call("DeleteObject", key="logs/a b")
    await listing.begin(
        IncludedObjectVersions="All", Filter={"Prefix": "logs/"}, OptionalFields=["Size"]
    )
    await listing.run()
    marker, *rows = await listing.rows()
    assert marker["IsLatest"] == marker["IsDeleteMarker"] == "true"
    assert marker["Size"] == ""
    shown = [(row["Key"], row["VersionId"], row["IsLatest"], row["Size"]) for row in rows]
    assert shown == [("logs/a%20b", version, "false", "1") for version in reversed(ids)]


async def test_reports_come_once_a_day_while_enabled(listing: Listing) -> None:
    await listing.begin()
    await listing.run()
    await listing.run()
    assert len(await listing.delivered()) == 3
    listing.runner = Listing(listing.s3).runner  # Another worker, or another start.
    await listing.run()
    assert len(await listing.delivered()) == 3
    listing.s3.clock.advance(DAY)
    await listing.run()
    assert len(await listing.delivered()) == 6
    await listing.configure(IsEnabled=False)
    listing.s3.clock.advance(DAY)
    await listing.run()
    assert len(await listing.delivered()) == 6


@pytest.mark.parametrize(
    ("source", "more", "reason"),
    [
        (None, {}, "AccessDenied"),
        ("arn:aws:s3:::other", {}, "AccessDenied"),
        ("arn:aws:s3:::bucket", {"AccountId": "999999999999"}, "AccessDenied"),
        ("arn:aws:s3:::bucket", {"Bucket": "arn:aws:s3:::nowhere"}, "NoSuchBucket"),
    ],
)
async def test_the_destination_must_be_there_and_let_s3_write(
    listing: Listing,
    source: str | None,
    more: dict[str, str],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await listing.begin(allowed=False, destination=more)
    if source is not None:
        await listing.allow(source)
    with caplog.at_level(logging.WARNING):
        await listing.run()
        await listing.run()
    [record] = caplog.records
    assert record.__dict__["fields"] == {"bucket": "bucket", "id": "list", "reason": reason}
    await listing.allow()
    await listing.configure()
    await listing.run()
    assert await listing.delivered() == {}
    listing.s3.clock.advance(inventory.RETRY_SECONDS)
    await listing.run()
    assert len(await listing.delivered()) == 3


async def test_what_a_full_disk_ends_is_no_report_and_begins_anew(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listing.s3.put("k", b"x")
    await listing.begin()

    async def fail(call: Any, *, key: str, **more: Any) -> Any:
        if key == MANIFEST:
            raise NoSpaceError("the disk is full")
        return await put_object(call, key=key, **more)

    monkeypatch.setattr(inventory, "put_object", fail)
    await listing.run()
    assert MANIFEST not in await listing.delivered()
    monkeypatch.undo()
    listing.s3.clock.advance(inventory.RETRY_SECONDS)
    await listing.run()
    assert [row["Key"] for row in await listing.rows()] == ["k"]


@pytest.mark.parametrize("wanted", [None, "SSES3", "SSEKMS"])
async def test_reports_are_encrypted_as_the_configuration_says(
    listing: Listing, wanted: str | None
) -> None:
    key = listing.s3.make_key()
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    listing.s3.kms_call("PutKeyPolicy", KeyId=key, Policy=policy)
    encryption = {"SSES3": {}, "SSEKMS": {"KeyId": key}}
    chosen = {} if wanted is None else {"Encryption": {wanted: encryption[wanted]}}
    await listing.begin(destination=chosen)
    await listing.run()
    listing.s3.bucket = listing.s3.store.bucket("reports")
    reply, _ = await listing.s3.get(MANIFEST)
    algorithm = "aws:kms" if wanted == "SSEKMS" else "AES256"
    assert reply["ServerSideEncryption"] == algorithm
    assert reply.get("SSEKMSKeyId") == (key if wanted == "SSEKMS" else None)


async def test_a_key_that_does_not_let_s3_ends_the_report(
    listing: Listing, caplog: pytest.LogCaptureFixture
) -> None:
    key = listing.s3.make_key()
    await listing.s3.put("k", b"x")
    await listing.begin(destination={"Encryption": {"SSEKMS": {"KeyId": key}}})
    await listing.run()
    assert await listing.delivered() == {}
    assert "was not delivered" in caplog.text


async def test_a_configuration_that_goes_meanwhile_is_forgotten(listing: Listing) -> None:
    await listing.begin()
    await listing.run()
    await listing.configure()
    await listing.s3.call("DeleteBucketInventoryConfiguration", id="list")
    listing.refresh()
    listing.s3.clock.advance(DAY)
    await listing.run()
    assert len(await listing.delivered()) == 3


async def test_encrypted_objects_are_listed_with_their_mode(listing: Listing) -> None:
    kms = EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True)
    await listing.s3.put("kms", b"x", encryption=kms)
    await listing.s3.put("s3", b"x")
    await listing.begin(OptionalFields=["EncryptionStatus", "BucketKeyStatus"])
    await listing.run()
    shown = [(row["EncryptionStatus"], row["BucketKeyStatus"]) for row in await listing.rows()]
    assert shown == [("SSE-KMS", "ENABLED"), ("SSE-S3", "DISABLED")]
