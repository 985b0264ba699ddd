"""SSE-C as boto3 uses it: every operation that takes a customer's key, and every refusal.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-s3-c-encryption.html
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

BODY = b"what the customer wrote"
LARGE = bytes(range(250)) * 24_000
KEY, OTHER = b"k" * 32, b"o" * 32
KEY_MD5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
REQUESTS = "Requests specifying Server Side Encryption with Customer provided keys must "
MULTIPART = (
    "The multipart upload initiate requested encryption. Subsequent part requests must include "
    "the appropriate encryption parameters."
)
MISMATCH = "The provided encryption parameters did not match the ones used originally."
STORED = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be "
    "provided to retrieve the object."
)
NOT_APPLICABLE = "The encryption parameters are not applicable to this object."


def customer(key: bytes = KEY) -> dict[str, Any]:
    """The members of a customer's key; botocore adds its MD5."""
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}


def source(key: bytes = KEY) -> dict[str, Any]:
    return {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": key}


@pytest.fixture(scope="module")
def s3(server: Any) -> Any:
    return server.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket that takes customers' keys."""
    name = "sse-c-acceptance"
    s3.create_bucket(Bucket=name)
    unblock(s3, name)
    s3.put_object(Bucket=name, Key="object", Body=LARGE, **customer())
    s3.put_object(Bucket=name, Key="plain", Body=BODY)
    return name


def unblock(s3: Any, name: str) -> None:
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})


def failure(call: Callable[..., Any], **arguments: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


def check(reply: Any) -> None:
    assert (reply["SSECustomerAlgorithm"], reply["SSECustomerKeyMD5"]) == (
        "AES256",
        KEY_MD5,
    )
    assert "ServerSideEncryption" not in reply


def test_objects(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "k"}
    tags = set()
    for _ in range(2):
        put = s3.put_object(**place, Body=LARGE, **customer())
        check(put)
        tags.add(put["ETag"])
    assert len(tags) == 2
    got = s3.get_object(**place, **customer(), ChecksumMode="ENABLED")
    check(got)
    assert got["Body"].read() == LARGE
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    check(s3.head_object(**place, **customer()))
    ranged = s3.get_object(**place, **customer(), Range="bytes=131000-5300000")
    assert ranged["Body"].read() == LARGE[131000:5300001]
    s3.delete_object(**place)


@pytest.mark.parametrize("algorithm", [None, "CRC32"])
def test_uploads(s3: Any, server: Any, bucket: str, algorithm: str | None) -> None:
    """Completing takes the key where the upload has a checksum algorithm; never a wrong one."""
    plain = server.client("s3", config=Config(request_checksum_calculation="when_required"))
    place = {"Bucket": bucket, "Key": "mpu"}
    named = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    created = plain.create_multipart_upload(**place, **customer(), **named)
    check(created)
    upload = {**place, "UploadId": created["UploadId"]}
    first = plain.upload_part(**upload, PartNumber=1, Body=LARGE[: 5 << 20], **customer(), **named)
    check(first)
    copied = plain.upload_part_copy(
        **upload,
        PartNumber=2,
        CopySource=f"{bucket}/object",
        CopySourceRange=f"bytes={5 << 20}-{len(LARGE) - 1}",
        **customer(),
        **source(),
    )
    check(copied)
    parts = [
        {"PartNumber": 1, "ETag": first["ETag"]},
        {"PartNumber": 2, "ETag": copied["CopyPartResult"]["ETag"]},
    ]
    if algorithm:
        parts[0]["ChecksumCRC32"] = first["ChecksumCRC32"]
        parts[1]["ChecksumCRC32"] = copied["CopyPartResult"]["ChecksumCRC32"]
    end = {**upload, "MultipartUpload": {"Parts": parts}}
    wrong = failure(plain.complete_multipart_upload, **end, **customer(OTHER))
    assert wrong == ("InvalidRequest", 400, MISMATCH)
    if algorithm:
        expected = ("InvalidArgument", 400, REQUESTS + "provide an appropriate secret key.")
        assert failure(plain.complete_multipart_upload, **end) == expected
        done = plain.complete_multipart_upload(**end, **customer())
    else:
        assert len(plain.list_parts(**upload)["Parts"]) == 2
        done = plain.complete_multipart_upload(**end)
    assert "SSECustomerAlgorithm" not in done
    assert "ServerSideEncryption" not in done
    assert s3.get_object(**place, **customer())["Body"].read() == LARGE


@pytest.mark.parametrize(
    ("source_key", "members", "reader"),
    [
        ("object", {**source(), **customer(OTHER)}, customer(OTHER)),
        ("object", source(), {}),
        ("object", {**source(), "ServerSideEncryption": "aws:kms"}, {}),
        ("object", {**source(), "ServerSideEncryption": "aws:kms:dsse"}, {}),
        ("plain", customer(), customer()),
    ],
)
def test_copies_between_modes(
    s3: Any, bucket: str, source_key: str, members: dict[str, Any], reader: dict[str, Any]
) -> None:
    copied = s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=f"{bucket}/{source_key}", **members
    )
    assert ("SSECustomerAlgorithm" in copied) == bool(reader)
    got = s3.get_object(Bucket=bucket, Key="copy", **reader)
    assert got["Body"].read() == (LARGE if source_key == "object" else BODY)


