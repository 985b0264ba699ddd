"""Browser uploads against a real server: forms as boto3 signs them and as browsers send them."""

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "forms"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
LARGE = b"0123456789abcdef" * 200_000


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    client = server.client("s3", config=Config(signature_version="s3v4"))
    client.create_bucket(Bucket=BUCKET)
    return client


def encoded(fields: dict[str, str], file: bytes, *, after: dict[str, str]) -> bytes:
    def part(disposition: str, content: bytes) -> bytes:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        return head.encode() + content + b"\r\n"

    return (
        b"".join(part(f'name="{name}"', text.encode()) for name, text in fields.items())
        + part('name="file"; filename="photo.jpg"', file)
        + b"".join(part(f'name="{name}"', text.encode()) for name, text in after.items())
        + f"--{BOUNDARY}--\r\n".encode()
    )


def post(
    endpoint: str, fields: dict[str, str], file: bytes, **after: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=30)
    body = encoded(fields, file, after=after)
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    connection.request("POST", f"/{BUCKET}", body, {"Content-Type": content_type})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, {n.lower(): v for n, v in response.getheaders()}, answer


def signed(client: Any, key: str, **fields: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    conditions = [{name: value} for name, value in named.items()]
    form = client.generate_presigned_post(BUCKET, key, Fields=named, Conditions=conditions)
    made: dict[str, str] = form["fields"]
    return made


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_a_form_with_fields_after_its_file(server: Any, client: Any, data: bytes) -> None:
    fields = signed(client, "in/${filename}", x_amz_meta_a="1", Content_Type="image/jpeg")
    status, headers, body = post(server.endpoint, fields, data, submit="Upload")
    assert (status, body) == (204, b"")
    assert headers["location"] == f"{server.endpoint}/{BUCKET}/in%2Fphoto.jpg"
    found = client.get_object(Bucket=BUCKET, Key="in/photo.jpg")
    assert found["Body"].read() == data
    assert (found["ContentType"], found["Metadata"]) == ("image/jpeg", {"a": "1"})
    assert headers["etag"] == found["ETag"]


def test_a_form_asks_for_what_put_object_can(server: Any, client: Any) -> None:
    fields = signed(client, "kms", x_amz_server_side_encryption="aws:kms")
    secret = b"what only this form has"
    status, headers, _ = post(server.endpoint, fields, secret)
    assert (status, headers["x-amz-server-side-encryption"]) == (204, "aws:kms")
    assert client.head_object(Bucket=BUCKET, Key="kms")["ServerSideEncryption"] == "aws:kms"
    assert secret not in b"".join(
        path.read_bytes() for path in server.data.rglob("*") if path.is_file()
    )
    fields = signed(client, "wrong", x_amz_checksum_crc32="AAAAAA==")
    status, _, body = post(server.endpoint, fields, b"other")
    assert (status, b"<Code>BadDigest</Code>" in body) == (400, True)


CUSTOMER_KEY = bytes(range(32))
CUSTOMER = {
    "x_amz_server_side_encryption_customer_algorithm": "AES256",
    "x_amz_server_side_encryption_customer_key": base64.b64encode(CUSTOMER_KEY).decode(),
    "x_amz_server_side_encryption_customer_key_MD5": base64.b64encode(
        hashlib.md5(CUSTOMER_KEY).digest()
    ).decode(),
}
KMS = {
    "x_amz_server_side_encryption": "aws:kms",
    "x_amz_server_side_encryption_aws_kms_key_id": "KEY",
    "x_amz_server_side_encryption_bucket_key_enabled": "true",
}
DSSE = {
    "x_amz_server_side_encryption": "aws:kms:dsse",
    "x_amz_server_side_encryption_aws_kms_key_id": "KEY",
    "x_amz_server_side_encryption_context": base64.b64encode(b'{"team": "x"}').decode(),
}


@pytest.fixture
def key(server: Any) -> str:
    arn: str = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("fields", [KMS, DSSE, CUSTOMER], ids=["bucket key", "DSSE", "SSE-C"])
def test_a_form_encrypts_in_every_way(
    server: Any, client: Any, key: str, fields: dict[str, str], data: bytes
) -> None:
    """The encryption headers are fields; the answer repeats what PutObject's would."""
    own = fields is CUSTOMER
    members = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY} if own else {}
    unblock(client)
    sent = {name: key if text == "KEY" else text for name, text in fields.items()}
    status, headers, body = post(server.endpoint, signed(client, "sealed", **sent), data)
    assert (status, body) == (204, b"")
    shown = {
        name: text
        for name, text in headers.items()
        if name.startswith("x-amz-server-side-encryption")
    }
    kept = {name.replace("_", "-").lower(): text for name, text in sent.items()}
    kept.pop("x-amz-server-side-encryption-customer-key", None)
    context = kept.pop("x-amz-server-side-encryption-context", "")
    found_context = shown.pop("x-amz-server-side-encryption-context", "")
    assert shown == kept
    for text in filter(None, (context, found_context)):
        assert json.loads(base64.b64decode(text)) == {"team": "x"}
    assert bool(context) == bool(found_context)
    assert client.get_object(Bucket=BUCKET, Key="sealed", **members)["Body"].read() == data
    client.delete_bucket_encryption(Bucket=BUCKET)


