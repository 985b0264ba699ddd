"""Who signed this request: one decision for every service, header or query, good or bad.

The flow is the same everywhere; how a refusal is worded is a service's own (`Refusals`). The rules:
one credential source, every `x-amz-*` header signed, 15 minutes of
skew, presigned URLs of at most a week. A request may be replayed inside that window, as at AWS.
It reads no body and knows no S3; `objstore.authenticate` adds what is S3's.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.hmac import HMAC

from kms.aws import sigv4
from kms.aws.clock import Clock, utc
from kms.aws.errors import AWSError
from kms.aws.identity import Credential, Credentials, Principal
from kms.aws.sigv4 import Authorization, FormatError, SigningContext
from kms.aws.values import value_class

SKEW_SECONDS_MAX = 15 * 60
_BODY_HASH = "x-amz-content-sha256"
EXPIRES_SECONDS_MAX = 7 * 24 * 3600
# Stands in for the secret of an access key that does not exist, so that both take the same time.
DUMMY_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PRESIGNED_PARAMETERS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
)


@value_class(frozen=True, slots=True)
class Request:
    """The head of a request, as it came off the wire.

    `path` and `query` are raw, still percent-encoded; `headers` as `sigv4.collect_headers` makes.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@value_class(frozen=True, slots=True)
class Claim:
    """What a signed request says about itself; nothing of it is proved yet.

    `expires_seconds` is None for a request that is signed by header.
    """

    authorization: Authorization
    signature: str
    timestamp: str
    session_token: str | None
    expires_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the server signed, for a client to compare with what it signed."""

    access_key_id: str
    signature: str
    string_to_sign: str
    canonical_request: str


@value_class(frozen=True, slots=True)
class Verified:
    """A proved claim: the credential, and the key that it was proved with."""

    credential: Credential
    key: HMAC = field(repr=False)
    claim: Claim

    @property
    def region(self) -> str:
        return self.claim.authorization.scope.region

    @property
    def signing(self) -> SigningContext:
        """What chunk signatures follow from."""
        claim = self.claim
        scope = claim.authorization.scope.text
        return SigningContext(self.key, scope, claim.timestamp, claim.signature)


class Refusals(Protocol):
    """How a service words the ways in which a request can fail to be authentic."""

    def malformed(self, detail: str, *, presigned: bool) -> AWSError: ...
    def scope(self, detail: str, *, presigned: bool) -> AWSError: ...
    def no_date(self) -> AWSError: ...
    def two_credentials(self) -> AWSError: ...
    def skewed(self, timestamp: str, now: float) -> AWSError: ...
    def expired_url(self, *, expires: float, now: float, seconds: int) -> AWSError: ...
    def unsigned_headers(self, names: list[str]) -> AWSError: ...
    def unknown_access_key(self, access_key_id: str) -> AWSError: ...
    def mismatch(self, evidence: Evidence) -> AWSError: ...
    def wrong_token(self) -> AWSError: ...
    def expired_token(self) -> AWSError: ...


def read_claim(request: Request, refusals: Refusals) -> Claim | None:
    """Find the request's one credential; None if it has none. Raises the refusal that fits."""
    authorization = request.headers.get("authorization")
    # A name that hides its letters behind percent signs is no credential: the request is anonymous.
    by_query = "X-Amz-" in request.query
    if authorization is None:
        return _claim_of_query(request, refusals) if by_query else None
    if by_query and "X-Amz-Algorithm" in dict(_parameters(request, refusals)):
        raise refusals.two_credentials()
    try:
        parsed, signature = sigv4.parse_authorization(authorization)
    except FormatError as error:
        raise refusals.malformed(str(error), presigned=False) from None
    try:
        timestamp = sigv4.timestamp_of(request.headers)
    except FormatError:
        raise refusals.no_date() from None
    return Claim(parsed, signature, timestamp, request.headers.get("x-amz-security-token"))


def _parameters(request: Request, refusals: Refusals) -> list[tuple[str, str]]:
    try:
        return sigv4.query_parameters(request.query)
    except FormatError as error:
        raise refusals.malformed(str(error), presigned=True) from None


def _claim_of_query(request: Request, refusals: Refusals) -> Claim | None:
    parameters: dict[str, str] = {}
    for name, value in _parameters(request, refusals):
        if name.startswith("X-Amz-"):
            if name in parameters:
                raise refusals.malformed(f"{name} is given more than once.", presigned=True)
            parameters[name] = value
    if not any(name in parameters for name in PRESIGNED_PARAMETERS):
        return None
    if not all(name in parameters for name in (*PRESIGNED_PARAMETERS, "X-Amz-Expires")):
        raise refusals.malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
            "X-Amz-Expires parameters.",
            presigned=True,
        )
    if parameters["X-Amz-Algorithm"] != sigv4.ALGORITHM:
        raise refusals.malformed(
            f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}"', presigned=True
        )
    try:
        authorization = sigv4.parse_presigned(
            parameters["X-Amz-Credential"], parameters["X-Amz-SignedHeaders"]
        )
    except FormatError as error:
        raise refusals.scope(str(error), presigned=True) from None
    timestamp = parameters["X-Amz-Date"]
    try:
        sigv4.seconds_of(timestamp)
    except FormatError:
        raise refusals.malformed(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            presigned=True,
        ) from None
    return Claim(
        authorization,
        parameters["X-Amz-Signature"],
        timestamp,
        parameters.get("X-Amz-Security-Token"),
        _expires_seconds(parameters["X-Amz-Expires"], refusals),
    )


