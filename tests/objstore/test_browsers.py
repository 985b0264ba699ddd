"""Preflight requests and CORS headers, at the level of one request."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.browsers import NAMES_MAX, cors_headers, preflight
from objstore.exchange import Request
from objstore.storage.records import Bucket

RULE = {
    "AllowedOrigins": ["https://app.example"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["x-amz-*", "content-type"],
}
PUT = {"origin": "https://app.example", "access-control-request-method": "PUT"}


def bucket(*rules: dict[str, Any]) -> Bucket:
    settings = {"cors": {"CORSRules": list(rules)}} if rules else {}
    return Bucket("bucket", b"0" * 16, "123456789012", "us-east-1", 0, settings)


def request(headers: dict[str, str], method: str = "OPTIONS") -> Request:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads a body here")

    scope = {
        "method": method,
        "raw_path": b"/bucket/key",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "scheme": "http",
    }
    return Request(scope, receive)


def test_a_preflight_that_is_allowed() -> None:
    asked = {**PUT, "access-control-request-headers": "X-Amz-Acl,Content-Type"}
    response = preflight(request(asked), bucket(RULE), key="key")
    assert (response.status, response.body) == (200, b"")
    headers = dict(response.headers)
    assert headers[b"access-control-allow-origin"] == b"https://app.example"
    assert headers[b"access-control-allow-headers"] == b"x-amz-acl, content-type"
    assert headers[b"content-length"] == b"0"


REFUSED: list[tuple[dict[str, str], Bucket | None, str, str, str]] = [
    ({}, bucket(RULE), "BadRequest", "Insufficient information", ""),
    ({"origin": "https://app.example"}, bucket(RULE), "BadRequest", "Method: null", ""),
    ({**PUT, "access-control-request-method": "put"}, bucket(RULE), "BadRequest", "put", ""),
    (PUT, None, "AccessForbidden", "Bucket not found", "BUCKET"),
    (PUT, bucket(), "AccessForbidden", "not enabled", "BUCKET"),
    ({**PUT, "origin": "https://evil"}, bucket(RULE), "AccessForbidden", "not allowed", "OBJECT"),
    (
        {**PUT, "access-control-request-method": "DELETE"},
        bucket(RULE),
        "AccessForbidden",
        "not allowed",
        "OBJECT",
    ),
    (
        {**PUT, "access-control-request-headers": "x-amz-acl, x-other"},
        bucket(RULE),
        "AccessForbidden",
        "not allowed",
        "OBJECT",
    ),
]


@pytest.mark.parametrize(("headers", "of", "code", "message", "kind"), REFUSED)
def test_a_preflight_that_is_refused(
    headers: dict[str, str], of: Bucket | None, code: str, message: str, kind: str
) -> None:
    with pytest.raises(AWSError) as caught:
        preflight(request(headers), of, key="key" if kind != "BUCKET" else "")
    assert (caught.value.code, message in caught.value.message) == (code, True)
    assert caught.value.fields.get("ResourceType", "") == kind


INJECTIONS = ["x\r\nset-cookie: a=b", "x\nset-cookie: a=b", "x\0", "x\x7f", "x\xe9", "a b\t"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_that_a_client_sends_can_end_a_header(text: str) -> None:
    """The HTTP parser lets none of this through; the answer does not depend on that."""
    wide = bucket({**RULE, "AllowedOrigins": ["https://*"], "AllowedHeaders": ["*"]})
    origin = {**PUT, "origin": f"https://{text}"}
    assert cors_headers(request(origin, "GET"), wide) == []
    with pytest.raises(AWSError, match="Insufficient information"):
        preflight(request(origin), wide, key="key")
    with pytest.raises(AWSError, match="not allowed"):
        preflight(request({**PUT, "access-control-request-headers": f"{text}q"}), wide, key="key")


@pytest.mark.parametrize(
    ("of", "origin", "method", "allowed"),
    [
        (bucket(RULE), "https://app.example", "GET", True),
        (bucket(RULE), "https://app.example", "DELETE", False),
        (bucket(RULE), "https://evil", "GET", False),
        (bucket(), "https://app.example", "GET", False),
        (None, "https://app.example", "GET", False),
    ],
)
def test_actual_requests(of: Bucket | None, origin: str, method: str, allowed: bool) -> None:
    headers = dict(cors_headers(request({"origin": origin}, method), of))
    assert (b"access-control-allow-origin" in headers) is allowed


@pytest.mark.parametrize(("named", "allowed"), [("PUT", True), ("DELETE", False)])
def test_a_request_may_name_the_method_that_it_asks_about(named: str, allowed: bool) -> None:
    asked = {**PUT, "access-control-request-method": named}
    headers = dict(cors_headers(request(asked, "PATCH"), bucket(RULE)))
    assert (b"access-control-allow-origin" in headers) is allowed


@pytest.mark.parametrize(
    ("named", "allowed"),
    [("x-amz-acl, Content-Type", True), ("x-other", False), ("a b", False)],
)
def test_a_request_may_name_the_headers_that_it_asks_about(named: str, allowed: bool) -> None:
    asked = {"origin": "https://app.example", "access-control-request-headers": named}
    headers = dict(cors_headers(request(asked, "GET"), bucket(RULE)))
    assert (b"access-control-allow-origin" in headers) is allowed


@pytest.mark.parametrize(("count", "allowed"), [(NAMES_MAX, True), (NAMES_MAX + 1, False)])
def test_nobody_asks_about_thousands_of_headers(count: int, allowed: bool) -> None:
    named = ",".join(f"x-amz-{number}" for number in range(count))
    asked = {**PUT, "access-control-request-headers": named}
    assert bool(cors_headers(request(asked, "PUT"), bucket(RULE))) is allowed
    if allowed:
        assert preflight(request(asked), bucket(RULE), key="key").status == 200
        return
    with pytest.raises(AWSError, match="not allowed"):
        preflight(request(asked), bucket(RULE), key="key")
