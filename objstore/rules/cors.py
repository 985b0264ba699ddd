"""CORS configurations: what may be put, and what a browser's request is answered.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from objstore.errors import S3Error

RULES_MAX = 100
ID_CHARACTERS_MAX = 255
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
ANY = "*"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def check(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration to store. Raises MalformedXML, InvalidRequest."""
    rules = document["CORSRules"]
    if not 1 <= len(rules) <= RULES_MAX:
        raise S3Error("MalformedXML")
    for rule in rules:
        _check_rule(rule)
    return document


def _check_rule(rule: Mapping[str, Any]) -> None:
    if len(rule.get("ID", "")) > ID_CHARACTERS_MAX or not _one_line(rule):
        raise S3Error("MalformedXML")
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise S3Error(
                "InvalidRequest",
                f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
            )
    for member, name in (("AllowedOrigins", "AllowedOrigin"), ("AllowedHeaders", "AllowedHeader")):
        for pattern in rule.get(member, ()):
            if pattern.count(ANY) > 1:
                raise S3Error(
                    "InvalidRequest", f'{name} "{pattern}" can not have more than one wildcard.'
                )
    for name in rule.get("ExposeHeaders", ()):
        if ANY in name:
            raise S3Error(
                "InvalidRequest",
                f'ExposeHeader "{name}" contains wildcard. We currently do not support wildcard '
                "for ExposeHeader.",
            )


def _one_line(rule: Mapping[str, Any]) -> bool:
    """Whether no text of a rule could end the response header that repeats it."""
    texts = [text for value in rule.values() if isinstance(value, list) for text in value]
    return all(text.isprintable() for text in texts)


def answer(
    document: Mapping[str, Any], *, origin: str, method: str, headers: Sequence[str]
) -> list[tuple[str, str]] | None:
    """The CORS headers of the response, by the first rule that allows the request.

    `headers` are the names that a preflight asks for; None if no rule allows all of it. An origin
    that only `*` allows is answered `*` and never with credentials.
    """
    for rule in document["CORSRules"]:
        if not any(_matches(pattern, origin) for pattern in rule["AllowedOrigins"]):
            continue
        if method not in rule["AllowedMethods"]:
            continue
        allowed = [pattern.lower() for pattern in rule.get("AllowedHeaders", ())]
        if all(any(_matches(pattern, name) for pattern in allowed) for name in headers):
            return list(_headers(rule, origin, headers))
    return None


def _headers(
    rule: Mapping[str, Any], origin: str, headers: Sequence[str]
) -> Iterator[tuple[str, str]]:
    if ANY in rule["AllowedOrigins"]:
        yield "access-control-allow-origin", ANY
    else:
        yield "access-control-allow-origin", origin
        yield "access-control-allow-credentials", "true"
    yield "access-control-allow-methods", ", ".join(rule["AllowedMethods"])
    if headers:
        yield "access-control-allow-headers", ", ".join(headers)
    if rule.get("ExposeHeaders"):
        yield "access-control-expose-headers", ", ".join(rule["ExposeHeaders"])
    if rule.get("MaxAgeSeconds") is not None:
        yield "access-control-max-age", str(rule["MaxAgeSeconds"])
    yield "vary", VARY


def _matches(pattern: str, text: str) -> bool:
    """Whether `text` fits a pattern with at most one `*`."""
    start, star, end = pattern.partition(ANY)
    if not star:
        return text == pattern
    return len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end)
