import gc
import weakref
from collections.abc import AsyncIterator, MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.exchange import Request, Response, send_response


async def nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


def request(**scope: Any) -> Request:
    defaults: dict[str, Any] = {
        "method": "GET",
        "raw_path": b"/b/k",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
    }
    return Request({**defaults, **scope}, nothing)


def test_repeated_headers_are_joined() -> None:
    made = request(headers=[(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")], client=("::1", 5))
    assert made.headers == {"x-a": "1,3", "x-b": "2"}
    assert (made.source_ip, made.secure) == ("::1", False)


def test_request_ids_look_like_those_of_s3() -> None:
    first, second = request().request_id, request().request_id
    assert first != second
    assert len(first) == 16
    assert first == f"{int(first, 16):016X}"


class Connection:
    """Holds the scope that holds it, as uvicorn's does."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        scope["objstore.connection"] = self


def test_a_request_is_freed_without_the_collector() -> None:
    scope: dict[str, Any] = {"method": "GET", "raw_path": b"/", "query_string": b""}
    scope |= {"headers": [], "scheme": "http"}
    freed = weakref.ref(Connection(scope))
    made = Request(scope, nothing)
    assert made.connection is freed()
    gc.disable()
    try:
        del made, scope
        assert freed() is None
    finally:
        gc.enable()


class Sink:
    def __init__(self) -> None:
        self.messages: list[MutableMapping[str, Any]] = []

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)


async def batches(closed: list[str]) -> AsyncIterator[bytes]:
    try:
        yield b"one"
        yield b"two"
    finally:
        closed.append("closed")


async def test_batches_are_sent_and_the_source_is_closed() -> None:
    sink, closed = Sink(), list[str]()
    assert await send_response(request(), Response(200, [], batches(closed)), sink) == 6
    bodies = [(m.get("body"), m.get("more_body", False)) for m in sink.messages[1:]]
    assert bodies == [(b"one", True), (b"two", True), (b"", False)]
    assert closed == ["closed"]


async def test_a_gone_client_stops_the_source() -> None:
    sink, closed = Sink(), list[str]()
    gone = request(**{"objstore.connection": SimpleNamespace(disconnected=True)})
    assert await send_response(gone, Response(200, [], batches(closed)), sink) == 0
    assert closed == ["closed"]
    assert len(sink.messages) == 1


async def test_a_failing_source_never_completes_the_answer() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"part"
        raise ValueError("tampered")

    sink = Sink()
    with pytest.raises(ValueError, match="tampered"):
        await send_response(request(), Response(200, [], failing()), sink)
    assert all(m.get("more_body", True) for m in sink.messages)
