"""Buckets as websites, on a domain of their own: `bucket.s3-website.localhost`.

Everybody reads anonymously, so a site shows what its bucket's policy lets everybody read. Errors
are pages. Where a request goes is `objstore.rules.website`'s; reading is the gateway's.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
"""

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from objstore.browsers import cors_headers
from objstore.errors import AWSError, S3Error
from objstore.exchange import Headers, Request, Response
from objstore.rules import website
from objstore.storage.records import Bucket
from objstore.wire.render import header_value
from objstore.wire.route import hosted_bucket, split_target

REDIRECT_HEADER = b"x-amz-website-redirect-location"
OPERATIONS = {"GET": "WebsiteGetObject", "HEAD": "WebsiteHeadObject"}

Read = Callable[[Request, Bucket, str], Awaitable[Response]]
"""Reads an object for anybody who asks, or raises why not."""


class Hosting:
    """The door of all websites. `domain` is the suffix of their host names."""

    def __init__(self, *, domain: str, bucket: Callable[[str], Bucket | None], read: Read) -> None:
        self._domains = (domain,)
        self._bucket = bucket
        self._read = read

    def serves(self, host: str) -> bool:
        """Whether a Host header names a website."""
        return hosted_bucket(host, self._domains) != ""

    async def handle(self, request: Request) -> Response:
        """Answer a website's request; `fail` makes pages of errors."""
        host = request.headers.get("host", "")
        name, key = split_target(request.raw_path, host, self._domains)
        request.operation = OPERATIONS.get(request.method, "Unknown")
        if request.method not in OPERATIONS:
            raise S3Error("MethodNotAllowed", Method=request.method, ResourceType="OBJECT")
        bucket = self._bucket(name)
        if bucket is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        if "origin" in request.headers:
            request.cors_headers = cors_headers(request, bucket)
        document = bucket.settings.get("website")
        if document is None:
            raise S3Error("NoSuchWebsiteConfiguration", BucketName=name)
        scheme = "https" if request.secure else "http"
        asked = website.Address(scheme, host, key, request.raw_query.decode("latin-1"))
        elsewhere = website.redirect(document, asked, status=None)
        if elsewhere is not None:
            return _redirected(elsewhere)
        try:
            response = await self._read(request, bucket, website.index_key(document, key))
        except AWSError as error:
            return await self._after(request, bucket, document, asked, error)
        return await _away(response) or response

    async def _after(
        self,
        request: Request,
        bucket: Bucket,
        document: Mapping[str, Any],
        asked: website.Address,
        error: AWSError,
    ) -> Response:
        """What follows an error: a folder, a rule, the site's own page, or the error itself."""
        if error.status < 400:
            raise error
        if error.code == "NoSuchKey" and asked.key and not asked.key.endswith("/"):
            folder = asked.key + "/"
            if await self._exists(request, bucket, website.index_key(document, folder)):
                return _redirected(website.Redirect(302, _path(folder)))
        elsewhere = website.redirect(document, asked, status=error.status)
        if elsewhere is not None:
            return _redirected(elsewhere)
        if "ErrorDocument" not in document:
            raise error
        try:
            page = await self._read(request, bucket, document["ErrorDocument"]["Key"])
        except AWSError as second:
            return _page(request, error, second)
        page.status = error.status
        page.headers += _error_headers(error)
        return await _away(page) or page

    async def _exists(self, request: Request, bucket: Bucket, key: str) -> bool:
        try:
            response = await self._read(request, bucket, key)
        except AWSError:
            return False
        await _close(response)
        return True

    def fail(self, request: Request, error: AWSError) -> Response:
        """The page of an error."""
        if request.visit is not None:
            request.visit.error_code = error.code
        return _page(request, error, None)


def _path(key: str) -> str:
    """The path of a key. One that begins with a slash must not look like the name of a host."""
    first = "%2F" if key.startswith("/") else ""
    return "/" + first + quote(key.removeprefix("/"))


async def _away(response: Response) -> Response | None:
    """The redirect that an object asks for by its metadata, if it does."""
    location = dict(response.headers).get(REDIRECT_HEADER)
    if location is None:
        return None
    await _close(response)
    return _redirected(website.Redirect(301, location.decode()))


async def _close(response: Response) -> None:
    """Let go of a body that nobody gets."""
    close = getattr(response.body, "aclose", None)
    if close is not None:
        await close()


def _redirected(elsewhere: website.Redirect) -> Response:
    location = header_value("location", elsewhere.location)
    return Response(elsewhere.status, [(b"location", location), (b"content-length", b"0")])


def _page(request: Request, error: AWSError, second: AWSError | None) -> Response:
    """S3's own page; `second` is why the site's page could not be shown."""
    headers: Headers = [
        (name.lower().encode(), header_value(name, text)) for name, text in error.headers.items()
    ]
    if error.status == HTTPStatus.NOT_MODIFIED:
        return Response(error.status, headers)
    title = f"{error.status} {HTTPStatus(error.status).phrase}"
    own = {"RequestId": request.request_id, "HostId": request.host_id}
    parts = [
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n",
        _list({**_told(error), **own}),
    ]
    if second is not None:
        parts.append(
            "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n"
        )
        parts.append(_list(_told(second)))
    parts.append("<hr/>\n</body>\n</html>\n")
    body = "".join(parts).encode()
    headers += [
        *_error_headers(error),
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    return Response(error.status, headers, b"" if request.method == "HEAD" else body)


def _error_headers(error: AWSError) -> Headers:
    """What pages tell programs, the site's own pages too; not what no header could have."""
    told = {"code": error.code, "message": error.message}
    told |= {f"detail-{name.lower()}": text for name, text in error.fields.items()}
    return [
        (f"x-amz-error-{name}".encode(), header_value(name, text))
        for name, text in told.items()
        if text.isprintable()
    ]


def _told(error: AWSError) -> dict[str, str]:
    return {"Code": error.code, "Message": error.message, **error.fields}


def _list(fields: Mapping[str, str]) -> str:
    items = "".join(f"<li>{name}: {escape(text)}</li>\n" for name, text in fields.items())
    return f"<ul>\n{items}</ul>\n"
