"""Bob, a user without a word about keys: what grants and key policies let him do through S3."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
pytestmark = pytest.mark.acceptance


@dataclass(frozen=True, slots=True)
class Scene:
    """A bucket, a key, and clients of Bob, who may do everything in S3 and nothing in KMS."""

    server: Any
    bucket: str
    key_arn: str
    kms: Any
    arn: str
    his: Any

    def put(self, name: str = "k") -> Any:
        return self.his.client("s3").put_object(
            Bucket=self.bucket,
            Key=name,
            Body=b"secret",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=self.key_arn,
        )

    def get(self, name: str = "k") -> bytes:
        body: bytes = self.his.client("s3").get_object(Bucket=self.bucket, Key=name)["Body"].read()
        return body

    def refused(self, call: Any, *arguments: Any, **members: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(*arguments, **members)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture
def scene(server: Any) -> Iterator[Scene]:
    iam, kms = server.client("iam"), server.client("kms")
    name = f"bob-{uuid.uuid4().hex[:8]}"
    user = iam.create_user(UserName=name)["User"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=json.dumps(policy))
    access = iam.create_access_key(UserName=name)["AccessKey"]
    his = replace(
        server,
        access_key_id=access["AccessKeyId"],
        secret_access_key=access["SecretAccessKey"],
    )
    bucket = f"access-{uuid.uuid4().hex[:8]}"
    server.client("s3").create_bucket(Bucket=bucket)
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    yield Scene(server, bucket, key_arn, kms, user["Arn"], his)
    kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=7)


def test_a_grant_lets_bob_in_and_its_end_shuts_him_out(scene: Scene) -> None:
    code, message = scene.refused(scene.put)
    assert code == "AccessDenied"
    assert message == (
        f"User: {scene.arn} is not authorized to perform: kms:GenerateDataKey on resource: "
        f"{scene.key_arn} because no identity-based policy allows the kms:GenerateDataKey action"
    )
    grant = scene.kms.create_grant(
        KeyId=scene.key_arn,
        GranteePrincipal=scene.arn,
        Operations=["GenerateDataKey", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"aws:s3:arn": f"arn:aws:s3:::{scene.bucket}/k"}},
    )
    scene.put()
    assert scene.get() == b"secret"
    assert scene.refused(scene.put, "other")[0] == "AccessDenied"
    scene.kms.revoke_grant(KeyId=scene.key_arn, GrantId=grant["GrantId"])
    code, message = scene.refused(scene.get)
    assert code == "AccessDenied"
    assert "kms:Decrypt" in message
    assert scene.refused(scene.put)[0] == "AccessDenied"


def test_a_key_policy_lets_bob_in_through_s3_only(scene: Scene) -> None:
    policy = json.loads(scene.kms.get_key_policy(KeyId=scene.key_arn)["Policy"])
    policy["Statement"].append(
        {
            "Sid": "ThroughS3",
            "Effect": "Allow",
            "Principal": {"AWS": scene.arn},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        }
    )
    scene.kms.put_key_policy(KeyId=scene.key_arn, Policy=json.dumps(policy))
    scene.put()
    assert scene.get() == b"secret"
    his_kms = scene.his.client("kms")
    sealed = scene.kms.encrypt(KeyId=scene.key_arn, Plaintext=b"p")["CiphertextBlob"]
    for call, members in (
        (his_kms.decrypt, {"CiphertextBlob": sealed}),
        (his_kms.generate_data_key, {"KeyId": scene.key_arn, "KeySpec": "AES_256"}),
    ):
        code, message = scene.refused(call, **members)
        assert code == "AccessDeniedException"
        assert f"on resource: {scene.key_arn} because no identity-based policy allows" in message


def test_the_managed_key_of_s3_needs_no_permission(scene: Scene) -> None:
    s3 = scene.his.client("s3")
    put = s3.put_object(
        Bucket=scene.bucket, Key="m", Body=b"secret", ServerSideEncryption="aws:kms"
    )
    assert scene.get("m") == b"secret"
    code, message = scene.refused(
        scene.his.client("kms").generate_data_key, KeyId=put["SSEKMSKeyId"], KeySpec="AES_256"
    )
    assert code == "AccessDeniedException"
    assert "because no resource-based policy allows the kms:GenerateDataKey action" in message


def test_only_principals_that_exist_can_be_named(scene: Scene) -> None:
    nobody = f"arn:aws:iam::{ACCOUNT}:user/nobody-{uuid.uuid4().hex[:8]}"
    assert scene.refused(
        scene.kms.create_grant,
        KeyId=scene.key_arn,
        GranteePrincipal=nobody,
        Operations=["Decrypt"],
    ) == ("InvalidArnException", f"ARN does not refer to a valid principal: {nobody}")
    policy = json.loads(scene.kms.get_key_policy(KeyId=scene.key_arn)["Policy"])
    policy["Statement"][0]["Principal"]["AWS"] = [f"arn:aws:iam::{ACCOUNT}:root", nobody]
    assert scene.refused(
        scene.kms.put_key_policy, KeyId=scene.key_arn, Policy=json.dumps(policy)
    ) == (
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
    )


def test_a_user_who_is_made_again_does_not_get_the_grants_of_the_old(scene: Scene) -> None:
    iam = scene.server.client("iam")
    name = scene.arn.rpartition("/")[2]
    scene.kms.create_grant(
        KeyId=scene.key_arn, GranteePrincipal=scene.arn, Operations=["DescribeKey"]
    )
    his_kms = scene.his.client("kms")
    assert his_kms.describe_key(KeyId=scene.key_arn)["KeyMetadata"]["Arn"] == scene.key_arn
    iam.delete_access_key(UserName=name, AccessKeyId=scene.his.access_key_id)
    iam.delete_user_policy(UserName=name, PolicyName="s3")
    iam.delete_user(UserName=name)
    [grant] = scene.kms.list_grants(KeyId=scene.key_arn)["Grants"]
    assert grant["GranteePrincipal"].startswith("AIDA")
    iam.create_user(UserName=name)
    access = iam.create_access_key(UserName=name)["AccessKey"]
    anew = replace(
        scene.his,
        access_key_id=access["AccessKeyId"],
        secret_access_key=access["SecretAccessKey"],
    )
    code, _ = scene.refused(anew.client("kms").describe_key, KeyId=scene.key_arn)
    assert code == "AccessDeniedException"


def test_the_command_line_explains_a_running_server(scene: Scene) -> None:
    command = [
        sys.executable,
        "-m",
        "objstore",
        "explain",
        *("--data", str(scene.server.data)),
        *("--principal", scene.arn),
        *("--action", "kms:Decrypt"),
        *("--resource", scene.key_arn),
        *("--context", "kms:EncryptionContext:team=red"),
    ]

    def explained() -> tuple[int, str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    because = "because no identity-based policy allows the kms:Decrypt action"
    assert explained() == (1, f"denied {because}\n")
    grant_id = scene.kms.create_grant(
        KeyId=scene.key_arn,
        GranteePrincipal=scene.arn,
        Operations=["Decrypt"],
        Constraints={"EncryptionContextEquals": {"team": "red"}},
    )["GrantId"]
    assert explained() == (0, f"allowed by a grant ({grant_id})\n")
