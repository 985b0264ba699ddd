"""UpdateObjectEncryption: what changes, what stays, and the refusals that AWS documents."""

from base64 import b64encode
from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations import encryption_update
from objstore.operations.read import Selection
from objstore.storage.records import StoredObject
from objstore.transfer import rewrap

LARGE = bytes(range(250)) * 4000
AGAIN = "and then try again."


async def update(s3: Any, key_arn: str, key: str = "k", **members: Any) -> None:
    wanted = {"SSEKMS": {"KMSKeyArn": key_arn, **members.pop("more", {})}}
    await s3.call("UpdateObjectEncryption", key=key, object_encryption=wanted, **members)


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["inline", "file"])
async def test_nothing_else_changes(s3: Any, data: bytes) -> None:
    put = await s3.put("k", data)
    before, _ = await s3.get("k", selection=Selection(checksum_mode="ENABLED"))
    files = {path: path.read_bytes() for path in s3.blob_files()}
    key_arn = s3.make_key()
    s3.clock.advance(1000)
    await update(s3, key_arn)
    after, body = await s3.get("k", selection=Selection(checksum_mode="ENABLED"))
    assert body == data
    assert after.pop("Body") is not None
    assert before.pop("Body") is not None
    assert after == {**before, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn}
    assert after["ETag"] == put["ETag"] == f'"{md5(data).hexdigest()}"'
    assert {path: path.read_bytes() for path in s3.blob_files()} == files


async def test_the_old_key_is_not_needed_any_more(s3: Any) -> None:
    old, new = s3.make_key(), s3.make_key()
    await s3.put("k", b"data", encryption=EncryptionHeaders("aws:kms", old))
    await update(s3, new, more={"BucketKeyEnabled": True})
    s3.kms_call("DisableKey", KeyId=old)
    reply, body = await s3.get("k")
    assert (body, reply["SSEKMSKeyId"], reply["BucketKeyEnabled"]) == (b"data", new, True)
    s3.kms_call("DisableKey", KeyId=new)
    with pytest.raises(AWSError, match="is disabled"):
        await s3.get("k")
    with pytest.raises(AWSError, match="is disabled"):
        await update(s3, s3.make_key())


async def test_multipart_objects(s3: Any) -> None:
    upload = await s3.begin("k")
    parts = {1: LARGE * 6, 2: b"end"}
    tags = {n: (await s3.part("k", upload, n, data))["ETag"] for n, data in parts.items()}
    done = await s3.complete("k", upload, tags)
    await update(s3, s3.make_key())
    reply, body = await s3.get("k", selection=Selection(checksum_mode="ENABLED"))
    assert body == LARGE * 6 + b"end"
    assert reply["ETag"] == done["ETag"]
    assert reply["ChecksumCRC64NVME"] == done["ChecksumCRC64NVME"]


