import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from kms import wire
from kms.app import App
from kms.aws.clock import ServiceClock, SystemClock
from kms.client import RootSettings, open_kms
from kms.credentials import SingleCredential, development


class Server(uvicorn.Server):
    """Tells the thread that waits which port it got."""

    def __init__(self, app: App, started: threading.Event) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
        self.started_event = started
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.port = self.servers[0].sockets[0].getsockname()[1]
        self.started_event.set()


def serve(folder: Path, started: threading.Event, box: list[Server]) -> None:
    clock = ServiceClock(SystemClock())
    kms = open_kms(folder, clock=clock, root=RootSettings())
    credentials = SingleCredential(development("111122223333"))
    app = App(kms, credentials=credentials, wall=SystemClock(), movable=clock)
    box.append(Server(app, started))
    try:
        box[0].run()
    finally:
        kms.close()
        started.set()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    box: list[Server] = []
    started = threading.Event()
    thread = threading.Thread(
        target=serve, args=(tmp_path_factory.mktemp("kms"), started, box), daemon=True
    )
    thread.start()
    assert started.wait(30)
    yield box[0].port
    box[0].should_exit = True
    thread.join(30)


def client_for(port: int, secret: str = "test", region: str = "us-east-1") -> Any:
    return boto3.client(
        "kms",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def test_boto3_walks_through_a_keys_life(port: int) -> None:
    kms = client_for(port)
    metadata = kms.create_key(Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])[
        "KeyMetadata"
    ]
    key_id = metadata["KeyId"]
    assert metadata["CreationDate"].year >= 2024
    kms.create_alias(AliasName="alias/walk", TargetKeyId=key_id)
    context = {"purpose": "test"}
    sealed = kms.encrypt(KeyId="alias/walk", Plaintext=b"hello", EncryptionContext=context)
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"hello"
    assert opened["KeyId"] == metadata["Arn"]
    data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    assert (
        kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"]
        == (data_key["Plaintext"])
    )
    kms.disable_key(KeyId=key_id)
    with pytest.raises(kms.exceptions.DisabledException, match="is disabled"):
        kms.encrypt(KeyId=key_id, Plaintext=b"x")
    date = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)["DeletionDate"]
    assert (date - metadata["CreationDate"]).days in (6, 7)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}))
    assert key_id in {key["KeyId"] for page in pages for key in page["Keys"]}


@pytest.mark.parametrize(
    ("method", "content_type"), [("GET", "application/x-amz-json-1.1"), ("POST", "text/plain")]
)
def test_what_is_no_call(port: int, method: str, content_type: str) -> None:
    data = b"{}" if method == "POST" else None
    headers = {"content-type": content_type, "x-amz-target": "TrentService.ListKeys"}
    signed = AWSRequest(method, f"http://127.0.0.1:{port}/", headers, data)
    SigV4Auth(Credentials("test", "test"), "kms", "us-east-1").add_auth(signed)
    asked = urllib.request.Request(signed.url, data, dict(signed.headers), method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    with caught.value as answer:
        assert (answer.status, answer.read()) == (404, b"<UnknownOperationException/>\n")


def test_errors_are_botos(port: int) -> None:
    kms = client_for(port)
    with pytest.raises(kms.exceptions.NotFoundException) as caught:
        kms.describe_key(KeyId="fake-key-id")
    assert caught.value.response["Error"]["Message"] == "Invalid keyId 'fake-key-id'"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=b"garbage")
    with pytest.raises(
        kms.exceptions.UnsupportedOperationException, match="ConnectCustomKeyStore is"
    ):
        kms.connect_custom_key_store(CustomKeyStoreId="cks-1234567890abcdef0")
    with pytest.raises(botocore.exceptions.ClientError, match="'numberOfBytes' failed"):
        kms.generate_random(NumberOfBytes=2000)


def test_regions_are_apart(port: int) -> None:
    arn = client_for(port).create_key()["KeyMetadata"]["Arn"]
    elsewhere = client_for(port, region="eu-west-1")
    with pytest.raises(elsewhere.exceptions.NotFoundException, match="Invalid arn us-east-1"):
        elsewhere.describe_key(KeyId=arn)


def test_a_wrong_secret_is_refused(port: int) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidSignatureException"):
        client_for(port, secret="wrong").list_keys()


async def ask(app: App, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"x-amz-target", b"TrentService.ListKeys")],
    }

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    kms = open_kms(tmp_path, clock=SystemClock(), root=RootSettings())
    yield App(kms, credentials=SingleCredential(development("111122223333")), wall=SystemClock())
    kms.close()


async def test_unsigned_requests_are_refused(app: App) -> None:
    start, body = await ask(app, [{"type": "http.request", "body": b"{}"}])
    assert start["status"] in (400, 403)
    assert json.loads(body["body"])["__type"] == "MissingAuthenticationTokenException"
    assert dict(start["headers"])[b"content-type"] == b"application/x-amz-json-1.1"


async def test_long_bodies_are_refused(app: App) -> None:
    chunk = {"type": "http.request", "body": bytes(wire.BODY_BYTES_MAX), "more_body": True}
    start, _ = await ask(app, [dict(chunk), dict(chunk)])
    assert start["status"] == 413


async def test_a_client_that_went_away(app: App) -> None:
    assert await ask(app, [{"type": "http.disconnect"}]) == []


async def test_lifespan_and_other_protocols(app: App) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError, match="websocket"):
        await app({"type": "websocket"}, receive, send)


def clock_page(
    port: int, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_/clock", body, headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_page_of_somebody_else_cannot_move_the_clock(port: int, headers: dict[str, str]) -> None:
    assert clock_page(port, b'{"advance_seconds": 604800}', headers)[0] == 403
    assert clock_page(port)[1]["offset_seconds"] == 0.0


def test_the_clock_moves_on_request(port: int) -> None:
    kms = client_for(port)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert clock_page(port)[1]["offset_seconds"] == 0.0
    status, moved = clock_page(port, b'{"advance_seconds": 604800}')
    assert (status, moved["offset_seconds"]) == (200, 604_800.0)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=key_id)
    status, refused = clock_page(port, b"tomorrow")
    assert (status, "a JSON object with one of" in refused["error"]) == (400, True)
    assert clock_page(port, b"x" * (wire.BODY_BYTES_MAX + 1))[0] == 413
    assert clock_page(port, b'{"reset": true}')[1]["offset_seconds"] == 0.0
