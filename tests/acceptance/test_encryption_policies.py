"""Bucket policies that enforce encryption, as AWS's user guide has them; only the names differ.

Source: the pages UsingServerSideEncryption, UsingKMSEncryption, UsingDSSEncryption and
ServerSideEncryptionCustomerKeys of the Amazon S3 User Guide, and the condition keys' own page.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

BUCKET = "encryption-policies"
KEY = "ACTUAL-KEY-ARN"
CUSTOMER_KEY = os.urandom(32)
PART_BYTES = 5 << 20

Condition = dict[str, dict[str, str]]
ENCRYPTION = "s3:x-amz-server-side-encryption"
KEY_ID = f"{ENCRYPTION}-aws-kms-key-id"
CUSTOMER = f"{ENCRYPTION}-customer-algorithm"

REQUESTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "AES256": {"ServerSideEncryption": "AES256"},
    "aws:kms": {"ServerSideEncryption": "aws:kms"},
    "this key": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY},
    "another key": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "OTHER-KEY-ARN"},
    "dsse": {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": KEY},
    "SSE-C": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY},
}
# The statement's id, its condition, and the requests that it lets pass.
POLICIES: dict[str, tuple[list[Condition], set[str]]] = {
    "DenyObjectsThatAreNotSSEKMS": (
        [{"Null": {KEY_ID: "true"}}],
        {"this key", "another key", "dsse"},
    ),
    "DenyObjectsThatAreNotSSEKMSWithSpecificKey": (
        [{"ArnNotEqualsIfExists": {KEY_ID: KEY}}],
        # Without the key, an operator with IfExists holds, so the statement denies.
        {"this key", "dsse"},
    ),
    "DenyIncorrectEncryptionHeader": (
        [{"StringNotEquals": {ENCRYPTION: "aws:kms"}}],
        {"aws:kms", "this key", "another key"},
    ),
    "DenyUnEncryptedObjectUploads": (
        [{"Null": {ENCRYPTION: "true"}}],
        {"AES256", "aws:kms", "this key", "another key", "dsse"},
    ),
    "RequireOneKey": (
        [{"StringNotEquals": {ENCRYPTION: "aws:kms"}}, {"StringNotEquals": {KEY_ID: KEY}}],
        {"this key"},
    ),
    "RequireTwoLayers": ([{"StringNotEquals": {ENCRYPTION: "aws:kms:dsse"}}], {"dsse"}),
    "RequireAES256": ([{"StringNotEquals": {ENCRYPTION: "AES256"}}], {"AES256"}),
    "RestrictSSECObjectUploads": ([{"Null": {CUSTOMER: "false"}}], {*REQUESTS} - {"SSE-C"}),
    "RequireSSECObjectUploads": ([{"Null": {CUSTOMER: "true"}}], {"SSE-C"}),
}


@pytest.fixture(scope="module")
def s3(server: Any) -> Any:
    """The client, with a bucket that takes customers' keys and two objects to copy."""
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    client.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    client.put_object(Bucket=BUCKET, Key="source", Body=b"source")
    return client


@pytest.fixture(scope="module")
def keys(server: Any) -> dict[str, str]:
    """What the placeholders stand for."""
    kms = server.client("kms")
    return {name: kms.create_key()["KeyMetadata"]["Arn"] for name in (KEY, "OTHER-KEY-ARN")}


def policy(name: str, keys: dict[str, str]) -> str:
    """The document that denies PutObject under each of the conditions."""
    statements = [
        {
            "Sid": f"{name}{number}",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
            "Condition": condition,
        }
        for number, condition in enumerate(POLICIES[name][0])
    ]
    text = json.dumps({"Version": "2012-10-17", "Id": "PutObjectPolicy", "Statement": statements})
    return text.replace(f'"{KEY}"', f'"{keys[KEY]}"')


def outcome(call: Callable[..., Any], **members: Any) -> str:
    try:
        call(Bucket=BUCKET, **members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def in_parts(s3: Any, key: str, members: dict[str, Any]) -> str:
    """A whole upload in two parts, one of them copied."""
    try:
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **members)["UploadId"]
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    named = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    customer = {name: value for name, value in members.items() if name.startswith("SSEC")}
    body = bytes(PART_BYTES)
    first = s3.upload_part(**named, PartNumber=1, Body=body, **customer)
    source = f"{BUCKET}/source"
    last = s3.upload_part_copy(**named, PartNumber=2, CopySource=source, **customer)
    etags = (first["ETag"], last["CopyPartResult"]["ETag"])
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts}, **customer)
    return "ok"


