"""Website configurations: AWS's refusals, as recorded from it."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules.website import check

INDEX = {"IndexDocument": {"Suffix": "index.html"}}


def routed(redirect: dict[str, Any], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    rule = {"Redirect": redirect} | ({} if condition is None else {"Condition": condition})
    return {**INDEX, "RoutingRules": [rule]}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"RedirectAllRequestsTo": {"HostName": "a"}, **INDEX}, "InvalidArgument", "in conjunction"),
    ({"RedirectAllRequestsTo": {"HostName": "a", "Protocol": "ftp"}}, "InvalidRequest", "protocol"),
    ({}, "InvalidArgument", "A value for IndexDocument Suffix must be provided"),
    ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument", "not well formed"),
    ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument", "not well formed"),
    ({**INDEX, "ErrorDocument": {"Key": ""}}, "MalformedXML", ""),
    ({**INDEX, "RoutingRules": []}, "MalformedXML", ""),
    (
        {**INDEX, "RoutingRules": [{"Redirect": {"HostName": "a"}}] * 51},
        "InvalidRequest",
        "limited to 50",
    ),
    (routed({}), "MalformedXML", ""),
    (routed({"HostName": "a"}, {}), "InvalidRequest", "Condition cannot be empty"),
    (routed({"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}), "InvalidRequest", "not both"),
    (routed({"Protocol": "ftp"}), "InvalidRequest", "Invalid protocol"),
    (routed({"HttpRedirectCode": "300"}), "InvalidRequest", "redirect code (300)"),
    (routed({"HttpRedirectCode": "3x1"}), "InvalidRequest", "redirect code"),
    (
        routed({"HostName": "a"}, {"HttpErrorCodeReturnedEquals": "200"}),
        "InvalidRequest",
        "error code (200)",
    ),
]


@pytest.mark.parametrize(("document", "code", "message"), REFUSED)
def test_refused(document: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        check(document)
    assert caught.value.code == code
    assert message in caught.value.message


@pytest.mark.parametrize(
    "document",
    [
        INDEX,
        {"RedirectAllRequestsTo": {"HostName": "a", "Protocol": "https"}},
        routed({"ReplaceKeyPrefixWith": ""}, {"KeyPrefixEquals": "old/"}),
        routed({"HttpRedirectCode": "307"}, {"HttpErrorCodeReturnedEquals": "404"}),
    ],
)
def test_kept_as_it_is(document: dict[str, Any]) -> None:
    assert check(document) == document
