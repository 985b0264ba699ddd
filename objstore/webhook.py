"""Posts JSON to an address that the server's owner has named. Blocking, bounded, no redirects."""

import contextlib
import http.client
import socket
import ssl
import threading
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5.0  # of each step
POST_SECONDS_MAX = 15.0  # of all of them: a peer may send a byte at a time
ANSWER_BYTES_MAX = 64 * 1024


class WebhookError(Exception):
    """The address did not take it; the text says why and does not repeat the address."""


def post(url: str, body: bytes) -> None:
    """Post `body`; an answer other than 2xx is a refusal. Raises WebhookError."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname,
            parts.port,
            timeout=TIMEOUT_SECONDS,
            context=ssl.create_default_context(),
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    late = threading.Event()
    end: threading.Timer | None = None
    try:
        connection.connect()
        end = threading.Timer(POST_SECONDS_MAX, _cut, (connection.sock, late))
        end.daemon = True
        end.start()
        connection.request("POST", target, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        raise WebhookError(type(error).__name__) from error
    finally:
        if end is not None:
            end.cancel()
        connection.close()
    if late.is_set():
        raise WebhookError("TimeoutError")
    if not 200 <= answer.status < 300:
        raise WebhookError(f"status {answer.status}")


def _cut(connected: socket.socket, late: threading.Event) -> None:
    """End a connection that another thread waits for."""
    late.set()
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