def test_a_key_is_changed_in_place(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "turned"}
    s3.put_object(**place, Body=BODY, **customer())
    s3.copy_object(**place, CopySource=f"{bucket}/turned", **source(), **customer(OTHER))
    assert s3.get_object(**place, **customer(OTHER))["Body"].read() == BODY
    assert failure(s3.get_object, **place, **customer())[:2] == ("AccessDenied", 403)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ("InvalidRequest", 400, STORED)),
        (
            customer(OTHER),
            ("AccessDenied", 403, REQUESTS + "provide the correct secret key."),
        ),
        (
            customer(b"short"),
            ("AccessDenied", 403, REQUESTS + "provide the correct secret key."),
        ),
        (
            {**customer(), "SSECustomerAlgorithm": "AES128"},
            (
                "InvalidEncryptionAlgorithmError",
                400,
                "The Encryption request you specified is not valid. Supported value: AES256.",
            ),
        ),
        (
            {"SSECustomerKey": KEY},
            ("InvalidArgument", 400, REQUESTS + "provide a valid encryption algorithm."),
        ),
        (
            {"SSECustomerAlgorithm": "AES256"},
            ("InvalidArgument", 400, REQUESTS + "provide an appropriate secret key."),
        ),
    ],
)
def test_reading_without_the_right_key(
    s3: Any, bucket: str, members: dict[str, Any], expected: tuple[str, int, str]
) -> None:
    place = {"Bucket": bucket, "Key": "object"}
    assert failure(s3.get_object, **place, **members) == expected
    assert failure(s3.head_object, **place, **members)[1] == expected[1]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {**customer(), "ServerSideEncryption": "AES256"},
            "Server Side Encryption with Customer provided key is incompatible with the "
            "encryption method specified",
        ),
        ({"SSECustomerKey": KEY}, REQUESTS + "provide a valid encryption algorithm."),
        (
            {"SSECustomerAlgorithm": "AES256"},
            REQUESTS + "provide an appropriate secret key.",
        ),
        (customer(b"short"), "The secret key was invalid for the specified algorithm."),
        (
            {
                "SSECustomerAlgorithm": "AES256",
                "SSECustomerKey": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
                "SSECustomerKeyMD5": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ),
    ],
)
def test_writing_without_a_right_key(
    s3: Any, bucket: str, members: dict[str, Any], message: str
) -> None:
    place = {"Bucket": bucket, "Key": "refused"}
    expected = ("InvalidArgument", 400, message)
    assert failure(s3.put_object, **place, Body=BODY, **members) == expected
    assert failure(s3.create_multipart_upload, **place, **members) == expected
    copying = {**place, "CopySource": f"{bucket}/plain", **members}
    assert failure(s3.copy_object, **copying) == expected


def test_keys_that_nobody_needs(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "plain"}
    expected = ("InvalidRequest", 400, NOT_APPLICABLE)
    assert failure(s3.get_object, **place, **customer()) == expected
    assert failure(s3.head_object, **place, **customer())[1] == 400
    copying = {"Bucket": bucket, "Key": "refused", "CopySource": f"{bucket}/plain"}
    assert failure(s3.copy_object, **copying, **source()) == expected


def test_sources_without_the_right_key(s3: Any, bucket: str) -> None:
    copying = {"Bucket": bucket, "Key": "refused", "CopySource": f"{bucket}/object"}
    assert failure(s3.copy_object, **copying) == ("InvalidRequest", 400, STORED)
    assert failure(s3.copy_object, **copying, **source(OTHER)) == ("InvalidRequest", 400, MISMATCH)


