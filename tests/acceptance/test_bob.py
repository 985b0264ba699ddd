"""Bob with version 2 of the aws CLI: who may use a key decides who may use its objects."""

import json
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ACCOUNT = "123456789012"
CLI = Callable[..., str]
FORWARDER = "fas.s3.amazonaws.com"
S3_ONLY = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True, slots=True)
class Bob:
    """A user who may do everything in S3 and nothing in KMS, a bucket, and a customer key."""

    aws: CLI
    server: Any
    his: Any
    arn: str
    bucket: str
    key_arn: str
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "file"

    def does(self, *arguments: str, **more: Any) -> str:
        return self.aws(self.his, *arguments, **more)

    def root_does(self, *arguments: str) -> Any:
        said = self.aws(self.server, *arguments)
        return json.loads(said) if said else {}

    def uploads(self, *flags: str, name: str = "plan", **more: Any) -> str:
        sealed = ("--sse", "aws:kms", "--sse-kms-key-id", self.key_arn)
        target = f"s3://{self.bucket}/{name}"
        return self.does("s3", "cp", str(self.file), target, *(flags or sealed), **more)

    def downloads(self, name: str = "plan", **more: Any) -> str:
        return self.does("s3", "cp", f"s3://{self.bucket}/{name}", "-", **more)


@pytest.fixture
def bob(server: Any, aws2: CLI, tmp_path: Path) -> Iterator[Bob]:
    iam, kms = server.client("iam"), server.client("kms")
    name = f"bob-{uuid.uuid4().hex[:8]}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=document(S3_ONLY))
    his = server.speaking_for(iam.create_access_key(UserName=name)["AccessKey"])
    server.client("s3").create_bucket(Bucket=name)
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    bob = Bob(aws2, server, his, arn, name, key_arn, tmp_path)
    bob.file.write_text("secret")
    yield bob
    kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=7)


def refusal(bob: Bob, action: str) -> str:
    return (
        f"User: {bob.arn} is not authorized to perform: {action} on resource: {bob.key_arn} "
        f"because no identity-based policy allows the {action} action"
    )


def test_a_grant_is_what_bob_needs_and_all_he_has(bob: Bob) -> None:
    said = bob.uploads(fails=True)
    assert "(AccessDenied)" in said
    assert refusal(bob, "kms:GenerateDataKey") in said
    named = ("--key-id", bob.key_arn)
    grant = bob.root_does(
        *("kms", "create-grant", *named, "--grantee-principal", bob.arn),
        *("--operations", "GenerateDataKey", "Decrypt"),
    )
    bob.uploads()
    assert bob.downloads() == "secret"
    bob.root_does("kms", "revoke-grant", *named, "--grant-id", grant["GrantId"])
    assert refusal(bob, "kms:GenerateDataKey") in bob.uploads(fails=True)
    assert refusal(bob, "kms:Decrypt") in bob.downloads(fails=True)


def test_a_key_policy_can_let_bob_in_through_s3_only(bob: Bob) -> None:
    for_the_account = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    through_s3 = {
        "Effect": "Allow",
        "Principal": {"AWS": bob.arn},
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
    }
    policy = document(for_the_account, through_s3)
    named = ("--key-id", bob.key_arn)
    bob.root_does("kms", "put-key-policy", *named, "--policy-name", "default", "--policy", policy)
    bob.uploads()
    assert bob.downloads() == "secret"
    sealed = bob.root_does("kms", "encrypt", *named, "--plaintext", "c2VjcmV0")["CiphertextBlob"]
    blob = bob.folder / "blob"
    blob.write_bytes(b64decode(sealed))
    said = bob.does("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", fails=True)
    assert "(AccessDeniedException)" in said
    assert refusal(bob, "kms:Decrypt") in said


def test_a_bucket_policy_can_demand_encryption_by_kms(bob: Bob) -> None:
    demand = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bob.bucket}/*",
        "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
    }
    to_bucket = ("--bucket", bob.bucket)
    bob.root_does("s3api", "put-bucket-policy", *to_bucket, "--policy", document(demand))
    for unencrypted in ((), ("--sse", "AES256")):
        said = bob.uploads("--no-progress", *unencrypted, fails=True)
        assert "(AccessDenied)" in said
        assert "s3:PutObject" in said
        assert "with an explicit deny in a resource-based policy" in said
    bob.uploads("--sse", "aws:kms")
    assert bob.downloads() == "secret"


def test_the_trail_tells_what_s3_did_for_bob(bob: Bob) -> None:
    bob.root_does(
        *("kms", "create-grant", "--key-id", bob.key_arn, "--grantee-principal", bob.arn),
        *("--operations", "GenerateDataKey", "Decrypt"),
    )
    bob.uploads(name="reports/plan")
    assert bob.downloads("reports/plan") == "secret"
    attribute = f"AttributeKey=ResourceName,AttributeValue={bob.key_arn}"
    found = bob.root_does("cloudtrail", "lookup-events", "--lookup-attributes", attribute)
    records = [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]
    forwarded = {
        record["eventName"]: record
        for record in records
        if record["userIdentity"].get("invokedBy") == FORWARDER
    }
    assert set(forwarded) == {"GenerateDataKey", "Decrypt"}
    for record in forwarded.values():
        assert record["userIdentity"]["arn"] == bob.arn
        assert record["requestParameters"]["encryptionContext"] == {
            "aws:s3:arn": f"arn:aws:s3:::{bob.bucket}/reports/plan"
        }
