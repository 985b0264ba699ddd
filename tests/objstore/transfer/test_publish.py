from hashlib import md5
from typing import Any

import pytest

from objstore.checksum import Algorithm, checksum
from objstore.crypt.data_keys import Envelope
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import Mode, decode, open_checksums, verify
from objstore.storage.records import Bucket, StoredObject
from objstore.storage.store import Store
from objstore.transfer.integrity import Digests
from objstore.transfer.publish import Description, publishable, random_etag, single_part
from objstore.transfer.receive import Received, receive

DATA = b"data" * 10
ARN = "arn:aws:kms:us-east-1:123456789012:key/k"
CONTEXT = {"aws:s3:arn": "arn:aws:s3:::bucket/k"}
DESCRIPTION = Description({"content-type": "text/plain"}, {"colour": "blue"}, "STANDARD_IA")


@pytest.fixture
async def received(store: Store, data_key: bytearray, pieces: Any) -> Received:
    digests = Digests(None, kept=Algorithm.SHA256, want_md5=True)
    return await receive(store, data_key, pieces(DATA), digests=digests)


def row(received: Received, data_key: bytearray, bucket: Bucket) -> StoredObject:
    return publishable(
        Envelope(Mode.SSE_KMS, ARN, b"wrapped", CONTEXT),
        data_key=data_key,
        bucket=bucket,
        key=b"k",
        created_ms=5,
        description=DESCRIPTION,
        stored=single_part(received, plain_md5=True),
    )


def test_the_manifest_binds_everything(
    received: Received, data_key: bytearray, bucket: Bucket
) -> None:
    stored = row(received, data_key, bucket)
    verify(data_key, stored.manifest, stored.mac)
    manifest = decode(stored.manifest)
    assert (manifest.bucket_id, manifest.key, manifest.version_id) == (b"B" * 16, b"k", "null")
    assert (manifest.size, manifest.etag, manifest.created_ms) == (40, stored.etag, 5)
    assert (manifest.mode, manifest.kms_key_arn) == (Mode.SSE_KMS, ARN)
    assert (manifest.wrapped_key, manifest.context) == (b"wrapped", CONTEXT)
    assert (manifest.content, manifest.metadata) == (DESCRIPTION.content, DESCRIPTION.metadata)
    (part,) = manifest.parts
    assert (part.number, part.length) == (1, 40)
    assert (part.blob_id, part.commitment) == (received.blob.blob_id, received.commitment)
    assert stored.storage_class == "STANDARD_IA"
    assert (stored.blobs, stored.inline) == ((received.blob,), received.inline)


def test_another_key_makes_no_mac(received: Received, data_key: bytearray, bucket: Bucket) -> None:
    stored = row(received, data_key, bucket)
    with pytest.raises(TamperedError, match="manifest"):
        verify(bytearray(32), stored.manifest, stored.mac)


def test_checksums_are_sealed(received: Received, data_key: bytearray, bucket: Bucket) -> None:
    value = checksum(Algorithm.SHA256, DATA)
    stored = row(received, data_key, bucket)
    assert value.encode() not in stored.manifest
    manifest = decode(stored.manifest)
    assert open_checksums(data_key, manifest.checksums, binding=b"null") == {"SHA256": value}
    with pytest.raises(TamperedError, match="checksums"):
        open_checksums(data_key, manifest.checksums, binding=b"another version")


def test_etags(received: Received) -> None:
    assert single_part(received, plain_md5=True).etag == md5(DATA).hexdigest()
    etags = {single_part(received, plain_md5=False).etag for _ in range(3)}
    assert len(etags) == 3
    assert md5(DATA).hexdigest() not in etags
    assert len(bytes.fromhex(random_etag())) == 16
