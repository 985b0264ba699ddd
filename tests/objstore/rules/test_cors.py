"""CORS: what may be put, and what browsers are answered."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules.cors import answer, check


def rule(origins: list[str], methods: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"AllowedOrigins": origins, "AllowedMethods": methods or ["GET"], **more}


REFUSED: list[tuple[list[dict[str, Any]], str, str]] = [
    ([], "MalformedXML", ""),
    ([rule(["*"])] * 101, "MalformedXML", ""),
    ([rule(["*"], ID="x" * 256)], "MalformedXML", ""),
    ([rule(["*"], ["PATCH"])], "InvalidRequest", "Unsupported method is PATCH"),
    ([rule(["*"], ["get"])], "InvalidRequest", "Unsupported method is get"),
    ([rule(["http://*.*.org"])], "InvalidRequest", 'AllowedOrigin "http://*.*.org"'),
    ([rule(["*"], AllowedHeaders=["x-*-*"])], "InvalidRequest", 'AllowedHeader "x-*-*"'),
    ([rule(["*"], ExposeHeaders=["x-*"])], "InvalidRequest", 'ExposeHeader "x-*"'),
    ([rule(["http://a\r\nset-cookie: x"])], "MalformedXML", ""),
    ([rule(["*"], ExposeHeaders=["x\nset-cookie: y"])], "MalformedXML", ""),
    ([rule(["*"], AllowedHeaders=["x\0"])], "MalformedXML", ""),
]


@pytest.mark.parametrize(("rules", "code", "message"), REFUSED)
def test_refused(rules: list[dict[str, Any]], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        check({"CORSRules": rules})
    assert caught.value.code == code
    assert message in caught.value.message


def test_kept_as_it_is() -> None:
    document = {"CORSRules": [rule(["http://a", "https://*.b"], ["GET", "PUT"], MaxAgeSeconds=3)]}
    assert check(document) == document


ORIGINS = [
    ("http://a", "http://a", True),
    ("http://a", "http://A", False),
    ("http://a", "https://a", False),
    ("http://a", "http://a.evil.org", False),
    ("*", "http://anything", True),
    ("http://*.org", "http://x.org", True),
    ("http://*.org", "http://x.org.evil", False),
    ("http://*.org", "http://.org", True),
    ("*.org", "http://x.org", True),
    ("http://*", "http://", True),
    ("http://ab*ba", "http://aba", False),
    ("", "http://a", False),
]


@pytest.mark.parametrize(("pattern", "origin", "allowed"), ORIGINS)
def test_origins_match_exactly(pattern: str, origin: str, allowed: bool) -> None:
    document = {"CORSRules": [rule([pattern])]}
    found = answer(document, origin=origin, method="GET", headers=())
    assert (found is not None) is allowed


def test_anybody_is_never_answered_with_credentials() -> None:
    document = {"CORSRules": [rule(["http://a", "*"])]}
    headers = dict(answer(document, origin="http://evil", method="GET", headers=()) or ())
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert headers["vary"].split(", ")[0] == "Origin"


def test_a_named_origin_is_answered_by_its_name() -> None:
    document = {
        "CORSRules": [
            rule(
                ["http://a"],
                ["GET", "PUT"],
                AllowedHeaders=["X-Amz-*"],
                ExposeHeaders=["ETag", "x-amz-id-2"],
                MaxAgeSeconds=3000,
            )
        ]
    }
    found = answer(document, origin="http://a", method="PUT", headers=("x-amz-acl", "x-amz-date"))
    assert found == [
        ("access-control-allow-origin", "http://a"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-amz-acl, x-amz-date"),
        ("access-control-expose-headers", "ETag, x-amz-id-2"),
        ("access-control-max-age", "3000"),
        ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    ]


def test_the_first_rule_that_allows_all_of_it_answers() -> None:
    document = {
        "CORSRules": [
            rule(["http://a"], ["PUT"]),
            rule(["http://a"], AllowedHeaders=["x-one"]),
            rule(["http://a"], ["GET", "HEAD"], AllowedHeaders=["*"]),
        ]
    }

    def methods(*headers: str) -> str | None:
        found = answer(document, origin="http://a", method="GET", headers=headers)
        return dict(found)["access-control-allow-methods"] if found else None

    assert methods("x-one") == "GET"
    assert methods("x-one", "x-two") == "GET, HEAD"
    assert answer(document, origin="http://a", method="DELETE", headers=()) is None
