import json

import pytest

from kms.errors import KMSError
from kms.policy_text import check_policy, default_policy, s3_managed_policy


def test_default() -> None:
    document = json.loads(default_policy("111122223333"))
    assert document["Id"] == "key-default-1"
    [statement] = document["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statement["Action"] == "kms:*"


def test_s3() -> None:
    document = json.loads(s3_managed_policy("111122223333", "s3.eu-west-1.amazonaws.com"))
    assert document["Id"] == "auto-s3-2"
    assert document["Statement"][0]["Condition"]["StringEquals"] == {
        "kms:CallerAccount": "111122223333",
        "kms:ViaService": "s3.eu-west-1.amazonaws.com",
    }
    assert document["Statement"][1]["Action"] == ["kms:Describe*", "kms:Get*", "kms:List*"]


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 9_999, '{"Version":"2012-10-17"}'])
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(KMSError, match="MalformedPolicyDocumentException"):
        check_policy(text)


def test_a_policys_size() -> None:
    policy = default_policy("111122223333")
    assert check_policy(policy + " " * (32_768 - len(policy))).strip() == policy
    with pytest.raises(KMSError, match="LimitExceededException"):
        check_policy(policy + " " * (32_769 - len(policy)))
