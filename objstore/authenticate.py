"""Who sent this S3 request, and how its body is protected: one decision for every route.

Each route and payload mode goes through `Authenticator.authenticate`, forms through
`authenticate_form`; nothing else reads `Authorization`, `X-Amz-*` credentials or
`x-amz-content-sha256`. The flow is `kms.aws`'s; here are
S3's payload modes and S3's words. Bodies are checked by `objstore.payload`.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum

from kms.aws import sigv4
from kms.aws.authentication import (
    DUMMY_SECRET,
    EXPIRES_SECONDS_MAX,
    SKEW_SECONDS_MAX,
    Claim,
    Evidence,
    Request,
    check_session,
    permissive_credential,
    read_claim,
    verify,
    verify_text,
)
from kms.aws.clock import Clock, utc
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Credential, Credentials, Principal
from kms.aws.sigv4 import FormatError, SigningContext
from kms.aws.values import value_class
from objstore import presigned, signature_v2
from objstore.errors import S3Error

SERVICE = "s3"
SHA256_HEX_LENGTH = 64
HEX_DIGITS = frozenset("0123456789abcdef")
# The fields that a signed form must have, by the version of its signature.
FORM_V4_FIELDS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "Policy")
FORM_V2_FIELDS = ("AWSAccessKeyId", "Signature", "Policy")
_FORM_CREDENTIALS = {name.lower() for name in (*FORM_V4_FIELDS, *FORM_V2_FIELDS)} - {"policy"}


class PayloadMode(Enum):
    """How a body is protected; values as in `x-amz-content-sha256`, SIGNED being a digest."""

    SIGNED = "SHA256"
    UNSIGNED = "UNSIGNED-PAYLOAD"
    CHUNKS_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    CHUNKS_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    CHUNKS_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


_STREAMING = {mode.value: mode for mode in PayloadMode if mode is not PayloadMode.SIGNED}
_SIGNED_CHUNKS = (PayloadMode.CHUNKS_SIGNED, PayloadMode.CHUNKS_SIGNED_TRAILER)


@value_class(frozen=True, slots=True)
class Authenticated:
    """The sender of a request, and what its body must still prove.

    `credential` is None for an anonymous request. `body_sha256` (hex) is there in mode SIGNED,
    and None if an anonymous request states no digest. `signing` is what chunk signatures follow
    from; None where they are not checked (anonymous, permissive).
    """

    credential: Credential | None
    region: str
    mode: PayloadMode
    body_sha256: str | None
    signing: SigningContext | None
    presigned: bool = False

    @property
    def principal(self) -> Principal:
        return ANONYMOUS if self.credential is None else self.credential.principal

    @property
    def access_key_id(self) -> str:
        return "" if self.credential is None else self.credential.access_key_id


NoteUse = Callable[[Credential, str, str], None]
"""Takes a credential that signed a request, the service and the region."""


def ignore_use(credential: Credential, service: str, region: str) -> None:
    """Keeps nothing of it."""
    del credential, service, region


class Authenticator:
    """Authenticates S3 requests by `credentials` and wall time.

    `permissive` is the principal for which any unknown access key speaks, with any signature (for
    tests without secrets); None, the default, is strict. `region` is that of anonymous requests.
    `signature_v2` takes URLs and forms that are signed with Signature Version 2, whose region is
    "", since such a signature names none; `header_v2` takes such headers as well.
    `note_use` hears of each credential that signed a request.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        region: str,
        permissive: Principal | None = None,
        signature_v2: bool = True,
        header_v2: bool = False,
        note_use: NoteUse = ignore_use,
    ) -> None:
        self._signature_v2 = signature_v2
        self._header_v2_too = header_v2
        self._credentials = credentials
        self._clock = clock
        self._region = region
        self._permissive = permissive
        self._note_use = note_use

    def now(self) -> float:
        """Wall time, by which everything signed expires."""
        return self._clock.now()

    def authenticate(self, request: Request, *, hosted_bucket: str = "") -> Authenticated:
        """Decide who sent `request`. Raises S3Error if its credential proves nothing.

        `hosted_bucket` is the bucket that the host names, if it does.
        """
        if request.headers.get("authorization", "").startswith(signature_v2.SCHEME):
            return self._header_v2(request, hosted_bucket)
        if presigned.V2_MARK in request.query:
            return self._url_v2(request, hosted_bucket)
        claim = read_claim(request, REFUSALS)
        if claim is None:
            return self._anonymous(request)
        payload_hash = _payload_hash(request, claim)
        mode, body_sha256 = payload_mode(payload_hash)
        by_url = claim.expires_seconds is not None
        region = claim.authorization.scope.region
        if self._permissive is not None:
            credential = permissive_credential(claim, self._credentials, self._permissive)
            return Authenticated(credential, region, mode, body_sha256, None, by_url)
        verified = verify(
            request,
            claim,
            payload_hash=payload_hash,
            service=SERVICE,
            credentials=self._credentials,
            now=self._clock.now(),
            refusals=REFUSALS,
        )
        self._note_use(verified.credential, SERVICE, region)
        return Authenticated(
            verified.credential, region, mode, body_sha256, verified.signing, by_url
        )

    def authenticate_form(self, request: Request, fields: Mapping[str, str]) -> Authenticated:
        """Decide who signed a form's policy; nobody did if no field is a credential.

        `fields` have lower-case names. A form has no other credential than its fields. Raises
        S3Error.
        """
        if "authorization" in request.headers or "X-Amz-" in request.query:
            raise REFUSALS.two_credentials()
        named = [name for name in fields if name in _FORM_CREDENTIALS]
        if not named:
            return Authenticated(None, self._region, PayloadMode.UNSIGNED, None, None)
        if not named[0].startswith("x-amz-"):
            return self._form_v2(fields)
        claim = _form_claim(fields)
        if self._permissive is not None:
            credential = permissive_credential(claim, self._credentials, self._permissive)
        else:
            credential = verify_text(
                claim,
                fields["policy"],
                service=SERVICE,
                credentials=self._credentials,
                now=self._clock.now(),
                refusals=REFUSALS,
            ).credential
        region = claim.authorization.scope.region
        self._note_use(credential, SERVICE, region)
        return Authenticated(credential, region, PayloadMode.UNSIGNED, None, None)

    def _form_v2(self, fields: Mapping[str, str]) -> Authenticated:
        """Signature Version 2 of a policy: HMAC-SHA1, for servers that are told to take it."""
        _require(fields, FORM_V2_FIELDS)
        token = fields.get("x-amz-security-token")
        return self._prove_v2(
            fields["awsaccesskeyid"], fields["signature"], fields["policy"], session_token=token
        )

    def _url_v2(self, request: Request, hosted_bucket: str) -> Authenticated:
        """Signature Version 2 of a presigned URL."""
        if "authorization" in request.headers or "X-Amz-" in request.query:
            raise REFUSALS.two_credentials()
        claim = presigned.read_v2(request, hosted_bucket)
        found = self._prove_v2(
            claim.access_key_id, claim.signature, claim.text, session_token=claim.session_token
        )
        now = self._clock.now()
        if now > claim.expires_at:
            raise S3Error(
                "AccessDenied",
                "Request has expired",
                Expires=_iso(claim.expires_at),
                ServerTime=_iso(now),
            )
        return replace(found, presigned=True)

    def _header_v2(self, request: Request, hosted_bucket: str) -> Authenticated:
        """Signature Version 2 in a header, for servers that are told to take it everywhere."""
        if not self._header_v2_too:
            raise _unsupported_mechanism()
        if presigned.V2_MARK in request.query or "X-Amz-" in request.query:
            raise REFUSALS.two_credentials()
        claim = signature_v2.read_header(request, hosted_bucket)
        found = self._prove_v2(
            claim.access_key_id, claim.signature, *claim.texts, session_token=claim.session_token
        )
        now = self._clock.now()
        if self._permissive is None and abs(now - claim.signed_at) > SKEW_SECONDS_MAX:
            raise REFUSALS.skewed(sigv4.timestamp_of(request.headers), now)
        mode, body_sha256 = _unsigned_mode(request, "Signature Version 2 signs no chunks.")
        return replace(found, mode=mode, body_sha256=body_sha256)

    def _prove_v2(
        self, access_key_id: str, signature: str, *texts: str, session_token: str | None
    ) -> Authenticated:
        """Check an HMAC-SHA1 over one of `texts`; in the same time for unknown keys."""
        if not self._signature_v2:
            raise _unsupported_mechanism()
        credential = self._credentials.find(access_key_id, session_token)
        if self._permissive is not None:
            anybody = Credential(access_key_id, "", self._permissive)
            return Authenticated(credential or anybody, "", PayloadMode.UNSIGNED, None, None)
        secret = DUMMY_SECRET if credential is None else credential.secret_access_key
        signed = [sigv4.same_text(presigned.sign_v2(secret, text), signature) for text in texts]
        if credential is None:
            raise REFUSALS.unknown_access_key(access_key_id)
        if not any(signed):
            raise REFUSALS.mismatch(Evidence(access_key_id, signature, texts[-1], ""))
        check_session(credential, session_token, self._clock.now(), REFUSALS)
        self._note_use(credential, SERVICE, self._region)
        return Authenticated(credential, "", PayloadMode.UNSIGNED, None, None)

    def _anonymous(self, request: Request) -> Authenticated:
        mode, body_sha256 = _unsigned_mode(
            request, "An anonymous request cannot have signed chunks."
        )
        return Authenticated(None, self._region, mode, body_sha256, None)


