"""Replicas that nobody can open on their way; tests/objstore/test_replication.py sends some."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.customer_keys import headers_for
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import decode
from objstore.crypt.sse import ACCEPTING_SSE_C, SETTING, EncryptionHeaders
from objstore.operations.copy import SourceNamed
from objstore.storage.records import BlobDamagedError, Bucket, StoredObject
from objstore.transfer.outgoing import KIND, MACS
from objstore.transfer.sealed_replicas import replicate_sealed

CUSTOMER = headers_for(bytes(range(32)))
ENCRYPTION = EncryptionHeaders(
    None,
    None,
    None,
    None,
    CUSTOMER.sse_customer_algorithm,
    CUSTOMER.sse_customer_key,
    CUSTOMER.sse_customer_key_md5,
)
PART = b"x" * (5 << 20)
TARGETS = ("target", "other")
SENDS_TO = {
    name: {
        "ID": name,
        "Status": "Enabled",
        "Priority": number,
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{name}"},
    }
    for number, name in enumerate(TARGETS)
}
DOCUMENT = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": list(SENDS_TO.values())}


class Sealed:
    """A bucket that sends to two others, all of which take customers' keys."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3

    async def configure(self) -> None:
        settings = {"versioning": {"Status": "Enabled"}, SETTING: ACCEPTING_SSE_C}
        for name in TARGETS:
            await self.s3.make_bucket(name)
            await self.s3.store.update_bucket(name, lambda old: {**old, **settings})
        await self.s3.store.update_bucket(
            "bucket", lambda old: {**old, **settings, "replication": DOCUMENT}
        )
        self.s3.bucket = self.s3.store.bucket("bucket")

    def bucket(self, name: str) -> Bucket:
        found: Bucket = self.s3.store.bucket(name)
        return found

    def row(self, name: str) -> StoredObject:
        found: StoredObject = self.s3.store.object(self.bucket(name).bucket_id, b"a")
        return found

    def macs(self) -> Mapping[str, str]:
        """What the newest message brings along."""
        waiting = self.s3.store.outbox.due(KIND, now_ms=0, limit=99)
        macs: Mapping[str, str] = waiting[-1].message.body[MACS]
        return macs

    async def send(self, name: str, row: StoredObject | None = None) -> None:
        """Replicate the object, or another row, as the newest message says."""
        call = Call(self.s3.caller, self.s3.services, lambda *_: None, self.bucket(name))
        await replicate_sealed(call, row or self.row("bucket"), SENDS_TO[name], self.macs())

    async def read(self, name: str) -> bytes:
        own, self.s3.bucket = self.s3.bucket, self.bucket(name)
        try:
            _, data = await self.s3.get("a", customer=CUSTOMER)
        finally:
            self.s3.bucket = own
        return bytes(data)


@pytest.fixture
async def sealed(s3: Any) -> Sealed:
    made = Sealed(s3)
    await made.configure()
    return made


async def put(s3: Any) -> bytes:
    await s3.put("a", b"secret", encryption=ENCRYPTION)
    return b"secret"


async def put_large(s3: Any) -> bytes:
    await s3.put("a", PART, encryption=ENCRYPTION)
    return PART


async def copy(s3: Any) -> bytes:
    await s3.put("source", PART)
    named = SourceNamed("bucket/source")
    await s3.call("CopyObject", key="a", named=named, encryption=ENCRYPTION)
    return PART


async def upload(s3: Any) -> bytes:
    """Completed by the keys that were kept, and so without the data key."""
    upload_id = await s3.begin("a", encryption=ENCRYPTION)
    etags = {}
    for number, data in ((1, PART), (2, b"tail")):
        reply = await s3.part("a", upload_id, number, data, customer=CUSTOMER)
        etags[number] = reply["ETag"]
    await s3.complete("a", upload_id, etags)
    return PART + b"tail"


async def upload_with_checksums(s3: Any) -> bytes:
    """Completed with the customer's key."""
    upload_id = await s3.begin("a", encryption=ENCRYPTION, checksum_algorithm="SHA256")
    sums = ChecksumHeaders(checksum_sha256=checksum(Algorithm.SHA256, b"tail"))
    reply = await s3.part("a", upload_id, 1, b"tail", customer=CUSTOMER, checksums=sums)
    etags = {1: {"ETag": reply["ETag"], "ChecksumSHA256": reply["ChecksumSHA256"]}}
    await s3.complete("a", upload_id, etags, customer=CUSTOMER)
    return b"tail"


