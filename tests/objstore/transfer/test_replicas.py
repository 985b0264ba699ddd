"""How a replica is encrypted and described; tests/objstore/test_replication.py makes some."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.crypt.manifest import Mode
from objstore.transfer.replicas import encryption_of, replicate

ENCRYPTED = {"EncryptionConfiguration": {"ReplicaKmsKeyID": "key"}}


@pytest.mark.parametrize(
    ("mode", "destination", "algorithm", "key_id"),
    [
        (Mode.SSE_S3, {}, "AES256", None),
        (Mode.SSE_S3, ENCRYPTED, "AES256", None),
        (Mode.SSE_KMS, ENCRYPTED, "aws:kms", "key"),
        (Mode.DSSE_KMS, ENCRYPTED, "aws:kms:dsse", "key"),
    ],
)
def test_like_the_source_under_the_destinations_key(
    mode: Mode, destination: dict[str, Any], algorithm: str, key_id: str | None
) -> None:
    headers = encryption_of(mode, {"Destination": destination})
    assert (headers.server_side_encryption, headers.ssekms_key_id) == (algorithm, key_id)


async def test_a_refused_replica_leaves_no_blob(s3: Any) -> None:
    """The destination may be gone by the time the bytes are there."""
    await s3.make_bucket("gone")
    gone = s3.store.bucket("gone")
    await s3.put("a", b"x" * 300_000)
    stored = s3.store.object(s3.bucket.bucket_id, b"a")
    source, s3.bucket = s3.bucket, gone
    await s3.call("DeleteBucket")
    blobs = set((s3.folder / "blobs").rglob("?" * 32))
    call = Call(s3.caller, s3.services, lambda *_: None, gone)
    rule = {"Destination": {"Bucket": "arn:aws:s3:::gone"}}
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await replicate(call, source, stored, rule)
    # The blob is given up by a transaction, which is before this one, and then collected.
    await s3.store.outbox.add([])
    await s3.store.run(s3.store._collect)
    assert set((s3.folder / "blobs").rglob("?" * 32)) == blobs
