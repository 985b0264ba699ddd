"""What browsers need of a bucket: preflight requests, and CORS headers on every answer.

A preflight is never signed, so it is answered before authentication and says nothing about objects.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
"""

import re

from objstore.errors import S3Error
from objstore.exchange import Headers, Request, Response
from objstore.rules import cors
from objstore.storage.records import Bucket

METHOD_HEADER = "access-control-request-method"
HEADERS_HEADER = "access-control-request-headers"
NAMES_MAX = 100
NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of "
    "Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are "
    "not whitelisted by the resource's CORS spec."
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def cors_headers(request: Request, bucket: Bucket | None) -> Headers:
    """The CORS headers of an actual request's answer, whatever that will be; often none.

    Browsers name the method and headers in headers only before they ask; whoever does so later is
    answered for those.
    """
    document = None if bucket is None else bucket.settings.get("cors")
    origin = request.headers.get("origin", "")
    if document is None or not _safe(origin):
        return []
    method = request.headers.get(METHOD_HEADER, request.method)
    names = _names(request)
    if names is None:
        return []
    found = cors.answer(document, origin=origin, method=method, headers=names)
    return _encoded(found or [])


def preflight(request: Request, bucket: Bucket | None, *, key: str) -> Response:
    """The answer to OPTIONS. Raises BadRequest, AccessForbidden."""
    origin = request.headers.get("origin", "")
    if not _safe(origin):
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    method = request.headers.get(METHOD_HEADER)
    if bucket is None:
        raise _forbidden("CORSResponse: Bucket not found", method, "")
    document = bucket.settings.get("cors")
    if document is None:
        raise _forbidden("CORSResponse: CORS is not enabled for this bucket.", method, "")
    if method not in cors.METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}")
    names = _names(request)
    found = None
    if names is not None:
        found = cors.answer(document, origin=origin, method=method, headers=names)
    if found is None:
        raise _forbidden(NOT_ALLOWED, method, key)
    return Response(200, [*_encoded(found), (b"content-length", b"0")])


def _names(request: Request) -> list[str] | None:
    """The headers that a browser asks about; None if they cannot be the names of headers.

    Nor may they be more than any page sends: each may be tried on every pattern of the bucket.
    """
    asked = request.headers.get(HEADERS_HEADER, "")
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    if len(names) > NAMES_MAX:
        return None
    return names if all(_TOKEN.fullmatch(name) for name in names) else None


def _safe(origin: str) -> bool:
    """Whether an origin can be repeated in a header."""
    return bool(origin) and origin.isascii() and origin.isprintable()


def _encoded(headers: list[tuple[str, str]]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers]


def _forbidden(message: str, method: str | None, key: str) -> S3Error:
    return S3Error(
        "AccessForbidden",
        message,
        Method=method or "OPTIONS",
        ResourceType="OBJECT" if key else "BUCKET",
    )
