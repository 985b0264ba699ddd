import json
from collections.abc import AsyncIterator, MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from objstore.app import Application, service_of
from objstore.errors import AWSError, S3Error
from objstore.exchange import Request, Response
from objstore.log import RequestLog
from objstore.storage.records import BusyError, NoSpaceError

SCOPE = "AKIA/20261124/us-east-1/{}/aws4_request"
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature=0"


def scope_of(
    path: str = "/b/k",
    *,
    service: str | None = None,
    query: bytes = b"",
    headers: dict[str, str] | None = None,
    connection: Any = None,
) -> MutableMapping[str, Any]:
    sent = dict(headers or {})
    if service is not None:
        sent["authorization"] = AUTHORIZATION.format(SCOPE.format(service))
    return {
        "type": "http",
        "method": "PUT",
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "scheme": "http",
        "client": ("127.0.0.1", 5),
        "objstore.connection": connection,
    }


async def nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


class Door:
    """Answers with its own name, or fails as told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: Exception | None = None

    async def handle(self, request: Request) -> Response:
        request.operation = "PutObject"
        if self.error is not None:
            raise self.error
        return Response(200, [], once(self.name))

    def fail(self, request: Request, error: AWSError) -> Response:
        return Response(error.status, [], once(f"{self.name} {error.code} {error.message}"))


async def once(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


class Served:
    """An application and what it sent last."""

    def __init__(self) -> None:
        self.doors = {name: Door(name) for name in ("s3", "kms")}
        self.stopped: list[str] = []
        self.log = RequestLog(FixedClock(0))
        self.application = Application(
            doors=self.doors,  # type: ignore[arg-type]
            internal=self.internal,
            log=self.log,
            stop=self.stop,
        )
        self.sent: list[MutableMapping[str, Any]] = []

    async def internal(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "internal", "path": scope["raw_path"]})

    async def stop(self) -> None:
        self.stopped.append("stopped")

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    async def ask(self, scope: MutableMapping[str, Any]) -> tuple[int, dict[str, str], str]:
        self.sent.clear()
        await self.application(scope, nothing, self.send)
        start, *bodies = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(b["body"] for b in bodies).decode()


@pytest.mark.parametrize(
    ("service", "body"), [(None, "s3"), ("s3", "s3"), ("kms", "kms"), ("s3/too/many", "s3")]
)
async def test_the_signature_names_the_service(service: str | None, body: str) -> None:
    status, headers, text = await Served().ask(scope_of(service=service))
    assert (status, text) == (200, body)
    assert headers["server"] == "objstore"
    assert ("x-amz-id-2" in headers) is (body == "s3")
    if body == "s3":
        assert len(headers["x-amz-request-id"]) == 16


async def test_a_presigned_url_names_the_service_too() -> None:
    query = b"X-Amz-Algorithm=x&X-Amz-Credential=" + SCOPE.format("kms").encode() + b"&x=1"
    assert (await Served().ask(scope_of(query=query)))[2] == "kms"
    encoded = query.replace(b"/", b"%2F")
    assert (await Served().ask(scope_of(query=encoded)))[2] == "kms"
    assert service_of(Request(scope_of(query=b"X-Amz-Credential=a/b"), nothing)) == "s3"


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("TrentService.ListKeys", "kms"),
        ("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "cloudtrail"),
        ("DynamoDB_20120810.ListTables", "s3"),
        ("", "s3"),
    ],
)
def test_unsigned_calls_of_json_services_are_theirs_to_refuse(target: str, service: str) -> None:
    scope = scope_of("/", headers={"x-amz-target": target})
    assert service_of(Request(scope, nothing)) == service


async def test_a_service_that_is_not_here_is_refused_by_s3() -> None:
    status, _, text = await Served().ask(scope_of(service="dynamodb"))
    assert status == 400
    assert text.startswith("s3 AuthorizationHeaderMalformed")
    assert 'incorrect service "dynamodb"' in text


async def test_errors_are_told_by_the_door_that_was_asked() -> None:
    served = Served()
    served.doors["kms"].error = AWSError("DisabledException", "no", status=400)
    assert (await served.ask(scope_of(service="kms")))[2] == "kms DisabledException no"
    served.doors["s3"].error = S3Error("NoSuchKey")
    status, _, text = await served.ask(scope_of())
    assert (status, text.split()[:2]) == (404, ["s3", "NoSuchKey"])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoSpaceError("full"), "ServiceUnavailable Not enough storage space is left"),
        (BusyError("many"), "SlowDown Please reduce your request rate."),
    ],
)
async def test_what_storage_refuses_is_told_by_every_door(
    error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served()
    served.doors["kms"].error = error
    status, _, text = await served.ask(scope_of(service="kms"))
    assert (status, text) == (503, f"kms {told}")
    assert [r for r in caplog.records if r.name == "objstore.errors"] == []


async def test_the_unexpected_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    served.doors["s3"].error = RuntimeError("secret detail")
    status, headers, text = await served.ask(scope_of())
    assert status == 500
    assert text == "s3 InternalError We encountered an internal error. Please try again."
    (record,) = [r for r in caplog.records if r.name == "objstore.errors"]
    assert record.fields["request_id"] == headers["x-amz-request-id"]  # type: ignore[attr-defined]
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("status", "connection", "headers", "closes"),
    [
        (400, {"more_body": True, "waiting_for_100_continue": True}, {}, True),
        (400, {"more_body": True}, {"content-length": "65537"}, True),
        (400, {"more_body": True}, {"content-length": "65536"}, False),
        (400, {"more_body": True}, {"transfer-encoding": "chunked"}, True),
        (400, {"more_body": False}, {"content-length": "99999"}, False),
        (200, {"more_body": True}, {"content-length": "99999"}, False),
        (400, None, {"content-length": "99999"}, False),
    ],
)
async def test_a_refused_body_is_not_read_to_its_end(
    status: int, connection: dict[str, bool] | None, headers: dict[str, str], closes: bool
) -> None:
    served = Served()
    if status != 200:
        served.doors["s3"].error = S3Error("InvalidRequest")
    state = None
    if connection is not None:
        defaults = {"waiting_for_100_continue": False, "disconnected": False}
        state = SimpleNamespace(**{**defaults, **connection})
    got, sent, _ = await served.ask(scope_of(headers=headers, connection=state))
    assert got == status
    assert (sent.get("connection") == "close") is closes


async def test_a_request_is_one_line_without_its_query(
    capsys: pytest.CaptureFixture[str],
) -> None:
    served = Served()
    served.log.enabled = True
    _, headers, _ = await served.ask(scope_of("/b/k\n", query=b"X-Amz-Signature=secret"))
    served.log.flush()
    (line,) = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert fields["request_id"] == headers["x-amz-request-id"]
    assert (fields["operation"], fields["path"], fields["status"]) == ("PutObject", "/b/k\n", 200)
    assert "secret" not in line


async def test_the_servers_own_pages_need_no_door() -> None:
    served = Served()
    await served.application(scope_of("/_/health"), nothing, served.send)
    assert served.sent == [{"type": "internal", "path": b"/_/health"}]


async def test_a_torn_body_is_counted_and_raised() -> None:
    served = Served()

    async def tear(message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await served.application(scope_of(), nothing, tear)


async def test_the_lifespan_ends_with_stop() -> None:
    served = Served()
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    await served.application({"type": "lifespan"}, receive, served.send)
    assert [message["type"] for message in served.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert served.stopped == ["stopped"]


@pytest.mark.parametrize(
    ("method", "path", "query", "content_type", "service"),
    [
        ("POST", "/", b"", "application/x-www-form-urlencoded; charset=utf-8", "sts"),
        ("GET", "/", b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "", "sts"),
        ("POST", "/", b"", "multipart/form-data; boundary=x", "s3"),
        ("POST", "/photos", b"", "application/x-www-form-urlencoded", "s3"),
        ("GET", "/photos", b"Action=AssumeRoleWithWebIdentity", "", "s3"),
        ("GET", "/", b"prefix=Action", "", "s3"),
    ],
)
def test_web_identities_come_unsigned(
    method: str, path: str, query: bytes, content_type: str, service: str
) -> None:
    scope = scope_of(path, query=query, headers={"content-type": content_type})
    scope["method"] = method
    assert service_of(Request(scope, nothing)) == service
