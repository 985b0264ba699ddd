import hashlib
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from objstore.call import Call, Trace
from objstore.crypt.data_keys import Envelope
from objstore.crypt.manifest import Mode, decode
from objstore.crypt.sse import Choice, EncryptionHeaders
from objstore.operations.copy import SourceNamed
from objstore.operations.multipart import CopiedPart
from objstore.operations.read import Selection
from objstore.operations.rename import RenameSource
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


KMS_OPERATIONS = {"GenerateDataKey", "Decrypt", "Encrypt", "ReEncrypt"}
OTHER_CONTEXT = b64encode(b'{"of":"the copy"}').decode()
BUCKET_KEY = EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True)
DSSE = EncryptionHeaders(server_side_encryption="aws:kms:dsse")


def names(s3: Any) -> list[str]:
    return [step["step"] for step in s3.trace.steps]


def check_kms(s3: Any) -> None:
    """The trace shows what the KMS has on record, in that order, and no data key."""
    shown = [name for name in names(s3) if name in KMS_OPERATIONS]
    assert shown == s3.kms_events()
    text = json.dumps(s3.trace.steps)
    for key in (b"from", b"k"):
        stored = s3.store.object(s3.bucket.bucket_id, key)
        if stored is not None:
            manifest = decode(stored.manifest)
            data_key = s3.services.data_keys.open(s3.caller, manifest, bucket=s3.bucket, key=key)
            assert data_key.hex() not in text
            assert b64encode(data_key).decode() not in text
    s3.kms_events()


async def test_a_copy_shows_how_its_source_was_opened(s3: Any) -> None:
    await s3.put("from", LARGE, encryption=KMS)
    [wrapped] = [step for step in s3.trace.steps if step["step"] == "GenerateDataKey"]
    s3.kms_events()
    own = replace(KMS, ssekms_encryption_context=OTHER_CONTEXT)
    await s3.call("CopyObject", key="k", named=SourceNamed("bucket/from"), encryption=own)
    assert names(s3) == [
        *("request", "read row", "Decrypt", "GenerateDataKey", "decrypt"),
        *("encrypt", "store", "wipe", "wipe"),
    ]
    shown = {step["step"]: step for step in s3.trace.steps}
    assert shown["read row"]["key"] == "from"
    assert shown["read row"]["wrapped_key"] == wrapped["wrapped_key"]
    assert shown["Decrypt"]["fingerprint"] == wrapped["fingerprint"]
    assert shown["Decrypt"]["encryption_context"] == {"aws:s3:arn": "arn:aws:s3:::bucket/from"}
    made = shown["GenerateDataKey"]
    assert made["fingerprint"] != wrapped["fingerprint"]
    assert made["encryption_context"] == {"aws:s3:arn": "arn:aws:s3:::bucket/k", "of": "the copy"}
    assert [step["plaintext_key_zeroed"] for step in s3.trace.steps[-2:]] == [True, True]
    check_kms(s3)


async def test_a_copied_part_shows_both_keys(s3: Any) -> None:
    await s3.put("from", LARGE, encryption=DSSE)
    upload_id = await s3.begin("k", encryption=KMS)
    [wrapped] = [step for step in s3.trace.steps if step["step"] == "GenerateDataKey"]
    s3.kms_events()
    copied = CopiedPart("bucket/from", "bytes=5-99999")
    members = {"upload_id": upload_id, "part_number": 1, "copied": copied}
    await s3.call("UploadPartCopy", key="k", **members)
    assert names(s3) == [
        *("read row", "Decrypt", "unwrap by S3's key", "Decrypt", "decrypt"),
        *("encrypt", "store", "wipe", "wipe"),
    ]
    of_source, of_upload = [step for step in s3.trace.steps if step["step"] == "Decrypt"]
    assert of_upload["fingerprint"] == wrapped["fingerprint"] != of_source["fingerprint"]
    [decrypted] = [step for step in s3.trace.steps if step["step"] == "decrypt"]
    assert (decrypted["first_byte"], decrypted["plaintext_bytes"]) == (5, 99_995)
    check_kms(s3)


