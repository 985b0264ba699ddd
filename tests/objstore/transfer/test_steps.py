import hashlib
import json
from base64 import b64encode
from typing import Any

import pytest

from objstore.call import Call, Trace
from objstore.crypt.data_keys import Envelope
from objstore.crypt.manifest import Mode, decode
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.transfer import steps

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
LARGE = b"secret" * 50_000


async def test_the_steps_of_a_large_put_and_get(s3: Any) -> None:
    await s3.put("k", LARGE, encryption=KMS)
    written = {step["step"]: step for step in s3.trace.steps}
    assert list(written) == ["request", "GenerateDataKey", "encrypt", "store", "wipe"]
    assert written["request"] == {
        "step": "request",
        "operation": "PutObject",
        "bucket": "bucket",
        "key": "k",
        "algorithm": "aws:kms",
        "key_id": "alias/aws/s3",
    }
    blob_id = written["encrypt"]["blob_id"]
    assert written["encrypt"]["sealed_bytes"] > written["encrypt"]["plaintext_bytes"] == len(LARGE)
    assert [path.name for path in s3.blob_files()] == [blob_id]
    assert written["store"] == {"step": "store", "blob_id": blob_id, "directory": "1"}
    read, _ = await s3.get("k")
    shown = {step["step"]: step for step in s3.trace.steps}
    assert list(shown) == ["read row", "Decrypt", "decrypt", "wipe"]
    assert shown["read row"]["blob_ids"] == [blob_id]
    assert shown["read row"]["wrapped_key"] == written["GenerateDataKey"]["wrapped_key"]
    assert shown["Decrypt"]["fingerprint"] == written["GenerateDataKey"]["fingerprint"]
    assert shown["decrypt"]["plaintext_bytes"] == read["ContentLength"]


async def test_a_part_shows_how_its_key_came_back(s3: Any) -> None:
    upload_id = await s3.begin("k", encryption=KMS)
    names = [step["step"] for step in s3.trace.steps]
    assert names == ["request", "GenerateDataKey", "wipe"]
    await s3.part("k", upload_id, 1, LARGE)
    assert [step["step"] for step in s3.trace.steps] == ["Decrypt", "encrypt", "store", "wipe"]


CUSTOMER_KEY = bytes(range(100, 132))
CUSTOMER = (
    "AES256",
    b64encode(CUSTOMER_KEY).decode(),
    b64encode(hashlib.md5(CUSTOMER_KEY).digest()).decode(),
)


@pytest.mark.parametrize(
    ("encryption", "algorithm", "wraps", "unwraps"),
    [
        (EncryptionHeaders(), "AES256", ["wrap by S3's key"], ["unwrap by S3's key"]),
        (KMS, "aws:kms", ["GenerateDataKey"], ["Decrypt"]),
        (
            EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True),
            "aws:kms",
            ["wrap by bucket key"],
            ["unwrap by bucket key"],
        ),
        (
            EncryptionHeaders(server_side_encryption="aws:kms:dsse"),
            "aws:kms:dsse",
            ["GenerateDataKey", "wrap by S3's key"],
            ["Decrypt", "unwrap by S3's key"],
        ),
        (
            EncryptionHeaders(None, None, None, None, *CUSTOMER),
            "SSE-C",
            ["wrap by customer's key"],
            ["unwrap by customer's key"],
        ),
    ],
    ids=["SSE-S3", "SSE-KMS", "bucket key", "DSSE", "SSE-C"],
)
async def test_each_mode_says_who_wraps_its_keys(
    s3: Any, encryption: EncryptionHeaders, algorithm: str, wraps: list[str], unwraps: list[str]
) -> None:
    blocked = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    await s3.call("PutBucketEncryption", server_side_encryption_configuration={"Rules": [blocked]})
    s3.bucket = s3.store.bucket("bucket")
    await s3.put("k", LARGE, encryption=encryption)
    written = {step["step"]: step for step in s3.trace.steps}
    assert list(written) == ["request", *wraps, "encrypt", "store", "wipe"]
    assert written["request"]["algorithm"] == algorithm
    assert written["encrypt"]["layers"] == len(wraps)
    assert written["wipe"]["plaintext_key_zeroed"] is True
    await s3.get("k", customer=encryption.customer)
    shown = {step["step"]: step for step in s3.trace.steps}
    assert list(shown) == ["read row", *unwraps, "decrypt", "wipe"]
    assert shown["read row"]["algorithm"] == algorithm
    for wrap, unwrap in zip(wraps, unwraps, strict=True):
        assert shown[unwrap]["fingerprint"] == written[wrap]["fingerprint"]
        assert ("key_arn" in shown[unwrap]) == ("aws:kms" in algorithm and "S3's" not in unwrap)
    text = json.dumps([written, shown])
    assert CUSTOMER_KEY.hex() not in text
    assert CUSTOMER[1] not in text


async def test_objects_under_one_bucket_key_show_the_same_one(s3: Any) -> None:
    encryption = EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True)
    found = []
    for key in ("a", "b"):
        await s3.put(key, b"x", encryption=encryption)
        steps_of = {step["step"]: step for step in s3.trace.steps}
        assert steps_of["request"]["bucket_key"] is True
        found.append(steps_of["wrap by bucket key"])
    first, second = found
    assert first["wrapped_bucket_key"] == second["wrapped_bucket_key"]
    assert first["wrapped_key"] != second["wrapped_key"]
    assert first["encryption_context"] == {"aws:s3:arn": "arn:aws:s3:::bucket"}


async def test_other_servers_show_nothing(s3: Any) -> None:
    await s3.put("k", LARGE)
    stored = s3.store.object(s3.bucket.bucket_id, b"k")
    manifest = decode(stored.manifest)
    silent = Call(s3.caller, s3.services, s3._authorize, s3.bucket, Trace(enabled=False))
    key = bytearray(range(32))
    steps.request(silent, "PutObject", "k", Choice(Mode.SSE_KMS, "key"))
    steps.generated(silent, Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key))
    steps.found(silent, "k", manifest, stored)
    steps.unwrapped(silent, manifest, key)
    steps.decrypted(silent, start=0, stop=1)
    assert silent.trace.steps is None


@pytest.mark.parametrize("enabled", [True, False])
async def test_keys_are_wiped_whether_or_not_anybody_looks(s3: Any, enabled: bool) -> None:
    call = Call(s3.caller, s3.services, s3._authorize, s3.bucket, Trace(enabled=enabled))
    key = bytearray(range(32))
    envelope = Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key)
    steps.wipe_envelope(call, envelope)
    assert (envelope.plaintext, any(key)) == (None, False)
    key = bytearray(range(32))
    steps.wipe_opened(call, key)
    assert not any(key)
    wiped = {"step": "wipe", "plaintext_key_zeroed": True}
    assert call.trace.steps == ([wiped, wiped] if enabled else None)


def test_a_fingerprint_is_no_key() -> None:
    key = bytearray(range(32))
    call = Call(None, None, None, None, Trace(enabled=True))  # type: ignore[arg-type]
    steps.generated(call, Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key))
    text = json.dumps(call.trace.steps)
    assert hashlib.sha256(key).hexdigest()[:16] in text
    assert hashlib.sha256(key).hexdigest() not in text
    assert key.hex() not in text