def _unsigned_mode(request: Request, refused: str) -> tuple[PayloadMode, str | None]:
    """How a body is protected whose digest, if it is stated, no signature has to cover.

    Raises InvalidRequest, in the words `refused`, for signed chunks.
    """
    text = request.headers.get("x-amz-content-sha256")
    if text is None:
        return PayloadMode.UNSIGNED, None
    mode, body_sha256 = payload_mode(text)
    if mode in _SIGNED_CHUNKS:
        raise S3Error("InvalidRequest", refused)
    return mode, body_sha256


def _unsupported_mechanism() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. "
        "Please use AWS4-HMAC-SHA256.",
    )


def _require(fields: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Raise InvalidArgument for the first field that a signed form lacks."""
    for name in names:
        if name.lower() not in fields:
            raise missing_field(name)
    if not fields["policy"].isascii():
        raise S3Error("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.")


def missing_field(name: str) -> S3Error:
    """The error for a form without a field that it must have before its file."""
    return S3Error(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the "
        "order of the fields.",
        ArgumentName=name,
        ArgumentValue="",
    )


def _form_claim(fields: Mapping[str, str]) -> Claim:
    """What a form's fields claim. Such a signature is good for a week, and its policy for less."""
    _require(fields, FORM_V4_FIELDS)
    if fields["x-amz-algorithm"] != sigv4.ALGORITHM:
        raise S3Error(
            "InvalidArgument",
            f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}"',
            ArgumentName="X-Amz-Algorithm",
            ArgumentValue=fields["x-amz-algorithm"],
        )
    try:
        authorization = sigv4.parse_presigned(fields["x-amz-credential"], "host")
        sigv4.seconds_of(fields["x-amz-date"])
    except FormatError as error:
        raise REFUSALS.scope(str(error), presigned=True) from None
    return Claim(
        authorization,
        fields["x-amz-signature"],
        fields["x-amz-date"],
        fields.get("x-amz-security-token"),
        EXPIRES_SECONDS_MAX,
    )