@pytest.mark.parametrize("write", [put, put_large, copy, upload, upload_with_checksums])
async def test_every_way_to_write_makes_replicas_that_open(sealed: Sealed, write: Any) -> None:
    data = await write(sealed.s3)
    source = sealed.row("bucket")
    assert MACS not in source.attributes
    for name in TARGETS:
        await sealed.send(name)
        replica = sealed.row(name)
        assert await sealed.read(name) == data
        assert decode(replica.manifest) == replace(
            decode(source.manifest), bucket_id=sealed.bucket(name).bucket_id
        )
        assert not {ref.blob_id for ref in replica.blobs} & {ref.blob_id for ref in source.blobs}
        assert [ref.crc64 for ref in replica.blobs] == [ref.crc64 for ref in source.blobs]
    await sealed.s3.store.delete_object(source.bucket_id, b"a", version_id=source.version_id)
    await sealed.s3.store.run(sealed.s3.store._collect)
    assert await sealed.read("target") == data


async def test_a_replica_is_bound_to_its_bucket(sealed: Sealed) -> None:
    """The MAC of one bucket's replica opens nothing in another, nor the source's own."""
    await put(sealed.s3)
    own, macs = sealed.row("bucket").mac, sealed.macs()
    target, other = (sealed.bucket(name).bucket_id.hex() for name in TARGETS)
    assert len({own.hex(), *macs.values()}) == 3
    for mac in (own.hex(), macs[other]):
        call = Call(sealed.s3.caller, sealed.s3.services, lambda *_: None, sealed.bucket("target"))
        wrong = {target: mac}
        await replicate_sealed(call, sealed.row("bucket"), SENDS_TO["target"], wrong)
        with pytest.raises(TamperedError, match="manifest"):
            await sealed.read("target")
        row = sealed.row("target")
        await sealed.s3.store.delete_object(row.bucket_id, b"a", version_id=row.version_id)


async def test_a_version_does_not_stand_for_another(sealed: Sealed) -> None:
    await put(sealed.s3)
    first = sealed.row("bucket")
    await put(sealed.s3)
    second = sealed.row("bucket")
    with pytest.raises(TamperedError, match="manifest"):
        await sealed.send("target", replace(second, manifest=first.manifest, mac=first.mac))
    # The MAC of the second's replica, for a replica of the first.
    await sealed.send("target", first)
    with pytest.raises(TamperedError, match="manifest"):
        await sealed.read("target")


async def test_a_bucket_of_the_same_name_is_another(sealed: Sealed) -> None:
    await put(sealed.s3)
    await sealed.s3.store.delete_bucket(sealed.bucket("target"))
    await sealed.s3.make_bucket("target")
    await sealed.s3.store.update_bucket("target", lambda old: {**old, SETTING: ACCEPTING_SSE_C})
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await sealed.send("target")


@pytest.mark.parametrize("write", [put, put_large])
async def test_damage_is_not_sent_on(sealed: Sealed, write: Any) -> None:
    await write(sealed.s3)
    files = sealed.s3.blob_files()
    row = sealed.row("bucket")
    (ref,) = row.blobs
    with pytest.raises(BlobDamagedError):
        await sealed.send("target", replace(row, blobs=(replace(ref, crc64=ref.crc64 ^ 1),)))
    assert sealed.row("target") is None
    await sealed.s3.store.outbox.add([])
    await sealed.s3.store.run(sealed.s3.store._collect)
    assert sealed.s3.blob_files() == files


async def test_a_refused_replica_leaves_no_blob(sealed: Sealed) -> None:
    await put_large(sealed.s3)
    files = sealed.s3.blob_files()
    gone = sealed.bucket("target")
    await sealed.s3.store.delete_bucket(gone)
    call = Call(sealed.s3.caller, sealed.s3.services, lambda *_: None, gone)
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await replicate_sealed(call, sealed.row("bucket"), SENDS_TO["target"], sealed.macs())
    await sealed.s3.store.outbox.add([])
    await sealed.s3.store.run(sealed.s3.store._collect)
    assert sealed.s3.blob_files() == files


async def test_other_objects_need_no_macs(sealed: Sealed) -> None:
    await sealed.s3.put("a", b"x")
    [queued] = sealed.s3.store.outbox.due(KIND, now_ms=0, limit=9)
    assert MACS not in queued.message.body