@pytest.mark.parametrize("name", POLICIES)
def test_what_a_policy_lets_pass(s3: Any, keys: dict[str, str], name: str) -> None:
    """An upload's later requests, which say nothing about encryption, go by what began it."""
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(name, keys))
    try:
        found = {}
        for request, template in REQUESTS.items():
            members = {member: keys.get(value, value) for member, value in template.items()}
            source = f"{BUCKET}/source"
            found[request] = (
                outcome(s3.put_object, Key="k", Body=b"data", **members),
                outcome(s3.copy_object, Key="k", CopySource=source, **members),
                in_parts(s3, "k", members),
            )
    finally:
        s3.delete_bucket_policy(Bucket=BUCKET)
    assert found == {
        request: ("ok" if request in POLICIES[name][1] else "AccessDenied",) * 3
        for request in REQUESTS
    }


def test_a_key_id_stands_for_its_arn(s3: Any, keys: dict[str, str]) -> None:
    """As the condition keys' page says: the policy has the ARN; the request may have the id."""
    name = "DenyObjectsThatAreNotSSEKMSWithSpecificKey"
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(name, keys))
    key_id = keys[KEY].rpartition("/")[2]
    members = {"Key": "k", "Body": b"", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
    assert outcome(s3.put_object, **members) == "ok"
    s3.delete_bucket_policy(Bucket=BUCKET)


def test_policies_come_before_the_bucket_default(s3: Any, keys: dict[str, str]) -> None:
    """ "S3 evaluates and enforces bucket policies before it applies bucket encryption settings"."""
    rule = {
        "ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": keys[KEY],
        },
        "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
    }
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("DenyUnEncryptedObjectUploads", keys))
    assert outcome(s3.put_object, Key="k", Body=b"") == "AccessDenied"
    assert in_parts(s3, "k", {}) == "AccessDenied"
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert s3.put_object(Bucket=BUCKET, Key="k", Body=b"")["SSEKMSKeyId"] == keys[KEY]
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def test_the_aws_cli_under_a_policy(
    server: Any, s3: Any, aws: Callable[..., str], keys: dict[str, str], tmp_path: Path
) -> None:
    """A large file, which the CLI sends in parts, and back."""
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(os.urandom(1 << 20) * 9)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("RequireOneKey", keys))
    target = f"s3://{BUCKET}/cli"
    assert "AccessDenied" in aws(server, "s3", "cp", str(large), target, fails=True)
    flags = ("--sse", "aws:kms", "--sse-kms-key-id")
    other = keys["OTHER-KEY-ARN"]
    assert "AccessDenied" in aws(server, "s3", "cp", str(large), target, *flags, other, fails=True)
    aws(server, "s3", "cp", str(large), target, *flags, keys[KEY])
    aws(server, "s3", "cp", target, str(back))
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert back.read_bytes() == large.read_bytes()
    assert s3.head_object(Bucket=BUCKET, Key="cli")["SSEKMSKeyId"] == keys[KEY]


def send(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of a PUT that only its URL signs."""
    request = urllib.request.Request(url, data=body, headers=headers, method="PUT")
    request.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_presigned_url_asks_for_the_key(server: Any, s3: Any, keys: dict[str, str]) -> None:
    """boto3 leaves the headers to the sender; other SDKs move them into the URL."""
    signer = server.client("s3", config=Config(signature_version="s3v4"))
    place = {"Bucket": BUCKET, "Key": "presigned"}
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": keys[KEY]}
    headers = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": keys[KEY],
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy("RequireOneKey", keys))
    try:
        url = signer.generate_presigned_url("put_object", Params={**place, **asked})
        assert send(url, b"by header", headers) == 200
        assert s3.get_object(**place)["SSEKMSKeyId"] == keys[KEY]
        assert send(url, b"without", {}) == 403
        assert send(url, b"other", {**headers, "x-amz-server-side-encryption": "AES256"}) == 403
        plain = signer.generate_presigned_url("put_object", Params=place)
        assert send(plain, b"plain", {}) == 403
        request = AWSRequest("PUT", f"{server.endpoint}/{BUCKET}/presigned", params=headers)
        S3SigV4QueryAuth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
        assert send(request.url, b"by parameter", {}) == 200
    finally:
        s3.delete_bucket_policy(Bucket=BUCKET)
    got = s3.get_object(**place)
    assert (got["Body"].read(), got["SSEKMSKeyId"]) == (b"by parameter", keys[KEY])
