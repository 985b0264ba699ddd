import json

import pytest

from kms.aws.policy import Flaw
from kms.errors import KMSError
from kms.policy_text import (
    _WORDS,
    check_policy,
    compiled,
    default_policy,
    renamed,
    s3_managed_policy,
)


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
    assert check_policy(policy + " " * (32_768 - len(policy))).statements
    with pytest.raises(KMSError, match="LimitExceededException"):
        check_policy(policy + " " * (32_769 - len(policy)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Principal": {"AWS": "bob"}}, "with one or more invalid principals."),
        ({"Action": "Decrypt"}, "with one or more invalid actions."),
        ({"Resource": "key"}, "with one or more invalid resources."),
        ({"Effect": None}, "Policy contains a statement with no effect."),
        ({"Principal": {"AWS": []}}, "Policy contains a statement with no principal."),
        ({"Effect": "Perhaps"}, "with one or more invalid elements: Perhaps."),
        ({"Effects": "Allow"}, "Policy contains the unknown element Effects."),
        ({"NotAction": "kms:Sign"}, "with the prohibited element NotAction."),
        ({"Condition": {"Is": {"kms:ViaService": "s3"}}}, "invalid elements: Is."),
    ],
)
def test_words_for_flaws(change: dict[str, object], message: str) -> None:
    document = json.loads(default_policy("111122223333"))
    document["Statement"][0] |= change
    with pytest.raises(KMSError) as caught:
        check_policy(json.dumps(document))
    assert caught.value.code == "MalformedPolicyDocumentException"
    assert message in caught.value.message


def test_flaws_have_one_detail_at_most() -> None:
    assert set(_WORDS) <= set(Flaw)
    assert all(words.count("{") <= 1 for words in _WORDS.values())


def test_a_text_is_compiled_once() -> None:
    assert compiled(default_policy("111122223333")) is compiled(default_policy("111122223333"))


def test_arns_stand_for_the_unique_ids_that_they_had() -> None:
    arn = "arn:aws:iam::111122223333:user/bob"
    text = default_policy("111122223333").replace("arn:aws:iam::111122223333:root", arn)
    plain, bound = compiled(text), compiled(text, ((arn, "AIDABOB"),))
    assert plain.statements[0].principals == {"AWS": (arn,)}
    assert bound.statements[0].principals == {"AWS": ("AIDABOB",)}


def test_other_names_in_a_text() -> None:
    names = {"a": "x"}
    text = json.dumps(
        {
            "Statement": [
                {"Principal": {"AWS": ["a", "b"], "Service": "a"}, "Resource": "a"},
                {"NotPrincipal": {"AWS": "a"}},
                {"Principal": "*"},
            ]
        }
    )
    assert renamed(text, {}) == text
    assert json.loads(renamed(text, names))["Statement"] == [
        {"Principal": {"AWS": ["x", "b"], "Service": "a"}, "Resource": "a"},
        {"NotPrincipal": {"AWS": "x"}},
        {"Principal": "*"},
    ]
    alone = json.dumps({"Statement": {"Principal": {"AWS": "a"}}})
    assert json.loads(renamed(alone, names)) == {"Statement": {"Principal": {"AWS": "x"}}}
