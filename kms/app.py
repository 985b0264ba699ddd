"""The HTTP door of a KMS that runs alone: limits, request ids, SigV4, JSON 1.1. Plain ASGI.

Knows no operation. A request that is authentic goes to `KMS.handle` as its principal, in the region
that it was signed for.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from kms import wire
from kms.aws import clock_control, json_protocol, local_pages, sigv4
from kms.aws.authentication import authenticate
from kms.aws.clock import Clock, ServiceClock
from kms.aws.clock_control import ClockError
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Credentials
from kms.aws.local_pages import is_asked_here
from kms.client import KMS
from kms.errors import KMSError

LOG = logging.getLogger("kms.app")
CLOCK_PATH = b"/_/clock"
KEEP_SECONDS = 1.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """An ASGI application. `wall` is the clock that signatures are checked against.

    `movable` is the service clock if `/_/clock` may show and move it.
    """

    def __init__(
        self,
        kms: KMS,
        *,
        credentials: Credentials,
        wall: Clock,
        movable: ServiceClock | None = None,
    ) -> None:
        self._kms = kms
        self._credentials = credentials
        self._wall = wall
        self._movable = movable

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and scope["raw_path"] == CLOCK_PATH and self._movable:
            await self._answer_clock(self._movable, scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise RuntimeError(f"no answer to {scope['type']}")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Serve, and keep the schedule of keys that nobody asks for, until the end."""
        keeper: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                keeper = asyncio.create_task(self._keep())
            elif keeper is not None:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _keep(self) -> None:
        while True:
            try:
                self._kms.write_uses()
                self._kms.sweep()
                if self._kms.owes_erasure:
                    await asyncio.to_thread(self._kms.erase)
            except Exception:
                LOG.exception("what is due to keys could not be done")
            await asyncio.sleep(KEEP_SECONDS)

    async def _answer_clock(
        self, clock: ServiceClock, scope: Message, receive: Receive, send: Send
    ) -> None:
        if not is_asked_here(sigv4.collect_headers(scope["headers"])):
            refusal = json.dumps({"error": local_pages.REFUSAL}).encode()
            await _send(send, 403, refusal, str(uuid.uuid4()))
            return
        status, reply = 200, {}
        try:
            body = await _read(receive)
            if body is None:
                return
            if scope["method"] == "POST":
                clock_control.move(clock, body)
                self._kms.sweep()
            reply = clock_control.show(clock)
        except ClockError as error:
            status, reply = 400, {"error": str(error)}
        except AWSError as error:
            status, reply = error.status, {"error": error.message}
        await _send(send, status, json.dumps(reply).encode(), str(uuid.uuid4()))

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        try:
            body = await _read(receive)
            if body is None:
                return
            status, reply = await self._handle(scope, body, request_id)
        except AWSError as error:
            status, reply = error.status, wire.render_error(error)
        except Exception:
            await _send(send, 500, wire.render_error(KMSError("KMSInternalException")), request_id)
            raise
        await _send(send, status, reply, request_id)

    async def _handle(
        self, scope: Message, body: bytes, request_id: str
    ) -> tuple[int, bytes | bytearray]:
        headers = sigv4.collect_headers(scope["headers"])
        credential, region = authenticate(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body,
            credentials=self._credentials,
            clock=self._wall,
        )
        if not json_protocol.is_call(scope["method"], headers.get("content-type", "")):
            return 404, json_protocol.NO_CALL
        client = scope.get("client")
        caller = Caller(
            credential.principal,
            credential.access_key_id,
            region,
            request_id,
            source_ip=client[0] if client else "",
            user_agent=headers.get("user-agent", ""),
            secure=scope.get("scheme") == "https",
        )
        target = headers.get("x-amz-target", "")
        await self._kms.prepare(target, body)
        return self._kms.handle(target, body, caller)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if the client went away. Raises RequestEntityTooLarge (413)."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > wire.BODY_BYTES_MAX:
            raise AWSError("RequestEntityTooLargeException", "The request is too large", status=413)
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: Send, status: int, body: bytes | bytearray, request_id: str) -> None:
    kind = wire.CONTENT_TYPE if status != 404 else "application/xml"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", request_id.encode()),
        (b"cache-control", b"no-cache, no-store, must-revalidate, private"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
