"""The query protocol against botocore's serializer and parser."""

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

import botocore.parsers
import botocore.serialize
import botocore.session
import pytest

from kms.aws.errors import AWSError
from kms.aws.model import ServiceModel, load
from objstore.wire.query import (
    FIELDS_MAX,
    FORM_BYTES_MAX,
    compile_input,
    compile_output,
    find_operation,
    parse_form,
    render_error,
)
from objstore.wire.values import xform


@pytest.fixture(scope="module")
def sts() -> ServiceModel:
    return load("sts")


def form_of(service: str, operation: str, values: dict[str, Any]) -> dict[str, str]:
    sdk = botocore.session.get_session().get_service_model(service).operation_model(operation)
    serializer = botocore.serialize.create_serializer("query", include_validation=False)
    return parse_form(urlencode(serializer.serialize_to_request(values, sdk)["body"]).encode())


@pytest.mark.parametrize(
    ("service", "operation", "values", "bound"),
    [
        ("sts", "GetCallerIdentity", {}, {}),
        (
            "sts",
            "AssumeRole",
            {
                "RoleArn": "arn:aws:iam::1:role/ü &",
                "RoleSessionName": "me",
                "DurationSeconds": 900,
                "Tags": [{"Key": f"k{n}", "Value": str(n)} for n in range(12)],
                "TransitiveTagKeys": ["a", "b"],
            },
            {
                "role_arn": "arn:aws:iam::1:role/ü &",
                "role_session_name": "me",
                "duration_seconds": 900,
                "tags": [{"Key": f"k{n}", "Value": str(n)} for n in range(12)],
                "transitive_tag_keys": ["a", "b"],
            },
        ),
        (
            "iam",
            "UntagUser",
            {"UserName": "me", "TagKeys": []},
            {"user_name": "me", "tag_keys": []},
        ),
    ],
)
def test_requests(
    service: str, operation: str, values: dict[str, Any], bound: dict[str, Any]
) -> None:
    model = load(service)
    form = form_of(service, operation, values)
    found = find_operation(model, form)
    assert found.name == operation
    assert compile_input(model, found, accepting(model, operation))(form) == bound


def accepting(model: ServiceModel, operation: str) -> Callable[..., Any]:
    """A handler that takes every member of an operation."""

    def handler(call: Any, **members: Any) -> dict[str, Any]:
        return members

    name = model.operations[operation].input
    members = model.shape(name).members if name else ()
    keywords = [inspect.Parameter(xform(m), inspect.Parameter.KEYWORD_ONLY) for m in members]
    call = inspect.Parameter("call", inspect.Parameter.POSITIONAL_ONLY)
    handler.__signature__ = inspect.Signature([call, *keywords])  # type: ignore[attr-defined]
    return handler


def parsed(service: str, operation: str, body: bytes, status: int = 200) -> Any:
    sdk = botocore.session.get_session().get_service_model(service).operation_model(operation)
    response = {"status_code": status, "headers": {}, "body": body}
    return botocore.parsers.create_parser("query").parse(response, sdk.output_shape)