def _expires_seconds(text: str, refusals: Refusals) -> int:
    detail = ""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        detail = "X-Amz-Expires must be a number"
    elif text.startswith("-"):
        detail = "X-Amz-Expires must be non-negative"
    elif len(text) > 9 or int(text) > EXPIRES_SECONDS_MAX:
        detail = (
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {EXPIRES_SECONDS_MAX} seconds"
        )
    if detail:
        raise refusals.malformed(detail, presigned=True)
    return int(text)


def verify(
    request: Request,
    claim: Claim,
    *,
    payload_hash: str,
    service: str,
    credentials: Credentials,
    now: float,
    refusals: Refusals,
) -> Verified:
    """Prove the claim, or raise the refusal that fits. `now` is wall time.

    `payload_hash` is the last line of the canonical request.
    """
    authorization = claim.authorization
    _check_scope(claim, service, refusals)
    _check_time(claim, now, refusals)
    _check_signed_headers(request.headers, authorization.signed_headers, refusals)
    try:
        query = sigv4.canonical_query(request.query)
    except FormatError as error:
        raise refusals.malformed(str(error), presigned=False) from None
    canonical = sigv4.canonical_request(
        request.method,
        sigv4.canonical_path(request.path, service),
        query,
        request.headers,
        signed_headers=authorization.signed_headers,
        payload_hash=payload_hash,
    )
    text = sigv4.string_to_sign(claim.timestamp, authorization.scope, canonical)
    return _prove(claim, text, canonical, credentials=credentials, now=now, refusals=refusals)


def verify_text(
    claim: Claim,
    text: str,
    *,
    service: str,
    credentials: Credentials,
    now: float,
    refusals: Refusals,
) -> Verified:
    """Prove a claim whose signature is over `text` itself, as a form's is over its policy."""
    _check_scope(claim, service, refusals)
    _check_time(claim, now, refusals)
    return _prove(claim, text, "", credentials=credentials, now=now, refusals=refusals)


def _prove(
    claim: Claim,
    text: str,
    canonical: str,
    *,
    credentials: Credentials,
    now: float,
    refusals: Refusals,
) -> Verified:
    """Check the signature over `text`, in the same time for keys that exist and that do not."""
    authorization, scope = claim.authorization, claim.authorization.scope
    credential = credentials.find(authorization.access_key_id, claim.session_token)
    secret = DUMMY_SECRET if credential is None else credential.secret_access_key
    key = sigv4.signing_key(secret, scope.date, scope.region, scope.service)
    authentic = sigv4.same_text(sigv4.sign(key, text), claim.signature)
    if credential is None:
        if claim.session_token is not None:
            raise refusals.wrong_token()
        raise refusals.unknown_access_key(authorization.access_key_id)
    if not authentic:
        raise refusals.mismatch(
            Evidence(authorization.access_key_id, claim.signature, text, canonical)
        )
    check_session(credential, claim.session_token, now, refusals)
    return Verified(credential, key, claim)


def _check_scope(claim: Claim, service: str, refusals: Refusals) -> None:
    scope = claim.authorization.scope
    presigned = claim.expires_seconds is not None
    if scope.service != service:
        raise refusals.scope(
            f'incorrect service "{scope.service}". This endpoint belongs to "{service}".',
            presigned=presigned,
        )
    if scope.date != claim.timestamp[:8]:
        raise refusals.scope(
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: '
            f'"{claim.timestamp[:8]}".',
            presigned=presigned,
        )


def _check_time(claim: Claim, now: float, refusals: Refusals) -> None:
    signed_at = sigv4.seconds_of(claim.timestamp)
    seconds = claim.expires_seconds
    if signed_at - now > SKEW_SECONDS_MAX:
        raise refusals.skewed(claim.timestamp, now)
    if seconds is None:
        if now - signed_at > SKEW_SECONDS_MAX:
            raise refusals.skewed(claim.timestamp, now)
    elif now > signed_at + seconds:
        raise refusals.expired_url(expires=signed_at + seconds, now=now, seconds=seconds)


def _check_signed_headers(
    headers: Mapping[str, str], signed: tuple[str, ...], refusals: Refusals
) -> None:
    """A header that changes what a request does must not be one that anybody could add.

    The body's hash need not be among them: it is the last line of what is signed.
    """
    missing = [
        name
        for name in headers
        if name.startswith("x-amz-") and name not in signed and name != _BODY_HASH
    ]
    if "host" not in signed:
        missing.insert(0, "host")
    if missing:
        raise refusals.unsigned_headers(missing)


