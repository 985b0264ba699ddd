"""Requests through the front door and the S3 door, in process: bytes in, bytes out."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import MutableMapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from kms.aws.audit import NullSink
from objstore.account.directory import Directory, root_principal
from objstore.app import Application
from objstore.authenticate import Authenticator
from objstore.authorize import Authorizer
from objstore.checksum import Algorithm, checksum
from objstore.errors import CATALOGUE
from objstore.gateway import Gateway
from objstore.log import RequestLog
from objstore.names import owner_id
from objstore.operations import OPERATIONS
from objstore.trace import TraceFile
from objstore.trail import Trail

ACCOUNT = "123456789012"
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIATEST/20231114/{}/s3/aws4_request, SignedHeaders=host, "
    "Signature=" + "0" * 64
)
REMAINING, MODE = "s3:object-lock-remaining-retention-days", "s3:object-lock-mode"
HOLD = b"<LegalHold><Status>ON</Status></LegalHold>"
XML_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def retention(day: str) -> bytes:
    until = f"<RetainUntilDate>{day}T00:00:00Z</RetainUntilDate>"
    return f"<Retention><Mode>GOVERNANCE</Mode>{until}</Retention>".encode()


class Answer:
    def __init__(self, messages: list[MutableMapping[str, Any]]) -> None:
        start, *bodies = messages
        self.status: int = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(bytes(message["body"]) for message in bodies)

    def text(self, element: str) -> str:
        """The text of the first element of that name, "" without one."""
        found = re.search(rf"<{element}>(.*?)</{element}>".encode(), self.body, re.DOTALL)
        return found[1].decode() if found else ""


class Door:
    """A server in process that believes every signature."""

    def __init__(self, s3: Any, traces: TraceFile | None = None) -> None:
        s3.services = replace(s3.services, settings=replace(s3.services.settings, data=s3.folder))
        authenticator = Authenticator(
            Directory(), s3.clock, region="us-east-1", permissive=root_principal(ACCOUNT)
        )
        directory = Directory()
        authorizer = Authorizer(
            s3.store, s3.clock, account=directory.account, account_of=directory.account_of
        )
        gateway = Gateway(
            s3.services,
            authenticator=authenticator,
            authorizer=authorizer,
            wall=s3.clock,
            traces=traces,
            trail=Trail(NullSink(), s3.clock),
        )

        async def none(*_: Any) -> None:
            raise AssertionError("nothing asks for this")

        self.application = Application(
            doors={"s3": gateway}, internal=none, log=RequestLog(s3.clock), stop=none
        )

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        region: str | None = "us-east-1",
        **headers: str,
    ) -> Answer:
        path, _, query = target.partition("?")
        sent = {"host": "127.0.0.1:9000", "content-length": str(len(body))}
        if region is not None:
            sent["authorization"] = AUTHORIZATION.format(region)
            sent["x-amz-date"] = "20231114T221320Z"
            sent["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        answers: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return messages.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            answers.append(dict(message))

        await self.application(scope, receive, send)
        return Answer(answers)


@pytest.fixture
def door(s3: Any) -> Door:
    return Door(s3)


async def test_an_object_goes_in_and_out(door: Door) -> None:
    put = await door.ask("PUT", "/bucket/a%20b/../c", b"hello", content_type="text/plain")
    assert (put.status, put.body) == (200, b"")
    assert put.headers["x-amz-server-side-encryption"] == "AES256"
    got = await door.ask("GET", "/bucket/a%20b/../c")
    assert (got.status, got.body) == (200, b"hello")
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["etag"] == put.headers["etag"]
    for answer in (put, got):
        assert re.fullmatch("[0-9A-F]{16}", answer.headers["x-amz-request-id"])
        assert answer.headers["x-amz-id-2"]
    head = await door.ask("HEAD", "/bucket/a%20b/../c")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == "5"
    ranged = await door.ask("GET", "/bucket/a%20b/../c", range="bytes=-2")
    assert (ranged.status, ranged.body) == (206, b"lo")
    assert ranged.headers["content-range"] == "bytes 3-4/5"


async def test_bytes_taken_in_are_counted(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def count(*_: object, received: int, **__: object) -> None:
        counted.append(received)

    monkeypatch.setattr("objstore.metrics.count", count)
    await door.ask("PUT", "/bucket/k", b"hello")
    await door.ask("PUT", "/bucket?tagging", b"no document")
    await door.ask("GET", "/bucket/k")
    assert counted == [5, 11, 0]


async def test_a_bucket_may_be_a_host(door: Door) -> None:
    await door.ask("PUT", "/bucket/k", b"hello")
    got = await door.ask("GET", "/k", host="bucket.localhost:9000")
    assert got.body == b"hello"
    listed = await door.ask("GET", "/?list-type=2", host="bucket.localhost")
    assert (listed.text("Name"), listed.text("Key")) == ("bucket", "k")


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NoSuchBucket"),
        ("GET", "/bucket/none", 404, "NoSuchKey"),
        ("GET", "/bucket?metadataTable", 501, "NotImplemented"),
        ("GET", "/bucket/k?annotation", 501, "NotImplemented"),
        ("POST", "/bucket/k", 405, "MethodNotAllowed"),
        ("DELETE", "/", 405, "MethodNotAllowed"),
        ("GET", "/bucket/%zz", 400, "InvalidURI"),
        ("GET", "/bucket/" + "k" * 1025, 400, "KeyTooLongError"),
        ("GET", "/bucket?list-type=2&max-keys=x", 400, "InvalidArgument"),
        ("GET", "/bucket?encoding-type=", 400, "InvalidArgument"),
        ("PUT", "/Bad_Name", 400, "InvalidBucketName"),
        ("PUT", "/bucket/k?partNumber=1", 400, "InvalidArgument"),
    ],
)
async def test_refusals_are_error_documents(
    door: Door, method: str, target: str, status: int, code: str
) -> None:
    answer = await door.ask(method, target)
    assert (answer.status, answer.text("Code")) == (status, code)
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.startswith(XML_HEAD + b"<Error>")
    assert answer.text("RequestId") == answer.headers["x-amz-request-id"]
    assert answer.text("HostId") == answer.headers["x-amz-id-2"]
    assert code in CATALOGUE


async def test_errors_of_head_have_no_body(door: Door) -> None:
    answer = await door.ask("HEAD", "/bucket/none")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("/bucket?metadataTable", "GetBucketMetadataTableConfiguration"),
        ("/bucket/k?annotation", "ListObjectAnnotations"),
    ],
)
async def test_what_is_not_implemented_is_named(door: Door, target: str, operation: str) -> None:
    await door.ask("PUT", "/bucket/k", b"secret")
    answer = await door.ask("GET", target)
    assert operation not in OPERATIONS
    assert answer.status == 501
    assert answer.text("Message") == f"The operation {operation} is not implemented"
    assert b"secret" not in answer.body


async def test_strangers_are_denied(door: Door, s3: Any) -> None:
    await s3.put("k", b"secret")
    for method, target in (("GET", "/bucket/k"), ("GET", "/"), ("PUT", "/new-bucket")):
        answer = await door.ask(method, target, region=None)
        assert (answer.status, answer.text("Code")) == (403, "AccessDenied")
    s3.speak_for("111122223333")
    await s3.make_bucket("theirs")
    answer = await door.ask("GET", "/theirs")
    assert (answer.status, answer.text("Message")) == (403, "Access Denied")


@pytest.mark.parametrize(
    ("method", "target", "fault"),
    [
        ("PUT", "/new-bucket", "MalformedXML"),
        ("PUT", "/bucket?tagging", "MalformedXML"),
        ("PUT", "/bucket/k?tagging", "MalformedXML"),
        ("PUT", "/bucket/k?retention", "MalformedXML"),
        ("PUT", "/bucket/k?legal-hold", "MalformedXML"),
        ("POST", "/bucket?delete", "MalformedXML"),
    ],
)
async def test_strangers_are_denied_before_they_learn_what_is_wrong(
    door: Door, s3: Any, method: str, target: str, fault: str
) -> None:
    digest = {"content_md5": b64encode(hashlib.md5(b"<x").digest()).decode()}
    for headers in ({}, digest):
        answer = await door.ask(method, target, b"<x", region=None, **headers)
        assert (answer.status, answer.text("Code")) == (403, "AccessDenied")
    assert (await door.ask(method, target, b"<x", **digest)).text("Code") == fault
    if target != "/new-bucket":
        all_of_it = ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": all_of_it}
        open_to_all = json.dumps({"Version": "2012-10-17", "Statement": statement})
        more = {"policy": open_to_all, "public_access_block": None}
        await s3.store.update_bucket("bucket", lambda old: {**old, **more})
        assert (await door.ask(method, target, b"<x", region=None, **digest)).text("Code") == fault


def statement(effect: str, action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": "*",
        "Action": action,
        "Resource": f"arn:aws:s3:::{resource}",
        **more,
    }


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/bucket/public/none", 404),
        ("/bucket/public/there", 403),
        ("/bucket/public/denied", 403),
        ("/bucket/private/none", 403),
    ],
)
async def test_who_may_list_a_key_may_know_that_it_is_not_there(
    door: Door, s3: Any, target: str, status: int
) -> None:
    await s3.put("public/there", b"secret")
    of_public = {"StringLike": {"s3:prefix": "public/*"}}
    statements = [
        statement("Allow", "s3:ListBucket", "bucket", Condition=of_public),
        statement("Deny", "s3:GetObject", "bucket/public/denied"),
    ]
    await s3.call("DeletePublicAccessBlock")
    s3.bucket = s3.store.bucket("bucket")
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    await s3.call("PutBucketPolicy", policy=policy)
    for method in ("GET", "HEAD"):
        answer = await door.ask(method, target, region=None)
        assert (answer.status, b"secret" in answer.body) == (status, False)


async def test_a_policy_may_ask_how_old_a_signature_with_a_plain_date_is(
    door: Door, s3: Any
) -> None:
    await s3.put("k", b"hello")
    older = {"NumericGreaterThan": {"s3:signatureAge": "5000"}}
    refuse = statement("Deny", "s3:GetObject", "bucket/k", Condition=older)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [refuse]})
    await s3.call("PutBucketPolicy", policy=policy)
    now = s3.clock.now()
    for age, status in ((1, 200), (9, 403)):
        answer = await door.ask("GET", "/bucket/k", x_amz_date=formatdate(now - age, usegmt=True))
        assert answer.status == status


async def test_strangers_are_not_told_how_an_account_is_named(door: Door, s3: Any) -> None:
    answer = await door.ask("GET", "/bucket", region=None, x_amz_expected_bucket_owner="somebody")
    assert (answer.status, answer.text("Code")) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("operation", "document", "condition", "denied"),
    [
        ("retention", retention("2024-01-01"), {"NumericGreaterThan": {REMAINING: "90"}}, False),
        ("retention", retention("2025-01-01"), {"NumericGreaterThan": {REMAINING: "90"}}, True),
        ("retention", retention("2024-01-01"), {"StringEquals": {MODE: "GOVERNANCE"}}, True),
        ("legal-hold", HOLD, {"StringEquals": {"s3:object-lock-legal-hold": "ON"}}, True),
        ("legal-hold", HOLD, {"StringEquals": {"s3:object-lock-legal-hold": "OFF"}}, False),
    ],
)
async def test_policies_see_what_documents_of_locks_say(
    door: Door, s3: Any, operation: str, document: bytes, condition: dict[str, Any], denied: bool
) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObjectRetention", "s3:PutObjectLegalHold"],
        "Resource": "arn:aws:s3:::bucket/*",
        "Condition": condition,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": deny})
    await s3.store.update_bucket("bucket", lambda old: {**old, "policy": policy})
    digest = b64encode(hashlib.md5(document).digest()).decode()
    answer = await door.ask("PUT", f"/bucket/k?{operation}", document, content_md5=digest)
    # The bucket has no object lock, which is what whoever is let through learns.
    assert answer.text("Code") == ("AccessDenied" if denied else "InvalidRequest")


@pytest.fixture
async def elsewhere(s3: Any) -> Door:
    place = {"LocationConstraint": "eu-west-1"}
    await s3.call("CreateBucket", bucket="elsewhere", create_bucket_configuration=place)
    return Door(s3)


async def test_another_region_is_told(elsewhere: Door) -> None:
    wrong = await elsewhere.ask("GET", "/elsewhere/k")
    assert (wrong.status, wrong.text("Code")) == (400, "AuthorizationHeaderMalformed")
    assert wrong.text("Region") == wrong.headers["x-amz-bucket-region"] == "eu-west-1"
    for target in ("/elsewhere", "/elsewhere/k"):
        head = await elsewhere.ask("HEAD", target)
        assert (head.status, head.headers["x-amz-bucket-region"]) == (400, "eu-west-1")
        assert head.body == b""
    where = await elsewhere.ask("GET", "/elsewhere?location")
    assert b">eu-west-1</LocationConstraint>" in where.body
    right = await elsewhere.ask("GET", "/elsewhere/k", region="eu-west-1")
    assert right.text("Code") == "NoSuchKey"


@pytest.mark.parametrize(
    ("owner", "status", "code"),
    [
        (ACCOUNT, 200, ""),
        ("111122223333", 403, "AccessDenied"),
        ("somebody", 400, "InvalidBucketOwnerAWSAccountID"),
    ],
)
async def test_the_expected_owner(door: Door, owner: str, status: int, code: str) -> None:
    answer = await door.ask("GET", "/bucket", x_amz_expected_bucket_owner=owner)
    assert (answer.status, answer.text("Code")) == (status, code)
    assert status != 200 or answer.headers["x-amz-bucket-region"] == "us-east-1"


async def test_headers_travel_in_presigned_urls(door: Door) -> None:
    signed = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20231114T221320Z&X-Amz-Expires=60"
        "&X-Amz-Credential=AKIATEST%2F20231114%2Fus-east-1%2Fs3%2Faws4_request"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
    )
    hoisted = "x-amz-server-side-encryption=aws%3Akms&x-amz-meta-colour=blue"
    put = await door.ask("PUT", f"/bucket/k?{signed}&{hoisted}", b"x", region=None)
    assert put.headers["x-amz-server-side-encryption"] == "aws:kms"
    source = "x-amz-copy-source=%2Fbucket%2Fk"
    copied = await door.ask("PUT", f"/bucket/copy?{signed}&{source}", region=None)
    assert b"<CopyObjectResult" in copied.body
    got = await door.ask("GET", "/bucket/copy")
    assert (got.body, got.headers["x-amz-meta-colour"]) == (b"x", "blue")


async def test_a_bucket_is_created_listed_and_deleted(door: Door) -> None:
    created = await door.ask("PUT", "/new-bucket")
    assert (created.status, created.headers["location"]) == (200, "/new-bucket")
    listed = await door.ask("GET", "/")
    assert b"<Name>bucket</Name>" in listed.body
    assert b"<Name>new-bucket</Name>" in listed.body
    assert listed.text("ID") == owner_id(ACCOUNT)
    assert (await door.ask("DELETE", "/new-bucket")).status == 204
    assert (await door.ask("HEAD", "/new-bucket")).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedXML"),
        (b"<Delete>", "MalformedXML"),
        (b"not xml", "MalformedXML"),
        (b"<!DOCTYPE x><Delete><Object><Key>k</Key></Object></Delete>", "MalformedXML"),
        (
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
            b"<Delete><Object><Key>&e;</Key></Object></Delete>",
            "MalformedXML",
        ),
        (b"<Delete><Object></Object></Delete>", "MalformedXML"),
        (b"x" * (2 * 1024**2 + 1), "MaxMessageLengthExceeded"),
    ],
)
async def test_bad_documents(door: Door, body: bytes, code: str) -> None:
    await door.ask("PUT", "/bucket/k", b"kept")
    md5 = b64encode(hashlib.md5(body).digest()).decode()
    answer = await door.ask("POST", "/bucket?delete", body, content_md5=md5)
    assert answer.status == 400
    assert answer.text("Code") in (code, "MissingRequestBodyError")
    assert (await door.ask("GET", "/bucket/k")).body == b"kept"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "InvalidRequest"),
        ({"content_md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"),
        ({"content_md5": "AAAA"}, "InvalidDigest"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "BadDigest"),
        ({"x_amz_checksum_sha256": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_trailer": "x-amz-checksum-crc32"}, "MalformedTrailerError"),
    ],
)
async def test_documents_need_a_checksum_that_holds(
    door: Door, headers: dict[str, str], code: str
) -> None:
    await door.ask("PUT", "/bucket/k", b"kept")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    answer = await door.ask("POST", "/bucket?delete", body, **headers)
    assert (answer.status, answer.text("Code")) == (400, code)
    assert (await door.ask("GET", "/bucket/k")).body == b"kept"
    crc32 = checksum(Algorithm.CRC32, body)
    answer = await door.ask("POST", "/bucket?delete", body, x_amz_checksum_crc32=crc32)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("target", "document", "status"),
    [
        (
            "/bucket?versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            200,
        ),
        ("/bucket/k?tagging", "<Tagging><TagSet/></Tagging>", 200),
        ("/bucket?tagging", "<Tagging><TagSet/></Tagging>", 400),
    ],
)
async def test_only_some_documents_need_a_checksum(
    door: Door, target: str, document: str, status: int
) -> None:
    await door.ask("PUT", "/bucket/k", b"")
    body = document.encode()
    assert (await door.ask("PUT", target, body)).status == status
    wrong = await door.ask("PUT", target, body, x_amz_checksum_crc32="AAAAAA==")
    assert wrong.text("Code") == "BadDigest"


async def test_a_body_must_say_how_long_it_is(door: Door) -> None:
    for length, status, code in (
        ("6", 400, "IncompleteBody"),
        ("x", 400, "InvalidArgument"),
        ("-1", 400, "InvalidArgument"),
    ):
        answer = await door.ask("PUT", "/bucket/k", b"hello", content_length=length)
        assert (answer.status, answer.text("Code")) == (status, code)
    assert (await door.ask("GET", "/bucket/k")).status == 404


async def test_a_digest_binds_the_body(door: Door) -> None:
    answer = await door.ask("PUT", "/bucket/k", b"hello", x_amz_content_sha256="0" * 64)
    assert answer.text("Code") == "XAmzContentSHA256Mismatch"
    assert (await door.ask("GET", "/bucket/k")).status == 404


async def test_steps_are_kept_for_who_asks_for_them(s3: Any) -> None:
    traces = TraceFile(s3.folder)
    door = Door(s3, traces)
    await door.ask("PUT", "/bucket/plain", b"x")
    put = await door.ask("PUT", "/bucket/k", b"x", x_amz_server_side_encryption="aws:kms")
    trace, plain = await traces.find()
    assert plain["resource"] == "/bucket/plain"
    assert trace["request_id"] == put.headers["x-amz-request-id"]
    assert (trace["operation"], trace["resource"]) == ("PutObject", "/bucket/k")
    assert trace["steps"][0]["step"] == "request"