def test_parts_without_the_uploads_key(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "refused"}
    created = s3.create_multipart_upload(**place, **customer())["UploadId"]
    part = {**place, "UploadId": created, "PartNumber": 1, "Body": BODY}
    assert failure(s3.upload_part, **part) == ("InvalidRequest", 400, MULTIPART)
    assert failure(s3.upload_part, **part, **customer(OTHER)) == ("InvalidRequest", 400, MISMATCH)
    plain = s3.create_multipart_upload(**place)["UploadId"]
    refused = failure(s3.upload_part, **{**part, "UploadId": plain}, **customer())
    assert refused == ("InvalidRequest", 400, MULTIPART)


def test_a_bucket_blocks_writes_and_not_reads(s3: Any) -> None:
    name = "sse-c-blocked"
    s3.create_bucket(Bucket=name)
    place = {"Bucket": name, "Key": "k"}

    def denial(operation: str) -> tuple[str, int, str]:
        return (
            "AccessDenied",
            403,
            f"User: arn:aws:iam::123456789012:root is not authorized to perform: s3:{operation} "
            f'on resource: "arn:aws:s3:::{name}/k" because this bucket has blocked upload requests '
            "that specify Server Side Encryption with Customer provided keys (SSE-C). Please "
            "specify a different server-side encryption type",
        )

    assert failure(s3.put_object, **place, Body=BODY, **customer()) == denial("PutObject")
    unblock(s3, name)
    s3.put_object(**place, Body=BODY, **customer())
    upload = s3.create_multipart_upload(**place, **customer())["UploadId"]
    part = {**place, "UploadId": upload, "PartNumber": 1}
    etag = s3.upload_part(**part, Body=BODY, **customer())["ETag"]
    s3.delete_bucket_encryption(Bucket=name)
    copying = {**place, "CopySource": f"{name}/k", **source()}
    assert failure(s3.copy_object, **copying, **customer()) == denial("CopyObject")
    begun = failure(s3.create_multipart_upload, **place, **customer())
    assert begun == denial("CreateMultipartUpload")
    assert failure(s3.upload_part, **part, Body=BODY, **customer()) == denial("UploadPart")
    assert s3.get_object(**place, **customer())["Body"].read() == BODY
    s3.copy_object(Bucket=name, Key="plain", CopySource=f"{name}/k", **source())
    s3.complete_multipart_upload(
        **place,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
    )
    assert s3.get_object(**place, **customer())["ETag"].endswith('-1"')


def test_versions_have_their_own_keys(s3: Any) -> None:
    name = "sse-c-versions"
    s3.create_bucket(Bucket=name)
    unblock(s3, name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    versions = {
        key: s3.put_object(Bucket=name, Key="k", Body=key, **customer(key))["VersionId"]
        for key in (KEY, OTHER)
    }
    for key, version in versions.items():
        place = {"Bucket": name, "Key": "k", "VersionId": version}
        assert s3.get_object(**place, **customer(key))["Body"].read() == key
        wrong = OTHER if key == KEY else KEY
        assert failure(s3.get_object, **place, **customer(wrong))[1] == 403


def test_keys_need_a_secure_connection(serve: Callable[..., Any]) -> None:
    """Only a development server on loopback takes them over plain HTTP."""
    s3 = serve("--auth", "permissive").client("s3")
    s3.create_bucket(Bucket="insecure")
    unblock(s3, "insecure")
    expected = (
        "InvalidRequest",
        400,
        REQUESTS + "be made over a secure connection.",
    )
    place = {"Bucket": "insecure", "Key": "k"}
    assert failure(s3.put_object, **place, Body=BODY, **customer()) == expected
    s3.put_object(**place, Body=BODY)
    assert failure(s3.get_object, **place, **customer()) == expected


def test_nothing_of_a_key_is_kept(server: Any, s3: Any, bucket: str) -> None:
    """Neither it, nor its base64, nor its MD5, in the data folder or in the log."""
    key = b"a-key-that-no-other-test-uses-12"
    s3.put_object(Bucket=bucket, Key="secret", Body=b"marked plaintext", **customer(key))
    got = s3.get_object(Bucket=bucket, Key="secret", **customer(key))
    needles = [
        key,
        b"YS1rZXktdGhhdC1uby1vdGhlci10ZXN0LXVzZXMtMTI=",
        got["SSECustomerKeyMD5"].encode(),
        b"marked plaintext",
    ]
    files = [path for path in server.data.rglob("*") if path.is_file()]
    files.append(server.data.with_suffix(".log"))
    assert any(b"sse-c-acceptance" in path.read_bytes() for path in files)
    for path in files:
        data = path.read_bytes()
        assert not any(needle in data for needle in needles), path
