"""Website configurations: AWS's refusals, as recorded from it."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import website
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


ASKED = website.Address("http", "b.s3-website.localhost", "docs/a b", "q=1")
HERE = "http://b.s3-website.localhost"
GONE = {"HttpErrorCodeReturnedEquals": "404"}

REDIRECTS: list[tuple[dict[str, Any], int | None, tuple[int, str] | None]] = [
    (INDEX, None, None),
    (
        {"RedirectAllRequestsTo": {"HostName": "example.com"}},
        None,
        (301, "http://example.com/docs/a%20b?q=1"),
    ),
    (
        {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}},
        None,
        (301, "https://example.com/docs/a%20b?q=1"),
    ),
    (
        routed({"HostName": "a.org"}, {"KeyPrefixEquals": "docs/"}),
        None,
        (301, "http://a.org/docs/a%20b?q=1"),
    ),
    (routed({"HostName": "a.org"}, {"KeyPrefixEquals": "other/"}), None, None),
    (routed({"HostName": "a.org"}, GONE), None, None),
    (
        routed({"HostName": "a.org", "HttpRedirectCode": "307"}, GONE),
        404,
        (307, "http://a.org/docs/a%20b?q=1"),
    ),
    (routed({"HostName": "a.org"}, GONE), 403, None),
    (
        routed({"ReplaceKeyPrefixWith": "new/"}, {"KeyPrefixEquals": "docs/"}),
        None,
        (301, f"{HERE}/new/a%20b?q=1"),
    ),
    (
        routed({"ReplaceKeyPrefixWith": ""}, {"KeyPrefixEquals": "docs/"}),
        None,
        (301, f"{HERE}/a%20b?q=1"),
    ),
    (routed({"ReplaceKeyWith": "sorry"}), None, (301, f"{HERE}/sorry?q=1")),
    (
        routed({"ReplaceKeyWith": "sorry"}, {**GONE, "KeyPrefixEquals": "docs/"}),
        404,
        (301, f"{HERE}/sorry?q=1"),
    ),
]


@pytest.mark.parametrize(("document", "status", "expected"), REDIRECTS)
def test_redirects(
    document: dict[str, Any], status: int | None, expected: tuple[int, str] | None
) -> None:
    assert check(document)
    found = website.redirect(document, ASKED, status=status)
    assert (None if found is None else (found.status, found.location)) == expected


@pytest.mark.parametrize(
    ("key", "read"), [("", "index.html"), ("a/", "a/index.html"), ("a", "a"), ("a/b", "a/b")]
)
def test_folders_are_their_index(key: str, read: str) -> None:
    assert website.index_key(INDEX, key) == read


@pytest.mark.parametrize("host", ["a\r\nset-cookie: b", "a b", "", "x" * 256])
def test_hosts_cannot_end_a_header(host: str) -> None:
    with pytest.raises(AWSError, match="MalformedXML"):
        check({"RedirectAllRequestsTo": {"HostName": host}})
