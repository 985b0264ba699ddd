"""The doors of KMS, IAM and STS with a real KMS and store, and signatures by botocore."""

import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from kms.aws.clock import SystemClock
from kms.aws.errors import AWSError
from kms.aws.json_protocol import BODY_BYTES_MAX
from kms.client import KMS, RootSettings, open_kms
from objstore.account.assembly import Accounts, Secrets, assemble
from objstore.account.directory import Directory, root_credential, root_principal
from objstore.account.sealing import Sealing
from objstore.doors import (
    FORM_BODY_BYTES_MAX,
    Identification,
    QueryDoor,
    kms_door,
    read_body,
)
from objstore.errors import S3Error
from objstore.exchange import Request, Response
from objstore.storage.store import Store

ACCOUNT = "123456789012"
SECRET = "secret"
PIECE_BYTES = 64 * 1024
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def kms(tmp_path: Path) -> Iterator[KMS]:
    kms = open_kms(tmp_path, clock=SystemClock(), root=RootSettings())
    yield kms
    kms.close()


@pytest.fixture
async def accounts(kms: KMS, tmp_path: Path) -> AsyncIterator[Accounts]:
    clock = SystemClock()
    store = Store.open(tmp_path / "data", wall=clock, space_reserve_bytes=0)
    secrets = Secrets(kms.seal_secret, kms.open_secret, Sealing(bytes(32)))
    yield assemble(Directory(), store.identities, secrets, clock=clock, wall=clock)
    await store.close()


@pytest.fixture
def sts(accounts: Accounts) -> QueryDoor:
    return QueryDoor(accounts.sts, identification(), region="us-east-1")


@pytest.fixture
def iam(accounts: Accounts) -> QueryDoor:
    return QueryDoor(accounts.iam, identification(), region="us-east-1")


def identification(*, permissive: bool = False) -> Identification:
    directory = Directory()
    directory.add_credential(root_credential(ACCOUNT, "AKIATEST", SECRET))
    anybody = root_principal(ACCOUNT) if permissive else None
    return Identification(directory, SystemClock(), permissive=anybody)


def request(
    body: bytes,
    *,
    service: str,
    secret: str = SECRET,
    method: str = "POST",
    query: str = "",
    **headers: str,
) -> Request:
    """A signed request as the front door hands it on."""
    url = "http://localhost:9000/" + (f"?{query}" if query else "")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = AWSRequest(method, url, headers={"host": "localhost:9000", **sent}, data=body)
    SigV4Auth(BotoCredentials("AKIATEST", secret), service, "us-east-1").add_auth(signed)
    scope: MutableMapping[str, Any] = {
        "method": method,
        "raw_path": b"/",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in signed.headers.items()],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
    }
    pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)] or [b""]

    async def receive() -> MutableMapping[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    return Request(scope, receive)


def kms_request(operation: str, document: bytes = b"{}", **options: Any) -> Request:
    return request(document, service="kms", x_amz_target=f"TrentService.{operation}", **options)


def headers_of(response: Response) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in response.headers}


