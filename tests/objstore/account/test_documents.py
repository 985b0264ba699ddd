import json
from typing import Any

import pytest

from kms.aws.policy import PolicyKind
from objstore.account.documents import (
    check_identity_policy,
    check_trust_policy,
    compiled,
    size,
)
from objstore.account.errors import IAMError

ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"AWS": "123456789012"},
}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Syntax errors in policy."),
        (json.dumps({"Statement": [ALLOW]}), "Policy document must be version 2012-10-17"),
        (document(), "Syntax errors in policy."),
        (document({**ALLOW, "Effect": "Maybe"}), "Syntax errors in policy."),
        (document({**ALLOW, "Principal": "*"}), "Policy document should not specify a principal."),
        (document({**ALLOW, "Action": "GetObject"}), "must be prefaced by a vendor"),
        (
            document({**ALLOW, "Resource": "bucket"}),
            'Resource bucket must be in ARN format or "*".',
        ),
        (document({**ALLOW, "Sid": "a b"}), "must be alpha-numeric"),
        (document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), "must be unique"),
    ],
)
def test_identity_policies_are_refused_in_the_words_of_aws(text: str, message: str) -> None:
    with pytest.raises(IAMError) as caught:
        check_identity_policy(text)
    assert caught.value.code == "MalformedPolicyDocument"
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This policy contains invalid Json"),
        (document({**TRUST, "Resource": "*"}), "Has prohibited field Resource"),
        (
            document({**TRUST, "Action": "s3:GetObject"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (document({**TRUST, "Principal": {"AWS": "bob"}}), "Invalid principal in policy"),
    ],
)
def test_trust_policies_are_refused_in_the_words_of_aws(text: str, message: str) -> None:
    with pytest.raises(IAMError) as caught:
        check_trust_policy(text)
    assert caught.value.code == "MalformedPolicyDocument"
    assert message in caught.value.message


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession", "sts:AssumeRole*", "sts:*"])
def test_trust_policies_name_actions_of_sts(action: str) -> None:
    assert check_trust_policy(document({**TRUST, "Action": action})).kind is PolicyKind.TRUST


def test_a_trust_policy_has_a_limit() -> None:
    names = [f"arn:aws:iam::123456789012:user/{number:0100}" for number in range(20)]
    with pytest.raises(IAMError, match="Cannot exceed quota for ACLSizePerRole: 2048"):
        check_trust_policy(document({**TRUST, "Principal": {"AWS": names}}))


def test_white_space_does_not_count() -> None:
    assert size('{ "a" : [ "b c" ] }') == len('{"a":["b c"]}')


def test_a_text_is_compiled_once() -> None:
    text = document(ALLOW)
    assert compiled(text, "p") is compiled(text, "p")
    assert compiled(text, "p") is not compiled(text, "q")
