import hashlib
import json
from dataclasses import replace
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


async def test_other_modes_and_other_servers_show_nothing(s3: Any) -> None:
    await s3.put("k", LARGE)
    assert s3.trace.steps == []
    stored = s3.store.object(s3.bucket.bucket_id, b"k")
    manifest = replace(decode(stored.manifest), mode=Mode.SSE_KMS)
    silent = Call(s3.caller, s3.services, s3._authorize, s3.bucket, Trace(enabled=False))
    key = bytearray(range(32))
    steps.request(silent, "PutObject", "k", Choice(Mode.SSE_KMS, "key"))
    steps.generated(silent, Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key))
    steps.found(silent, "k", manifest, stored)
    steps.unwrapped(silent, manifest, key)
    steps.decrypted(silent, manifest, start=0, stop=1)
    assert silent.trace.steps is None


@pytest.mark.parametrize("enabled", [True, False])
async def test_keys_are_wiped_whether_or_not_anybody_looks(s3: Any, enabled: bool) -> None:
    call = Call(s3.caller, s3.services, s3._authorize, s3.bucket, Trace(enabled=enabled))
    key = bytearray(range(32))
    envelope = Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key)
    steps.wipe_envelope(call, envelope)
    assert (envelope.plaintext, any(key)) == (None, False)
    await s3.put("k", b"x", encryption=KMS)
    manifest = decode(s3.store.object(s3.bucket.bucket_id, b"k").manifest)
    key = bytearray(range(32))
    steps.wipe_opened(call, manifest, key)
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
