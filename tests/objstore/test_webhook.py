"""Posting to a webhook: real sockets, every way to fail."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from objstore import webhook
from objstore.webhook import WebhookError, post


class Receiver(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and keeps what it got."""

    got: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.path, self.headers["content-type"], body))
        self.send_response(int(self.path[1:4]))
        self.send_header("location", "/200")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server: HTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_what_is_posted_arrives(receiver: HTTPServer) -> None:
    post(url(receiver, "/204?token=a"), b"{}")
    assert Receiver.got == [("/204?token=a", "application/json", b"{}")]


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_anything_but_2xx_is_a_refusal(receiver: HTTPServer, status: int) -> None:
    with pytest.raises(WebhookError, match=f"status {status}"):
        post(url(receiver, f"/{status}"), b"{}")
    assert len(Receiver.got) == 1


def test_nobody_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(WebhookError, match="ConnectionRefusedError"):
            post(f"http://127.0.0.1:{port}/?token=secret", b"{}")


def test_something_else_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"hello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(WebhookError, match="BadStatusLine"):
            post(f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}")
        thread.join()


def test_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that sends a byte now and then keeps every single step short."""
    monkeypatch.setattr(webhook, "POST_SECONDS_MAX", 0.3)
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-a: ")
                while not gone.wait(0.02):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(WebhookError):
            post(f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}")
        gone.set()
        thread.join()
