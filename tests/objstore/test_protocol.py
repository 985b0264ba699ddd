"""A real uvicorn with the bounded protocol, spoken to in raw bytes."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from socket import socket as Socket
from typing import Any

import pytest
import uvicorn

from objstore import protocol
from objstore.protocol import BoundedProtocol, origin_form

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it saw of the target; reads the body unless told not to."""
    if scope["raw_path"] != b"/unread":
        more = True
        while more:
            more = (await receive()).get("more_body", False)
    body = json.dumps(
        [scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")]
    ).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers in one write: `/status/bytes`, with a header of the query's text."""
    _, status, size = scope["raw_path"].split(b"/")
    headers = [(b"x-text", scope["query_string"].replace(b"%0D%0A", b"\r\n"))]
    if status == b"204":
        headers.append((b"connection", b"close"))
    connection = scope["objstore.connection"]
    await protocol.send_whole(connection, int(status), headers, b"x" * int(size))


async def patient(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits to be cancelled, once, and answers whether it had a task: first, then, at last."""
    seen = [asyncio.current_task() is not None]
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        seen.append(asyncio.current_task() is not None)
    await asyncio.sleep(0)
    seen.append(asyncio.current_task() is not None)
    connection = scope["objstore.connection"]
    await protocol.send_whole(connection, 200, [], json.dumps(seen).encode())


@pytest.fixture
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    config = uvicorn.Config(
        getattr(request, "param", echo),
        port=0,
        http=BoundedProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    started = asyncio.Event()
    startup = server.startup

    async def startup_and_tell(sockets: list[Socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = startup_and_tell  # type: ignore[method-assign]
    socket = config.bind_socket()
    task = asyncio.create_task(server.serve(sockets=[socket]))
    await started.wait()
    yield socket.getsockname()[1]
    server.should_exit = True
    await task


async def talk(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:  # the server closed with our bytes still unread
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a//b/../c%2Fd", "/a//b/../c%2Fd", ""),
        (b"//leading", "//leading", ""),
        (b"/a?x=1?y&z", "/a", "x=1?y&z"),
        (b"http://host:9000/a?b", "/a", "b"),
        (b"http://host", "/", ""),
    ],
)
async def test_the_target_is_passed_on_as_sent(
    port: int, target: bytes, path: str, query: str
) -> None:
    answer = await talk(port, b"GET " + target + b" HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == [path, query]


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"GET / HTTP/1.1\r\nx-a: " + b"a" * 33_000 + b"\r\n\r\n", b"RequestHeaderSectionTooLarge"),
        (b"GET / HTTP/1.1\r\nx-a: " + b"a" * 33_000, b"RequestHeaderSectionTooLarge"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 201 + b"\r\n", b"RequestHeaderSectionTooLarge"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", b"InvalidURI"),
        (b"NONSENSE\r\n\r\n", b"BadRequest"),
        (
            b"PUT / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"BadRequest",
        ),
    ],
)
async def test_refusals_are_error_documents(port: int, request_bytes: bytes, code: bytes) -> None:
    answer = await talk(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>" + code + b"</Code>" in answer
    named = re.search(rb"x-amz-request-id: ([0-9A-F]{16})\r\n", answer)
    assert named is not None
    assert b"<RequestId>" + named[1] + b"</RequestId>" in answer


async def test_a_header_that_begins_behind_another_request_is_bounded_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nx-a: " + b"a" * 33_000)
    first = await asyncio.wait_for(reader.readuntil(b'["/", ""]'), 10)
    assert first.startswith(b"HTTP/1.1 200 ")
    writer.write(b"\r\n\r\n")
    second = await asyncio.wait_for(reader.read(), 10)
    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in second
    writer.close()


async def test_a_header_must_arrive_in_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS_MAX", 0.0)
    answer = await talk(port, b"GET / HTTP/1.1\r\nhost: ")
    assert b"<Code>RequestTimeout</Code>" in answer


async def test_a_body_must_not_trickle(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_GRACE_SECONDS", 0.0)
    answer = await talk(port, b"PUT / HTTP/1.1\r\ncontent-length: 10\r\n\r\nx")
    assert b"<Code>RequestTimeout</Code>" in answer


async def test_continue_is_sent_only_when_the_body_is_wanted(port: int) -> None:
    head = b" HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    assert (await talk(port, b"PUT /read" + head + b"ab")).startswith(b"HTTP/1.1 100 Continue")
    assert (await talk(port, b"PUT /unread" + head)).startswith(b"HTTP/1.1 200 ")


def test_origin_form() -> None:
    assert origin_form(b"*") == b"/"
    assert origin_form(b"https://h/x") == b"/x"


GET = b"GET /%b HTTP/1.1\r\n%b\r\n"
CLOSE = b"connection: close\r\n"


@pytest.mark.parametrize("port", [whole], indirect=True)
@pytest.mark.parametrize(
    ("target", "status", "length"),
    [
        (b"200/5?a", b"200 OK", 5),
        (b"404/0?a", b"404 Not Found", 0),
        (b"200/1000000?a", b"200 OK", 1_000_000),
        (b"304/5?a", b"304 Not Modified", None),
    ],
)
async def test_a_whole_answer(port: int, target: bytes, status: bytes, length: int | None) -> None:
    head, _, body = (await talk(port, GET % (target, CLOSE))).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 " + status
    assert {b"x-text: a", b"connection: close"} <= set(lines)
    assert [line for line in lines if line.startswith(b"content-length")] == (
        [] if length is None else [b"content-length: %d" % length]
    )
    assert body == b"x" * (length or 0)


@pytest.mark.parametrize("port", [whole], indirect=True)
async def test_whole_answers_keep_the_connection_until_one_closes_it(port: int) -> None:
    head = b"HEAD /200/7?a HTTP/1.1\r\n\r\n"
    answers = await talk(port, GET % (b"200/3?a", b"") + head + GET % (b"204/0?a", b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", b"204"]
    assert answers.count(b"connection: close") == 1
    assert answers.count(b"xxx") == 1


@pytest.mark.parametrize("port", [whole], indirect=True)
async def test_a_header_cannot_end_early(port: int) -> None:
    answer = await talk(port, GET % (b"200/3?a%0D%0Ax-evil:%201", b""))
    assert b"x-evil" not in answer
    assert b"xxx" not in answer


@pytest.mark.parametrize("port", [patient], indirect=True)
async def test_a_request_that_waits_goes_on_in_a_task(port: int) -> None:
    answer = asyncio.create_task(talk(port, GET % (b"", CLOSE)))
    waiting: list[asyncio.Task[Any]] = []
    while not waiting:
        await asyncio.sleep(0)
        waiting = [task for task in asyncio.all_tasks() if "_resumed" in repr(task)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert (await answer).endswith(b"[false, true, true]")


@pytest.mark.parametrize("port", [whole], indirect=True)
async def test_a_request_before_nonsense_is_not_begun(port: int) -> None:
    answer = await talk(port, GET % (b"200/3?a", b"") + b"NONSENSE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"xxx" not in answer


@pytest.mark.parametrize("request_bytes", [b"", GET % (b"", b"")])
async def test_an_idle_connection_is_closed(
    port: int, request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = BoundedProtocol.connection_made

    def impatient(self: BoundedProtocol, transport: asyncio.Transport) -> None:
        made(self, transport)
        self.timeout_keep_alive = 0

    monkeypatch.setattr(BoundedProtocol, "connection_made", impatient)
    answer = await talk(port, request_bytes)
    assert answer[:13] == (b"HTTP/1.1 200 " if request_bytes else b"")
    assert b"<Error>" not in answer
