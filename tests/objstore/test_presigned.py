from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kms.aws.authentication import Request
from kms.aws.errors import AWSError
from objstore.presigned import check_hoisted, read_v2, sign_v2, with_hoisted

HOST = "localhost:9000"
V4 = {"X-Amz-Signature": "0", "X-Amz-Algorithm": "x", "X-Amz-Expires": "1"}


@pytest.mark.parametrize(
    ("query", "headers", "merged"),
    [
        ({"x-amz-acl": "private"}, {"host": HOST}, {"host": HOST}),
        ({**V4, "prefix": "a"}, {"host": HOST}, {"host": HOST}),
        (
            {**V4, "X-Amz-Security-Token": "t", "x-amz-checksum-crc32": "AAAAAA=="},
            {"host": HOST},
            {"host": HOST, "x-amz-checksum-crc32": "AAAAAA=="},
        ),
        (
            {**V4, "X-Amz-Meta-Colour": "blue"},
            {"x-amz-meta-colour": "blue"},
            {"x-amz-meta-colour": "blue"},
        ),
        ({**V4, "If-None-Match": "*"}, {}, {"if-none-match": "*"}),
        ({"Signature": "0", "If-None-Match": "*"}, {}, {}),
        ({**V4, "content-type": "text/css"}, {}, {}),
        ({"Signature": "0", "content-type": "text/css"}, {}, {"content-type": "text/css"}),
    ],
)
def test_headers_travel_in_signed_urls(
    query: dict[str, str], headers: dict[str, str], merged: dict[str, str]
) -> None:
    assert with_hoisted(query, headers) == merged


def test_a_url_and_a_header_may_not_disagree() -> None:
    query = {**V4, "x-amz-acl": "private"}
    headers = with_hoisted(query, {"x-amz-acl": "public-read"})
    assert headers == {"x-amz-acl": "public-read"}  # which is judged with the signature
    with pytest.raises(AWSError) as caught:
        check_hoisted(query, headers)
    assert caught.value.fields == {"ArgumentName": "x-amz-acl"}
    twice = {**query, "X-Amz-Acl": "public-read"}
    with pytest.raises(AWSError, match="contradict"):
        check_hoisted(twice, with_hoisted(twice, {}))
    check_hoisted(query, with_hoisted(query, {}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-meta-a", "1\r\nx-amz-acl:private"),
        ("x-amz-meta-a", "1\n"),
        ("x-amz-meta-a", "\0"),
        ("x-amz-meta-a: 1", "2"),
        ("x-amz-meta-a\r\nb", "2"),
        ("x-amz-meta-\u00fc", "2"),
        ("X-Amz-Website-Redirect-Location", "/a\r\nset-cookie: b"),
    ],
)
def test_what_could_be_no_header_is_refused(name: str, value: str) -> None:
    for mark in (V4, {"Signature": "0"}):
        with pytest.raises(AWSError, match="characters that are not allowed"):
            with_hoisted({**mark, name: value}, {"host": HOST})


def presign(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: dict[str, str] | None = None,
    *,
    token: str | None = None,
    auth_path: str | None = None,
) -> Request:
    """A request with the URL that botocore makes."""
    made = AWSRequest(method, f"http://{HOST}{target}", headers=headers or {}, auth_path=auth_path)
    HmacV1QueryAuth(Credentials("AKIA", "secret", token), 600).add_auth(made)
    path, _, query = str(made.url).removeprefix(f"http://{HOST}").partition("?")
    return Request(method, path, query, {"host": HOST})


@pytest.mark.parametrize(
    ("request_", "hosted"),
    [
        (presign(), ""),
        (presign("PUT", "/bucket/a%20b%2Bc/%C3%BC"), ""),
        (presign("GET", "/bucket/k?versionId=a%2Bb&response-content-type=text%2Fcss"), ""),
        (presign("PUT", "/bucket/k?partNumber=1&uploadId=x_y.z"), ""),
        (presign("GET", "/bucket/k?acl"), ""),
        (presign("PUT", "/bucket/k", {"content-type": "text/css"}), ""),
        (presign("PUT", "/bucket/k", {"x-amz-meta-a": "b c", "x-amz-acl": "private"}), ""),
        (presign(token="a/b+c="), ""),
        (presign("GET", "/key", auth_path="/photos/key"), "photos"),
    ],
)
def test_what_botocore_signs(request_: Request, hosted: str) -> None:
    claim = read_v2(request_, hosted)
    assert claim.access_key_id == "AKIA"
    assert sign_v2("secret", claim.text) == claim.signature
    assert sign_v2("other", claim.text) != claim.signature