def document_of(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


async def test_kms_answers_on_the_common_port(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    asked = kms_request("CreateKey", b'{"Description": "d"}')
    response = await door.handle(asked)
    assert response.status == 200
    assert document_of(response)["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    headers = headers_of(response)
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"] == asked.request_id
    assert len(asked.request_id) == 36
    assert (asked.operation, asked.account) == ("CreateKey", ACCOUNT)


async def test_kms_refuses_in_its_own_words(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    response = await door.handle(kms_request("DescribeKey", b'{"KeyId": "none"}'))
    assert (response.status, document_of(response)["__type"]) == (400, "NotFoundException")
    unknown = kms_request("StealKey")
    response = await door.handle(unknown)
    assert response.status >= 400
    assert unknown.operation == "Unknown"


@pytest.mark.parametrize(
    ("method", "content_type", "status"),
    [
        ("POST", "application/x-amz-json-1.1", 200),
        ("POST", "application/x-amz-json-1.0", 200),
        ("POST", "application/json; charset=utf-8", 200),
        ("POST", "application/x-www-form-urlencoded", 404),
        ("POST", "application/cbor", 404),
        ("GET", "application/x-amz-json-1.1", 404),
        ("PUT", "application/x-amz-json-1.1", 404),
    ],
)
async def test_calls_are_posts_of_json(
    kms: KMS, method: str, content_type: str, status: int
) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    response = await door.handle(kms_request("ListKeys", method=method, content_type=content_type))
    assert response.status == status
    if status == 404:
        assert response.body == b"<UnknownOperationException/>\n"
        assert headers_of(response)["content-type"] == "application/xml"
        assert headers_of(response)["x-amzn-requestid"]


async def test_refusals_of_the_door_are_spelt_like_the_services(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    asked = kms_request("ListKeys")
    response = door.fail(asked, AWSError("UnrecognizedClientException", "m", status=400))
    assert response.body == b'{"__type":"UnrecognizedClientException","message":"m"}'


async def test_only_signed_calls_reach_the_kms(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    asked = kms_request("ListKeys", secret="wrong")
    with pytest.raises(AWSError) as caught:
        await door.handle(asked)
    response = door.fail(asked, caught.value)
    assert document_of(response)["__type"] == "InvalidSignatureException"


async def test_the_unexpected_is_an_internal_exception_of_kms(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    response = door.fail(kms_request("ListKeys"), S3Error("InternalError"))
    assert response.status == 500
    assert document_of(response)["__type"] == "KMSInternalException"
    silent = door.fail(kms_request("ListKeys"), AWSError("DisabledException", status=400))
    assert document_of(silent) == {"__type": "DisabledException"}


async def test_bodies_are_bounded(kms: KMS, sts: QueryDoor) -> None:
    for door, options, limit in (
        (kms_door(kms.handle, kms.prepare, identification()), {"service": "kms"}, BODY_BYTES_MAX),
        (sts, {"service": "sts"}, FORM_BODY_BYTES_MAX),
    ):
        with pytest.raises(AWSError) as caught:
            await door.handle(request(bytes(limit + 1), **options))
        assert (caught.value.code, caught.value.status) == ("RequestEntityTooLarge", 413)


async def test_bodies_too_long_are_refused_as_json_services_do(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification())
    asked = request(bytes(BODY_BYTES_MAX + 1), service="kms")
    with pytest.raises(AWSError) as caught:
        await door.handle(asked)
    response = door.fail(asked, caught.value)
    assert response.status == 413
    assert document_of(response)["__type"] == "RequestEntityTooLargeException"


async def test_a_body_is_read_whole_or_not_at_all() -> None:
    asked = request(bytes(3 * PIECE_BYTES), service="kms")
    assert await read_body(asked, 3 * PIECE_BYTES) == bytes(3 * PIECE_BYTES)
    assert asked.received_bytes == 3 * PIECE_BYTES

    async def gone() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    asked = request(b"", service="kms")
    asked.receive = gone
    with pytest.raises(AWSError, match="RequestAborted"):
        await read_body(asked, 10)


async def test_a_body_at_hand_is_not_waited_for() -> None:
    asked = request(b"elsewhere", service="kms")
    asked.connection = connection = SimpleNamespace(
        more_body=False, disconnected=False, waiting_for_100_continue=False
    )
    connection.body = bytearray(b"at hand")
    assert await read_body(asked, 7) == b"at hand"
    assert (asked.received_bytes, connection.body) == (7, b"")
    connection.body = bytearray(8)
    with pytest.raises(AWSError, match="RequestEntityTooLarge"):
        await read_body(asked, 7)
    connection.more_body = True
    assert await read_body(asked, 9) == b"elsewhere"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_sts_tells_who_asks(sts: QueryDoor, method: str) -> None:
    form = "Action=GetCallerIdentity&Version=2011-06-15"
    if method == "POST":
        asked = request(form.encode(), service="sts", content_type=FORM)
    else:
        asked = request(b"", service="sts", method="GET", query=form)
    response = await sts.handle(asked)
    assert response.status == 200
    assert isinstance(response.body, bytes)
    assert f"<Account>{ACCOUNT}</Account>".encode() in response.body
    assert f"<RequestId>{asked.request_id}</RequestId>".encode() in response.body
    assert headers_of(response)["x-amzn-requestid"] == asked.request_id
    assert asked.operation == "GetCallerIdentity"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("Version=2011-06-15", "MissingAction"),
        ("Action=Conquer&Version=2011-06-15", "InvalidAction"),
    ],
)
async def test_sts_refuses_in_its_own_words(sts: QueryDoor, form: str, code: str) -> None:
    asked = request(form.encode(), service="sts", content_type=FORM)
    with pytest.raises(AWSError) as caught:
        await sts.handle(asked)
    response = sts.fail(asked, caught.value)
    assert isinstance(response.body, bytes)
    assert f"<Code>{code}</Code>".encode() in response.body
    assert response.status == 400


async def test_what_no_client_signs_is_refused_by_name(sts: QueryDoor) -> None:
    asked = request(b"Action=AssumeRoleWithSAML&Version=2011-06-15", service="sts")
    del asked.headers["authorization"]
    status, body, _ = await answer(sts, asked)
    assert (status, "<Code>NotImplemented</Code>" in body) == (501, True)


async def test_permissive_takes_any_key(kms: KMS) -> None:
    door = kms_door(kms.handle, kms.prepare, identification(permissive=True))
    asked = kms_request("ListKeys", secret="wrong")
    assert (await door.handle(asked)).status == 200


async def answer(door: QueryDoor, asked: Request) -> tuple[int, str, dict[str, str]]:
    """The status, body and headers of a request, as the front door has them sent."""
    try:
        response = await door.handle(asked)
    except AWSError as error:
        response = door.fail(asked, error)
    assert isinstance(response.body, bytes)
    return response.status, response.body.decode(), headers_of(response)


async def test_iam_makes_a_user(iam: QueryDoor) -> None:
    form = b"Action=CreateUser&Version=2010-05-08&UserName=bob&Tags.member.1.Key=a"
    status, body, _ = await answer(iam, request(form, service="iam", content_type=FORM))
    assert (status, "tags.1.member.value" in body) == (400, True)
    form += b"&Tags.member.1.Value=b"
    asked = request(form, service="iam", content_type=FORM)
    status, body, _ = await answer(iam, asked)
    assert (status, asked.operation) == (200, "CreateUser")
    assert f"<Arn>arn:aws:iam::{ACCOUNT}:user/bob</Arn>" in body
    status, body, _ = await answer(iam, request(form, service="iam", content_type=FORM))
    assert (status, "<Code>EntityAlreadyExists</Code>" in body) == (409, True)


@pytest.mark.parametrize("operation", ["CreateInstanceProfile", "CreateSAMLProvider"])
async def test_what_is_not_supported_is_refused_by_name(iam: QueryDoor, operation: str) -> None:
    form = f"Action={operation}&Version=2010-05-08".encode()
    status, body, _ = await answer(iam, request(form, service="iam", content_type=FORM))
    assert status == 501
    assert f"<Message>{operation} is not implemented</Message>" in body


async def test_the_unexpected_is_an_internal_failure(iam: QueryDoor) -> None:
    response = iam.fail(request(b"", service="iam"), S3Error("InternalError"))
    assert response.status == 500
    assert isinstance(response.body, bytes)
    assert b"<Code>InternalFailure</Code>" in response.body


async def test_headers_of_a_refusal_are_sent(iam: QueryDoor) -> None:
    error = AWSError("AccessDenied", "no", status=403, headers={"x-objstore-test": "1"})
    assert headers_of(iam.fail(request(b"", service="iam"), error))["x-objstore-test"] == "1"


async def test_uses_are_reported(accounts: Accounts) -> None:
    noted = []
    directory = Directory()
    directory.add_credential(root_credential(ACCOUNT, "AKIATEST", SECRET))
    identified = Identification(
        directory,
        SystemClock(),
        note_use=lambda credential, *rest: noted.append((credential.access_key_id, *rest)),
    )
    door = QueryDoor(accounts.sts, identified, region="us-east-1")
    form = b"Action=GetCallerIdentity"
    for secret in (SECRET, "wrong"):
        await answer(door, request(form, service="sts", secret=secret, content_type=FORM))
    assert noted == [("AKIATEST", "sts", "us-east-1")]
