"""Everything malformed that a client could send, on a real socket: what it is told, and that it
leaves nothing behind: no object, no upload's part, and after a restart no file.
"""

import hashlib
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kms.aws import sigv4

TARGET = "/bucket/k"
BODY = bytes(range(256)) * 1200  # too large to lie inline
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{STREAMING}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CRC32_OF_NOTHING = "AAAAAA=="
DELETE = "<Delete><Object><Key>k</Key></Object></Delete>"
ENTITY = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
BOMB = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def put(headers: dict[str, str] | None = None, body: bytes = BODY, **signing: Any) -> Any:
    return lambda wire: wire.ask("PUT", TARGET, body, headers, **signing)


def put_changed(**changes: str | None) -> Any:
    """A signed PUT whose headers are changed after it was signed."""

    def send(wire: Any) -> Any:
        headers = wire.sign("PUT", TARGET, payload=BODY)
        for name, value in changes.items():
            headers.pop(name.replace("_", "-"), None)
            if value is not None:
                headers[name.replace("_", "-")] = value
        return wire.send("PUT", TARGET, headers, BODY)

    return send


def framed(
    data: bytes, headers: dict[str, str], trailers: dict[str, str], *, flip: str = ""
) -> bytes:
    """An aws-chunked body with good signatures, but for the one that `flip` names."""
    stated = headers["X-Amz-Content-SHA256"]
    signed = stated != UNSIGNED_TRAILER
    authorization = headers["Authorization"]
    scope = re.search(r"Credential=[^/]+/([^,]+)", authorization)
    seed = re.search(r"Signature=([0-9a-f]+)", authorization)
    assert scope is not None
    assert seed is not None
    date, region, service, _ = scope[1].split("/")
    key = sigv4.signing_key("test", date, region, service)
    signer = sigv4.SigningContext(key, scope[1], headers["X-Amz-Date"], seed[1])
    out, signature = b"", signer.seed
    for piece in (data[:65_536], data[65_536:], b""):
        digest = hashlib.sha256(piece).hexdigest()
        signature = signer.chunk_signature(signature, digest)
        shown = "0" * 64 if flip == "chunk" and piece else signature
        extension = f";chunk-signature={shown}" if signed else ""
        out += f"{len(piece):x}{extension}\r\n".encode() + (piece + b"\r\n" if piece else b"")
    text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
    out += text.replace("\n", "\r\n").encode()
    if stated == SIGNED_TRAILER:
        seal = signer.trailer_signature(signature, hashlib.sha256(text.encode()).hexdigest())
        out += f"x-amz-trailer-signature:{'0' * 64 if flip == 'trailer' else seal}\r\n".encode()
    return out + b"\r\n"


def put_framed(
    mode: str, *, flip: str = "", trailer: str | None = None, cut: int = 0, missing: int = 0
) -> Any:
    def send(wire: Any) -> Any:
        trailers = {} if trailer is None else {"x-amz-checksum-crc32": trailer}
        headers = {
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(len(BODY) + missing),
        }
        if trailers:
            headers["X-Amz-Trailer"] = "x-amz-checksum-crc32"
        signed = wire.sign("PUT", TARGET, headers, payload=mode)
        body = framed(BODY, signed, trailers, flip=flip)
        return wire.send("PUT", TARGET, signed, body[: len(body) - cut])

    return send


def delete(document: str) -> Any:
    md5 = b64encode(hashlib.md5(document.encode()).digest()).decode()
    headers = {"content-md5": md5}
    return lambda wire: wire.ask("POST", "/bucket?delete", document.encode(), headers)