def _payload_hash(request: Request, claim: Claim) -> str:
    """The last line of the canonical request. Presigned requests may leave it out."""
    text = request.headers.get("x-amz-content-sha256")
    if text is not None:
        return text
    if claim.expires_seconds is None:
        raise S3Error(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    stated = dict(sigv4.query_parameters(request.query)).get("X-Amz-Content-Sha256")
    return sigv4.UNSIGNED_PAYLOAD if stated is None else stated


def payload_mode(text: str) -> tuple[PayloadMode, str | None]:
    """The mode that `x-amz-content-sha256` names, and the digest if it is one.

    The modes are a closed set: S3Error for anything else, so none can slip past verification.
    """
    mode = _STREAMING.get(text)
    if mode is not None:
        return mode, None
    digest = text.lower()
    if len(digest) == SHA256_HEX_LENGTH and HEX_DIGITS.issuperset(digest):
        return PayloadMode.SIGNED, digest
    raise S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER "
        "or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=text,
    )


def signed_service(headers: Mapping[str, str], query: str) -> str | None:
    """The service that a request's credential scope names, unproved; None if it is unsigned.

    For the front door, to choose who authenticates the request.
    """
    claim = read_claim(Request("", "", query, headers), REFUSALS)
    return None if claim is None else claim.authorization.scope.service