@pytest.mark.parametrize(
    ("encryption", "bucket_key", "unwraps", "wraps"),
    [
        (EncryptionHeaders(), False, "unwrap by S3's key", "Encrypt"),
        (EncryptionHeaders(), True, "unwrap by S3's key", "wrap by bucket key"),
        (KMS, False, "Decrypt", "ReEncrypt"),
        (KMS, True, "Decrypt", "wrap by bucket key"),
        (BUCKET_KEY, False, "unwrap by bucket key", "Encrypt"),
    ],
)
async def test_another_key_for_the_same_data_key(
    s3: Any, encryption: EncryptionHeaders, bucket_key: bool, unwraps: str, wraps: str
) -> None:
    await s3.put("k", LARGE, encryption=encryption)
    key_arn = s3.make_key()
    s3.kms_events()
    wanted = {"SSEKMS": {"KMSKeyArn": key_arn, "BucketKeyEnabled": bucket_key}}
    await s3.call("UpdateObjectEncryption", key="k", object_encryption=wanted)
    assert names(s3) == ["read row", unwraps, wraps, "wipe"]
    row, opened, closed, wiped = s3.trace.steps
    assert opened["fingerprint"] == closed["fingerprint"]
    assert closed["wrapped_key"] != row["wrapped_key"]
    assert closed["key_arn"] == key_arn
    assert ("wrapped_bucket_key" in closed) == bucket_key
    assert wiped["plaintext_key_zeroed"] is True
    if not bucket_key and encryption is not BUCKET_KEY:
        check_kms(s3)


@pytest.mark.parametrize(
    ("encryption", "shown"),
    [
        (KMS, ["Decrypt", "wipe"]),
        (BUCKET_KEY, ["unwrap by bucket key", "wrap by bucket key", "wipe"]),
    ],
)
async def test_a_rename_wraps_only_what_belongs_to_a_name(
    s3: Any, encryption: EncryptionHeaders, shown: list[str]
) -> None:
    await s3.put("from", LARGE, encryption=encryption)
    await s3.call("RenameObject", key="k", source=RenameSource("bucket/from"))
    assert names(s3) == shown


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("HeadObject", {"selection": Selection(checksum_mode="ENABLED")}),
        ("GetObjectAttributes", {"object_attributes": ["Checksum"]}),
    ],
)
async def test_what_needs_the_key_for_a_checksum_shows_it(
    s3: Any, operation: str, members: dict[str, Any]
) -> None:
    await s3.put("k", LARGE, encryption=KMS)
    s3.kms_events()
    await s3.call(operation, key="k", **members)
    assert names(s3) == ["Decrypt", "wipe"]
    check_kms(s3)


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
    steps.generated(silent.trace, Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key))
    steps.found(silent.trace, s3.bucket, manifest, stored)
    steps.unwrapped(silent.trace, manifest, key)
    steps.rewrapped(silent.trace, manifest, manifest, key)
    steps.moved(silent.trace, manifest, replace(manifest, wrapped_key=b""), key)
    steps.decrypted(silent.trace, start=0, stop=1)
    assert silent.trace.steps is None


@pytest.mark.parametrize("enabled", [True, False])
async def test_keys_are_wiped_whether_or_not_anybody_looks(s3: Any, enabled: bool) -> None:
    call = Call(s3.caller, s3.services, s3._authorize, s3.bucket, Trace(enabled=enabled))
    key = bytearray(range(32))
    envelope = Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key)
    steps.wipe_envelope(call.trace, envelope)
    assert (envelope.plaintext, any(key)) == (None, False)
    key = bytearray(range(32))
    steps.wipe_opened(call.trace, key)
    assert not any(key)
    wiped = {"step": "wipe", "plaintext_key_zeroed": True}
    assert call.trace.steps == ([wiped, wiped] if enabled else None)


def test_a_fingerprint_is_no_key() -> None:
    key = bytearray(range(32))
    trace = Trace(enabled=True)
    steps.generated(trace, Envelope(Mode.SSE_KMS, "arn", b"wrapped", {}, key))
    text = json.dumps(trace.steps)
    assert hashlib.sha256(key).hexdigest()[:16] in text
    assert hashlib.sha256(key).hexdigest() not in text
    assert key.hex() not in text
