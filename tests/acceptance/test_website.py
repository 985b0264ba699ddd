"""A website as a browser sees it, once its bucket's policy lets everybody read."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

BUCKET = "a-website"
HOST = f"{BUCKET}.s3-website.localhost"
EVERYBODY_READS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
    ],
}
EVERYBODY_LISTS = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:ListBucket",
    "Resource": f"arn:aws:s3:::{BUCKET}",
}


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for key in ("index.html", "docs/index.html"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode(), ContentType="text/html")
    client.put_object(
        Bucket=BUCKET, Key="moved", Body=b"", WebsiteRedirectLocation="/docs/index.html"
    )
    client.put_bucket_website(
        Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
    )
    return client


def get(server: Any, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    netloc = urlsplit(server.endpoint).netloc
    connection = http.client.HTTPConnection(netloc, timeout=10)
    sent = {"Host": f"{HOST}:{urlsplit(server.endpoint).port}", **headers}
    connection.request("GET", path, headers=sent)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {name.lower(): text for name, text in response.getheaders()}, body


def open_to(client: Any, *more: dict[str, Any]) -> None:
    client.delete_public_access_block(Bucket=BUCKET)
    policy = {**EVERYBODY_READS, "Statement": [*EVERYBODY_READS["Statement"], *more]}
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


def test_a_private_bucket_shows_nothing(server: Any, client: Any) -> None:
    client.delete_bucket_policy(Bucket=BUCKET)
    status, headers, body = get(server, "/")
    assert (status, headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert b"<li>Code: AccessDenied</li>" in body


def test_pages_folders_and_redirects(server: Any, client: Any) -> None:
    open_to(client)
    for path in ("/", "/index.html"):
        status, headers, body = get(server, path)
        assert (status, headers["content-type"], body) == (200, "text/html", b"index.html")
    assert get(server, "/docs/")[2] == b"docs/index.html"
    assert get(server, "/moved")[:1] == (301,)
    assert get(server, "/moved")[1]["location"] == "/docs/index.html"
    etag = get(server, "/")[1]["etag"]
    assert get(server, "/", **{"If-None-Match": etag})[0] == 304
    status, _, body = get(server, "/", Range="bytes=0-4")
    assert (status, body) == (206, b"index")


def test_what_is_missing_is_told_to_those_who_may_list(server: Any, client: Any) -> None:
    open_to(client)
    assert get(server, "/nothing")[0] == 403
    open_to(client, EVERYBODY_LISTS)
    status, _, body = get(server, "/nothing")
    assert (status, b"<li>Key: nothing</li>" in body) == (404, True)
    status, headers, _ = get(server, "/docs")
    assert (status, headers["location"]) == (302, "/docs/")


def test_a_host_without_a_bucket(server: Any, client: Any) -> None:
    status, _, body = get(server, "/", Host="nobody.s3-website.localhost")
    assert (status, b"NoSuchBucket" in body) == (404, True)
