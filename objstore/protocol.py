"""The HTTP connection: uvicorn's httptools protocol with limits on what it accepts.

httptools itself bounds nothing, so header bytes and count, the time a header may take and the
rate of a body are bounded here. The request target is passed on as the client sent it, because
object keys are bytes that nothing may normalise. A `100 Continue` is sent by uvicorn when the
application first asks for the body, which the gateway does only after it has authenticated the
headers.

Requests that arrive together are begun together, once all of them are read. Most are answered
without waiting for anything, and so without a task of their own; one that waits goes on in a task.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import types
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet
from xml.sax.saxutils import escape

from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.server import ServerState

ERRORS = logging.getLogger("objstore.errors")
HEADER_BYTES_MAX = 32 * 1024
HEADER_COUNT_MAX = 200
TARGET_BYTES_MAX = 8 * 1024
HEADER_SECONDS_MAX = 10.0
BODY_GRACE_SECONDS = 30.0
BODY_BYTES_PER_SECOND_MIN = 1024
WATCH_INTERVAL_SECONDS = 1.0
CLOSE_NOTIFY_SECONDS_MAX = 1.0
JOINED_BYTES_MAX = 64 * 1024
ASGI = {"version": "3.0", "spec_version": "2.3"}
_IDS = random.Random(os.urandom(32))


class RefusedError(Exception):
    """Raised in a parser callback to end the connection with an error document."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Arrivals:
    """The requests of one event loop that are read and not begun."""

    of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Arrivals]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._waiting: list[tuple[BoundedProtocol, Coroutine[Any, None, None]]] = []

    @classmethod
    def at(cls, loop: asyncio.AbstractEventLoop) -> Arrivals:
        """Those of `loop`."""
        found = cls.of_loop.get(loop)
        if found is None:
            found = cls.of_loop[loop] = cls()
        return found

    def add(self, protocol: BoundedProtocol, request: Coroutine[Any, None, None]) -> None:
        """Begin `request` when the loop has read what else has arrived."""
        if not self._waiting:
            protocol.loop.call_soon(self._begin)
        self._waiting.append((protocol, request))

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for protocol, request in waiting:
            try:
                protocol.begin(request)
            except Exception:
                ERRORS.exception("a request could not be begun")


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
        self.receiving = False
        self.arrivals_seen = 0
        self.arrived_bytes = 0
        self.header_arrival = 0
        self.arrivals = Arrivals.at(self.loop)

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
        self.receiving = True
        self.arrivals_seen += 1
        self.arrived_bytes = len(data)
        super().data_received(data)
        self.receiving = False
        if self.in_header and whole_is_header and messages == self.messages:
            self.header_bytes += len(data)
            if self.header_bytes > HEADER_BYTES_MAX and self.refusal is None:
                self.refuse(too_large())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin a request that was just read; as a task if it was waiting for its turn."""
        if self.receiving:
            self.arrivals.add(self, cycle.run_asgi(app))
        else:
            super()._start_asgi_task(cycle, app)

    def begin(self, request: Coroutine[Any, None, None]) -> None:
        """Run a request up to where it waits, and on from there in a task.

        Until then `asyncio.current_task()` is None, so nothing before may need one.
        """
        if self.refusal is not None:
            request.close()
            return
        try:
            awaited = request.send(None)
        except StopIteration:
            return
        task = self.loop.create_task(_resumed(request, awaited))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.header_arrival = self.arrivals_seen
        self.phase_began = self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > TARGET_BYTES_MAX:
            self.refusal = RefusedError("InvalidURI", "The request target is too long.")
            raise self.refusal

    def on_headers_complete(self) -> None:
        """Begin the request, or let it wait for its turn, with the target as it was sent."""
        if self.header_is_too_large():
            self.refusal = too_large()
            raise self.refusal
        self.in_header = False
        self.body_bytes = 0
        self.phase_began = self.loop.time()
        parser, earlier = self.parser, self.cycle
        version = parser.get_http_version()
        raw_path, _, query = origin_form(self.url).partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": raw_path.decode("latin-1"),
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
        }
        self.cycle = cycle = scope["objstore.connection"] = RequestResponseCycle(
            scope,  # type: ignore[arg-type]
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        app = service_unavailable if self.too_many() else self.app
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def header_is_too_large(self) -> bool:
        """A header that arrived whole, with few bytes, is not; most do."""
        if len(self.headers) > HEADER_COUNT_MAX:
            return True
        whole = self.header_arrival == self.arrivals_seen
        if whole and self.arrived_bytes <= HEADER_BYTES_MAX:
            return False
        return sum(len(name) + len(value) + 4 for name, value in self.headers) > HEADER_BYTES_MAX

    def too_many(self) -> bool:
        """Whether the server has more connections, or requests that wait, than it shall have."""
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.in_header = True
        self.header_bytes = 0
        self.messages += 1

    def on_response_complete(self) -> None:
        """Go on with what was sent ahead.

        Of idle connections `watch` takes care, where uvicorn has a timer for each.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.phase_began = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

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

    def idle(self, now: float) -> bool:
        """Whether the client has asked for nothing for too long."""
        return (
            self.in_header
            and self.header_bytes == 0
            and (self.cycle is None or self.cycle.response_complete)
            and now - self.phase_began > self.timeout_keep_alive
        )

    @classmethod
    def watch(cls, loop: asyncio.AbstractEventLoop) -> None:
        """Close idle and late connections of `loop`; runs itself again while there are any."""
        now = loop.time()
        mine = [protocol for protocol in cls.open_connections if protocol.loop is loop]
        for protocol in mine:
            if protocol.transport.is_closing():
                cls.open_connections.discard(protocol)
            elif protocol.idle(now):
                protocol.transport.close()
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


async def _resumed(request: Coroutine[Any, None, None], awaited: object) -> None:
    """`request`, which ran up to where it awaits `awaited`; a task takes only a coroutine."""
    await _rest(request, awaited)


@types.coroutine
def _rest(request: Coroutine[Any, None, None], awaited: object) -> Generator[Any, None, None]:
    while True:
        try:
            yield awaited
        except BaseException as error:
            try:
                awaited = request.throw(error)
            except StopIteration:
                return
        else:
            yield from request.__await__()
            return


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
    head = STATUS_LINE[status] + b"\r\n".join(map(b": ".join, every))
    ends = len(every) + 2
    if not bodiless and b"\r\ncontent-length: " not in head:
        head += b"\r\ncontent-length: %d" % len(body)
        ends += 1
    if b"\r\nconnection: " in head:  # The front door has only one thing to say there.
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        head += b"\r\nconnection: close"
        ends += 1
    head += b"\r\n\r\n"
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


def whole_body(cycle: RequestResponseCycle) -> bytes | None:
    """The body of a request that has all of it arrived already, as most do; else None."""
    if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
        return None
    body, cycle.body = cycle.body, bytearray()
    return bytes(body)


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
