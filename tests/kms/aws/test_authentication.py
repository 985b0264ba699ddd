import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from kms.aws import sigv4
from kms.aws.authentication import (
    JSON_REFUSALS,
    QUERY_REFUSALS,
    Request,
    authenticate,
    read_claim,
    verify,
    verify_text,
)
from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from kms.aws.identity import Credential, Principal, PrincipalKind

ROOT = Principal(
    PrincipalKind.ROOT, "123456789012", "arn:aws:iam::123456789012:root", "123456789012"
)
BODY = b'{"KeyId": "alias/a"}'


class Directory:
    def __init__(self, *credentials: Credential) -> None:
        self.credentials = {each.access_key_id: each for each in credentials}

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        return self.credentials.get(access_key_id)


DIRECTORY = Directory(
    Credential("AKIA", "secret", ROOT),
    Credential("ASIA", "secret", ROOT, session_token="token", expires_at=4e9),
    Credential("ASIAOLD", "secret", ROOT, session_token="token", expires_at=1.0),
)


def signed(
    access_key: str = "AKIA", secret: str = "secret", token: str | None = None, service: str = "kms"
) -> dict[str, str]:
    """The headers of a request that botocore has signed now, as a server sees them."""
    request = AWSRequest(
        "POST",
        "http://localhost:9000/",
        headers={"X-Amz-Target": "TrentService.Decrypt", "Host": "localhost:9000"},
        data=BODY,
    )
    credentials = BotocoreCredentials(access_key, secret, token)
    SigV4Auth(credentials, service, "eu-west-1").add_auth(request)
    return sigv4.collect_headers(
        (name.encode(), value.encode()) for name, value in request.headers.items()
    )


def check(
    headers: dict[str, str], body: bytes = BODY, later: float = 0, service: str = "kms"
) -> tuple[Credential, str]:
    when = sigv4.seconds_of(headers["x-amz-date"]) if "x-amz-date" in headers else 0
    return authenticate(
        "POST",
        "/",
        "",
        headers,
        body,
        credentials=DIRECTORY,
        clock=FixedClock(when + later),
        service=service,
    )


def test_a_good_request() -> None:
    credential, region = check(signed())
    assert (credential.access_key_id, region) == ("AKIA", "eu-west-1")
    assert check(signed("ASIA", token="token"))[0].access_key_id == "ASIA"
    assert check(signed(), later=900)
    assert check(signed(), later=-900)


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def with_authorization(headers: dict[str, str], old: str, new: str) -> dict[str, str]:
    assert old in headers["authorization"]
    return {**headers, "authorization": headers["authorization"].replace(old, new)}


REFUSED: list[tuple[str, Callable[[], object], str, str]] = [
    ("none", lambda: check({}), "MissingAuthenticationTokenException", "Missing"),
    ("body", lambda: check(signed(), b"{}"), "InvalidSignatureException", "does not match"),
    ("secret", lambda: check(signed(secret="x")), "InvalidSignatureException", "does not match"),
    ("key", lambda: check(signed("AKIB")), "UnrecognizedClientException", "is invalid"),
    ("late", lambda: check(signed(), later=901), "InvalidSignatureException", "Signature expired"),
    ("early", lambda: check(signed(), later=-901), "InvalidSignatureException", "not yet current"),
    ("service", lambda: check(signed(service="s3")), "InvalidSignatureException", "service"),
    (
        "unsigned",
        lambda: check({**signed(), "x-amz-extra": "1"}),
        "InvalidSignatureException",
        "'x-amz-extra' must be a 'SignedHeader'",
    ),
    ("changed", lambda: check({**signed(), "x-amz-target": "X"}), "InvalidSignatureException", ""),
    (
        "no date",
        lambda: check(without(signed(), "x-amz-date")),
        "IncompleteSignatureException",
        "Date",
    ),
    (
        "date of another day",
        lambda: check({**signed(), "x-amz-date": "20200101T000000Z"}),
        "InvalidSignatureException",
        "Invalid credential date",
    ),
    (
        "host unsigned",
        lambda: check(with_authorization(signed(), "host;", "")),
        "InvalidSignatureException",
        "'host' must be a 'SignedHeader'",
    ),
    (
        "unknown session",
        lambda: check(signed("AKIB", token="x")),
        "UnrecognizedClientException",
        "",
    ),
    ("garbage", lambda: check({"authorization": "x"}), "IncompleteSignatureException", "Signature"),
    ("token", lambda: check(signed("ASIA", token="x")), "UnrecognizedClientException", "invalid"),
    ("no token", lambda: check(signed("ASIA")), "UnrecognizedClientException", "invalid"),
    ("extra token", lambda: check(signed(token="x")), "UnrecognizedClientException", "invalid"),
    ("old", lambda: check(signed("ASIAOLD", token="token")), "ExpiredTokenException", "expired"),
    (
        "sts",
        lambda: check(signed("AKIB", service="sts"), service="sts"),
        "InvalidClientTokenId",
        "invalid",
    ),
]


