"""Signature Version 2 in the `Authorization` header, for servers that are told to take it.

An HMAC-SHA1 over a few lines: the method, the date, the `x-amz-` headers, the path, and of the
parameters only those that name a sub-resource. A request may therefore have no other parameter
than these and the ones that choose a page of a listing. The body is not covered.
Pure: knows no credential and no clock.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kms.aws import sigv4
from kms.aws.authentication import Request
from kms.aws.sigv4 import FormatError
from objstore.errors import S3Error
from objstore.presigned import TOKEN_HEADER, V2_SIGNED_PARAMETERS, text_v2

SCHEME = "AWS "
SIGNED_PARAMETERS = V2_SIGNED_PARAMETERS | {
    "accelerate",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "policy",
    "replication",
    "requestPayment",
    "versioning",
    "versions",
    "website",
}
PAGE_PARAMETERS = frozenset(
    {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "key-marker",
        "list-type",
        "marker",
        "max-keys",
        "max-parts",
        "max-uploads",
        "part-number-marker",
        "prefix",
        "start-after",
        "upload-id-marker",
        "version-id-marker",
        "x-id",
    }
)


@dataclass(frozen=True, slots=True)
class HeaderClaim:
    """What such a header says; one of `texts` must have been signed, at `signed_at` (seconds)."""

    access_key_id: str
    signature: str
    signed_at: float
    session_token: str | None = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)


def read_header(request: Request, hosted_bucket: str) -> HeaderClaim:
    """What `Authorization: AWS …` claims; `hosted_bucket` is the bucket of its host, if any.

    Raises InvalidArgument and AccessDenied for what is missing or malformed, InvalidRequest for
    what the signature could not cover.
    """
    access_key_id, separator, signature = request.headers["authorization"][4:].partition(":")
    if not (access_key_id and separator and signature):
        raise S3Error(
            "InvalidArgument",
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ArgumentName="Authorization",
        )
    try:
        signed_at = sigv4.seconds_of(sigv4.timestamp_of(request.headers))
    except FormatError:
        raise S3Error(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        ) from None
    date = "" if "x-amz-date" in request.headers else request.headers["date"]
    parameters = _parameters(request.query)
    texts = tuple(
        text_v2(request, parameters, resource, date=date, covered=SIGNED_PARAMETERS)
        for resource in _resources(request.path, hosted_bucket)
    )
    token = request.headers.get(TOKEN_HEADER)
    return HeaderClaim(access_key_id, signature, signed_at, token, texts)


def _resources(path: str, hosted_bucket: str) -> tuple[str, ...]:
    """How clients name the resource: a bucket with or without a slash at its end."""
    if hosted_bucket:
        return (f"/{hosted_bucket}{path}",)
    return (path,) if path == "/" or "/" in path[1:] else (path, f"{path}/")


def _parameters(query: str) -> Mapping[str, str]:
    try:
        pairs = sigv4.query_parameters(query)
    except FormatError as error:
        raise S3Error("AccessDenied", str(error)) from None
    parameters = dict(pairs)
    foreign = [n for n in parameters if n not in SIGNED_PARAMETERS and n not in PAGE_PARAMETERS]
    if foreign or len(parameters) != len(pairs):
        raise S3Error(
            "InvalidRequest",
            "Signature Version 2 covers each of its own parameters once, and no other. Please use "
            "AWS4-HMAC-SHA256.",
        )
    return parameters
