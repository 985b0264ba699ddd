import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from kms.aws.audit_record import lower_camel, records_of
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from objstore.account.errors import IAMError
from objstore.account.paging import Page
from objstore.account.trail import WITHHELD, event_of, is_arn, without_secrets

USER = Principal(PrincipalKind.USER, "111122223333", "arn:bob", "AIDA1", "bob")
CALLER = Caller(USER, "AKIA1", "eu-west-1", "request-1")
ROLE = "arn:aws:iam::444455556666:role/R"


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_what_the_models_call_sensitive_is_withheld(service: str) -> None:
    spec = importlib.util.find_spec("botocore")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0], "data", service)
    [path] = folder.glob("*/service-2.json.gz")
    shapes = json.loads(gzip.decompress(path.read_bytes()))["shapes"]
    sensitive = {
        lower_camel(name)
        for shape in shapes.values()
        for name, member in shape.get("members", {}).items()
        if shapes[member["shape"]].get("sensitive")
    }
    assert sensitive
    assert sensitive <= WITHHELD


def test_members_in_groups_are_members() -> None:
    arguments = {"path_prefix": "/a/", "page": Page(max_items=3)}
    assert record("iam", "ListUsers", arguments=arguments)["requestParameters"] == {
        "pathPrefix": "/a/",
        "maxItems": 3,
    }


def test_secrets_at_any_depth() -> None:
    assert without_secrets(
        {
            "web_identity_token": "t",
            "AccessKey": {"SecretAccessKey": "s", "AccessKeyId": "a"},
            "list": [{"SessionToken": "s"}, "x"],
        }
    ) == {"AccessKey": {"AccessKeyId": "a"}, "list": [{}, "x"]}


def record(service: str, operation: str, caller: Caller = CALLER, **more: Any) -> dict[str, Any]:
    arguments = more.pop("arguments", {})
    event = event_of(service, operation, arguments, caller, at=0.0, **more)
    return list(records_of(event))[-1]


def test_iam_is_global_and_answers_to_changes_are_shown() -> None:
    reply = {"AccessKey": {"AccessKeyId": "AKIA2", "SecretAccessKey": "s"}}
    made = record("iam", "CreateAccessKey", arguments={"user_name": "bob"}, reply=reply)
    assert made["awsRegion"] == "us-east-1"
    assert made["requestParameters"] == {"userName": "bob"}
    assert made["responseElements"] == {"accessKey": {"accessKeyId": "AKIA2"}}
    assert made["readOnly"] is False
    listed = record("iam", "ListUsers", reply={"Users": [{"UserName": "bob"}]})
    assert (listed["readOnly"], listed["responseElements"]) == (True, None)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("NoSuchEntity", "NoSuchEntityException"),
        ("PackedPolicyTooLarge", "PackedPolicyTooLargeException"),
        ("AccessDenied", "AccessDenied"),
    ],
)
def test_errors_have_the_names_of_the_models(code: str, name: str) -> None:
    assert record("iam", "GetUser", error=IAMError(code, "m"))["errorCode"] == name


def test_a_role_of_another_account() -> None:
    reply = {"Credentials": {"AccessKeyId": "ASIA", "SessionToken": "t"}}
    assumed = record("sts", "AssumeRole", arguments={"role_arn": ROLE}, reply=reply)
    assert assumed["recipientAccountId"] == "444455556666"
    assert assumed["resources"][0]["type"] == "AWS::IAM::Role"
    assert assumed["responseElements"] == {"credentials": {"accessKeyId": "ASIA"}}
    assert assumed["readOnly"] is True


def test_a_web_identity() -> None:
    reply = {"SubjectFromWebIdentityToken": "s", "Audience": "a", "Provider": "arn:p"}
    found = record(
        "sts",
        "AssumeRoleWithWebIdentity",
        Caller(ANONYMOUS, "", "us-east-1", "request-1"),
        arguments={"role_arn": ROLE, "web_identity_token": "secret"},
        reply=reply,
    )
    assert found["userIdentity"]["type"] == "WebIdentityUser"
    assert found["recipientAccountId"] == "444455556666"
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(("text", "expected"), [(ROLE, True), ("role", False), (None, False)])
def test_arns(text: str | None, expected: bool) -> None:
    assert is_arn(text) is expected
