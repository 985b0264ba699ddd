"""Websites: indexes, folders, redirects and error pages over a real bucket's objects."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.errors import S3Error
from objstore.exchange import Request, Response
from objstore.hosting import Hosting
from objstore.storage.records import Bucket
from objstore.transfer.content import ContentHeaders

DOMAIN = "s3-website.localhost"
INDEX: dict[str, Any] = {"IndexDocument": {"Suffix": "index.html"}}
ERROR: dict[str, Any] = {**INDEX, "ErrorDocument": {"Key": "error.html"}}


def request(path: str, method: str = "GET", **headers: str) -> Request:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads a body here")

    sent = {"host": f"bucket.{DOMAIN}:9000", **headers}
    scope = {
        "method": method,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "scheme": "http",
    }
    return Request(scope, receive)


class Site:
    """The website of the bucket, read as its owner but for keys under `secret/`."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.hosting = Hosting(domain=DOMAIN, bucket=s3.store.bucket, read=self.read)

    async def read(self, asked: Request, bucket: Bucket, key: str) -> Response:
        if key.startswith("secret/"):
            raise S3Error("AccessDenied")
        if asked.method == "HEAD":
            reply = await self.s3.call("HeadObject", key=key)
        else:
            reply = await self.s3.call("GetObject", key=key)
        headers = [(b"etag", reply["ETag"].encode())]
        if "WebsiteRedirectLocation" in reply:
            location = reply["WebsiteRedirectLocation"].encode()
            headers.append((b"x-amz-website-redirect-location", location))
        return Response(200, headers, reply.get("Body", b""))

    async def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
        asked = request(path, method)
        try:
            response = await self.hosting.handle(asked)
        except AWSError as error:
            response = self.hosting.fail(asked, error)
        body = response.body
        assert isinstance(body, bytes)
        headers = {name.decode(): value.decode() for name, value in response.headers}
        return response.status, headers, body.decode()


@pytest.fixture
async def site(s3: Any) -> Site:
    for key in ("index.html", "a/index.html", "/example.com/index.html", "page", "error.html"):
        await s3.put(key, key.encode())
    away = ContentHeaders(website_redirect_location="https://example.com/away")
    await s3.put("away", b"", headers=away)
    return Site(s3)


async def configure(site: Site, document: dict[str, Any]) -> None:
    await site.s3.call("PutBucketWebsite", website_configuration=document)


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/", 200, "index.html"),
        ("/page", 200, "page"),
        ("/a/", 200, "a/index.html"),
        ("/a", 302, "/a/"),
        ("//example.com", 302, "/%2Fexample.com/"),
        ("/%2Fexample.com/", 200, "/example.com/index.html"),
        ("/away", 301, "https://example.com/away"),
        ("/nothing", 404, "NoSuchKey"),
        ("/nothing/", 404, "NoSuchKey"),
        ("/secret/a", 403, "AccessDenied"),
    ],
)
async def test_pages(site: Site, path: str, status: int, shown: str) -> None:
    await configure(site, INDEX)
    found, headers, body = await site.get(path)
    assert found == status
    if status in (301, 302):
        assert (headers["location"], body) == (shown, "")
    else:
        assert shown in body


async def test_the_page_of_an_error(site: Site) -> None:
    await configure(site, INDEX)
    _, headers, body = await site.get("/no%3Cthing")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-amz-error-code"] == "NoSuchKey"
    assert headers["x-amz-error-detail-key"] == "no<thing"
    assert "<title>404 Not Found</title>" in body
    assert "<li>Key: no&lt;thing</li>" in body
    status, headers, body = await site.get("/nothing", "HEAD")
    assert (status, body) == (404, "")
    assert int(headers["content-length"]) > 0
    status, headers, body = await site.get("/a%0Ax-evil:%20b")
    assert (status, "x-amz-error-detail-key" in headers) == (404, False)
    assert "<li>Key: a\nx-evil: b</li>" in body


async def test_a_site_may_have_a_page_for_errors(site: Site) -> None:
    await configure(site, ERROR)
    for path, status in (("/nothing", 404), ("/secret/a", 403)):
        found, headers, body = await site.get(path)
        assert (found, body) == (status, "error.html")
        code = "NoSuchKey" if status == 404 else "AccessDenied"
        assert headers["x-amz-error-code"] == code
    await site.s3.call("DeleteObject", key="error.html")
    status, _, body = await site.get("/nothing")
    assert status == 404
    assert "An Error Occurred While Attempting to Retrieve a Custom Error Document" in body
    assert body.count("<li>Code: NoSuchKey</li>") == 2


async def test_rules_come_before_and_after_reading(site: Site) -> None:
    rules = [
        {
            "Condition": {"KeyPrefixEquals": "old/"},
            "Redirect": {"ReplaceKeyPrefixWith": "a/"},
        },
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"HostName": "example.com", "HttpRedirectCode": "307"},
        },
    ]
    await configure(site, {**ERROR, "RoutingRules": rules})
    status, headers, _ = await site.get("/old/index.html")
    assert (status, headers["location"]) == (301, f"http://bucket.{DOMAIN}:9000/a/index.html")
    status, headers, _ = await site.get("/nothing")
    assert (status, headers["location"]) == (307, "http://example.com/nothing")
    assert (await site.get("/secret/a"))[0] == 403


async def test_a_site_may_be_somewhere_else(site: Site) -> None:
    await configure(site, {"RedirectAllRequestsTo": {"HostName": "example.com"}})
    status, headers, _ = await site.get("/any/page")
    assert (status, headers["location"]) == (301, "http://example.com/any/page")


async def test_an_error_page_may_be_somewhere_else(site: Site) -> None:
    await configure(site, {**INDEX, "ErrorDocument": {"Key": "away"}})
    status, headers, body = await site.get("/nowhere")
    assert (status, headers["location"], body) == (301, "https://example.com/away", "")


async def test_what_is_no_site(site: Site) -> None:
    status, _, body = await site.get("/")
    assert (status, "NoSuchWebsiteConfiguration" in body) == (404, True)
    await configure(site, INDEX)
    status, _, body = await site.get("/", "POST")
    assert (status, "MethodNotAllowed" in body) == (405, True)
    assert "<li>ResourceType: OBJECT</li>" in body
    other = Hosting(domain="other.localhost", bucket=site.s3.store.bucket, read=site.read)
    with pytest.raises(AWSError, match="NoSuchBucket"):
        await other.handle(request("/", host="nobody.other.localhost"))


@pytest.mark.parametrize(
    ("host", "served"),
    [
        (f"bucket.{DOMAIN}", True),
        (f"bucket.{DOMAIN}:9000", True),
        (DOMAIN, False),
        ("bucket.localhost", False),
        ("", False),
    ],
)
def test_which_hosts_are_websites(site: Site, host: str, served: bool) -> None:
    assert site.hosting.serves(host) is served