async def test_versions(s3: Any) -> None:
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    s3.bucket = s3.store.bucket("bucket")
    first = (await s3.put("k", b"1"))["VersionId"]
    await s3.put("k", b"2")
    key_arn = s3.make_key()
    await update(s3, key_arn, version_id=first)
    assert "SSEKMSKeyId" not in (await s3.get("k"))[0]
    reply, body = await s3.get("k", selection=Selection(version_id=first))
    assert (body, reply["SSEKMSKeyId"]) == (b"1", key_arn)
    with pytest.raises(AWSError, match="NoSuchKey"):
        await update(s3, key_arn, key="nobody")
    marker = (await s3.call("DeleteObject", key="k"))["VersionId"]
    for members in ({}, {"version_id": marker}):
        with pytest.raises(AWSError, match="MethodNotAllowed"):
            await update(s3, key_arn, **members)


ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
BAD_ARN = (
    "Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key "
    "Amazon Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your "
    f"request, {AGAIN}"
)
NO_ARN = (
    "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon "
    f"Resource Name (ARN). Modify the request to specify a KMS key ARN, {AGAIN}"
)


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        (
            {},
            "InvalidRequest",
            "Requests that modify an object encryption configuration require a valid new "
            "encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for "
            f"the updated encryption type, {AGAIN}",
        ),
        (
            {"SSE-C": None},
            "InvalidRequest",
            "The UpdateObjectEncryption operation doesn't support updating the encryption type to "
            "DSSE-KMS or SSE-C. Modify the request to specify SSE-KMS for the updated encryption "
            f"type, {AGAIN}",
        ),
        ({"SSEKMS": {}}, "InvalidRequest", NO_ARN),
        ({"SSEKMS": {"KMSKeyArn": ""}}, "InvalidRequest", NO_ARN),
        ({"SSEKMS": {"KMSKeyArn": "alias/own"}}, "InvalidRequest", BAD_ARN),
        ({"SSEKMS": {"KMSKeyArn": ARN.rpartition("/")[2]}}, "InvalidRequest", BAD_ARN),
        (
            {"SSEKMS": {"KMSKeyArn": ARN, "BucketKeyEnabled": "maybe"}},
            "InvalidRequest",
            "The BucketKeyEnabled value isn't valid. Valid values are true or false. Modify the "
            f"request to specify a valid value, {AGAIN}",
        ),
        (
            {"SSEKMS": {"KMSKeyArn": ARN.replace("123456789012", "999999999999")}},
            "AccessDenied",
            "The AWS KMS key in the request must be owned by the same account as the bucket. "
            f"Modify the request to specify a KMS key from the same account, {AGAIN}",
        ),
        ({"SSEKMS": {"KMSKeyArn": ARN}}, "KMS.NotFoundException", f"Key '{ARN}' does not exist"),
        (
            {"SSEKMS": {"KMSKeyArn": ARN.replace("us-east-1", "us-west-2")}},
            "KMS.NotFoundException",
            "Invalid arn us-west-2",
        ),
    ],
)
async def test_refused_requests(s3: Any, wanted: dict[str, Any], code: str, message: str) -> None:
    await s3.put("k", b"data")
    with pytest.raises(AWSError) as caught:
        await s3.call("UpdateObjectEncryption", key="k", object_encryption=wanted)
    assert (caught.value.code, caught.value.message) == (code, message)


async def test_requests_without_a_signature(s3: Any) -> None:
    await s3.put("k", b"data")
    s3.caller = replace(s3.caller, principal=ANONYMOUS)
    with pytest.raises(AWSError, match="InvalidRequest") as caught:
        await update(s3, ARN)
    assert "require AWS Signature Version 4" in caught.value.message


CUSTOMER = EncryptionHeaders(
    sse_customer_algorithm="AES256",
    sse_customer_key=b64encode(b"k" * 32).decode(),
    sse_customer_key_md5=b64encode(md5(b"k" * 32).digest()).decode(),
)


@pytest.mark.parametrize("encryption", [EncryptionHeaders("aws:kms:dsse"), CUSTOMER])
async def test_sources_of_other_modes(s3: Any, encryption: EncryptionHeaders) -> None:
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    await s3.call("PutBucketEncryption", server_side_encryption_configuration={"Rules": [rule]})
    s3.bucket = s3.store.bucket("bucket")
    await s3.put("k", b"data", encryption=encryption)
    with pytest.raises(AWSError) as caught:
        await update(s3, s3.make_key())
    assert (caught.value.code, caught.value.message) == (
        "InvalidRequest",
        "The UpdateObjectEncryption operation doesn't support source objects with the encryption "
        "type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are "
        "supported.",
    )


async def test_locked_objects(s3: Any) -> None:
    await s3.put("k", b"data")

    def hold(found: StoredObject) -> StoredObject:
        return replace(found, attributes={"legal_hold": "ON"})

    await s3.store.update_object(s3.bucket.bucket_id, b"k", version_id=None, change=hold)
    with pytest.raises(AWSError) as caught:
        await update(s3, s3.make_key())
    assert caught.value.code == "AccessDenied"
    assert "because that object is protected by S3 Object Lock" in caught.value.message


async def test_an_object_that_keeps_changing(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await s3.put("k", b"data")
    attempts = []

    async def publish(*_: Any, **__: Any) -> bool:
        attempts.append(1)
        return len(attempts) == 2

    monkeypatch.setattr(rewrap, "publish", publish)
    await update(s3, s3.make_key())
    assert len(attempts) == 2
    with pytest.raises(AWSError, match="OperationAborted"):
        await update(s3, s3.make_key())
    assert len(attempts) == 2 + encryption_update.ATTEMPTS_MAX
