"""The HTTP connection: uvicorn's httptools protocol with limits on what it accepts.

httptools itself bounds nothing, so header bytes and count, the time a header may take and the
rate of a body are bounded here. The request target is passed on as the client sent it, because
object keys are bytes that nothing may normalise. A `100 Continue` is sent by uvicorn when the
application first asks for the body, which the gateway does only after it has authenticated the
headers.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet
from xml.sax.saxutils import escape

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

HEADER_BYTES_MAX = 32 * 1024
HEADER_COUNT_MAX = 200
TARGET_BYTES_MAX = 8 * 1024
HEADER_SECONDS_MAX = 10.0
BODY_GRACE_SECONDS = 30.0
BODY_BYTES_PER_SECOND_MIN = 1024
WATCH_INTERVAL_SECONDS = 1.0
CLOSE_NOTIFY_SECONDS_MAX = 1.0
JOINED_BYTES_MAX = 64 * 1024
_IDS = random.Random(os.urandom(32))


class RefusedError(Exception):
    """Raised in a parser callback to end the connection with an error document."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class BoundedProtocol(HttpToolsProtocol):
    """One client connection."""

    # Every open connection of this process, and the loop that a watcher runs on.
    open_connections: ClassVar[WeakSet[BoundedProtocol]] = WeakSet()
    watched_loop: ClassVar[asyncio.AbstractEventLoop | None] = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.refusal: RefusedError | None = None
        self.in_header = False
        self.header_bytes = 0
        self.messages = 0
        self.phase_began = 0.0
        self.body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.in_header = True
        self.phase_began = self.loop.time()
        cls = type(self)
        cls.open_connections.add(self)
        if cls.watched_loop is not self.loop:
            cls.watched_loop = self.loop
            self.loop.call_later(WATCH_INTERVAL_SECONDS, cls.watch, self.loop)

    def data_received(self, data: bytes) -> None:
        whole_is_header = self.in_header
        messages = self.messages
        super().data_received(data)
        if self.in_header and whole_is_header and messages == self.messages:
            self.header_bytes += len(data)
            if self.header_bytes > HEADER_BYTES_MAX and self.refusal is None:
                self.refuse(too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.phase_began = self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > TARGET_BYTES_MAX:
            self.refusal = RefusedError("InvalidURI", "The request target is too long.")
            raise self.refusal

    def on_headers_complete(self) -> None:
        total = sum([len(name) + len(value) + 4 for name, value in self.headers])
        if total > HEADER_BYTES_MAX or len(self.headers) > HEADER_COUNT_MAX:
            self.refusal = too_large()
            raise self.refusal
        self.in_header = False
        self.body_bytes = 0
        self.phase_began = self.loop.time()
        raw_path, _, query = origin_form(self.url).partition(b"?")
        self.url = b"/"  # uvicorn would decode and normalise the target
        super().on_headers_complete()
        self.scope["raw_path"] = raw_path
        self.scope["path"] = raw_path.decode("latin-1")
        self.scope["query_string"] = query
        self.scope["objstore.connection"] = self.cycle  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.in_header = True
        self.header_bytes = 0
        self.messages += 1

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.phase_began = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        self.refuse(self.refusal or RefusedError("BadRequest", "The request is not valid HTTP."))

    def refuse(self, refusal: RefusedError) -> None:
        """Answer an error document and close: the connection is of no more use."""
        self.refusal = refusal
        request_id = new_request_id()
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        ).encode()
        if not self.transport.is_closing():
            if (
                self.cycle is None
                or self.cycle.response_complete
                or not self.cycle.response_started
            ):
                head = (
                    "content-type: application/xml\r\nconnection: close\r\n"
                    f"x-amz-request-id: {request_id}\r\ncontent-length: {len(document)}\r\n\r\n"
                )
                self.transport.write(STATUS_LINE[400] + head.encode() + document)
            self.transport.close()

    def shutdown(self) -> None:
        """Close, or after the response in flight. The server stops.

        A TLS connection is closed when its peer says so too (RFC 8446 §6.1), which a client that
        keeps a connection for later does not do: an idle one is not waited for.
        """
        super().shutdown()
        if self.transport.is_closing() and self.transport.get_extra_info("sslcontext"):
            self.loop.call_later(CLOSE_NOTIFY_SECONDS_MAX, self.transport.abort)

    def late(self, now: float) -> bool:
        """Whether the client takes too long over its header or sends its body too slowly."""
        elapsed = now - self.phase_began
        if self.in_header:
            return self.header_bytes > 0 and elapsed > HEADER_SECONDS_MAX
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return False
        if self.flow.read_paused or cycle.waiting_for_100_continue:
            return False
        return (
            elapsed > BODY_GRACE_SECONDS and self.body_bytes < elapsed * BODY_BYTES_PER_SECOND_MIN
        )

    @classmethod
    def watch(cls, loop: asyncio.AbstractEventLoop) -> None:
        """Close late connections of `loop`; runs itself again while there are connections."""
        now = loop.time()
        mine = [protocol for protocol in cls.open_connections if protocol.loop is loop]
        for protocol in mine:
            if protocol.transport.is_closing():
                cls.open_connections.discard(protocol)
            elif protocol.late(now):
                protocol.refuse(
                    RefusedError(
                        "RequestTimeout",
                        "Your socket connection to the server was not read from or written to "
                        "within the timeout period.",
                    )
                )
        if mine:
            loop.call_later(WATCH_INTERVAL_SECONDS, cls.watch, loop)
        elif cls.watched_loop is loop:
            cls.watched_loop = None


async def send_whole(
    cycle: RequestResponseCycle,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes | bytearray,
) -> None:
    """Send a response whose body is at hand, in one write where uvicorn's `send` takes two.

    A `bytearray` holds a secret and is never copied.

    Raises ValueError for a header that would end early.
    """
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    bodiless = cycle.scope["method"] == "HEAD" or status in (204, 304)
    every = [*cycle.default_headers, *headers]
    names = {name for name, _ in every}
    if b"content-length" not in names and not bodiless:
        every.append((b"content-length", b"%d" % len(body)))
    if b"connection" in names:  # The front door has only one thing to say there.
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        every.append((b"connection", b"close"))
    head = b"".join(
        [STATUS_LINE[status], *[name + b": " + value + b"\r\n" for name, value in every], b"\r\n"]
    )
    ends = len(every) + 2
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise ValueError("a header holds the end of a line")
    if bodiless:
        cycle.transport.write(head)
    elif isinstance(body, bytes) and len(body) <= JOINED_BYTES_MAX:
        cycle.transport.write(head + body)
    else:
        cycle.transport.writelines((head, body))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def new_request_id() -> str:
    """What every answer carries to be found again: 16 upper-case hex digits. No secret."""
    return f"{_IDS.getrandbits(64):016X}"


def too_large() -> RefusedError:
    return RefusedError(
        "RequestHeaderSectionTooLarge",
        "Your request header section exceeds the maximum allowed request header section size.",
    )


def origin_form(target: bytes) -> bytes:
    """The path and query of a request target, which may be in absolute form (RFC 9112 §3.2)."""
    if target.startswith(b"/"):
        return target
    _, separator, rest = target.partition(b"://")
    slash = rest.find(b"/")
    return rest[slash:] if separator and slash >= 0 else b"/"
