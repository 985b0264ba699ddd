import json

from kms.policy_text import default_policy, s3_managed_policy


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
