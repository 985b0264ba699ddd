import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from objstore.account.fetch import BYTES_MAX, fetch_json

PAGES = {
    "/object": (200, b'{"a": 1}'),
    "/list": (200, b"[1]"),
    "/text": (200, b"hello"),
    "/large": (200, b'"' + b"x" * BYTES_MAX + b'"'),
    "/missing": (404, b"{}"),
    "/moved": (302, b""),
}


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = PAGES[self.path]
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/object")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_object_is_fetched(address: str) -> None:
    assert fetch_json(f"{address}/object") == {"a": 1}


@pytest.mark.parametrize("page", ["list", "text", "large"])
def test_what_is_no_small_json_object(address: str, page: str) -> None:
    with pytest.raises(ValueError, match=r"document|Expecting"):
        fetch_json(f"{address}/{page}")


@pytest.mark.parametrize("page", ["missing", "moved"])
def test_nobody_is_followed_elsewhere(address: str, page: str) -> None:
    with pytest.raises(OSError, match="HTTP Error"):
        fetch_json(f"{address}/{page}")


@pytest.mark.parametrize(
    "url", ["http://issuer.test/", "file:///etc/passwd", "ftp://issuer.test/", "", "http://[::2]/"]
)
def test_other_addresses_are_not_fetched(url: str) -> None:
    with pytest.raises(ValueError, match="https only"):
        fetch_json(url)
