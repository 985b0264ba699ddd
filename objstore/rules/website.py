"""Website configurations: what may be put, and where a website's request is sent.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from objstore.errors import S3Error

RULES_MAX = 50
_HOST = re.compile(r"[A-Za-z0-9._~:\[\]/%-]{1,255}")
_URL_SAFE = "/-._~!$&'()*+,;=:@"


def check(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration to store. Raises MalformedXML, InvalidArgument, InvalidRequest."""
    everything = document.get("RedirectAllRequestsTo")
    if everything is not None:
        if len(document) > 1:
            raise S3Error(
                "InvalidArgument",
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                ArgumentName="RedirectAllRequestsTo",
                ArgumentValue="not null",
            )
        _check_redirect(everything)
        return document
    _check_index(document.get("IndexDocument"))
    error = document.get("ErrorDocument")
    if error is not None and not error["Key"]:
        raise S3Error("MalformedXML")
    rules = document.get("RoutingRules")
    if rules is not None:
        if not rules:
            raise S3Error("MalformedXML")
        if len(rules) > RULES_MAX:
            raise S3Error(
                "InvalidRequest",
                f"{len(rules)} routing rules provided, the number of routing rules in a website "
                f"configuration is limited to {RULES_MAX}.",
            )
        for rule in rules:
            _check_condition(rule.get("Condition"))
            _check_redirect(rule["Redirect"])
    return document


def _check_index(index: Mapping[str, Any] | None) -> None:
    if index is None:
        raise S3Error(
            "InvalidArgument",
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            ArgumentName="IndexDocument",
            ArgumentValue="null",
        )
    if not index["Suffix"] or "/" in index["Suffix"]:
        raise S3Error(
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            ArgumentName="IndexDocument",
            ArgumentValue=index["Suffix"],
        )


def _check_condition(condition: Mapping[str, Any] | None) -> None:
    if condition is None:
        return
    if not condition:
        raise S3Error(
            "InvalidRequest",
            "Condition cannot be empty. To redirect all requests without a condition, the "
            "condition element shouldn't be present.",
        )
    code = condition.get("HttpErrorCodeReturnedEquals")
    if code is not None and not _is_status(code, 400, 599):
        raise S3Error(
            "InvalidRequest",
            f"The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.",
        )


def _check_redirect(redirect: Mapping[str, Any]) -> None:
    if not redirect or not _HOST.fullmatch(redirect.get("HostName", "x")):
        raise S3Error("MalformedXML")
    if redirect.get("Protocol") not in (None, "http", "https"):
        raise S3Error(
            "InvalidRequest",
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be "
            "selected automatically.",
        )
    if "ReplaceKeyWith" in redirect and "ReplaceKeyPrefixWith" in redirect:
        raise S3Error(
            "InvalidRequest", "You can only define ReplaceKeyPrefix or ReplaceKey but not both."
        )
    code = redirect.get("HttpRedirectCode")
    if code is not None and not _is_status(code, 301, 399):
        raise S3Error(
            "InvalidRequest",
            f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except "
            "300.",
        )


def _is_status(text: str, first: int, last: int) -> bool:
    return len(text) == 3 and text.isascii() and text.isdigit() and first <= int(text) <= last


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request went: scheme, host, decoded key and raw query."""

    scheme: str
    host: str
    key: str
    query: str

    @property
    def url(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.host}/{quote(self.key, safe=_URL_SAFE)}{query}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the browser elsewhere."""

    status: int
    location: str


def redirect(document: Mapping[str, Any], asked: Address, *, status: int | None) -> Redirect | None:
    """Where a request is sent before its object is read (`status` None) or after that failed.

    The first rule counts whose condition holds; a rule for an error waits for it.
    """
    everything = document.get("RedirectAllRequestsTo")
    if everything is not None:
        return _redirect(everything, asked, asked.key)
    for rule in document.get("RoutingRules", ()):
        condition = rule.get("Condition", {})
        wanted = condition.get("HttpErrorCodeReturnedEquals")
        prefix = condition.get("KeyPrefixEquals", "")
        expected = None if wanted is None else int(wanted)
        if expected == status and asked.key.startswith(prefix):
            target = rule["Redirect"]
            key = asked.key
            if "ReplaceKeyWith" in target:
                key = target["ReplaceKeyWith"]
            elif "ReplaceKeyPrefixWith" in target:
                key = target["ReplaceKeyPrefixWith"] + key[len(prefix) :]
            return _redirect(target, asked, key)
    return None


def _redirect(target: Mapping[str, Any], asked: Address, key: str) -> Redirect:
    address = Address(
        target.get("Protocol", asked.scheme), target.get("HostName", asked.host), key, asked.query
    )
    return Redirect(int(target.get("HttpRedirectCode", 301)), address.url)


def index_key(document: Mapping[str, Any], key: str) -> str:
    """The key that a request reads: a folder is its index document."""
    return key + document["IndexDocument"]["Suffix"] if not key or key.endswith("/") else key