@pytest.mark.parametrize(
    ("request_of", "code", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals(request_of: Callable[[], object], code: str, text: str) -> None:
    with pytest.raises(AWSError) as caught:
        request_of()
    assert caught.value.code == code
    assert text in caught.value.message
    assert "secret" not in caught.value.message.replace("Secret Access Key", "")


def test_permissive_takes_any_signature_for_a_root() -> None:
    headers = signed("anything", "x")
    credential, region = authenticate(
        "POST",
        "/",
        "",
        headers,
        b"changed",
        credentials=DIRECTORY,
        clock=FixedClock(0),
        permissive=ROOT,
    )
    assert (credential.principal, region) == (ROOT, "eu-west-1")


def presigned(expires: int = 60) -> str:
    request = AWSRequest("GET", "http://localhost/", headers={"Host": "localhost"})
    SigV4QueryAuth(BotocoreCredentials("AKIA", "secret"), "kms", "eu-west-1", expires).add_auth(
        request
    )
    return str(request.url).partition("?")[2]


def check_url(query: str, later: float = 0) -> None:
    request = Request("GET", "/", query, {"host": "localhost"})
    claim = read_claim(request, QUERY_REFUSALS)
    assert claim is not None
    verify(
        request,
        claim,
        payload_hash=hashlib.sha256(b"").hexdigest(),
        service="kms",
        credentials=DIRECTORY,
        now=sigv4.seconds_of(claim.timestamp) + later,
        refusals=QUERY_REFUSALS,
    )


def test_a_presigned_url_works_until_it_expires() -> None:
    query = presigned()
    check_url(query, later=60)
    with pytest.raises(AWSError, match="Signature expired"):
        check_url(query, later=61)
    with pytest.raises(AWSError, match="not yet current"):
        check_url(query, later=-901)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=0", "does not match"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "non-negative"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "less than a week"),
        ("X-Amz-Expires=60", "X-Amz-Expires=9999999999999", "less than a week"),
        ("X-Amz-Expires=60", "X-Amz-Expires=1e3", "must be a number"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", "more than once"),
        ("X-Amz-Expires=60", "", "requires the X-Amz-Algorithm"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "only supports"),
        ("X-Amz-Date=2", "X-Amz-Date=x", "ISO8601"),
        ("%2Fkms%2Faws4_request", "", "mal-formed"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61", "does not match"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&extra=1", "does not match"),
    ],
)
def test_presigned_urls_that_are_wrong(old: str, new: str, text: str) -> None:
    query = presigned()
    assert old in query
    with pytest.raises(AWSError, match=text):
        check_url(query.replace(old, new))


def test_two_credentials_are_refused() -> None:
    request = Request("GET", "/", presigned(), signed())
    with pytest.raises(AWSError, match="Only one"):
        read_claim(request, JSON_REFUSALS)


@pytest.mark.parametrize("query", ["", "prefix=X-Amz-", "X%2DAmz-Signature=1"])
def test_a_request_without_credentials_claims_nothing(query: str) -> None:
    assert read_claim(Request("GET", "/", query, {}), JSON_REFUSALS) is None


MANY = "&".join(["a=b"] * (sigv4.QUERY_PARAMETERS_MAX + 1))


def test_queries_are_bounded() -> None:
    with pytest.raises(AWSError, match="too many parameters"):
        read_claim(Request("GET", "/", f"{presigned()}&{MANY}", {}), JSON_REFUSALS)
    request = Request("POST", "/", MANY, signed())
    claim = read_claim(request, JSON_REFUSALS)
    assert claim is not None
    with pytest.raises(AWSError, match="too many parameters"):
        verify(
            request,
            claim,
            payload_hash="",
            service="kms",
            credentials=DIRECTORY,
            now=sigv4.seconds_of(claim.timestamp),
            refusals=JSON_REFUSALS,
        )


@pytest.mark.parametrize("text", ["a policy", "another"])
def test_a_text_may_be_what_is_signed(text: str) -> None:
    headers = signed()
    claim = read_claim(Request("POST", "/", "", headers), JSON_REFUSALS)
    assert claim is not None
    scope = claim.authorization.scope
    key = sigv4.signing_key("secret", scope.date, scope.region, scope.service)
    claim = replace(claim, signature=sigv4.sign(key, "a policy"))
    options: dict[str, Any] = {
        "service": "kms",
        "credentials": DIRECTORY,
        "now": sigv4.seconds_of(claim.timestamp),
        "refusals": JSON_REFUSALS,
    }
    if text == "a policy":
        assert verify_text(claim, text, **options).credential.access_key_id == "AKIA"
    else:
        with pytest.raises(AWSError, match="does not match"):
            verify_text(claim, text, **options)
