"""CORS as a browser sees it, on a real socket: unsigned preflights, headers on errors too."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

BUCKET = "browsers"
ORIGIN = "https://app.example"
RULE = {
    "AllowedOrigins": [ORIGIN],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    client = server.client("s3", config=Config(signature_version="s3v4"))
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [RULE]})
    client.put_object(Bucket=BUCKET, Key="key", Body=b"data")
    return client


def ask(server: Any, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(server.endpoint).netloc, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


def test_a_preflight_needs_no_signature(server: Any, client: Any) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    status, headers = ask(server, "OPTIONS", f"/{BUCKET}/any/key?x=1", asked)
    assert status == 200
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-methods"] == "GET, PUT"
    assert headers["access-control-max-age"] == "60"
    assert headers["x-amz-request-id"]


def test_a_preflight_that_is_refused(server: Any, client: Any) -> None:
    asked = {"Origin": "https://evil", "Access-Control-Request-Method": "PUT"}
    status, headers = ask(server, "OPTIONS", f"/{BUCKET}/key", asked)
    assert status == 403
    assert not any(name.startswith("access-control") for name in headers)


def test_answers_and_errors_have_the_headers(server: Any, client: Any) -> None:
    url = client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "key"})
    path = url.removeprefix(server.endpoint)
    for target, expected in ((path, 200), (f"{path}x", 403), (f"/{BUCKET}/key", 403)):
        status, headers = ask(server, "GET", target, {"Origin": ORIGIN})
        assert status == expected
        assert headers["access-control-allow-origin"] == ORIGIN
        assert headers["access-control-expose-headers"] == "ETag"
        assert headers["vary"].startswith("Origin")


def test_requests_without_an_allowed_origin_have_none(server: Any, client: Any) -> None:
    for sent in ({}, {"Origin": "https://evil"}, {"Referer": ORIGIN}):
        _, headers = ask(server, "GET", f"/{BUCKET}/key", sent)
        assert not any(name.startswith("access-control") for name in headers)