def check_session(
    credential: Credential, token: str | None, now: float, refusals: Refusals
) -> None:
    """Return if the token is the credential's own and its session still runs."""
    if credential.session_token is None and token is None and credential.expires_at is None:
        return
    if not sigv4.same_text(credential.session_token or "", token or ""):
        raise refusals.wrong_token()
    if credential.expires_at is not None and now >= credential.expires_at:
        raise refusals.expired_token()


@dataclass(frozen=True, slots=True)
class ServiceRefusals:
    """Refusals of the JSON services (KMS, CloudTrail) and the query services (IAM, STS).

    Source: https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
    """

    malformed_code: str
    mismatch_code: str
    unknown_code: str
    missing_code: str
    expired_code: str
    status: int

    def malformed(self, detail: str, *, presigned: bool) -> AWSError:
        return AWSError(self.malformed_code, detail, status=self.status)

    def scope(self, detail: str, *, presigned: bool) -> AWSError:
        return AWSError(
            self.mismatch_code, f"Credential is not valid: {detail}", status=self.status
        )

    def no_date(self) -> AWSError:
        return self.malformed(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            presigned=False,
        )

    def two_credentials(self) -> AWSError:
        return self.malformed("Only one authentication mechanism is allowed.", presigned=False)

    def skewed(self, timestamp: str, now: float) -> AWSError:
        signed_at = sigv4.seconds_of(timestamp)
        early = signed_at > now
        limit = now + SKEW_SECONDS_MAX if early else now - SKEW_SECONDS_MAX
        word = "not yet current" if early else "expired"
        than = "later" if early else "earlier"
        sign = "+" if early else "-"
        return AWSError(
            self.mismatch_code,
            f"Signature {word}: {timestamp} is {'still' if early else 'now'} {than} than "
            f"{_compact(limit)} ({_compact(now)} {sign} 15 min.)",
            status=self.status,
        )

    def expired_url(self, *, expires: float, now: float, seconds: int) -> AWSError:
        return AWSError(
            self.mismatch_code,
            f"Signature expired: {_compact(expires)} is now earlier than {_compact(now)}",
            status=self.status,
        )

    def unsigned_headers(self, names: list[str]) -> AWSError:
        text = "', '".join(names)
        return AWSError(
            self.mismatch_code,
            f"'{text}' must be a 'SignedHeader' in the AWS Authorization.",
            status=self.status,
        )

    def unknown_access_key(self, access_key_id: str) -> AWSError:
        return AWSError(self.unknown_code, INVALID_TOKEN_TEXT, status=self.status)

    def mismatch(self, evidence: Evidence) -> AWSError:
        return AWSError(
            self.mismatch_code,
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details.",
            status=self.status,
        )

    def wrong_token(self) -> AWSError:
        return AWSError(self.unknown_code, INVALID_TOKEN_TEXT, status=self.status)

    def expired_token(self) -> AWSError:
        return AWSError(
            self.expired_code,
            "The security token included in the request is expired",
            status=self.status,
        )

    def missing(self) -> AWSError:
        return AWSError(self.missing_code, "Missing Authentication Token", status=self.status)


INVALID_TOKEN_TEXT = "The security token included in the request is invalid."
JSON_REFUSALS = ServiceRefusals(
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    400,
)
QUERY_REFUSALS = ServiceRefusals(
    "IncompleteSignature",
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "ExpiredToken",
    403,
)
QUERY_SERVICES = frozenset({"iam", "sts"})


def _compact(seconds: float) -> str:
    return f"{utc(seconds):%Y%m%dT%H%M%SZ}"


def authenticate(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    clock: Clock,
    service: str = "kms",
    permissive: Principal | None = None,
) -> tuple[Credential, str]:
    """The credential and region of a request to a service whose whole body is at hand.

    `headers` as `sigv4.collect_headers` makes them. `permissive` is whom any unknown access key
    speaks for, with no signature checked; None, the default, checks. Raises AWSError.
    """
    refusals = QUERY_REFUSALS if service in QUERY_SERVICES else JSON_REFUSALS
    request = Request(method, raw_path, raw_query, headers)
    claim = read_claim(request, refusals)
    if claim is None:
        raise refusals.missing()
    if permissive is not None:
        return permissive_credential(claim, credentials, permissive), _region(claim)
    verified = verify(
        request,
        claim,
        payload_hash=hashlib.sha256(body).hexdigest(),
        service=service,
        credentials=credentials,
        now=clock.now(),
        refusals=refusals,
    )
    return verified.credential, verified.region


def permissive_credential(
    claim: Claim, credentials: Credentials, principal: Principal
) -> Credential:
    """The credential of an access key that nobody checks: its own if it exists, else a root's."""
    access_key_id = claim.authorization.access_key_id
    known = credentials.find(access_key_id, claim.session_token)
    return known if known is not None else Credential(access_key_id, "", principal)


def _region(claim: Claim) -> str:
    return claim.authorization.scope.region
