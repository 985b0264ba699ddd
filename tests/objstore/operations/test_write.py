from collections.abc import AsyncIterator
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.sse import EncryptionHeaders
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.conditions import WriteConditions
from objstore.transfer.content import ContentHeaders

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
SIZES = (0, 1, 16_000, 131_071, 131_072, 131_073, 1_048_577, 2_500_000)


def pattern(size: int) -> bytes:
    return (b"0123456789abcdef#" * (size // 17 + 1))[:size]


@pytest.mark.parametrize("encryption", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_is_what_is_got(s3: Any, size: int, encryption: Any) -> None:
    data = pattern(size)
    put = await s3.put("a/b", data, encryption=encryption)
    reply, body = await s3.get("a/b")
    assert body == data
    assert reply["ContentLength"] == size
    assert reply["ETag"] == put["ETag"]
    assert put["ChecksumCRC64NVME"] == checksum(Algorithm.CRC64NVME, data)
    assert (put["ETag"] == f'"{md5(data).hexdigest()}"') is (encryption != KMS)


async def test_nothing_of_the_plaintext_lies_in_the_folder(s3: Any) -> None:
    canary = b"CANARY-" * 1000
    await s3.put("small", canary[:500], encryption=KMS)
    await s3.put("large", canary * 10, encryption=KMS)
    files = [path for path in s3.folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not any(b"CANARY-" in path.read_bytes() for path in files)


async def test_the_same_body_has_another_etag_each_time_under_kms(s3: Any) -> None:
    first = await s3.put("k", b"x", encryption=KMS)
    second = await s3.put("k", b"x", encryption=KMS)
    assert first["ETag"] != second["ETag"]
    assert first["ServerSideEncryption"] == "aws:kms"
    assert first["SSEKMSKeyId"].startswith("arn:aws:kms:us-east-1:123456789012:key/")


GOOD = checksum(Algorithm.CRC32, b"body")
BAD = checksum(Algorithm.CRC32, b"other")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"checksums": ChecksumHeaders(checksum_crc32=BAD)}, "BadDigest"),
        ({"checksums": ChecksumHeaders(checksum_crc32="AA==")}, "InvalidRequest"),
        ({"checksums": ChecksumHeaders(checksum_crc32=GOOD, checksum_sha1="x")}, "InvalidRequest"),
        ({"content_md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"),
        ({"content_md5": "short"}, "InvalidDigest"),
        ({"headers": ContentHeaders(metadata={"a": "b" * 2048})}, "MetadataTooLarge"),
        ({"headers": ContentHeaders(storage_class="OUTPOSTS")}, "InvalidStorageClass"),
        ({"headers": ContentHeaders(storage_class="COLD")}, "InvalidStorageClass"),
        ({"attributes": AttributeHeaders(acl="public-read")}, "AccessControlListNotSupported"),
        ({"encryption": EncryptionHeaders(sse_customer_algorithm="AES256")}, "InvalidArgument"),
        (
            {"encryption": EncryptionHeaders("aws:kms", "nobodys-key")},
            "KMS.NotFoundException",
        ),
        ({"conditions": WriteConditions(if_match='"x"')}, "NoSuchKey"),
        ({"conditions": WriteConditions(if_none_match='"x"')}, "NotImplemented"),
    ],
)
@pytest.mark.parametrize("size", [4, 400_000])
async def test_refused_writes_leave_nothing(
    s3: Any, members: dict[str, Any], code: str, size: int
) -> None:
    with pytest.raises(AWSError) as caught:
        await s3.put("k", b"body" * (size // 4), **members)
    assert caught.value.code == code
    assert not list((s3.folder / "blobs").rglob("?" * 32))
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("k")


async def test_keys_have_at_most_1024_bytes(s3: Any) -> None:
    await s3.put("ü" * 512, b"")
    with pytest.raises(AWSError, match="KeyTooLongError"):
        await s3.put("ü" * 512 + "x", b"")


async def test_conditions_hold_at_the_commit_too(s3: Any) -> None:
    new = WriteConditions(if_none_match="*")
    await s3.put("k", b"1", conditions=new)
    with pytest.raises(AWSError) as caught:
        await s3.put("k", b"2", conditions=new)
    assert (caught.value.status, caught.value.fields) == (412, {"Condition": "If-None-Match"})
    reply, _ = await s3.get("k")
    await s3.put("k", b"3", conditions=WriteConditions(if_match=reply["ETag"]))
    with pytest.raises(AWSError, match="PreconditionFailed"):
        await s3.put("k", b"4", conditions=WriteConditions(if_match=reply["ETag"]))
    assert (await s3.get("k"))[1] == b"3"


async def test_a_client_that_leaves_leaves_nothing(s3: Any) -> None:
    class Torn:
        length = 3_000_000
        trailer_names: frozenset[str] = frozenset()

        async def batches(self) -> AsyncIterator[bytes]:
            yield b"x" * 1_000_000
            yield b"x" * 1_000_000
            raise ConnectionError

        def decode(self, raw: bytes) -> list[bytes]:
            return [raw]

        def finish(self) -> dict[str, str]:
            raise AssertionError("nobody asks a torn body for its end")

    with pytest.raises(ConnectionError):
        await s3.call("PutObject", key="k", body=Torn())
    assert not list((s3.folder / "blobs").rglob("?" * 32))


async def test_a_put_shows_the_steps_of_envelope_encryption(s3: Any) -> None:
    await s3.put("k", b"secret", encryption=KMS)
    steps = {step["step"]: step for step in s3.trace.steps}
    assert list(steps) == ["request", "GenerateDataKey", "encrypt", "store", "wipe"]
    assert steps["GenerateDataKey"]["encryption_context"] == {"aws:s3:arn": "arn:aws:s3:::bucket/k"}
    assert steps["encrypt"]["plaintext_bytes"] == 6
    assert steps["store"]["directory"] == "inline"
    assert steps["wipe"]["plaintext_key_zeroed"] is True
    written = steps["GenerateDataKey"]["fingerprint"]
    await s3.get("k")
    steps = {step["step"]: step for step in s3.trace.steps}
    assert list(steps) == ["read row", "Decrypt", "decrypt", "wipe"]
    assert steps["Decrypt"]["fingerprint"] == written
