"""The audit trail as operators see it: files in the data folder, LookupEvents by real clients."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

WAIT_SECONDS_MAX = 10.0
BOB_MAY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}],
}
CANARY = b"canary-plaintext-of-encrypt-4711"


def events(trail: Any, **query: Any) -> list[dict[str, Any]]:
    """The records of a look-up, the newest first."""
    pages = trail.get_paginator("lookup_events").paginate(**query)
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def named(trail: Any, name: str) -> list[dict[str, Any]]:
    attribute = {"AttributeKey": "EventName", "AttributeValue": name}
    return events(trail, LookupAttributes=[attribute])


def eventually(find: Callable[[], list[Any]], count: int = 1) -> list[Any]:
    """What `find` finds, once there is enough: other workers write within a second."""
    until = time.monotonic() + WAIT_SECONDS_MAX
    found = find()
    while len(found) < count and time.monotonic() < until:
        found = find()
    assert len(found) >= count
    return found


def bob(server: Any, name: str = "bob") -> dict[str, str]:
    """A new user who may use S3 and KMS, and the credentials that he has."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(BOB_MAY))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }


def test_bobs_upload_and_download(serve: Any, aws: Any) -> None:
    server = serve("--dev")
    credentials = bob(server)
    arn = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3 = server.client("s3", **credentials)
    s3.create_bucket(Bucket="papers")
    s3.put_object(
        Bucket="papers", Key="a/b", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn
    )
    s3.get_object(Bucket="papers", Key="a/b")["Body"].read()
    trail = server.client("cloudtrail")
    [generated] = named(trail, "GenerateDataKey")
    [decrypted] = named(trail, "Decrypt")
    for record in (generated, decrypted):
        identity = record["userIdentity"]
        assert identity["type"] == "IAMUser"
        assert identity["userName"] == "bob"
        assert identity["accessKeyId"] == credentials["aws_access_key_id"]
        assert {identity["invokedBy"], record["sourceIPAddress"], record["userAgent"]} == {
            "fas.s3.amazonaws.com"
        }
        assert record["requestParameters"]["encryptionContext"] == {
            "aws:s3:arn": "arn:aws:s3:::papers/a/b"
        }
        assert record["resources"] == [
            {"accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": arn}
        ]
        assert record["readOnly"] is True
        assert len(record["additionalEventData"]["keyMaterialId"]) == 64
        assert "authorization" not in record
    assert generated["requestParameters"]["keyId"] == arn
    assert generated["requestParameters"]["keySpec"] == "AES_256"
    assert decrypted["requestParameters"]["encryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    used = server.client("kms").get_key_last_usage(KeyId=arn)["KeyLastUsage"]
    assert used["CloudTrailEventId"] == decrypted["eventID"]
    attribute = "AttributeKey=EventName,AttributeValue=CreateBucket"
    shown = json.loads(aws(server, "cloudtrail", "lookup-events", "--lookup-attributes", attribute))
    assert [event["Username"] for event in shown["Events"]] == ["bob"]
    assert shown["Events"][0]["Resources"] == [
        {"ResourceType": "AWS::S3::Bucket", "ResourceName": "papers"}
    ]


def test_what_decided_is_for_operators_only(serve: Any) -> None:
    server = serve("--dev")
    s3 = server.client("s3", **bob(server))
    key = server.client("kms").create_key(
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "RootOnly",
                        "Effect": "Allow",
                        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                        "Action": "kms:*",
                        "Resource": "*",
                    },
                    {
                        "Sid": "NotBob",
                        "Effect": "Deny",
                        "Principal": {"AWS": "arn:aws:iam::123456789012:user/bob"},
                        "Action": "kms:GenerateDataKey",
                        "Resource": "*",
                    },
                ],
            }
        )
    )["KeyMetadata"]["KeyId"]
    s3.create_bucket(Bucket="closed")
    with pytest.raises(ClientError, match="explicit deny") as caught:
        s3.put_object(
            Bucket="closed", Key="k", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
        )
    assert "NotBob" not in str(caught.value)
    trail = server.client("cloudtrail")
    [denied] = named(trail, "GenerateDataKey")
    assert denied["errorCode"] == "AccessDenied"
    assert denied["requestParameters"] is None
    assert "resources" not in denied
    assert "NotBob" not in json.dumps(denied)
    written = "".join(path.read_text() for path in (server.data / "audit").iterdir())
    [line] = [line for line in written.splitlines() if denied["eventID"] in line]
    assert json.loads(line)["authorization"] == (
        "denied with an explicit deny in a resource-based policy (NotBob of the key policy)"
    )