def get(target: str = "/bucket/kept", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda wire: wire.ask("GET", target, headers=named)


def unsigned(method: str, target: str) -> Any:
    host = {"Host": "127.0.0.1"}
    return lambda wire: wire.send(method, target, host)


def many_headers(wire: Any) -> Any:
    return wire.ask("GET", TARGET, headers={f"X-Many-{n}": "x" for n in range(300)})


KMS = "aws:kms"
SSE, KEY_ID = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
CONTEXT = "x-amz-server-side-encryption-context"
NO_SUCH_KEY_ID = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"

# What is sent, and the status and code that answer it.
CASES: dict[str, tuple[Callable[[Any], Any], int, str]] = {
    "wrong secret": (put(secret="wrong"), 403, "SignatureDoesNotMatch"),
    "changed signature": (
        put_changed(Authorization="AWS4-HMAC-SHA256 nonsense"),
        400,
        "AuthorizationHeaderMalformed",
    ),
    "unsigned x-amz header": (put_changed(x_amz_meta_late="x"), 403, "AccessDenied"),
    "unsigned encryption header": (
        put_changed(x_amz_server_side_encryption="AES256"),
        403,
        "AccessDenied",
    ),
    "no payload hash": (put_changed(X_Amz_Content_SHA256=None), 400, "InvalidRequest"),
    "unknown payload mode": (put(payload="STREAMING-NOTHING"), 400, "InvalidArgument"),
    "wrong payload hash": (put(payload="0" * 64), 400, "XAmzContentSHA256Mismatch"),
    "date of another day": (
        put_changed(X_Amz_Date="20200101T000000Z"),
        400,
        "AuthorizationHeaderMalformed",
    ),
    "anonymous": (unsigned("GET", "/bucket/kept"), 403, "AccessDenied"),
    "bad chunk signature": (put_framed(STREAMING, flip="chunk"), 403, "SignatureDoesNotMatch"),
    "bad trailer signature": (
        put_framed(SIGNED_TRAILER, flip="trailer", trailer=CRC32_OF_NOTHING),
        403,
        "SignatureDoesNotMatch",
    ),
    "wrong signed trailer": (
        put_framed(SIGNED_TRAILER, trailer=CRC32_OF_NOTHING),
        400,
        "BadDigest",
    ),
    "wrong unsigned trailer": (
        put_framed(UNSIGNED_TRAILER, trailer=CRC32_OF_NOTHING),
        400,
        "BadDigest",
    ),
    "a trailer that is no checksum": (
        put_framed(UNSIGNED_TRAILER, trailer="nonsense"),
        400,
        "InvalidRequest",
    ),
    "frames cut short": (put_framed(STREAMING, cut=200), 400, "IncompleteBody"),
    "wrong checksum": (put({"x-amz-checksum-crc32": CRC32_OF_NOTHING}), 400, "BadDigest"),
    "wrong sha256": (
        put({"x-amz-checksum-sha256": b64encode(bytes(32)).decode()}),
        400,
        "BadDigest",
    ),
    "a checksum that is none": (put({"x-amz-checksum-sha1": "x"}), 400, "InvalidRequest"),
    "wrong md5": (put({"Content-MD5": b64encode(bytes(16)).decode()}), 400, "BadDigest"),
    "an md5 that is none": (put({"Content-MD5": "x"}), 400, "InvalidDigest"),
    "short body": (put_framed(UNSIGNED_TRAILER, missing=1), 400, "IncompleteBody"),
    "long body": (put_framed(UNSIGNED_TRAILER, missing=-1), 400, "IncompleteBody"),
    "bad key id": (put({SSE: KMS, KEY_ID: "nobodys"}), 400, "KMS.NotFoundException"),
    "missing key": (put({SSE: KMS, KEY_ID: NO_SUCH_KEY_ID}), 400, "KMS.NotFoundException"),
    "key without kms": (put({SSE: "AES256", KEY_ID: "k"}), 400, "InvalidArgument"),
    "bad context": (put({SSE: KMS, CONTEXT: "e30"}), 400, "InvalidArgument"),
    "unknown encryption": (put({SSE: "ROT13"}), 400, "InvalidArgument"),
    "too much metadata": (put({"x-amz-meta-a": "b" * 2048}), 400, "MetadataTooLarge"),
    "a doctype": (delete("<!DOCTYPE d>" + DELETE), 400, "MalformedXML"),
    "an external entity": (delete(ENTITY + DELETE.replace("k", "&e;")), 400, "MalformedXML"),
    "an entity bomb": (delete(BOMB + DELETE.replace("k", "&b;")), 400, "MalformedXML"),
    "no xml": (delete("not xml"), 400, "MalformedXML"),
    "another root": (delete("<Create/>"), 400, "MalformedXML"),
    "deep xml": (delete("<a>" * 500 + "</a>" * 500), 400, "MalformedXML"),
    "range past the end": (get(Range="bytes=4-"), 416, "InvalidRange"),
    "suffix of nothing": (get(Range="bytes=-0"), 416, "InvalidRange"),
    "range of an empty object": (get("/bucket/empty", Range="bytes=0-0"), 416, "InvalidRange"),
    "bad version": (get("/bucket/kept?versionId=x"), 400, "InvalidArgument"),
    "bad part number": (get("/bucket/kept?partNumber=x"), 400, "InvalidArgument"),
    "bad page size": (get("/bucket?list-type=2&max-keys=x"), 400, "InvalidArgument"),
    "bad escape": (unsigned("GET", "/bucket/%zz"), 400, "InvalidURI"),
    "a long target": (unsigned("GET", "/bucket/" + "k" * 9000), 400, "InvalidURI"),
    "a large header": (get(X_Large="x" * 40_000), 400, "RequestHeaderSectionTooLarge"),
    "many headers": (many_headers, 400, "RequestHeaderSectionTooLarge"),
    "another method": (unsigned("PATCH", TARGET), 405, "MethodNotAllowed"),
    "unknown method": (unsigned("BREW", TARGET), 400, "BadRequest"),
}


@pytest.fixture(scope="module")
def prepared(serve_for_module: Callable[..., Any]) -> Any:
    server = serve_for_module("--dev")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="kept", Body=b"kept")
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    return server


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_by_its_name(prepared: Any, wire: Any, name: str) -> None:
    send, status, code = CASES[name]
    answer = send(wire(prepared))
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/xml"
    assert re.fullmatch("[0-9A-F]{16}", answer.request_id)
    assert answer.headers["x-amz-request-id"] == answer.request_id


