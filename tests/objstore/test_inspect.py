"""The inspection of stored objects, sound and damaged, with a real store and a real KMS."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.client import KMS, RootSettings, open_kms
from objstore.crypt import frames, manifest
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, headers_for
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.manifest import Manifest, Mode, PartEntry
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.inspect import BLOBS_SHOWN_MAX, account_root, inspect_object
from objstore.storage.blobs import blob_path, inline_blob, new_blob_id
from objstore.storage.records import BlobRef, Bucket, StoredObject
from objstore.storage.store import Store

BUCKET = Bucket("photos", b"B" * 16, "123456789012", "eu-west-1", 0)
PLAINTEXT = b"plaintext that nobody should see "
CLOCK = FixedClock(1_764_000_000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "data", wall=CLOCK, space_reserve_bytes=0)
    await store.create_bucket(BUCKET)
    yield store
    await store.close()


@pytest.fixture
def kms(tmp_path: Path, store: Store) -> Iterator[KMS]:
    kms = open_kms(tmp_path / "data", clock=CLOCK, root=RootSettings())
    yield kms
    kms.close()


def damage(store: Store, ref: BlobRef, offset: int) -> None:
    """Flip a bit of a blob's file."""
    path = Path(blob_path(store.folder, ref.directory, ref.blob_id))
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def lose(store: Store, ref: BlobRef, *, left: bytes | None) -> None:
    """Remove a blob's file, or leave these bytes of it."""
    path = Path(blob_path(store.folder, ref.directory, ref.blob_id))
    path.unlink()
    if left is not None:
        path.write_bytes(left)


def sealed(
    store: Store, kms: KMS, *, key: str, mode: Mode, parts: int = 1, inline: bool = True
) -> StoredObject:
    """An object of `parts` blobs with PLAINTEXT each, as operations would store it."""
    choice = Choice(mode, "alias/aws/s3" if mode is Mode.SSE_KMS else "")
    envelope = DataKeys(kms).generate(account_root(BUCKET), choice, bucket=BUCKET, key=key)
    entries: list[PartEntry] = []
    refs: list[BlobRef] = []
    data = b""
    for number in range(1, parts + 1):
        writer = None if inline else store.new_blob(frames.sealed_size(len(PLAINTEXT)))
        blob_id = new_blob_id() if writer is None else writer.blob_id
        data, commitment = frames.seal_small(envelope.key, blob_id=blob_id, plaintext=PLAINTEXT)
        if writer is not None:
            writer.write(data)
        refs.append(inline_blob(data, blob_id) if writer is None else writer.finish())
        entries.append(PartEntry(number, refs[-1].blob_id, len(PLAINTEXT), commitment))
    size = len(PLAINTEXT) * parts
    encoded = manifest.encode(
        Manifest(
            bucket_id=BUCKET.bucket_id,
            key=key.encode(),
            version_id="null",
            size=size,
            etag="etag",
            created_ms=5,
            mode=mode,
            kms_key_arn=envelope.kms_key_arn,
            wrapped_key=envelope.wrapped_key,
            context=envelope.context,
            content={},
            metadata={},
            checksums=b"",
            checksum_algorithm="",
            checksum_type="",
            parts=tuple(entries),
        )
    )
    return StoredObject(
        bucket_id=BUCKET.bucket_id,
        key=key.encode(),
        version_id="null",
        size=size,
        etag="etag",
        modified_ms=5,
        storage_class="STANDARD",
        checksum_algorithm="",
        checksum_type="",
        manifest=encoded,
        mac=manifest.authenticate(envelope.key, encoded),
        blobs=tuple(refs),
        inline=data if inline else None,
    )


CUSTOMER = headers_for(b"k" * 32)


async def test_every_mode_is_shown(s3: Any) -> None:
    """As operations store it, in a file, and opened whatever its layers and keys."""
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    await s3.call("PutBucketEncryption", server_side_encryption_configuration={"Rules": [rule]})
    s3.bucket = s3.store.bucket("bucket")
    customer = EncryptionHeaders(
        sse_customer_algorithm=CUSTOMER.sse_customer_algorithm,
        sse_customer_key=CUSTOMER.sse_customer_key,
        sse_customer_key_md5=CUSTOMER.sse_customer_key_md5,
    )
    key_arn = s3.make_key()
    for encryption, shown in (
        (EncryptionHeaders("AES256"), ["(SSE-S3)", "the key that S3 owns"]),
        (EncryptionHeaders("aws:kms", key_arn), ["(SSE-KMS)", key_arn]),
        (
            EncryptionHeaders("aws:kms", key_arn, bucket_key_enabled=True),
            ["(SSE-KMS)", key_arn, "bucket key         wrapped, ", "= arn:aws:s3:::bucket"],
        ),
        (
            EncryptionHeaders("aws:kms:dsse", key_arn),
            ["(DSSE-KMS): two layers, two keys", key_arn, "outer layer        under the key"],
        ),
        (customer, ["(SSE-C)", "the customer's key, which is not kept"]),
    ):
        await s3.put("k", PLAINTEXT * 40_000, encryption=encryption)
        data_keys = s3.services.data_keys
        needed = CUSTOMER if encryption is customer else NO_CUSTOMER_KEY
        text, verified = await inspect_object(
            s3.store, data_keys, bucket="bucket", key="k", customer=needed
        )
        assert verified, text
        assert "every chunk (11)" in text
        for fragment in shown:
            assert fragment in text
    text, verified = await inspect_object(s3.store, data_keys, bucket="bucket", key="k")
    assert not verified
    assert "FAILED data key, unwrapped by the customer's key" in text


