import json
from typing import Any

import pytest

from kms.errors import KMSError
from kms.paging import marker_of
from kms.policy_text import default_policy
from kms.request import S3_ALIAS

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": "111122223333"},
            "Action": ["kms:Get*", "kms:List*", "kms:PutKeyPolicy"],
            "Resource": "*",
        },
    }
)
LOCKED = POLICY.replace("kms:PutKeyPolicy", "kms:DescribeKey")


def test_the_stored_policy_comes_back_as_it_was(client: Any) -> None:
    arn = client.key(policy=POLICY)
    assert client("GetKeyPolicy", key_id=arn) == {"Policy": POLICY, "PolicyName": "default"}


def test_default_and_managed_policies(client: Any) -> None:
    default = json.loads(client("GetKeyPolicy", key_id=client.key())["Policy"])
    assert default["Id"] == "key-default-1"
    made = client("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]["Arn"]
    assert json.loads(client("GetKeyPolicy", key_id=made)["Policy"])["Id"] == "auto-s3-2"


def test_there_is_one_policy(client: Any) -> None:
    arn = client.key()
    assert client("ListKeyPolicies", key_id=arn) == {"PolicyNames": ["default"], "Truncated": False}
    with pytest.raises(KMSError, match="NotFoundException"):
        client("GetKeyPolicy", key_id=arn, policy_name="other")


def test_a_policy_is_replaced_whole(client: Any) -> None:
    arn = client.key()
    assert client("PutKeyPolicy", key_id=arn, policy=POLICY) == {}
    assert client("GetKeyPolicy", key_id=arn)["Policy"] == POLICY
    assert client("ListKeyPolicies", key_id=arn, marker=marker_of("default"))["PolicyNames"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"policy": "{"}, "MalformedPolicyDocumentException", "invalid JSON"),
        ({"policy": "x" * 32_769}, "LimitExceededException", "32768"),
        ({"policy": POLICY, "policy_name": "other"}, "NotFoundException", "No such policy exists"),
        (
            {"policy": POLICY, "policy_name": "AWS_RAM"},
            "ValidationException",
            "The AWS_RAM policy can only be managed by the RAM service",
        ),
    ],
)
def test_policies_that_cannot_be(
    client: Any, arguments: dict[str, str], code: str, message: str
) -> None:
    arn = client.key()
    before = client("GetKeyPolicy", key_id=arn)
    refusal = client.refused("PutKeyPolicy", key_id=arn, **arguments)
    assert refusal[0] == code
    assert message in refusal[1]
    assert client("GetKeyPolicy", key_id=arn) == before


def test_the_managed_keys_policy_stays(client: Any) -> None:
    arn = client.metadata(S3_ALIAS)["Arn"]
    code, message = client.refused("PutKeyPolicy", key_id=arn, policy=POLICY)
    assert code == "AccessDeniedException"
    assert "no resource-based policy allows the kms:PutKeyPolicy action" in message


def test_a_policy_that_locks_its_caller_out(client: Any) -> None:
    message = "The new key policy will not allow you to update the key policy in the future."
    client.fails("MalformedPolicyDocumentException", message, "CreateKey", policy=LOCKED)
    arn = client.key()
    client.fails(
        "MalformedPolicyDocumentException", message, "PutKeyPolicy", key_id=arn, policy=LOCKED
    )
    bypass = {"bypass_policy_lockout_safety_check": True}
    client("PutKeyPolicy", key_id=arn, policy=LOCKED, **bypass)
    assert client.refused("PutKeyPolicy", key_id=arn, policy=POLICY)[0] == "AccessDeniedException"
    assert client("GetKeyPolicy", key_id=client.key(policy=LOCKED, **bypass))["Policy"] == LOCKED


@pytest.mark.parametrize("element", ["Action", "Resource"])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_statement_that_lacks_an_element_is_taken_and_has_no_effect(
    client: Any, element: str, effect: str
) -> None:
    arn = client.key()
    document = json.loads(default_policy("111122223333"))
    (statement,) = document["Statement"]
    lacking = {**statement, "Sid": "lacking", "Effect": effect}
    del lacking[element]
    policy = json.dumps({**document, "Statement": [statement, lacking]})
    assert client("PutKeyPolicy", key_id=arn, policy=policy) == {}
    assert client("Encrypt", key_id=arn, plaintext=b"x")
    code, _ = client.refused(
        "PutKeyPolicy", key_id=arn, policy=json.dumps({**document, "Statement": lacking})
    )
    assert code == "MalformedPolicyDocumentException"