class S3Refusals:
    """S3's words for `kms.aws.authentication.Refusals`. They never hold a secret."""

    def malformed(self, detail: str, *, presigned: bool) -> AWSError:
        if presigned:
            return S3Error("AuthorizationQueryParametersError", detail)
        return S3Error(
            "AuthorizationHeaderMalformed", f"The authorization header is malformed; {detail}"
        )

    def scope(self, detail: str, *, presigned: bool) -> AWSError:
        if presigned:
            detail = f"Error parsing the X-Amz-Credential parameter; {detail}"
        return self.malformed(detail, presigned=presigned)

    def no_date(self) -> AWSError:
        return S3Error(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )

    def two_credentials(self) -> AWSError:
        return S3Error(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
            ArgumentName="Authorization",
        )

    def skewed(self, timestamp: str, now: float) -> AWSError:
        return S3Error(
            "RequestTimeTooSkewed",
            RequestTime=timestamp,
            ServerTime=_iso(now),
            MaxAllowedSkewMilliseconds=str(SKEW_SECONDS_MAX * 1000),
        )

    def expired_url(self, *, expires: float, now: float, seconds: int) -> AWSError:
        return S3Error(
            "AccessDenied",
            "Request has expired",
            Expires=_iso(expires),
            ServerTime=_iso(now),
            **{"X-Amz-Expires": str(seconds)},  # type: ignore[arg-type]
        )

    def unsigned_headers(self, names: list[str]) -> AWSError:
        return S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(names),
        )

    def unknown_access_key(self, access_key_id: str) -> AWSError:
        return S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key_id)

    def mismatch(self, evidence: Evidence) -> AWSError:
        fields = {
            "AWSAccessKeyId": evidence.access_key_id,
            "StringToSign": evidence.string_to_sign,
            "SignatureProvided": evidence.signature,
            "StringToSignBytes": _hexadecimal(evidence.string_to_sign),
        }
        if evidence.canonical_request:  # Version 2 and forms have none.
            fields["CanonicalRequest"] = evidence.canonical_request
            fields["CanonicalRequestBytes"] = _hexadecimal(evidence.canonical_request)
        return S3Error("SignatureDoesNotMatch", None, headers=None, **fields)

    def wrong_token(self) -> AWSError:
        return S3Error("InvalidToken")

    def expired_token(self) -> AWSError:
        return S3Error("ExpiredToken")


REFUSALS = S3Refusals()


def _iso(seconds: float) -> str:
    return f"{utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def _hexadecimal(text: str) -> str:
    """The bytes of a text as S3 shows them: `41 57 53`."""
    return text.encode().hex(" ")