def test_no_secret_is_ever_written(serve: Any) -> None:
    server = serve("--dev", "--audit", "data-events")
    credentials = bob(server)
    kms, s3 = server.client("kms"), server.client("s3", **credentials)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    sealed = kms.encrypt(KeyId=key, Plaintext=CANARY)["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=sealed)
    grant = kms.create_grant(
        KeyId=key, GranteePrincipal="arn:aws:iam::123456789012:user/bob", Operations=["Decrypt"]
    )
    kms.decrypt(CiphertextBlob=sealed, GrantTokens=[grant["GrantToken"]])
    kms.retire_grant(GrantToken=grant["GrantToken"])
    customer_key = b"0123456789-customers-key-0123456"
    s3.create_bucket(Bucket="sealed")
    s3.put_bucket_encryption(
        Bucket="sealed",
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                    "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
                }
            ]
        },
    )
    given = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": customer_key}
    s3.put_object(Bucket="sealed", Key="k", Body=b"x", **given)
    s3.get_object(Bucket="sealed", Key="k", **given)["Body"].read()
    session = server.client("sts", **credentials).get_session_token()["Credentials"]
    temporary = server.client(
        "s3",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    temporary.head_object(Bucket="sealed", Key="k", **given)
    server.stop()
    written = b"".join(path.read_bytes() for path in (server.data / "audit").iterdir())
    assert written.count(b'"eventName":"PutObject"') == 1
    assert b'"SSEApplied":"SSE_C"' in written
    assert b'"mfaAuthenticated":"false"' in written
    texts = [
        credentials["aws_secret_access_key"],
        session["SecretAccessKey"],
        session["SessionToken"],
        grant["GrantToken"],
    ]
    for secret in (
        CANARY,
        data_key["Plaintext"],
        data_key["CiphertextBlob"],
        sealed,
        customer_key,
    ):
        texts += [base64.b64encode(secret).decode(), secret.hex(), secret.decode("latin-1")]
    for number, text in enumerate(texts):
        for spelt in (text, json.dumps(text)[1:-1]):
            assert spelt.encode() not in written, number


def test_what_is_not_authentic_or_no_operation_is_not_told(serve: Any) -> None:
    server = serve("--dev")
    forger = replace(server, secret_access_key="wrong")
    for call in (
        forger.client("s3").list_buckets,
        forger.client("kms").list_keys,
        forger.client("iam").list_users,
        forger.client("sts").get_caller_identity,
    ):
        with pytest.raises(ClientError, match="Signature"):
            call()
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        server.client("cloudtrail").describe_trails()
    server.client("s3").create_bucket(Bucket="told")
    with pytest.raises(ClientError, match="AccessDenied"):
        server.client("s3", config=Config(signature_version=UNSIGNED)).get_bucket_acl(Bucket="told")
    told = [(one["eventName"], one.get("errorCode")) for one in events(server.client("cloudtrail"))]
    assert sorted(told) == [
        ("CreateBucket", None),
        ("DescribeTrails", "UnsupportedOperationException"),
        ("GetBucketAcl", "AccessDenied"),
    ]


def test_a_restart_keeps_the_trail_and_pages_hold_together(serve: Any) -> None:
    server = serve("--dev")
    for number in range(5):
        server.client("s3").create_bucket(Bucket=f"bucket-{number}")
    server.stop()
    server = serve("--dev")
    trail = server.client("cloudtrail")
    attribute = {"AttributeKey": "EventName", "AttributeValue": "CreateBucket"}
    names = [
        json.loads(event["CloudTrailEvent"])["requestParameters"]["bucketName"]
        for page in trail.get_paginator("lookup_events").paginate(
            LookupAttributes=[attribute], PaginationConfig={"PageSize": 2}
        )
        for event in page["Events"]
    ]
    assert names == [f"bucket-{number}" for number in (4, 3, 2, 1, 0)]
    page = trail.lookup_events(LookupAttributes=[attribute], MaxResults=2)
    with pytest.raises(ClientError, match="InvalidNextToken"):
        trail.lookup_events(MaxResults=2, NextToken=page["NextToken"])
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        trail.describe_trails()


def test_two_workers_have_one_trail(serve: Any) -> None:
    server = serve("--dev", "--workers", "2")
    for number in range(20):
        # A connection each, so that both workers get some.
        server.client("s3").create_bucket(Bucket=f"bucket-{number}")
    trail = server.client("cloudtrail")
    found = eventually(lambda: named(trail, "CreateBucket"), 20)
    assert {record["requestParameters"]["bucketName"] for record in found} == {
        f"bucket-{number}" for number in range(20)
    }
    assert len({record["eventID"] for record in found}) == 20


def test_only_those_who_may_look(serve: Any) -> None:
    server = serve("--dev")
    trail = server.client("cloudtrail", **bob(server))
    with pytest.raises(ClientError, match="not authorized to perform: cloudtrail:LookupEvents"):
        trail.lookup_events()
