"""A bucket under another key: what is counted, what is passed over, and going on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore import rewrap
from objstore.crypt.manifest import decode
from objstore.crypt.sse import EncryptionHeaders
from objstore.rewrap import Count, rewrap_bucket
from objstore.storage.records import StoredObject
from objstore.trace import TraceFile
from objstore.transfer.rewrap import Target


async def run(s3: Any, key_id: str, *, bucket_key: bool = False, most: int | None = None) -> Any:
    lines: list[str] = []
    count = await rewrap_bucket(
        s3.store,
        s3.services.data_keys,
        s3.clock,
        bucket=s3.bucket,
        target=Target(key_id, bucket_key),
        report=lines.append,
        rewrapped_max=most,
    )
    return count, lines


async def test_each_version_leaves_its_steps(s3: Any, tmp_path: Path) -> None:
    old, new = s3.make_key(), s3.make_key()
    await s3.put("a", b"1")
    await s3.put("b/\u00e9", b"2", encryption=EncryptionHeaders("aws:kms", old))
    await s3.put("c", b"3", encryption=EncryptionHeaders("aws:kms", new))
    traces = TraceFile(tmp_path)
    await rewrap_bucket(
        s3.store,
        s3.services.data_keys,
        s3.clock,
        bucket=s3.bucket,
        target=Target(new, False),
        report=lambda line: None,
        traces=traces,
    )
    found = await traces.find(operation="rewrap")
    assert [(r["resource"], [step["step"] for step in r["steps"]]) for r in found] == [
        ("/bucket/b/\u00e9", ["read row", "Decrypt", "ReEncrypt", "wipe"]),
        ("/bucket/a", ["read row", "unwrap by S3's key", "Encrypt", "wipe"]),
    ]


async def test_every_version_of_every_mode(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrap, "PAGE_VERSIONS", 2)
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    s3.bucket = s3.store.bucket("bucket")
    old, new = s3.make_key(), s3.make_key()
    await s3.put("a", b"1")
    await s3.put("a", b"2", encryption=EncryptionHeaders("aws:kms", old))
    await s3.call("DeleteObject", key="a")
    await s3.put("b", b"3", encryption=EncryptionHeaders("aws:kms:dsse", old))
    await s3.put("c", b"4", encryption=EncryptionHeaders("aws:kms", new))
    await s3.put("d", b"5")
    hold = {"legal_hold": "ON"}
    await s3.store.update_object(
        s3.bucket.bucket_id,
        b"d",
        version_id=None,
        change=lambda found: replace(found, attributes=hold),
    )
    count, lines = await run(s3, new)
    assert count == Count(versions=5, rewrapped=2, already=1, refused=2)
    assert lines[-1] == "versions=5 rewrapped=2 already=1 refused=2 failed=0"
    assert len(lines) > 1
    count, _ = await run(s3, new)
    assert count == Count(versions=5, already=3, refused=2)
    count, _ = await run(s3, new, bucket_key=True)
    assert count == Count(versions=5, rewrapped=3, refused=2)
    s3.kms_call("CreateAlias", AliasName="alias/own", TargetKeyId=new)
    count, _ = await run(s3, "alias/own", bucket_key=True)
    assert count == Count(versions=5, already=3, refused=2)


async def test_a_bounded_run_is_gone_on_with(s3: Any) -> None:
    for number in range(5):
        await s3.put(str(number), b"data")
    key_arn = s3.make_key()
    rewrapped = [(await run(s3, key_arn, most=2))[0].rewrapped for _ in range(4)]
    assert rewrapped == [2, 2, 1, 0]
    for number in range(5):
        reply, body = await s3.get(str(number))
        assert (body, reply["SSEKMSKeyId"]) == (b"data", key_arn)


async def test_failures_are_told_and_counted(s3: Any) -> None:
    old = s3.make_key()
    await s3.put("closed", b"data", encryption=EncryptionHeaders("aws:kms", old))
    await s3.put("damaged", b"data")
    await s3.put("fine", b"data")

    def damage(found: StoredObject) -> StoredObject:
        return replace(found, mac=bytes(32))

    await s3.store.update_object(s3.bucket.bucket_id, b"damaged", version_id=None, change=damage)
    s3.kms_call("DisableKey", KeyId=old)
    count, lines = await run(s3, s3.make_key())
    assert count == Count(versions=3, rewrapped=1, failed=2)
    assert "'closed' null" in lines[0]
    assert "is disabled" in lines[0]
    assert "'damaged' null: the manifest cannot be verified" in lines[1]


async def test_a_key_that_does_not_exist_touches_nothing(s3: Any) -> None:
    await s3.put("k", b"data")
    before = s3.store.object(s3.bucket.bucket_id, b"k").manifest
    with pytest.raises(AWSError, match="Invalid keyId 'nobody'"):
        await run(s3, "nobody")
    assert s3.store.object(s3.bucket.bucket_id, b"k").manifest == before
    assert decode(before).kms_key_arn == ""