def test_replies(sts: ServiceModel) -> None:
    reply = {"UserId": "1", "Account": "123456789012", "Arn": "arn:aws:iam::1:user/<&"}
    render = compile_output(sts, sts.operations["GetCallerIdentity"])
    status, headers, body = render(reply, "R")
    assert status == 200
    assert (b"content-type", b"text/xml") in headers
    assert body.decode().endswith(
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<GetCallerIdentityResult><UserId>1</UserId><Account>123456789012</Account>"
        "<Arn>arn:aws:iam::1:user/&lt;&amp;</Arn></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>R</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )
    answer = parsed("sts", "GetCallerIdentity", body)
    assert answer.pop("ResponseMetadata")["RequestId"] == "R"
    assert answer == reply


def test_replies_without_a_result_and_with_a_map() -> None:
    iam = load("iam")
    _, _, body = compile_output(iam, iam.operations["DeleteUser"])({}, "R")
    assert b"Result" not in body
    reply = {"SummaryMap": {"Users": 2, "Groups": 0}}
    _, _, body = compile_output(iam, iam.operations["GetAccountSummary"])(reply, "R")
    assert parsed("iam", "GetAccountSummary", body)["SummaryMap"] == reply["SummaryMap"]


@pytest.mark.parametrize(("status", "kind"), [(403, "Sender"), (503, "Receiver")])
def test_errors(sts: ServiceModel, status: int, kind: str) -> None:
    error = AWSError("Oops", "a < b", status=status)
    answer = render_error(sts, error, request_id="R")
    assert answer[0] == status
    error_of = parsed("sts", "GetCallerIdentity", answer[2], status)
    assert error_of["Error"] == {"Code": "Oops", "Message": "a < b", "Type": kind}
    assert error_of["ResponseMetadata"]["RequestId"] == "R"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "MissingAction"),
        ({"Action": "Nothing"}, "InvalidAction"),
        ({"Action": "AssumeRole", "Version": "1999-01-01"}, "InvalidAction"),
        ({"Action": "AssumeRole"}, "ValidationError"),
        ({"RoleArn": "r", "RoleSessionName": "s", "DurationSeconds": "x"}, "MalformedInput"),
        ({"RoleArn.a": "r", "RoleSessionName": "s"}, "MalformedInput"),
        ({"RoleArn": "r", "RoleArn.a": "s"}, "MalformedInput"),
        ({"RoleArn.a": "r", "RoleArn": "s"}, "MalformedInput"),
        ({"RoleArn": "r", "RoleSessionName": "s", "Tags": "x"}, "MalformedInput"),
        ({"RoleArn": "r", "RoleSessionName": "s", "Tags.member": "1"}, "MalformedInput"),
        ({"RoleArn": "r", "RoleSessionName": "s", "Tags.member.x": "1"}, "MalformedInput"),
        ({"RoleArn": "r", "RoleSessionName": "s", "Tags.member.1": "1"}, "MalformedInput"),
    ],
)
def test_bad_requests(sts: ServiceModel, form: dict[str, str], code: str) -> None:
    form = {"Action": "AssumeRole"} | form if "RoleArn" in str(form) else form

    def bind() -> None:
        operation = find_operation(sts, form)
        compile_input(sts, operation, accepting(sts, operation.name))(form)

    with pytest.raises(AWSError) as caught:
        bind()
    assert caught.value.code == code


POLICY = "{}"
GAP = "Excessively sparse input would skip {} list elements"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["+1"], "Start of list found where not expected"),
        (["one"], "Start of list found where not expected"),
        (["0"], "0 is not a valid index"),
        (["-1"], "Key -1 may not have a leading '-'"),
        (["12"], GAP.format(11)),
        (["1", "12"], GAP.format(11)),
        (["22", "1"], GAP.format(21)),
        (["1", "22", "43"], GAP.format(21)),
        ([str(number) for number in range(1, 11)] + ["21"], GAP.format(11)),
    ],
)
def test_items_are_numbered_from_one_with_few_left_out(keys: list[str], message: str) -> None:
    with pytest.raises(AWSError) as caught:
        bound("GetContextKeysForCustomPolicy", items("PolicyInputList", keys))
    assert (caught.value.code, caught.value.message) == ("MalformedInput", message)


@pytest.mark.parametrize("keys", [["11"], ["1", "8", "15"]])
def test_items_left_out_are_missed(keys: list[str]) -> None:
    with pytest.raises(AWSError) as caught:
        bound("GetContextKeysForCustomPolicy", items("PolicyInputList", keys))
    assert caught.value.code == "ValidationError"
    assert caught.value.message.startswith(
        "1 validation error detected: Value at 'policyInputList' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 131072, "
    )
    with pytest.raises(AWSError, match=r"'tags.1.member' failed .* Member must not be null"):
        bound("TagUser", {"UserName": "u", "Tags.member.2.Key": "k", "Tags.member.2.Value": "v"})


