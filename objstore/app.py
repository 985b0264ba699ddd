"""The front door: one ASGI callable for S3, KMS, IAM, STS, CloudTrail and the server's own pages.

Which service a request is for follows from the credential scope of its signature, checked against
what the request looks like; requests without a signature are anonymous S3 requests, or bring STS a
web identity.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import unquote

from kms.aws.clock import monotonic
from objstore import metrics
from objstore.access_log import AccessLog
from objstore.errors import AWSError, S3Error
from objstore.exchange import Receive, Request, Response, Scope, Send, send_response
from objstore.hosting import Hosting
from objstore.log import RequestLog
from objstore.transfer.receive import refusal

ERRORS = logging.getLogger("objstore.errors")
INTERNAL_PREFIX = b"/_/"
SCOPE_MARK = "Credential="
QUERY_SCOPE_MARK = b"X-Amz-Credential="
FORM_TYPE = "application/x-www-form-urlencoded"
# Unsigned requests of JSON services, to be told that a signature is missing.
TARGETS = {"TrentService.": "kms", "com.amazonaws.cloudtrail.": "cloudtrail"}
UNREAD_BYTES_MAX = 64 * 1024


class Door(Protocol):
    """A service behind the front door."""

    async def handle(self, request: Request) -> Response: ...
    def fail(self, request: Request, error: AWSError) -> Response: ...


ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class Application:
    """The ASGI application of one worker.

    `start` runs once, before the first request, `stop` after the last.
    """

    def __init__(
        self,
        *,
        doors: dict[str, Door],
        internal: ASGI,
        log: RequestLog,
        stop: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]] | None = None,
        hosting: Hosting | None = None,
        access_log: AccessLog | None = None,
    ) -> None:
        self._doors = doors
        self._s3 = doors["s3"]
        self._internal = internal
        self._log = log
        self._start = start
        self._stop = stop
        self._hosting = hosting
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["raw_path"].startswith(INTERNAL_PREFIX):
            # Starlette wants a task; a request has none until it waits.
            await asyncio.ensure_future(self._internal(scope, receive, send))
        else:
            await self._serve(Request(scope, receive), send)

    async def _serve(self, request: Request, send: Send) -> None:
        started = monotonic()
        door = self._s3
        sent = 0
        try:
            door = self._door(request)
            response = await door.handle(request)
        except AWSError as error:
            response = door.fail(request, error)
        except Exception as error:
            response = door.fail(request, _failure(request, error))
        self._finish_headers(request, response)
        try:
            sent = await send_response(request, response, send)
        finally:
            self._account(request, response, sent, monotonic() - started)

    def _door(self, request: Request) -> Door:
        """A website by its host, else the service that the request is signed for, else S3."""
        if self._hosting is not None and self._hosting.serves(request.headers.get("host", "")):
            return self._hosting
        request.service = service_of(request)
        try:
            return self._doors[request.service]
        except KeyError:
            service = request.service
            request.service = "s3"
            raise S3Error(
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; incorrect service "
                f'"{service}". This endpoint belongs to "s3".',
            ) from None

    def _finish_headers(self, request: Request, response: Response) -> None:
        headers = response.headers
        if request.service == "s3":
            headers.append((b"x-amz-request-id", request.request_id.encode()))
            headers.append((b"x-amz-id-2", request.host_id.encode()))
        headers += request.cors_headers
        headers.append((b"server", b"objstore"))
        if response.status >= 400 and self._body_is_unread(request):
            # Reading on would let a refused upload cost as much as an accepted one, and a client
            # that waited for 100 Continue may send its next request where a body is expected.
            headers.append((b"connection", b"close"))

    def _body_is_unread(self, request: Request) -> bool:
        connection = request.connection
        if connection is None or not connection.more_body:
            return False
        length = request.headers.get("content-length", "")
        return bool(
            connection.waiting_for_100_continue
            or "transfer-encoding" in request.headers
            or (length.isdigit() and int(length) > UNREAD_BYTES_MAX)
        )

    def _account(self, request: Request, response: Response, sent: int, seconds: float) -> None:
        metrics.count(
            request.service,
            request.operation,
            response.status,
            seconds=seconds,
            received=request.received_bytes,
            sent=sent,
        )
        if request.visit is not None and self._access_log is not None:
            self._access_log.add(request, response, sent, seconds)
        if self._log.enabled:
            self._log.add(
                {
                    "request_id": request.request_id,
                    "service": request.service,
                    "operation": request.operation,
                    "method": request.method,
                    "path": request.raw_path.decode("latin-1"),
                    "account": request.account,
                    "source": request.source_ip,
                    "status": response.status,
                    "received": request.received_bytes,
                    "sent": sent,
                    "seconds": round(seconds, 6),
                }
            )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._start is not None:
                    await self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                self._log.flush()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _failure(request: Request, error: Exception) -> AWSError:
    """What a client is told of an exception: what storage refuses, else nothing, but the log is."""
    told = refusal(error)
    if isinstance(told, AWSError):
        return told
    ERRORS.error("unexpected", exc_info=error, extra={"fields": {"request_id": request.request_id}})
    return S3Error("InternalError")


def service_of(request: Request) -> str:
    """The service in the credential scope: `AKIA…/20261124/us-east-1/SERVICE/aws4_request`."""
    _, found, credential = request.headers.get("authorization", "").partition(SCOPE_MARK)
    if found:
        return _service_in_scope(credential.partition(",")[0])
    start = request.raw_query.find(QUERY_SCOPE_MARK)
    if start >= 0:
        raw = request.raw_query[start + len(QUERY_SCOPE_MARK) :].partition(b"&")[0]
        return _service_in_scope(unquote(raw.decode("latin-1")))
    target = request.headers.get("x-amz-target")
    if target is not None:
        return next((name for mark, name in TARGETS.items() if target.startswith(mark)), "s3")
    return "sts" if request.raw_path == b"/" and _is_web_identity(request) else "s3"


def _is_web_identity(request: Request) -> bool:
    """Whether an unsigned request is one for STS: a form, which S3 never takes in this type."""
    if request.method == "POST":
        return request.headers.get("content-type", "").startswith(FORM_TYPE)
    return b"Action=AssumeRoleWithWebIdentity" in request.raw_query


def _service_in_scope(scope: str) -> str:
    parts = scope.split("/")
    return parts[3] if len(parts) == 5 else "s3"
