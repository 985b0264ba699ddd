"""Presigned URLs: headers that travel as parameters, and signatures of the old kind.

SDKs move `x-amz-*` headers of a presigned request into its URL, where the signature covers them
as well; S3 takes them from there, and conditions too. Version 1 of the aws CLI and boto3 presign
with Signature Version 2 unless told otherwise: an HMAC-SHA1 over a few lines, which leaves most
parameters out.
Such a URL may therefore only ask for an object, and with no parameter that it does not sign.
Pure: knows no credential and no clock.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kms.aws import sigv4
from kms.aws.authentication import Request
from kms.aws.sigv4 import FormatError
from objstore.errors import S3Error
from objstore.names import check_header

V2_MARK = "AWSAccessKeyId="
V2_PARAMETERS = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
V2_SIGNED_PARAMETERS = frozenset(
    {
        "acl",
        "partNumber",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
    }
)
V2_STANDARD_HEADERS = ("content-md5", "content-type")
CONDITIONAL_HEADERS = frozenset(
    {"if-match", "if-modified-since", "if-none-match", "if-unmodified-since"}
)
HEADER_PREFIX = "x-amz-"
TOKEN_HEADER = "x-amz-security-token"
EXPIRES_DIGITS_MAX = 12
# Parameters that make up the signature itself, and are no headers.
V4_PARAMETERS = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        TOKEN_HEADER,
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)


@dataclass(frozen=True, slots=True)
class URLClaim:
    """What a URL of Signature Version 2 says; `text` is what must have been signed."""

    access_key_id: str
    signature: str
    expires_at: int
    session_token: str | None = field(repr=False)
    text: str = field(repr=False)


def with_hoisted(query: Mapping[str, str], headers: dict[str, str]) -> dict[str, str]:
    """The headers of a presigned request, with those that its URL carries.

    Other requests have their own headers back. Raises InvalidArgument for one that no header
    could be.
    """
    hoisted = dict(_hoisted(query))
    return {**hoisted, **headers} if hoisted else headers


def check_hoisted(query: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Raise InvalidArgument for a header that the URL of a request has with another value.

    A header that is not signed is refused for that before.
    """
    for header, value in _hoisted(query):
        if headers.get(header, value) != value:
            raise S3Error(
                "InvalidArgument",
                "A header of the request and a parameter of its URL contradict each other.",
                ArgumentName=header,
            )


def _hoisted(query: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The headers in the URL of a presigned request."""
    old = "Signature" in query
    if not old and "X-Amz-Signature" not in query:
        return
    for name, value in query.items():
        header = name.lower()
        is_header = header.startswith(HEADER_PREFIX) and header not in V4_PARAMETERS
        is_header = is_header or (not old and header in CONDITIONAL_HEADERS)
        if is_header or (old and name in V2_STANDARD_HEADERS):
            check_header(header, value)
            yield header, value


def read_v2(request: Request, hosted_bucket: str) -> URLClaim:
    """What a URL with `AWSAccessKeyId` claims; `hosted_bucket` is the bucket of its host, if any.

    Raises AccessDenied for what is missing or malformed, InvalidRequest for what the signature
    could not cover.
    """
    parameters = _parameters(request.query)
    if not parameters.keys() >= V2_PARAMETERS:
        raise S3Error(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters",
        )
    expires = parameters["Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= EXPIRES_DIGITS_MAX):
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    resource = f"/{hosted_bucket}{request.path}" if hosted_bucket else request.path
    if not resource[1:].partition("/")[2]:
        raise _uncovered("an object")
    return URLClaim(
        parameters["AWSAccessKeyId"],
        parameters["Signature"],
        int(expires),
        parameters.get(TOKEN_HEADER) or request.headers.get(TOKEN_HEADER),
        text_v2(
            request,
            parameters,
            resource,
            date=parameters["Expires"],
            covered=V2_SIGNED_PARAMETERS,
        ),
    )


def sign_v2(secret: str, text: str) -> str:
    """The signature of Signature Version 2: HMAC-SHA1, in base64."""
    digest = hmac.digest(secret.encode(), text.encode("latin-1"), "sha1")
    return b64encode(digest).decode()


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = sigv4.query_parameters(query)
    except FormatError as error:
        raise S3Error("AccessDenied", str(error)) from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise _uncovered("each parameter once")
    for name in parameters:
        known = name in V2_PARAMETERS or name in V2_SIGNED_PARAMETERS
        if not known and name not in V2_STANDARD_HEADERS and not name.startswith(HEADER_PREFIX):
            raise _uncovered(f"parameters that it signs, not for {name}")
    return parameters


def _named(item: str, covered: frozenset[str]) -> bool:
    return item.partition("=")[0] in covered


def _uncovered(what: str) -> S3Error:
    return S3Error(
        "InvalidRequest",
        f"A URL of Signature Version 2 can ask only for {what}. Please use AWS4-HMAC-SHA256.",
    )


def text_v2(
    request: Request,
    parameters: Mapping[str, str],
    resource: str,
    *,
    date: str,
    covered: frozenset[str],
) -> str:
    """The string to sign. What is both a header and a parameter counts as the header.

    `date` is what stands for it, in a URL its expiry; `covered` are the parameters that count.
    """
    headers = {
        **{name: value for name, value in parameters.items() if name.startswith(HEADER_PREFIX)},
        **{n: value for n, value in request.headers.items() if n.startswith(HEADER_PREFIX)},
    }
    standard = [request.headers.get(name, parameters.get(name, "")) for name in V2_STANDARD_HEADERS]
    signed = sorted(covered & parameters.keys())
    asked = "&".join(
        f"{name}={parameters[name]}" if f"{name}=" in request.query else name for name in signed
    )
    if [item.partition("=")[0] for item in asked.split("&") if _named(item, covered)] != signed:
        # The text holds values as they are, so one could pass for another parameter.
        raise _uncovered("values without other parameters in them")
    return "\n".join(
        (
            request.method,
            *standard,
            date,
            *(f"{name}:{headers[name].strip()}" for name in sorted(headers)),
            resource + (f"?{asked}" if asked else ""),
        )
    )
