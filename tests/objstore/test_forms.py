"""A form's fields as a PutObject, and PutObject's answer as a page's next step."""

import base64
import json
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.exchange import Request, Response
from objstore.forms import FILE_BYTES_MAX, Form, Upload, answer, upload_of
from objstore.storage.store import Store
from objstore.transfer.spool import Spool

NOW = 1_800_000_000.0
TAGGING = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;</Value></Tag></TagSet></Tagging>"


def request(path: str = "/bucket", body: bytes = b"", **headers: str) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    sent = {"host": "localhost:9000", "content_length": str(len(body)), **headers}
    scope = {
        "method": "POST",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()
        ],
        "scheme": "http",
    }
    return Request(scope, receive)


def judged(filename: str = "", **fields: str) -> Upload:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return upload_of({"key": "k", **named}, bucket="bucket", filename=filename, now=NOW)


def test_fields_become_headers() -> None:
    upload = judged(
        acl="private",
        content_type="text/plain",
        cache_control="no-store",
        tagging=TAGGING,
        x_amz_meta_a="1",
        x_amz_meta_b="\0 =?",
        x_amz_server_side_encryption="aws:kms",
        x_amz_signature="secret",
        x_amz_security_token="secret",
        x_ignore_this="1",
        submit="1",
    )
    assert upload.headers == {
        "x-amz-acl": "private",
        "content-type": "text/plain",
        "cache-control": "no-store",
        "x-amz-tagging": "a+b=%26",
        "x-amz-meta-a": "1",
        "x-amz-meta-b": "=?UTF-8?B?ACA9Pw==?=",
        "x-amz-server-side-encryption": "aws:kms",
    }
    assert (upload.sizes, upload.status, upload.redirect) == ((0, FILE_BYTES_MAX), 204, "")


@pytest.mark.parametrize(
    ("key", "filename", "expected"),
    [
        ("k", "a.txt", "k"),
        ("in/${filename}", "a.txt", "in/a.txt"),
        ("${filename}/${filename}", "a", "a/a"),
        ("in/${filename}", "", "in/${filename}"),
    ],
)
def test_the_filename_in_the_key(key: str, filename: str, expected: str) -> None:
    assert judged(filename, key=key).key == expected


def test_the_policy_sees_the_key_with_its_filename_and_the_bucket_of_the_path() -> None:
    def policy(bucket: str) -> str:
        document = {
            "expiration": "2030-01-01T00:00:00Z",
            "conditions": [
                {"bucket": bucket},
                ["eq", "$key", "in/a.txt"],
                ["content-length-range", 1, 9],
            ],
        }
        return base64.b64encode(json.dumps(document).encode()).decode()

    assert judged("a.txt", key="in/${filename}", policy=policy("bucket")).sizes == (1, 9)
    with pytest.raises(AWSError, match="Policy Condition failed"):
        judged("b.txt", key="in/${filename}", policy=policy("bucket"))
    with pytest.raises(AWSError, match="Policy Condition failed"):
        judged("a.txt", key="in/${filename}", policy=policy("other"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"key": ""}, "InvalidArgument"),
        ({"tagging": "not xml"}, "MalformedXML"),
        ({"content_type": "a\r\nset-cookie: b"}, "InvalidArgument"),
        ({"x_amz_meta_a: b": "a"}, "InvalidArgument"),
        ({"policy": "?"}, "InvalidPolicyDocument"),
    ],
)
def test_refused(fields: dict[str, str], code: str) -> None:
    with pytest.raises(AWSError, match=code):
        judged(**fields)


def test_a_form_without_a_key() -> None:
    with pytest.raises(AWSError, match="must contain a field named 'key'"):
        upload_of({}, bucket="bucket", filename="", now=NOW)


REDIRECTS = [
    ("https://example.com/done", "https://example.com/done"),
    ("javascript:alert(1)", ""),
    ("/relative", ""),
    ("https://example.com/\r\nset-cookie: a", ""),
    ("http://[", ""),
]


@pytest.mark.parametrize(("field", "redirect"), REDIRECTS)
def test_only_web_addresses_are_redirected_to(field: str, redirect: str) -> None:
    assert judged(success_action_redirect=field).redirect == ""
    fields = {"key": "k", "success_action_redirect": field}
    assert upload_of(fields, bucket="b", filename="", now=NOW).redirect == redirect


def stored() -> Response:
    return Response(200, [(b"etag", b'"e"'), (b"content-length", b"0")])


def test_answers() -> None:
    def answered(path: str = "/bucket", **fields: str) -> Response:
        upload = upload_of({"key": "a/ü", **fields}, bucket="bucket", filename="", now=NOW)
        return answer(upload, request(path), stored(), bucket="bucket")

    plain = answered()
    assert (plain.status, plain.body) == (204, b"")
    assert dict(plain.headers) == {
        b"etag": b'"e"',
        b"location": b"http://localhost:9000/bucket/a%2F%C3%BC",
    }
    assert answered(success_action_status="404").status == 204
    assert dict(answered("/", success_action_status="200").headers)[b"location"].endswith(
        b"localhost:9000/a%2F%C3%BC"
    )
    document = answered(success_action_status="201")
    assert document.status == 201
    assert isinstance(document.body, bytes)
    assert document.body.decode().endswith(
        "<PostResponse><Location>http://localhost:9000/bucket/a%2F%C3%BC</Location>"
        "<Bucket>bucket</Bucket><Key>a/ü</Key><ETag>&quot;e&quot;</ETag></PostResponse>"
    )
    redirected = answered(success_action_redirect="https://example.com/?q=1")
    assert redirected.status == 303
    assert (
        dict(redirected.headers)[b"location"]
        == b"https://example.com/?q=1&bucket=bucket&key=a%2F%C3%BC&etag=%22e%22"
    )


BODY = (
    b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n12345\r\n--x--\r\n'
)


def form(body: bytes = BODY, **headers: str) -> Form:
    sent = {"content_type": "multipart/form-data; boundary=x", **headers}
    return Form(request(body=body, **sent), region="us-east-1")


@pytest.mark.parametrize(
    ("sizes", "code", "fields"),
    [
        ((0, 4), "EntityTooLarge", {"ProposedSize": "5", "MaxSizeAllowed": "4"}),
        ((6, 9), "EntityTooSmall", {"ProposedSize": "5", "MinSizeAllowed": "6"}),
    ],
)
async def test_the_size_is_the_files(
    s3: Any, sizes: tuple[int, int], code: str, fields: dict[str, str]
) -> None:
    arrived = form()
    assert await arrived.read_fields() == {"key": "k"}
    with pytest.raises(AWSError, match=code) as caught:
        await arrived.read_file(Spool(s3.store), sizes)
    assert caught.value.fields == fields


async def test_a_form_is_read_whole(s3: Any) -> None:
    arrived, spool = form(), Spool(s3.store)
    await arrived.read_fields()
    await arrived.read_file(spool, (5, 5))
    assert (arrived.filename, spool.length) == ("f", 5)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (BODY[:-8], {}, "MalformedPOSTRequest"),
        (BODY, {"content_length": str(len(BODY) + 1)}, "IncompleteBody"),
        (BODY, {"content_length": "1"}, "IncompleteBody"),
    ],
)
async def test_torn_forms(s3: Any, body: bytes, headers: dict[str, str], code: str) -> None:
    arrived = form(body, **headers)

    async def read(store: Store) -> None:
        await arrived.read_fields()
        await arrived.read_file(Spool(store), (0, 9))

    with pytest.raises(AWSError, match=code):
        await read(s3.store)