def test_one_parameter_does_not_pass_for_two() -> None:
    """The text would be the one that was signed, and the version would not be asked for."""
    asked = presign("GET", "/bucket/k?response-expires=a&versionId=b")
    other = replace(asked, query=asked.query.replace("&versionId=b", "%26versionId%3Db"))
    assert other.query != asked.query
    with pytest.raises(AWSError, match="other parameters in them"):
        read_v2(other, "")
    inner = presign("GET", "/bucket/k?response-content-disposition=a%26b%3Dc%3F")
    claim = read_v2(inner, "")
    assert sign_v2("secret", claim.text) == claim.signature


@pytest.mark.parametrize("text", ["%E2%82%AC", "%C3%BC%26"])
def test_text_beyond_latin_1_is_signed_as_it_was_sent(text: str) -> None:
    asked = presign("GET", f"/bucket/k?response-content-disposition={text}")
    claim = read_v2(asked, "")
    assert sign_v2("secret", claim.text) == claim.signature


def test_the_signature_of_a_session() -> None:
    assert read_v2(presign(token="a/b+c="), "").session_token == "a/b+c="
    assert read_v2(presign(), "").session_token is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/bucket/other"},
        {"path": "/other/key"},
        {"headers": {"host": HOST, "x-amz-acl": "public-read"}},
        {"headers": {"host": HOST, "content-type": "text/css"}},
        {"headers": {"host": HOST, "content-md5": "x"}},
    ],
)
def test_what_is_changed_is_not_what_was_signed(change: dict[str, Any]) -> None:
    claim = read_v2(replace(presign(), **change), "")
    assert sign_v2("secret", claim.text) != claim.signature


@pytest.mark.parametrize("more", ["acl", "tagging", "versionId=x", "uploads", "x-amz-acl=private"])
def test_what_is_added_is_not_what_was_signed(more: str) -> None:
    asked = presign()
    claim = read_v2(replace(asked, query=f"{asked.query}&{more}"), "")
    assert sign_v2("secret", claim.text) != claim.signature


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (presign("GET", "/bucket?list-type=2"), "InvalidRequest"),
        (presign("GET", "/bucket"), "InvalidRequest"),
        (presign("GET", "/bucket/"), "InvalidRequest"),
        (presign("GET", "/bucket/k?attributes"), "InvalidRequest"),
        (presign("GET", "/bucket/k?legal-hold"), "InvalidRequest"),
        (presign("GET", "/bucket/k?versionId=a&versionId=b"), "InvalidRequest"),
        (presign("GET", "/bucket/k?response-expires=a%26versionId=b"), "InvalidRequest"),
        (presign("GET", "/bucket/k?response-expires=a%26acl"), "InvalidRequest"),
        (Request("GET", "/b/k", "AWSAccessKeyId=A&Signature=x", {}), "AccessDenied"),
        (Request("GET", "/b/k", "AWSAccessKeyId=A&Expires=1", {}), "AccessDenied"),
        (Request("GET", "/b/k", "AWSAccessKeyId=A&Signature=x&Expires=soon", {}), "AccessDenied"),
        (Request("GET", "/b/k", "AWSAccessKeyId=A&Signature=x&Expires=-1", {}), "AccessDenied"),
        (
            Request("GET", "/b/k", "AWSAccessKeyId=A&Signature=x&Expires=" + "9" * 13, {}),
            "AccessDenied",
        ),
    ],
)
def test_what_the_old_signature_does_not_cover(request_: Request, code: str) -> None:
    with pytest.raises(AWSError) as caught:
        read_v2(request_, "")
    assert caught.value.code == code
