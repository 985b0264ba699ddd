"""One request and its response, as values that the front door hands around."""

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from kms.aws.identity import Caller
from objstore.protocol import new_request_id, send_whole
from objstore.storage.records import Bucket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Body = bytes | bytearray | AsyncIterator[bytes | bytearray | memoryview]

HOST_ID_BYTES = 48
_PROCESS_HOST_ID = b64encode(secrets.token_bytes(HOST_ID_BYTES)).decode()


@dataclass(slots=True)
class Visit:
    """A request to a bucket whose requests are logged; `error_code` is set when it fails."""

    bucket: Bucket
    key: str
    caller: Caller
    version_id: str
    authentication: str
    error_code: str = ""


class Request:
    """What a client asked, with its headers by lower-case name (repeated ones joined by `,`).

    `request_id` is the 16 upper-case hex digits that every answer, log line and audit record of
    this request carry; `operation` and `account` are set as soon as they are known, for the log,
    and `cors_headers` for the answer, which has them even if it is an error. `noted` is what the
    audit trail will tell of it, None for nothing; `visit` is there if the bucket's requests are
    logged.
    """

    __slots__ = (
        "account",
        "connection",
        "cors_headers",
        "header_list",
        "headers",
        "host_id",
        "method",
        "noted",
        "operation",
        "raw_path",
        "raw_query",
        "receive",
        "received_bytes",
        "request_id",
        "secure",
        "service",
        "source_ip",
        "visit",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.raw_query: bytes = scope["query_string"]
        self.header_list: Headers = scope["headers"]
        self.headers = _by_name(self.header_list)
        client = scope.get("client")
        self.source_ip: str = client[0] if client else ""
        self.secure = scope["scheme"] == "https"
        # Taken out of the scope, which it holds: a cycle would keep every request from being freed.
        self.connection: Any = scope.pop("objstore.connection", None)
        self.receive = receive
        self.request_id = new_request_id()
        self.host_id = _PROCESS_HOST_ID
        self.service = "s3"
        self.operation = "Unknown"
        self.account = ""
        self.cors_headers: Headers = []
        self.received_bytes = 0
        self.noted: Any = None
        self.visit: Visit | None = None

    @property
    def tls_version(self) -> str:
        """The version of TLS that the connection uses, such as "1.3"; "" for plain http."""
        if not self.secure or self.connection is None:
            return ""
        found = self.connection.transport.get_extra_info("ssl_object")
        return "" if found is None else str(found.version() or "").removeprefix("TLSv")

    @property
    def disconnected(self) -> bool:
        """Whether the client has gone, so that producing more of the answer is of no use."""
        return self.connection is not None and bool(self.connection.disconnected)


def _by_name(raw: Headers) -> dict[str, str]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):
        headers.clear()
        for raw_name, raw_value in raw:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


class Response:
    """A status, headers and a body that is bytes or comes in batches."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: Body = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body


async def send_response(request: Request, response: Response, send: Send) -> int:
    """Send `response` and return how many body bytes went out.

    A failure while the body is produced is raised on, so that the connection is cut before the
    promised length: a client can never take the part it has for the whole.
    """
    body = response.body
    if isinstance(body, bytes | bytearray) and request.connection is not None:
        await send_whole(request.connection, response.status, response.headers, body)
        return len(body)
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    if isinstance(body, bytes | bytearray):
        await send({"type": "http.response.body", "body": body})
        return len(body)
    sent = 0
    try:
        async for batch in body:
            if request.disconnected:
                return sent
            sent += len(batch)
            await send({"type": "http.response.body", "body": batch, "more_body": True})
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    await send({"type": "http.response.body", "body": b""})
    return sent
