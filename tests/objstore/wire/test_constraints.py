from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.model import load
from objstore.wire.constraints import compile_check


def refusal(service: str, operation: str, members: dict[str, Any]) -> str:
    """What is said about the members of a request; empty if nothing is wrong."""
    model = load(service)
    name = model.operations[operation].input
    assert name is not None
    try:
        compile_check(model, model.shape(name))(members)
    except AWSError as error:
        return (
            error.message if (error.code, error.status) == ("ValidationError", 400) else error.code
        )
    return ""


URL = "https://" + "u" * 300
TAG = {"Key": "k", "Value": "v"}
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("iam", "UpdateAccountPasswordPolicy", {"RequireSymbols": True}, ""),
    (
        "iam",
        "CreateUser",
        {"UserName": "bob", "Tags": [TAG] * 51},
        "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must "
        "have length less than or equal to 50",
    ),
    (
        "iam",
        "GetAccountAuthorizationDetails",
        {"Filter": ["Nobody"]},
        "1 validation error detected: Value at 'filter' failed to satisfy constraint: Member must "
        "satisfy constraint: [Member must satisfy enum value set]",
    ),
    ("iam", "CreateUser", {"UserName": "bob"}, ""),
    (
        "sts",
        "AssumeRoleWithWebIdentity",
        {
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "RoleSessionName": "session",
            "WebIdentityToken": "a secret " * 3_000,
        },
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: "
        "Member must have length less than or equal to 20000",
    ),
    (
        "iam",
        "CreateUser",
        {"UserName": "böb"},
        r"1 validation error detected: Value at 'userName' failed to satisfy constraint: Member "
        r"must satisfy regular expression pattern: [\w+=,.@-]+",
    ),
    (
        "iam",
        "CreateUser",
        {"UserName": "b" * 65},
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member "
        "must have length less than or equal to 64",
    ),
    (
        "iam",
        "CreateUser",
        {},
        "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member "
        "must not be null",
    ),
    (
        "iam",
        "UpdateAccessKey",
        {"AccessKeyId": "A" * 16, "Status": "Sleepy"},
        "1 validation error detected: Value at 'status' failed to satisfy constraint: Member must "
        "satisfy enum value set",
    ),
    (
        "iam",
        "ListUsers",
        {"MaxItems": 1_001},
        "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: Member "
        "must have value less than or equal to 1000",
    ),
    (
        "iam",
        "TagUser",
        {"UserName": "bob", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "k" * 129, "Value": ""}]},
        "1 validation error detected: Value at 'tags.2.member.key' failed to satisfy constraint: "
        "Member must have length less than or equal to 128",
    ),
    (
        "iam",
        "CreateOpenIDConnectProvider",
        {"Url": URL, "ClientIDList": ["c" * 256], "ThumbprintList": ["t"]},
        "3 validation errors detected: Value at 'clientIDList' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 255, "
        "Member must have length greater than or equal to 1]; Value at 'thumbprintList' failed to "
        "satisfy constraint: Member must satisfy constraint: [Member must have length less than "
        "or equal to 40, Member must have length greater than or equal to 40]; Value at 'url' "
        "failed to satisfy constraint: Member must have length less than or equal to 255",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "Session1:2"},
        r"1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy "
        r"constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
    ),
    (
        "sts",
        "GetAccessKeyInfo",
        {},
        "1 validation error detected: Value null at 'accessKeyId' failed to satisfy constraint: "
        "Member must not be null",
    ),
]


@pytest.mark.parametrize(("service", "operation", "members", "text"), CASES)
def test_the_words_are_those_of_aws(
    service: str, operation: str, members: dict[str, Any], text: str
) -> None:
    assert refusal(service, operation, members) == text


@pytest.mark.parametrize(
    ("key", "fits"),
    [("Größe", True), ("cost center", True), ("a_b.c:d/e=f+g-h@i", True), ("a*", False)],
)
def test_tags_may_have_letters_of_any_script(key: str, fits: bool) -> None:
    tags = [{"Key": key, "Value": key}]
    text = refusal("iam", "TagUser", {"UserName": "bob", "Tags": tags})
    assert ("must satisfy regular expression pattern" not in text) == fits


def test_maps() -> None:
    assert refusal("sns", "CreateTopic", {"Name": "n", "Attributes": {"a": "b"}}) == ""