async def inspected(store: Store, kms: KMS, key: str = "k") -> tuple[str, bool]:
    return await inspect_object(store, DataKeys(kms), bucket="photos", key=key)


async def test_an_inline_object(store: Store, kms: KMS) -> None:
    await store.put_object(sealed(store, kms, key="k", mode=Mode.SSE_S3))
    text, verified = await inspected(store, kms)
    assert verified, text
    assert "AES256" in text
    assert "in the index" in text
    assert "aws:s3:arn = arn:aws:s3:::photos/k" in text
    assert "plaintext that" not in text


async def test_an_sse_kms_object_in_files(store: Store, kms: KMS) -> None:
    made = sealed(store, kms, key="k", mode=Mode.SSE_KMS, inline=False, parts=BLOBS_SHOWN_MAX + 2)
    await store.put_object(made)
    text, verified = await inspected(store, kms)
    assert verified, text
    assert "aws:kms" in text
    assert "arn:aws:kms:eu-west-1:123456789012:key/" in text
    assert f"/blobs/{made.blobs[0].directory:08x}/{made.blobs[0].blob_id.hex()}" in text
    assert "and 2 more parts" in text
    assert text.count("every chunk (1)") == BLOBS_SHOWN_MAX + 2


@pytest.mark.parametrize(("offset", "reason"), [(0, "header"), (96, "commitment"), (-1, "chunk")])
async def test_a_damaged_blob(store: Store, kms: KMS, offset: int, reason: str) -> None:
    made = sealed(store, kms, key="k", mode=Mode.SSE_S3, inline=False)
    await store.put_object(made)
    damage(store, made.blobs[0], offset)
    text, verified = await inspected(store, kms)
    assert not verified
    assert f"the {reason} cannot be verified" in text


@pytest.mark.parametrize(
    ("data", "reason"), [(None, "BlobMissingError"), (b"short", "BlobDamagedError")]
)
async def test_a_lost_blob(store: Store, kms: KMS, data: bytes | None, reason: str) -> None:
    made = sealed(store, kms, key="k", mode=Mode.SSE_S3, inline=False)
    await store.put_object(made)
    lose(store, made.blobs[0], left=data)
    text, verified = await inspected(store, kms)
    assert not verified
    assert reason in text


async def test_changed_rows(store: Store, kms: KMS) -> None:
    made = sealed(store, kms, key="k", mode=Mode.SSE_S3)
    other = sealed(store, kms, key="other", mode=Mode.SSE_S3)
    for changed, reason in (
        (replace(made, mac=bytes(32)), "the manifest cannot be verified"),
        (replace(made, manifest=b"nonsense"), "the manifest cannot be verified"),
        (replace(made, etag="changed"), "the manifest of another row"),
        (replace(made, key=b"other"), "the manifest of another row"),
        (replace(made, modified_ms=made.modified_ms + 1), "the manifest of another row"),
        (replace(made, blobs=other.blobs, inline=other.inline), "the header cannot be verified"),
        (replace(made, blobs=(), inline=None), "the row has no such blob"),
    ):
        await store.put_object(changed)
        text, verified = await inspected(store, kms, changed.key.decode())
        assert not verified
        assert reason in text


async def test_a_foreign_wrapped_key(store: Store, kms: KMS) -> None:
    made = sealed(store, kms, key="k", mode=Mode.SSE_KMS)
    stolen = replace(
        manifest.decode(made.manifest),
        wrapped_key=manifest.decode(
            sealed(store, kms, key="other", mode=Mode.SSE_KMS).manifest
        ).wrapped_key,
    )
    await store.put_object(replace(made, manifest=manifest.encode(stolen)))
    text, verified = await inspected(store, kms)
    assert not verified
    assert "FAILED data key, unwrapped by the KMS: the data key cannot be verified" in text


async def test_nothing_there(store: Store, kms: KMS) -> None:
    assert await inspected(store, kms) == ("there is no object k in the bucket photos", False)
    text, verified = await inspect_object(store, DataKeys(kms), bucket="none", key="k")
    assert (text, verified) == ("there is no bucket none", False)


async def test_keys_cannot_command_a_terminal(store: Store, kms: KMS) -> None:
    await store.put_object(sealed(store, kms, key="\x1b[2J", mode=Mode.SSE_S3))
    text, verified = await inspected(store, kms, "\x1b[2J")
    assert verified
    assert "\x1b" not in text
    assert "\\u001b[2J" in text
