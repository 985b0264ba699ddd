"""Headers of Signature Version 2, as botocore signs them."""

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from botocore.auth import HmacV1Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kms.aws.authentication import Request
from kms.aws.errors import AWSError
from kms.aws.sigv4 import QUERY_PARAMETERS_MAX
from objstore.presigned import sign_v2
from objstore.signature_v2 import read_header

HOST = "localhost:9000"


def signed(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: dict[str, str] | None = None,
    *,
    token: str | None = None,
    auth_path: str | None = None,
) -> Request:
    """A request with the header that botocore makes."""
    made = AWSRequest(method, f"http://{HOST}{target}", headers=headers or {}, auth_path=auth_path)
    HmacV1Auth(Credentials("AKIA", "secret", token)).add_auth(made)
    path, _, query = target.partition("?")
    sent = {name.lower(): str(value) for name, value in made.headers.items()}
    return Request(method, path, query, sent)


def fits(request: Request, hosted: str = "") -> bool:
    claim = read_header(request, hosted)
    return claim.signature in [sign_v2("secret", text) for text in claim.texts]


@pytest.mark.parametrize(
    ("request_", "hosted"),
    [
        (signed(), ""),
        (signed("GET", "/"), ""),
        (signed("PUT", "/bucket"), ""),
        (signed("PUT", "/bucket", auth_path="/bucket/"), ""),
        (signed("PUT", "/bucket?cors", {"content-md5": "x", "content-type": "text/xml"}), ""),
        (signed("GET", "/bucket?list-type=2&prefix=a%2Fb"), ""),
        (signed("PUT", "/bucket/a%20b%2Bc/%C3%BC"), ""),
        (signed("GET", "/bucket/k?versionId=a%2Bb&response-content-type=text%2Fcss"), ""),
        (signed("PUT", "/bucket/k", {"x-amz-meta-a": "b c", "x-amz-acl": "private"}), ""),
        (signed(token="a/b+c="), ""),
        (signed("GET", "/key", auth_path="/photos/key"), "photos"),
        (signed("PUT", "/", auth_path="/photos/"), "photos"),
    ],
)
def test_what_botocore_signs(request_: Request, hosted: str) -> None:
    claim = read_header(request_, hosted)
    assert claim.access_key_id == "AKIA"
    assert fits(request_, hosted)


def test_a_date_of_its_own_stands_for_the_date() -> None:
    date = {"date": formatdate(0, usegmt=True)}
    claim = read_header(replace(signed(), headers={**signed().headers, **date}), "")
    assert claim.signed_at == 0
    own = {**signed().headers, **date, "x-amz-date": formatdate(60, usegmt=True)}
    claim = read_header(replace(signed(), headers=own), "")
    assert claim.signed_at == 60
    assert claim.texts[0].split("\n")[3:5] == ["", f"x-amz-date:{own['x-amz-date']}"]


def test_the_signature_of_a_session() -> None:
    assert read_header(signed(token="a/b+c="), "").session_token == "a/b+c="
    assert read_header(signed(), "").session_token is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/bucket/other"},
        {"path": "/bucket"},
        {"query": "acl"},
        {"query": "uploads"},
        {"query": "policy"},
    ],
)
def test_what_is_changed_is_not_what_was_signed(change: dict[str, Any]) -> None:
    assert not fits(replace(signed(), **change))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-acl", "public-read"),
        ("content-type", "text/css"),
        ("content-md5", "x"),
        ("date", formatdate(0, usegmt=True)),
    ],
)
def test_what_is_added_is_not_what_was_signed(name: str, value: str) -> None:
    asked = signed()
    assert not fits(replace(asked, headers={**asked.headers, name: value}))


NO_DATE = {"authorization": "AWS AKIA:x"}
REFUSED: list[tuple[Request, str]] = [
    (signed("PUT", "/bucket?encryption"), "InvalidRequest"),
    (signed("PUT", "/bucket?publicAccessBlock"), "InvalidRequest"),
    (signed("GET", "/bucket/k?attributes"), "InvalidRequest"),
    (signed("GET", "/bucket?acl&acl"), "InvalidRequest"),
    (Request("GET", "/", "a&" * QUERY_PARAMETERS_MAX + "a", signed().headers), "AccessDenied"),
    (Request("GET", "/", "", NO_DATE), "AccessDenied"),
    (Request("GET", "/", "", {**NO_DATE, "date": "yesterday"}), "AccessDenied"),
    (Request("GET", "/", "", {"authorization": "AWS AKIA"}), "InvalidArgument"),
    (Request("GET", "/", "", {"authorization": "AWS :x"}), "InvalidArgument"),
]


@pytest.mark.parametrize(("request_", "code"), REFUSED)
def test_what_the_signature_could_not_cover(request_: Request, code: str) -> None:
    with pytest.raises(AWSError) as caught:
        read_header(request_, "")
    assert caught.value.code == code
