"""SSE-KMS, DSSE-KMS and bucket keys as boto3 and the aws CLI use them.

The calls are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html,
its pages on DSSE-KMS and Bucket Keys, and the samples of the operations that they name.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

BODY = b"what the customer wrote"
LARGE = bytes(range(250)) * 24_000  # 6 MB: some chunks, and two parts


@pytest.fixture(scope="module")
def s3(server: Any) -> Any:
    return server.client("s3")


@pytest.fixture(scope="module")
def kms(server: Any) -> Any:
    return server.client("kms")


@pytest.fixture(scope="module")
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="sse-kms-acceptance")
    return "sse-kms-acceptance"


def context(**pairs: str) -> str:
    return base64.b64encode(json.dumps(pairs).encode()).decode()


def wire_headers(reply: Any) -> dict[str, str]:
    headers: dict[str, str] = reply["ResponseMetadata"]["HTTPHeaders"]
    return headers


def failure(call: Any, **arguments: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


@pytest.mark.parametrize("form", ["id", "arn", "alias", "alias arn"])
def test_a_key_may_be_named_in_each_way(
    s3: Any, kms: Any, bucket: str, key: str, form: str
) -> None:
    alias = "alias/acceptance-" + form.replace(" ", "-")
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    named = {
        "id": key.rpartition("/")[2],
        "arn": key,
        "alias": alias,
        "alias arn": key.replace(f"key/{key.rpartition('/')[2]}", alias),
    }[form]
    put = s3.put_object(
        Bucket=bucket, Key=form, Body=BODY, ServerSideEncryption="aws:kms", SSEKMSKeyId=named
    )
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key)
    # The alias was resolved when the object was written, and never again.
    kms.update_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    got = s3.get_object(Bucket=bucket, Key=form)
    assert (got["Body"].read(), got["SSEKMSKeyId"]) == (BODY, key)
    assert "BucketKeyEnabled" not in got


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_without_a_key_id_the_key_is_aws_s3(s3: Any, kms: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="managed", Body=BODY, ServerSideEncryption=algorithm)
    metadata = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert put["SSEKMSKeyId"] == metadata["Arn"]
    assert metadata["KeyManager"] == "AWS"


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({"ServerSideEncryption": "aws:kms"}, {"ServerSideEncryption": "aws:kms"}),
        (
            {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
            {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
        ),
        ({"ServerSideEncryption": "aws:kms:dsse"}, {"ServerSideEncryption": "aws:kms:dsse"}),
    ],
    ids=["kms", "bucket key", "dsse"],
)
def test_every_reply_says_how_an_object_is_encrypted(
    s3: Any, bucket: str, key: str, members: dict[str, Any], shown: dict[str, Any]
) -> None:
    encryption = {**members, "SSEKMSKeyId": key, "SSEKMSEncryptionContext": context(team="x")}
    expected = {**shown, "SSEKMSKeyId": key}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="mpu", **encryption)
    named = {"Bucket": bucket, "Key": "mpu", "UploadId": upload["UploadId"]}
    parts = [LARGE[: 5 << 20], LARGE[5 << 20 :]]
    uploaded = [
        s3.upload_part(PartNumber=number, Body=part, **named)
        for number, part in enumerate(parts, 1)
    ]
    completed = s3.complete_multipart_upload(
        **named,
        MultipartUpload={
            "Parts": [
                {"PartNumber": number, "ETag": part["ETag"]}
                for number, part in enumerate(uploaded, 1)
            ]
        },
    )
    put = s3.put_object(Bucket=bucket, Key="put", Body=LARGE, **encryption)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/mpu", **encryption)
    got = [s3.get_object(Bucket=bucket, Key=name) for name in ("mpu", "put", "copy")]
    heads = [s3.head_object(Bucket=bucket, Key=name) for name in ("mpu", "put", "copy")]
    for reply in (upload, *uploaded, completed, put, copied, *got, *heads):
        assert expected.items() <= reply.items()
        assert ("BucketKeyEnabled" in reply) == ("BucketKeyEnabled" in shown)
    for reply in (upload, put, copied, *got, *heads):
        echoed = wire_headers(reply)["x-amz-server-side-encryption-context"]
        assert json.loads(base64.b64decode(echoed)) == {"team": "x"}
    assert [reply["Body"].read() for reply in got] == [LARGE] * 3
    ranged = s3.get_object(Bucket=bucket, Key="put", Range="bytes=131000-5300000")
    assert ranged["Body"].read() == LARGE[131000:5300001]
    assert expected.items() <= ranged.items()


def test_a_copy_does_not_take_the_context_over(s3: Any, bucket: str, key: str) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(
        Bucket=bucket, Key="s", Body=BODY, SSEKMSEncryptionContext=context(a="b"), **encryption
    )
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/s", **encryption)
    assert "x-amz-server-side-encryption-context" not in wire_headers(copied)
    got = s3.get_object(Bucket=bucket, Key="c")
    assert "x-amz-server-side-encryption-context" not in wire_headers(got)
    assert got["Body"].read() == BODY


@pytest.mark.parametrize("value", ["bm90IGpzb24=", "%%%", context(**{"aws:s3:arn": "arn:other"})])
def test_contexts_that_are_none(s3: Any, bucket: str, value: str) -> None:
    code, status, _ = failure(
        s3.put_object,
        Bucket=bucket,
        Key="k",
        ServerSideEncryption="aws:kms",
        SSEKMSEncryptionContext=value,
    )
    assert (code, status) == ("InvalidArgument", 400)


def test_etags(s3: Any, bucket: str) -> None:
    """Only SSE-S3 promises an MD5; a copy in place makes it one again."""
    md5 = '"841a2d689ad86bd1611447453c22c6fc"'
    body = b"body"
    for algorithm in ("aws:kms", "aws:kms:dsse"):
        tags = {
            s3.put_object(Bucket=bucket, Key="e", Body=body, ServerSideEncryption=algorithm)["ETag"]
            for _ in range(2)
        }
        assert len(tags) == 2
        assert md5 not in tags
    copied = s3.copy_object(
        Bucket=bucket, Key="e", CopySource=f"{bucket}/e", ServerSideEncryption="AES256"
    )
    assert copied["CopyObjectResult"]["ETag"] == md5
    assert s3.get_object(Bucket=bucket, Key="e")["ServerSideEncryption"] == "AES256"


def test_bucket_defaults_apply_to_every_way_in(s3: Any, kms: Any, key: str) -> None:
    name = "sse-kms-default"
    s3.create_bucket(Bucket=name)
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=name, Key="put", Body=BODY)
    s3.copy_object(Bucket=name, Key="copy", CopySource=f"{name}/put")
    upload = s3.create_multipart_upload(Bucket=name, Key="mpu")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=name, Key="mpu", UploadId=upload, PartNumber=1, CopySource=f"{name}/put"
    )["CopyPartResult"]
    s3.complete_multipart_upload(
        Bucket=name,
        Key="mpu",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    for object_name in ("put", "copy", "mpu"):
        got = s3.get_object(Bucket=name, Key=object_name)
        assert (got["SSEKMSKeyId"], got["BucketKeyEnabled"]) == (key, True)
        assert got["Body"].read() == BODY
    own = s3.put_object(Bucket=name, Key="own", Body=BODY, BucketKeyEnabled=False)
    assert own["ServerSideEncryption"] == "aws:kms"
    assert "BucketKeyEnabled" not in own
    plain = s3.put_object(Bucket=name, Key="plain", Body=BODY, ServerSideEncryption="AES256")
    assert "SSEKMSKeyId" not in plain
    other = s3.put_object(Bucket=name, Key="other", Body=BODY, ServerSideEncryption="aws:kms")
    assert other["SSEKMSKeyId"] == kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    assert other["BucketKeyEnabled"] is True


def test_a_copy_in_place_needs_a_change(s3: Any) -> None:
    name = "sse-in-place"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=BODY)
    place = {"Bucket": name, "Key": "k", "CopySource": f"{name}/k"}
    assert failure(s3.copy_object, **place)[:2] == ("InvalidRequest", 400)
    s3.copy_object(**place, ServerSideEncryption="AES256")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.copy_object(**place)
    assert s3.head_object(Bucket=name, Key="k")["ServerSideEncryption"] == "aws:kms"


UNKNOWN = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (UNKNOWN, f"Key 'arn:aws:kms:us-east-1:123456789012:key/{UNKNOWN}' does not exist"),
        (
            f"arn:aws:kms:us-east-1:123456789012:key/{UNKNOWN}",
            f"Key 'arn:aws:kms:us-east-1:123456789012:key/{UNKNOWN}' does not exist",
        ),
        (f"arn:aws:kms:us-west-2:123456789012:key/{UNKNOWN}", "Invalid arn us-west-2"),
    ],
)
@pytest.mark.parametrize("bucket_key", [False, True])
def test_keys_that_are_not_there(
    s3: Any, bucket: str, named: str, message: str, bucket_key: bool
) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    place: dict[str, Any] = {
        "Bucket": bucket,
        "Key": "k",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": named,
        "BucketKeyEnabled": bucket_key,
    }
    expected = ("KMS.NotFoundException", 400, message)
    assert failure(s3.put_object, **place) == expected
    assert failure(s3.create_multipart_upload, **place) == expected
    assert failure(s3.copy_object, **place, CopySource=f"{bucket}/source") == expected


@pytest.mark.parametrize(
    "members",
    [{}, {"BucketKeyEnabled": True}, {"ServerSideEncryption": "aws:kms:dsse"}],
    ids=["kms", "bucket key", "dsse"],
)
def test_what_happens_to_a_key_happens_to_its_objects(
    s3: Any, kms: Any, bucket: str, members: dict[str, Any]
) -> None:
    metadata = kms.create_key()["KeyMetadata"]
    arn, place = metadata["Arn"], {"Bucket": bucket, "Key": "k"}
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn, **members}
    s3.put_object(**place, Body=BODY, **encryption)
    plain = s3.create_multipart_upload(**place, **encryption)
    assert s3.get_object(**place)["Body"].read() == BODY
    kms.disable_key(KeyId=arn)
    disabled = ("KMS.DisabledException", 400, f"{arn} is disabled.")
    assert failure(s3.get_object, **place) == disabled
    assert failure(s3.put_object, **place, Body=BODY, **encryption) == disabled
    assert (
        failure(s3.upload_part, **place, UploadId=plain["UploadId"], PartNumber=1, Body=BODY)
        == disabled
    )
    head = s3.head_object(**place, ChecksumMode="ENABLED")
    assert head["SSEKMSKeyId"] == arn
    assert "ChecksumCRC32" not in head
    etag = head["ETag"]
    assert failure(s3.get_object, **place, IfMatch='"other"')[0] == "PreconditionFailed"
    assert failure(s3.get_object, **place, IfNoneMatch=etag)[0] == "304"
    kms.enable_key(KeyId=arn)
    assert s3.get_object(**place)["Body"].read() == BODY
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert failure(s3.get_object, **place) == (
        "KMS.KMSInvalidStateException",
        400,
        f"{arn} is pending deletion.",
    )
    kms.cancel_key_deletion(KeyId=arn)
    kms.enable_key(KeyId=arn)
    assert s3.get_object(**place)["Body"].read() == BODY


def test_a_plain_upload_completes_without_its_key(server: Any, kms: Any, bucket: str) -> None:
    """Only an upload with a checksum algorithm of its own needs the key at its end."""
    plain = server.client("s3", config=Config(request_checksum_calculation="when_required"))
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    place = {"Bucket": bucket, "Key": "plain"}
    uploads = {
        algorithm: plain.create_multipart_upload(
            **place,
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=arn,
            **({"ChecksumAlgorithm": algorithm} if algorithm else {}),
        )["UploadId"]
        for algorithm in ("", "SHA256")
    }
    parts = {
        algorithm: plain.upload_part(
            **place,
            UploadId=upload,
            PartNumber=1,
            Body=BODY,
            **({"ChecksumAlgorithm": algorithm} if algorithm else {}),
        )
        for algorithm, upload in uploads.items()
    }
    kms.disable_key(KeyId=arn)
    listed = plain.list_parts(**place, UploadId=uploads[""])["Parts"]
    assert [part["Size"] for part in listed] == [len(BODY)]
    assert failure(plain.list_parts, **place, UploadId=uploads["SHA256"])[0] == (
        "KMS.DisabledException"
    )

    def complete(algorithm: str) -> dict[str, Any]:
        part = {"PartNumber": 1, "ETag": parts[algorithm]["ETag"]}
        if algorithm:
            part["ChecksumSHA256"] = parts[algorithm]["ChecksumSHA256"]
        return {
            **place,
            "UploadId": uploads[algorithm],
            "MultipartUpload": {"Parts": [part]},
        }

    assert failure(plain.complete_multipart_upload, **complete("SHA256"))[0] == (
        "KMS.DisabledException"
    )
    done = plain.complete_multipart_upload(**complete(""))
    assert done["ETag"].endswith('-1"')
    again = plain.complete_multipart_upload(**complete(""))
    assert again["ETag"] == done["ETag"]
    assert not any(name.startswith("Checksum") for name in again)
    assert failure(plain.get_object, **place)[0] == "KMS.DisabledException"
    kms.enable_key(KeyId=arn)
    got = plain.get_object(**place, ChecksumMode="ENABLED")
    assert got["Body"].read() == BODY
    assert got["ChecksumCRC64NVME"] == done["ChecksumCRC64NVME"]
    plain.complete_multipart_upload(**complete("SHA256"))


def test_an_object_gets_another_key_in_place(s3: Any, kms: Any, bucket: str, key: str) -> None:
    """UpdateObjectEncryption: the bytes, the ETag and the dates stay."""
    place = {"Bucket": bucket, "Key": "moved"}
    s3.put_object(**place, Body=LARGE, Metadata={"colour": "blue"})
    before = s3.head_object(**place)
    s3.update_object_encryption(
        **place, ObjectEncryption={"SSEKMS": {"KMSKeyArn": key, "BucketKeyEnabled": True}}
    )
    after = s3.get_object(**place)
    assert after["Body"].read() == LARGE
    assert (after["SSEKMSKeyId"], after["BucketKeyEnabled"]) == (key, True)
    for member in ("ETag", "LastModified", "Metadata", "ContentType", "ContentLength"):
        assert after[member] == before[member]
    other = kms.create_key()["KeyMetadata"]["Arn"]
    s3.update_object_encryption(**place, ObjectEncryption={"SSEKMS": {"KMSKeyArn": other}})
    kms.disable_key(KeyId=other)
    assert failure(s3.get_object, **place)[2] == f"{other} is disabled."
    by_alias = {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:alias/own"}}
    code, status, message = failure(s3.update_object_encryption, **place, ObjectEncryption=by_alias)
    assert (code, status) == ("InvalidRequest", 400)
    assert "valid AWS KMS key Amazon Resource Name" in message


@pytest.mark.parametrize(
    ("key_spec", "usage"), [("RSA_2048", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC")]
)
def test_only_symmetric_keys_encrypt_objects(
    s3: Any, kms: Any, bucket: str, key_spec: str, usage: str
) -> None:
    arn = kms.create_key(KeySpec=key_spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    code, status, _ = failure(
        s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn
    )
    assert (code, status) == ("KMS.InvalidKeyUsageException", 400)


def test_encryption_headers_are_for_writes(s3: Any, server: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    reader = server.client("s3")
    reader.meta.events.register(
        "before-call.s3.*",
        lambda params, **_: params["headers"].update({"x-amz-server-side-encryption": "AES256"}),
    )
    for call in (reader.get_object, reader.head_object):
        assert failure(call, Bucket=bucket, Key="k")[1] == 400
    assert failure(reader.get_object, Bucket=bucket, Key="k") == (
        "InvalidArgument",
        400,
        "x-amz-server-side-encryption header is not supported for this operation.",
    )


def test_the_aws_cli_copies(server: Any, bucket: str, key: str, tmp_path: Path) -> None:
    """`aws s3 cp` in several parts, and back; `s3api put-object` with two layers."""
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(LARGE * 2)
    place = ["--bucket", bucket, "--key", "cli"]
    flags = ["--sse", "aws:kms", "--sse-kms-key-id", key]
    aws(server, "s3", "cp", str(source), f"s3://{bucket}/cli", *flags)
    aws(server, "s3", "cp", f"s3://{bucket}/cli", str(back))
    assert back.read_bytes() == LARGE * 2
    shown = json.loads(aws(server, "s3api", "head-object", *place))
    assert (shown["ServerSideEncryption"], shown["SSEKMSKeyId"]) == ("aws:kms", key)
    assert shown["ETag"].endswith('-2"')
    flags = ["--server-side-encryption", "aws:kms:dsse", "--ssekms-key-id", key]
    aws(server, "s3api", "put-object", *place, "--body", str(source), *flags)
    shown = json.loads(aws(server, "s3api", "get-object", *place, str(back)))
    assert shown["ServerSideEncryption"] == "aws:kms:dsse"
    assert back.read_bytes() == LARGE * 2


def test_the_aws_cli_configures_a_bucket(server: Any, bucket: str, key: str) -> None:
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    name = ["--bucket", bucket]
    configuration = ["--server-side-encryption-configuration", json.dumps({"Rules": [rule]})]
    aws(server, "s3api", "put-bucket-encryption", *name, *configuration)
    shown = json.loads(aws(server, "s3api", "get-bucket-encryption", *name))
    blocked = {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    assert shown["ServerSideEncryptionConfiguration"]["Rules"] == [{**rule, **blocked}]
    aws(server, "s3api", "delete-bucket-encryption", *name)


def aws(server: Any, *arguments: str) -> str:
    """The output of an aws CLI command; the version that the tests install."""
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *arguments],
        env=server.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
