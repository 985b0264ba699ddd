import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4PostAuth,
    S3SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from kms.aws import sigv4
from kms.aws.authentication import Request
from kms.aws.clock import FixedClock, SystemClock
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Credential
from objstore.account.directory import Directory, root_credential, root_principal
from objstore.authenticate import Authenticated, Authenticator, PayloadMode, signed_service

HOST = "localhost:9000"
MODES = [mode.value for mode in PayloadMode if mode is not PayloadMode.SIGNED]
DIGEST = hashlib.sha256(b"body").hexdigest()


def authenticator(
    later: float = 0, *, permissive: bool = False, v2: bool = True, everywhere: bool = False
) -> Authenticator:
    directory = Directory()
    directory.add_credential(root_credential("123456789012", "AKIA", "the-secret"))
    root = root_principal("123456789012") if permissive else None
    return Authenticator(
        directory,
        FixedClock(SystemClock().now() + later),
        region="us-east-1",
        permissive=root,
        signature_v2=v2,
        header_v2=everywhere,
    )


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """S3SigV4Auth signs the payload hash that the request states."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.headers["X-Amz-Content-SHA256"])

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        stated = request.headers["X-Amz-Content-SHA256"]
        super()._modify_request_before_signing(request)
        request.headers.replace_header("X-Amz-Content-SHA256", stated)


def by_header(
    payload_hash: str = DIGEST,
    *,
    path: str = "/bucket/a%20b%2Fc",
    query: str = "",
    access_key: str = "AKIA",
    secret: str = "the-secret",
    token: str | None = None,
    service: str = "s3",
) -> Request:
    request = AWSRequest(
        "PUT",
        f"http://{HOST}{path}?{query}",
        headers={
            "Host": HOST,
            "X-Amz-Content-SHA256": payload_hash,
            "X-Amz-Meta-A": "1",
            "Content-Type": "text/plain",
        },
    )
    credentials = BotocoreCredentials(access_key, secret, token)
    _Signer(credentials, service, "eu-west-1").add_auth(request)
    headers = sigv4.collect_headers(
        (name.encode(), value.encode()) for name, value in request.headers.items()
    )
    return Request("PUT", path, query, headers)


def by_query(
    expires: int = 600, headers: dict[str, str] | None = None, secret: str = "the-secret"
) -> Request:
    sent = {"host": HOST, **(headers or {})}
    request = AWSRequest("GET", f"http://{HOST}/bucket/key?versionId=a%20b", headers=sent)
    credentials = BotocoreCredentials("AKIA", secret)
    S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires).add_auth(request)
    return Request("GET", "/bucket/key", str(request.url).partition("?")[2], sent)


def changed(request: Request, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(request.method, request.path, request.query, {**request.headers, **named})


def test_a_signed_request() -> None:
    found = authenticator().authenticate(by_header(query="uploads&prefix=a%2Bb"))
    assert found.principal.account == "123456789012"
    assert (found.access_key_id, found.region) == ("AKIA", "eu-west-1")
    assert (found.mode, found.body_sha256) == (PayloadMode.SIGNED, DIGEST)
    assert found.signing is not None
    assert not found.presigned


def test_a_presigned_request() -> None:
    found = authenticator().authenticate(by_query())
    assert (found.mode, found.presigned) == (PayloadMode.UNSIGNED, True)
    assert found.access_key_id == "AKIA"


def test_an_anonymous_request() -> None:
    found = authenticator().authenticate(Request("GET", "/b/k", "", {"host": HOST}))
    assert found == Authenticated(None, "us-east-1", PayloadMode.UNSIGNED, None, None)
    assert (found.principal, found.access_key_id) == (ANONYMOUS, "")
    for text, mode in ((DIGEST, PayloadMode.SIGNED), (MODES[0], PayloadMode.UNSIGNED)):
        request = Request("PUT", "/b/k", "", {"x-amz-content-sha256": text})
        assert authenticator().authenticate(request).mode is mode


def matrix() -> Iterator[tuple[str, Request]]:
    """Every payload mode, by header and by query, spoilt in every way that must not pass."""
    for mode in [*MODES, DIGEST]:
        good = by_header(mode)
        url = by_query(headers={"x-amz-content-sha256": mode})
        yield "SignatureDoesNotMatch", by_header(mode, secret="wrong")
        yield "SignatureDoesNotMatch", by_query(headers=dict(url.headers), secret="wrong")
        yield "InvalidAccessKeyId", by_header(mode, access_key="AKIB", secret="wrong")
        for request, name in product((good, url), ("x-amz-copy-source", "x-amz-acl")):
            yield "AccessDenied", changed(request, **{name: "/other/key"})
        for request in (good, url):
            yield "SignatureDoesNotMatch", changed(request, host="other")
            for method, path, query in (
                ("DELETE", request.path, request.query),
                (request.method, "/bucket/other", request.query),
                (request.method, request.path, f"{request.query}&acl"),
            ):
                yield (
                    "SignatureDoesNotMatch",
                    Request(method, path, query, request.headers),
                )
        other = next(each for each in MODES if each != mode)
        for request in (good, url):
            yield "SignatureDoesNotMatch", changed(request, x_amz_content_sha256=other)


def test_every_payload_mode_is_verified() -> None:
    assert authenticator().authenticate(by_query(headers={"x-amz-content-sha256": MODES[1]}))
    for code, request in matrix():
        with pytest.raises(AWSError) as caught:
            authenticator().authenticate(request)
        assert caught.value.code == code, request
        assert "the-secret" not in f"{caught.value.message}{caught.value.fields}"


@pytest.mark.parametrize("mode", MODES)
def test_the_modes(mode: str) -> None:
    assert authenticator().authenticate(by_header(mode)).mode.value == mode


def unsigned_header(name: str) -> Request:
    good = by_header()
    return Request(good.method, good.path, good.query, {**good.headers, name: "1"})


def lacking(name: str) -> Request:
    good = by_header()
    headers = {key: value for key, value in good.headers.items() if key != name}
    return Request(good.method, good.path, good.query, headers)


def rescoped(old: str, new: str) -> Request:
    good = by_header()
    return changed(good, authorization=good.headers["authorization"].replace(old, new))


REFUSED: list[tuple[Callable[[], Request], float, str, int, str]] = [
    (lambda: by_header("STREAMING-X"), 0, "InvalidArgument", 400, "x-amz-content-sha256 must be"),
    (lambda: by_header("a" * 63), 0, "InvalidArgument", 400, "x-amz-content-sha256 must be"),
    (lambda: lacking("x-amz-content-sha256"), 0, "InvalidRequest", 400, "Missing required header"),
    (lambda: lacking("x-amz-date"), 0, "AccessDenied", 403, "valid Date or x-amz-date"),
    (by_header, 3000, "RequestTimeTooSkewed", 403, "difference"),
    (by_header, -3000, "RequestTimeTooSkewed", 403, "difference"),
    (by_query, 3000, "AccessDenied", 403, "Request has expired"),
    (lambda: by_query(604801), 0, "AuthorizationQueryParametersError", 400, "less than a week"),
    (lambda: by_header(token="x"), 0, "InvalidToken", 400, "token"),
    (lambda: by_header(service="kms"), 0, "AuthorizationHeaderMalformed", 400, '"kms"'),
    (lambda: rescoped("aws4_request", "x"), 0, "AuthorizationHeaderMalformed", 400, "terminal"),
    (
        lambda: Request("GET", "/", "", {"authorization": "AWS AKIA:sig"}),
        0,
        "InvalidRequest",
        400,
        "Please use AWS4-HMAC-SHA256.",
    ),
    (
        lambda: Request("GET", "/", "AWSAccessKeyId=A&Expires=1&Signature=x", {}),
        0,
        "InvalidRequest",
        400,
        "Please use AWS4-HMAC-SHA256.",
    ),
    (
        lambda: Request("GET", "/", by_query().query, by_header().headers),
        0,
        "InvalidArgument",
        400,
        "Only one auth mechanism allowed",
    ),
    (
        lambda: Request("PUT", "/", "", {"x-amz-content-sha256": MODES[1]}),
        0,
        "InvalidRequest",
        400,
        "anonymous",
    ),
]


@pytest.mark.parametrize(("request_of", "later", "code", "status", "text"), REFUSED)
def test_refusals(
    request_of: Callable[[], Request], later: float, code: str, status: int, text: str
) -> None:
    with pytest.raises(AWSError) as caught:
        authenticator(later).authenticate(request_of())
    assert (caught.value.code, caught.value.status) == (code, status)
    assert text in caught.value.message


FIELDS: list[tuple[Callable[[], Request], float, set[str]]] = [
    (by_header, 3000, {"RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"}),
    (by_query, 3000, {"Expires", "ServerTime", "X-Amz-Expires"}),
    (lambda: unsigned_header("x-amz-acl"), 0, {"HeadersNotSigned"}),
    (lambda: by_header(access_key="AKIB"), 0, {"AWSAccessKeyId"}),
    (
        lambda: by_header(secret="x"),
        0,
        {
            "AWSAccessKeyId",
            "StringToSign",
            "StringToSignBytes",
            "SignatureProvided",
            "CanonicalRequest",
            "CanonicalRequestBytes",
        },
    ),
]


@pytest.mark.parametrize(("request_of", "later", "names"), FIELDS)
def test_refusals_say_why(request_of: Callable[[], Request], later: float, names: set[str]) -> None:
    with pytest.raises(AWSError) as caught:
        authenticator(later).authenticate(request_of())
    assert set(caught.value.fields) == names


def test_a_url_for_no_time_has_expired_when_it_arrives() -> None:
    with pytest.raises(AWSError) as caught:
        authenticator(300).authenticate(by_query(expires=0))
    assert (caught.value.code, caught.value.message) == ("AccessDenied", "Request has expired")


def test_sessions() -> None:
    directory = Directory()
    root = root_principal("123456789012")
    now = SystemClock().now()
    session = Credential("ASIA", "s", root, session_token="token", expires_at=now + 60)
    directory.add_credential(session)
    request = by_header(access_key="ASIA", secret="s", token="token")
    young = Authenticator(directory, FixedClock(now), region="us-east-1")
    assert young.authenticate(request).credential is session
    old = Authenticator(directory, FixedClock(now + 60), region="us-east-1")
    with pytest.raises(AWSError, match="ExpiredToken"):
        old.authenticate(request)


def test_permissive_takes_any_key_but_still_reads_the_mode() -> None:
    request = by_header(MODES[1], access_key="whoever", secret="x")
    found = authenticator(9999, permissive=True).authenticate(request)
    assert (found.access_key_id, found.principal.account) == ("whoever", "123456789012")
    assert (found.mode.value, found.signing) == (MODES[1], None)
    with pytest.raises(AWSError, match="InvalidArgument"):
        authenticator(permissive=True).authenticate(by_header("STREAMING-X"))


def test_the_service_that_a_request_is_for() -> None:
    signed = by_header(service="kms")
    assert signed_service(signed.headers, "") == "kms"
    assert signed_service({}, by_query().query) == "s3"
    assert signed_service({}, "prefix=x") is None


FORM_REQUEST = Request("POST", "/bucket", "", {"host": HOST})
POLICY = b64encode(b'{"expiration": "2030-01-01T00:00:00Z", "conditions": []}').decode()


def form(*, secret: str = "the-secret", without: str = "", **fields: str) -> dict[str, str]:
    """The fields of a form that botocore signed, some replaced, one missing."""
    request = AWSRequest("POST", f"http://{HOST}/bucket")
    request.context["s3-presign-post-fields"] = {}
    request.context["s3-presign-post-policy"] = {"expiration": "2030-01-01T00:00:00Z"}
    S3SigV4PostAuth(BotocoreCredentials("AKIA", secret), "s3", "eu-west-1").add_auth(request)
    made = {**request.context["s3-presign-post-fields"]}
    made.update({name.replace("_", "-"): text for name, text in fields.items()})
    return {name: text for name, text in made.items() if name != without}


def form_v2(*, secret: str = "the-secret", without: str = "") -> dict[str, str]:
    signature = b64encode(hmac.digest(secret.encode(), POLICY.encode(), "sha1")).decode()
    made = {"awsaccesskeyid": "AKIA", "signature": signature, "policy": POLICY}
    return {name: text for name, text in made.items() if name != without}


def test_a_signed_form() -> None:
    found = authenticator().authenticate_form(FORM_REQUEST, form())
    assert (found.access_key_id, found.region) == ("AKIA", "eu-west-1")
    assert found.mode is PayloadMode.UNSIGNED


def test_a_form_without_credentials_is_anonymous() -> None:
    for fields in ({"key": "a"}, {"key": "a", "policy": POLICY}):
        assert authenticator().authenticate_form(FORM_REQUEST, fields).principal is ANONYMOUS


REFUSED_FORMS: list[tuple[dict[str, str], str, str]] = [
    (form(secret="wrong"), "SignatureDoesNotMatch", ""),
    (form(policy=POLICY), "SignatureDoesNotMatch", ""),
    (form(policy="\u0142"), "InvalidPolicyDocument", ""),
    (form(without="x-amz-signature"), "InvalidArgument", "'X-Amz-Signature'"),
    (form(without="x-amz-algorithm"), "InvalidArgument", "'X-Amz-Algorithm'"),
    (form(without="x-amz-date"), "InvalidArgument", "'X-Amz-Date'"),
    (form(without="x-amz-credential"), "InvalidArgument", "'X-Amz-Credential'"),
    (form(without="policy"), "InvalidArgument", "'Policy'"),
    (form(x_amz_algorithm="AWS4-HMAC-SHA1"), "InvalidArgument", "only supports"),
    (form(x_amz_credential="AKIA"), "AuthorizationQueryParametersError", "mal-formed"),
    (
        form(x_amz_credential="AKIA/20260101/\N{GREEK SMALL LETTER MU}/s3/aws4_request"),
        "AuthorizationQueryParametersError",
        "mal-formed",
    ),
    (form(x_amz_date="today"), "AuthorizationQueryParametersError", "ISO8601"),
    (form(x_amz_security_token="a"), "InvalidToken", ""),
    (form_v2(without="awsaccesskeyid"), "InvalidArgument", "'AWSAccessKeyId'"),
]


@pytest.mark.parametrize(("fields", "code", "message"), REFUSED_FORMS)
def test_refused_forms(fields: dict[str, str], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        authenticator().authenticate_form(FORM_REQUEST, fields)
    assert caught.value.code == code
    assert message in caught.value.message


def test_forms_expire_and_name_keys_that_exist() -> None:
    week = 7 * 24 * 3600
    with pytest.raises(AWSError, match="AccessDenied"):
        authenticator(week + 3600).authenticate_form(FORM_REQUEST, form())
    with pytest.raises(AWSError, match="RequestTimeTooSkewed"):
        authenticator(-3600).authenticate_form(FORM_REQUEST, form())
    unknown = {**form_v2(), "awsaccesskeyid": "NOBODY"}
    with pytest.raises(AWSError, match="InvalidAccessKeyId"):
        authenticator().authenticate_form(FORM_REQUEST, unknown)


def test_a_form_has_no_second_credential() -> None:
    signed = Request("POST", "/bucket", "", {"host": HOST, "authorization": "AWS4-HMAC-SHA256 x"})
    presigned = Request("POST", "/bucket", "X-Amz-Algorithm=x", {"host": HOST})
    for request in (signed, presigned):
        with pytest.raises(AWSError, match="Only one auth mechanism"):
            authenticator().authenticate_form(request, form())


def by_url_v2(
    target: str = "/bucket/a%20b?versionId=x", *, expires: int = 600, **options: str
) -> Request:
    credentials = BotocoreCredentials(
        options.get("access_key", "AKIA"), options.get("secret", "the-secret")
    )
    request = AWSRequest(options.get("method", "GET"), f"http://{HOST}{target}", headers={})
    HmacV1QueryAuth(credentials, expires).add_auth(request)
    path, _, query = str(request.url).removeprefix(f"http://{HOST}").partition("?")
    return Request(options.get("method", "GET"), path, query, {"host": HOST})


def test_a_url_of_the_old_signature() -> None:
    found = authenticator().authenticate(by_url_v2())
    assert (found.access_key_id, found.region, found.presigned) == ("AKIA", "", True)
    assert found.mode is PayloadMode.UNSIGNED
    anybody = by_url_v2(access_key="NOBODY", secret="wrong")
    assert authenticator(permissive=True).authenticate(anybody).credential is not None


OLD_REFUSALS: list[tuple[Request, float, str]] = [
    (by_url_v2(secret="wrong"), 0, "SignatureDoesNotMatch"),
    (by_url_v2(access_key="NOBODY"), 0, "InvalidAccessKeyId"),
    (by_url_v2(), 3000, "Request has expired"),
    (changed(by_url_v2(), authorization="AWS4-HMAC-SHA256 x"), 0, "Only one auth mechanism"),
    (changed(by_url_v2(), x_amz_acl="public-read"), 0, "SignatureDoesNotMatch"),
]


@pytest.mark.parametrize(("request_", "later", "said"), OLD_REFUSALS)
def test_urls_of_the_old_signature_that_are_refused(
    request_: Request, later: float, said: str
) -> None:
    with pytest.raises(AWSError, match=said):
        authenticator(later).authenticate(request_)


def test_the_old_signature_where_it_is_refused() -> None:
    with pytest.raises(AWSError, match="use AWS4-HMAC-SHA256"):
        authenticator(v2=False).authenticate(by_url_v2())
    with pytest.raises(AWSError, match="use AWS4-HMAC-SHA256"):
        authenticator(v2=False).authenticate_form(FORM_REQUEST, form_v2())


def by_header_v2(secret: str = "the-secret", access_key: str = "AKIA", **more: str) -> Request:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    request = AWSRequest("PUT", f"http://{HOST}/bucket/key", headers=headers)
    HmacV1Auth(BotocoreCredentials(access_key, secret)).add_auth(request)
    sent = {name.lower(): str(value) for name, value in request.headers.items()}
    return Request("PUT", "/bucket/key", "", sent)


def test_a_header_of_the_old_signature_where_it_is_taken() -> None:
    taking = authenticator(everywhere=True)
    found = taking.authenticate(by_header_v2())
    assert (found.access_key_id, found.region, found.presigned) == ("AKIA", "", False)
    assert (found.mode, found.body_sha256) == (PayloadMode.UNSIGNED, None)
    stated = taking.authenticate(by_header_v2(x_amz_content_sha256=DIGEST))
    assert (stated.mode, stated.body_sha256) == (PayloadMode.SIGNED, DIGEST)
    lenient = authenticator(permissive=True, everywhere=True)
    assert lenient.authenticate(by_header_v2("wrong", "NOBODY")).credential is not None
    with pytest.raises(AWSError, match="use AWS4-HMAC-SHA256"):
        authenticator().authenticate(by_header_v2())


SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
OLD_HEADER_REFUSALS: list[tuple[Request, float, str]] = [
    (by_header_v2("wrong"), 0, "SignatureDoesNotMatch"),
    (by_header_v2(access_key="NOBODY"), 0, "InvalidAccessKeyId"),
    (by_header_v2(), 3000, "RequestTimeTooSkewed"),
    (by_header_v2(), -3000, "RequestTimeTooSkewed"),
    (by_header_v2(x_amz_content_sha256=SIGNED_CHUNKS), 0, "signs no chunks"),
    (changed(by_header_v2(), x_amz_acl="public-read"), 0, "SignatureDoesNotMatch"),
    (replace(by_header_v2(), query="X-Amz-Signature=x"), 0, "Only one auth mechanism"),
    (replace(by_header_v2(), query="AWSAccessKeyId=x"), 0, "Only one auth mechanism"),
]


@pytest.mark.parametrize(("request_", "later", "said"), OLD_HEADER_REFUSALS)
def test_headers_of_the_old_signature_that_are_refused(
    request_: Request, later: float, said: str
) -> None:
    with pytest.raises(AWSError, match=said):
        authenticator(later, everywhere=True).authenticate(request_)


def test_the_old_signature_of_forms() -> None:
    taking = authenticator()
    assert taking.authenticate_form(FORM_REQUEST, form_v2()).access_key_id == "AKIA"
    with pytest.raises(AWSError, match="SignatureDoesNotMatch"):
        taking.authenticate_form(FORM_REQUEST, form_v2(secret="wrong"))
    with pytest.raises(AWSError, match="'Signature'"):
        taking.authenticate_form(FORM_REQUEST, form_v2(without="signature"))


def test_permissive_servers_take_any_form() -> None:
    lenient = authenticator(permissive=True)
    for fields in (form(secret="wrong"), form_v2(secret="wrong")):
        assert lenient.authenticate_form(FORM_REQUEST, fields).credential is not None