def test_items_with_leading_zeros() -> None:
    assert bound("GetContextKeysForCustomPolicy", items("PolicyInputList", ["01", "2"])) == {
        "policy_input_list": [POLICY, POLICY]
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("01", 1), ("+1", 1), *dict.fromkeys(["1.0", "1e0", " 1 "]).items()],
)
def test_numbers(text: str, value: int | None) -> None:
    if value is not None:
        assert bound("ListUsers", {"MaxItems": text}) == {"max_items": value}
        return
    with pytest.raises(AWSError, match="MalformedInput"):
        bound("ListUsers", {"MaxItems": text})


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("1", True), ("false", False), ("0", False)]
    + [(text, None) for text in ("True", "FALSE", " true", "", "null")],
)
def test_booleans(text: str, value: bool | None) -> None:
    if value is not None:
        assert bound("ListPolicies", {"OnlyAttached": text}) == {"only_attached": value}
        return
    with pytest.raises(AWSError, match="MalformedInput"):
        bound("ListPolicies", {"OnlyAttached": text})


def bound(operation: str, form: dict[str, str]) -> dict[str, Any]:
    """What a handler of IAM that takes every member would get."""
    model = load("iam")
    bind = compile_input(model, model.operations[operation], accepting(model, operation))
    return bind({"Action": operation, **form})


def items(name: str, keys: list[str]) -> dict[str, str]:
    return {f"{name}.member.{key}": POLICY for key in keys}


def test_times_have_whole_seconds() -> None:
    iam = load("iam")
    made = datetime(2026, 11, 24, 12, 30, 1, 500_000, tzinfo=timezone(timedelta(hours=1)))
    key = {"UserName": "u", "AccessKeyId": "A", "Status": "Active", "CreateDate": made}
    _, _, body = compile_output(iam, iam.operations["ListAccessKeys"])(
        {"AccessKeyMetadata": [key], "IsTruncated": False}, "R"
    )
    assert b"<CreateDate>2026-11-24T11:30:01Z</CreateDate>" in body


def test_a_member_that_the_handler_does_not_take_is_refused_by_name(sts: ServiceModel) -> None:
    def handler(call: Any, *, role_arn: str, role_session_name: str) -> dict[str, Any]:
        return {"RoleArn": role_arn, "RoleSessionName": role_session_name}

    bind = compile_input(sts, sts.operations["AssumeRole"], handler)
    form = {"RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "me", "Unknown": "x"}
    assert bind(form) == {"role_arn": form["RoleArn"], "role_session_name": "me"}
    with pytest.raises(AWSError, match="AssumeRole does not support SerialNumber") as caught:
        bind({**form, "SerialNumber": "GAHT12345678"})
    assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)


def test_a_signature_that_is_not_the_models_is_found_at_the_start(sts: ServiceModel) -> None:
    def lacking(call: Any, *, role_arn: str) -> dict[str, Any]:
        return {"RoleArn": role_arn}

    def inventing(
        call: Any, *, role_arn: str, role_session_name: str, colour: str
    ) -> dict[str, Any]:
        return {"RoleArn": role_arn, "RoleSessionName": role_session_name, "Colour": colour}

    for handler in (lacking, inventing):
        with pytest.raises(TypeError, match="AssumeRole"):
            compile_input(sts, sts.operations["AssumeRole"], handler)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"a=%ff", "MalformedQueryString"),
        (b"\xff", "MalformedQueryString"),
        (b"&".join([b"a=1"] * (FIELDS_MAX + 1)), "MalformedQueryString"),
        (b"a" * (FORM_BYTES_MAX + 1), "RequestEntityTooLarge"),
    ],
)
def test_bad_forms(body: bytes, code: str) -> None:
    with pytest.raises(AWSError) as caught:
        parse_form(body)
    assert caught.value.code == code


def test_maps_are_read() -> None:
    sns = load("sns")
    values = {"Name": "news", "Attributes": {"DisplayName": "News", "KmsMasterKeyId": "k"}}
    form = form_of("sns", "CreateTopic", values)
    operation = find_operation(sns, form)
    assert compile_input(sns, operation, accepting(sns, operation.name))(form) == {
        "name": "news",
        "attributes": values["Attributes"],
    }


def test_an_operation_may_take_nothing() -> None:
    iam = load("iam")

    def handler(call: Any) -> dict[str, Any]:
        return {"Call": call}

    bind = compile_input(iam, iam.operations["DeleteAccountPasswordPolicy"], handler)
    assert bind({"Action": "DeleteAccountPasswordPolicy", "Unknown": "x"}) == {}