def leave_halfway(wire: Any) -> None:
    """A client that goes away in the middle of its body gets no answer."""
    connection = wire.connect()
    connection.putrequest("PUT", TARGET, skip_host=True, skip_accept_encoding=True)
    headers = wire.sign("PUT", TARGET, payload=BODY)
    for name, value in {**headers, "Content-Length": str(len(BODY))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(BODY[:-1])
    connection.close()


def test_bad_input_leaves_nothing(serve: Callable[..., Any], wire: Any) -> None:
    server = serve("--dev")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="kept", Body=b"kept")
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    for name, (send, status, _) in CASES.items():
        assert send(wire(server)).status == status, name
    leave_halfway(wire(server))
    listed = s3.list_objects_v2(Bucket="bucket")["Contents"]
    assert [entry["Key"] for entry in listed] == ["empty", "kept"]
    assert server.stop() == 0
    again = serve("--dev")
    assert again.blob_files() == []
    assert again.client("s3").get_object(Bucket="bucket", Key="kept")["Body"].read() == b"kept"
    assert again.stop() == 0
    check = [sys.executable, "-m", "objstore", "check", "--data", str(again.data)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout


@pytest.mark.parametrize("mode", [STREAMING, SIGNED_TRAILER, UNSIGNED_TRAILER])
def test_good_frames_are_taken(prepared: Any, wire: Any, mode: str) -> None:
    """The same frames without their fault: what is refused above is refused for that fault."""
    client = prepared.client("s3")
    crc32 = client.put_object(Bucket="bucket", Key="good", Body=BODY)["ChecksumCRC32"]
    trailer = None if mode == STREAMING else crc32
    answer = put_framed(mode, trailer=trailer)(wire(prepared))
    assert answer.status == 200, answer.body
    assert client.get_object(Bucket="bucket", Key="k")["Body"].read() == BODY
    client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "k"}, {"Key": "good"}]})


KMS_CASES: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{}", {"X-Amz-Target": "TrentService.Conquer"}, 400, "UnknownOperationException"),
    (b"not json", {"X-Amz-Target": "TrentService.ListKeys"}, 400, "SerializationException"),
    (b"[]", {"X-Amz-Target": "TrentService.ListKeys"}, 400, "SerializationException"),
    (b'{"Limit": 0}', {"X-Amz-Target": "TrentService.ListKeys"}, 400, "ValidationException"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), KMS_CASES)
def test_kms_answers_in_json(
    prepared: Any, wire: Any, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = wire(prepared).ask("POST", "/", body, headers, service="kms")
    assert answer.status == status, answer.body
    assert f'"__type":"{code}"'.encode() in answer.body.replace(b": ", b":")
    assert re.fullmatch("[0-9a-f-]{36}", answer.headers["x-amzn-requestid"])


def test_presigned_urls_expire_and_bind(prepared: Any, wire: Any) -> None:
    s3 = prepared.client("s3", config=Config(signature_version="s3v4"))
    parameters = {"Bucket": "bucket", "Key": "kept"}
    url = s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=60)
    target = url.removeprefix(prepared.endpoint)
    sender = wire(prepared)
    host = {"Host": prepared.endpoint.partition("://")[2]}
    good = sender.send("GET", target, host)
    assert (good.status, good.body) == (200, b"kept")
    for changed, code in (
        (target.replace("kept", "empty"), "SignatureDoesNotMatch"),
        (target.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), "SignatureDoesNotMatch"),
        (target + "&versionId=null", "SignatureDoesNotMatch"),
        (target.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"), None),
        (re.sub(r"X-Amz-Date=\d{8}", "X-Amz-Date=20200101", target), None),
    ):
        answer = sender.send("GET", changed, host)
        assert answer.status in (400, 403)
        assert answer.code == code or code is None
        assert answer.body.startswith(b"<?xml")
    assert sender.send("PUT", target, host, b"x").code == "SignatureDoesNotMatch"
    header = sender.send("GET", target, {**host, "x-amz-meta-a": "unsigned"})
    assert header.code == "AccessDenied"


def test_the_bad_key_id_of_a_bucket_default(prepared: Any) -> None:
    s3 = prepared.client("s3")
    s3.create_bucket(Bucket="bad-default")
    rule = {"SSEAlgorithm": KMS, "KMSMasterKeyID": NO_SUCH_KEY_ID}
    s3.put_bucket_encryption(
        Bucket="bad-default",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="bad-default", Key="k", Body=b"x")
    assert caught.value.response["Error"]["Code"] == "KMS.NotFoundException"