def unblock(client: Any) -> None:
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
    client.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, b"AccessDenied"),
        ({"x_amz_server_side_encryption": "AES256"}, b"InvalidArgument"),
        ({"x_amz_server_side_encryption_customer_algorithm": "DES"}, b"InvalidEncryption"),
        ({"x_amz_server_side_encryption_customer_key": "c2hvcnQ="}, b"InvalidArgument"),
    ],
    ids=["blocked", "two ways", "algorithm", "key"],
)
def test_a_customers_key_in_a_form_is_judged(
    server: Any, client: Any, change: dict[str, str], code: bytes
) -> None:
    if change:
        unblock(client)
    fields = signed(client, "never", **{**CUSTOMER, **change})
    status, _, body = post(server.endpoint, fields, b"data")
    client.delete_bucket_encryption(Bucket=BUCKET)
    assert (status in (400, 403), code in body) == (True, True), body
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key="never")


def test_documents_and_redirects(server: Any, client: Any) -> None:
    form = client.generate_presigned_post(
        BUCKET, "a", Fields={"success_action_status": "201"},
        Conditions=[{"success_action_status": "201"}],
    )  # fmt: skip
    status, _, body = post(server.endpoint, form["fields"], b"x")
    assert status == 201
    assert f"<Bucket>{BUCKET}</Bucket><Key>a</Key>".encode() in body
    where = {"success_action_redirect": "https://example.com/done"}
    form = client.generate_presigned_post(BUCKET, "a", Fields=where, Conditions=[where])
    status, headers, _ = post(server.endpoint, form["fields"], b"x")
    assert status == 303
    assert headers["location"].startswith(f"https://example.com/done?bucket={BUCKET}&key=a&etag=")


REFUSED: list[tuple[str, Callable[[dict[str, str]], dict[str, str]], int, bytes]] = [
    ("another key", lambda fields: {**fields, "key": "other"}, 403, b"AccessDenied"),
    ("a field more", lambda fields: {**fields, "acl": "private"}, 403, b"Extra input fields"),
    (
        "no signature",
        lambda fields: {n: v for n, v in fields.items() if n != "x-amz-signature"},
        400,
        b"InvalidArgument",
    ),
    (
        "another policy",
        lambda fields: {**fields, "policy": base64.b64encode(b"{}").decode()},
        403,
        b"SignatureDoesNotMatch",
    ),
    ("nobody's", lambda fields: {"key": fields["key"]}, 403, b"AccessDenied"),
]


@pytest.mark.parametrize(
    ("change", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused_forms_store_nothing(
    server: Any,
    client: Any,
    change: Callable[[dict[str, str]], dict[str, str]],
    status: int,
    code: bytes,
) -> None:
    found, _, body = post(server.endpoint, change(signed(client, "refused")), b"x")
    assert (found, code in body) == (status, True)
    for key in ("refused", "other"):
        with pytest.raises(ClientError, match="404"):
            client.head_object(Bucket=BUCKET, Key=key)


def test_the_size_of_the_file_is_the_policys(server: Any, client: Any) -> None:
    conditions = [["content-length-range", 2, 2_000_000]]
    form = client.generate_presigned_post(BUCKET, "sized", Conditions=conditions)
    for data, code in ((b"x", b"EntityTooSmall"), (LARGE, b"EntityTooLarge")):
        status, _, body = post(server.endpoint, form["fields"], data)
        assert (status, code in body) == (400, True)


@pytest.mark.parametrize("taken", ["accept", "refuse"])
def test_the_old_signature(serve: Callable[..., Any], taken: str) -> None:
    server = serve("--dev", "--signature-v2", taken)
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    document = {
        "expiration": "2099-01-01T00:00:00Z",
        "conditions": [{"bucket": BUCKET}, {"key": "old"}],
    }
    policy = base64.b64encode(json.dumps(document).encode())
    signature = base64.b64encode(hmac.digest(b"test", policy, "sha1")).decode()
    fields = {
        "key": "old",
        "AWSAccessKeyId": "test",
        "policy": policy.decode(),
        "signature": signature,
    }
    assert post(server.endpoint, fields, b"x")[0] == (204 if taken == "accept" else 400)
    assert post(server.endpoint, {**fields, "signature": "AAAA"}, b"x")[0] in (400, 403)
