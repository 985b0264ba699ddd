"""Binding: a round trip through botocore's serializer for all operations, and the refusals."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.serialize
import botocore.session
import pytest

from kms.aws.model import ServiceModel, load, parse
from objstore.errors import S3Error
from objstore.wire import quirks
from objstore.wire.bind import body_bytes_max, compile_input, needs_document
from objstore.wire.route import compile_routes, parse_query, split_target
from objstore.wire.values import xform

NAMES = [name for name, op in load("s3").operations.items() if not op.deprecated]
Fill = Callable[[str], dict[str, Any]]


def handler_of(names: list[str]) -> Callable[..., Any]:
    """A handler whose signature takes just these keywords."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("call", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [inspect.Parameter(name, kind) for name in names]

    def handler() -> None:
        """Never runs."""

    handler.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return handler


@pytest.fixture(scope="module")
def sdk() -> Any:
    return botocore.session.get_session().get_service_model("s3")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in quirks.UNROUTED])
def test_round_trip(name: str, s3: ServiceModel, sdk: Any, fill: Fill) -> None:
    operation = s3.operations[name]
    if operation.input is None:
        bind = compile_input(s3, operation, handler_of([]))
        assert bind(None, {}, {}, None, None) == {}
        return
    shape = s3.shape(operation.input)
    values = fill(shape.name)
    if "Bucket" in values:
        values["Bucket"] = "photos"
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    request = serializer.serialize_to_request(dict(values), sdk.operation_model(name))
    botocore.awsrequest.prepare_request_dict(request, endpoint_url="http://localhost")
    url = urlsplit(request["url"])
    prepared = botocore.awsrequest.AWSRequest(
        method=request["method"], url=request["url"], params=request["query_string"]
    ).prepare()
    url = urlsplit(prepared.url)
    query = parse_query(url.query.encode())
    bucket, key = split_target(url.path.encode(), "localhost", ("localhost",))
    headers = {header.lower(): str(text) for header, text in request["headers"].items()}
    if quirks.SDK_CHECKSUM_HEADER in headers:
        # Of what a client adds while it sends, the serializer has only the algorithm's name.
        headers["x-amz-trailer"] = f"x-amz-checksum-{headers[quirks.SDK_CHECKSUM_HEADER]}"
    found = compile_routes(s3).match(operation.method, bool(bucket), bool(key), query, headers)
    assert found == name

    taken = [xform(member) for member in shape.members if member != "Bucket"]
    wanted = {xform(member): value for member, value in values.items() if member != "Bucket"}
    bind = compile_input(
        s3, operation, handler_of(taken + ["bucket"] * (name in quirks.TAKES_BUCKET))
    )
    body = request["body"]
    document = body.encode() if isinstance(body, str) else body
    payload = object()
    bound = bind(key, query, headers, document, payload)
    if shape.payload and s3.shape(shape.members[shape.payload].shape).type == "blob":
        wanted[xform(shape.payload)] = payload
    assert bound == wanted


def test_sdk_names() -> None:
    for service in ("s3", "kms", "sts", "iam"):
        model = load(service)
        for shape in model.shapes.values():
            for member in shape.members:
                assert xform(member) == botocore.xform_name(member)


@dataclass(frozen=True)
class Conditions:
    if_match: str | None = None
    if_modified_since: datetime | None = None


async def get_object(call: Any, *, key: str, conditions: Conditions, part_number: int = 0) -> None:
    """Takes a group."""


NO_CONDITIONS = Conditions()


async def get_object_with_default(
    call: Any, *, key: str, conditions: Conditions = NO_CONDITIONS
) -> None:
    """Takes a group whose empty instance is its own."""


async def put_object(call: Any, *, key: str, body: Any, content_encoding: str = "") -> None:
    """Takes no metadata."""


def test_groups_are_made_and_shared_when_empty(s3: ServiceModel) -> None:
    bind = compile_input(s3, s3.operations["GetObject"], get_object)
    plain = bind("k", {}, {}, None, None)
    assert plain == {"key": "k", "conditions": Conditions()}
    assert bind("k", {}, {}, None, None)["conditions"] is plain["conditions"]
    given = compile_input(s3, s3.operations["GetObject"], get_object_with_default)
    assert given("k", {}, {}, None, None)["conditions"] is NO_CONDITIONS
    headers = {"if-match": '"x"', "if-modified-since": "Thu, 29 Feb 2024 23:59:58 GMT"}
    moment = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
    assert bind("k", {"partNumber": "2"}, headers, None, None) == {
        "key": "k",
        "part_number": 2,
        "conditions": Conditions('"x"', moment),
    }


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
def test_headers_that_the_model_lacks(s3: ServiceModel, operation: str) -> None:
    headers = {"range": "bytes=0-1", "if-range": '"x"'}
    names = ["key", "range", "if_range"]
    bind = compile_input(s3, s3.operations[operation], handler_of(names))
    bound = bind("k", {}, headers, None, None)
    assert bound == {"key": "k", "range": "bytes=0-1", "if_range": '"x"'}
    bind = compile_input(s3, s3.operations[operation], handler_of(["key", "range"]))
    with pytest.raises(S3Error, match="If-Range"):
        bind("k", {}, headers, None, None)


def test_what_is_ignored(s3: ServiceModel) -> None:
    bind = compile_input(s3, s3.operations["GetObject"], get_object)
    headers = {
        "if-modified-since": "yesterday",
        "x-amz-request-payer": "requester",
        "x-amz-expected-bucket-owner": "1",
        "x-amz-unknown": "1",
        "user-agent": "x",
    }
    query = {"partNumber": "", "x-id": "GetObject", "unknown": "1"}
    assert bind("k", query, headers, None, None) == {"key": "k", "conditions": Conditions()}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers"),
        ({"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "specified, but no corresponding"),
        ({"x-amz-trailer": "x-amz-checksum-crc32c"}, "Value for x-amz-sdk-checksum-algorithm"),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, None),
        ({"x-amz-trailer": "X-Amz-Checksum-CRC32"}, None),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, None),
        ({"x-amz-checksum-sha1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, None),
    ],
)
def test_a_named_algorithm_needs_its_checksum(
    s3: ServiceModel, headers: dict[str, str], message: str | None
) -> None:
    sent = {"x-amz-sdk-checksum-algorithm": "crc32", **headers}
    names = ["key", "body", "content_md5", "checksum_crc32", "checksum_sha1"]
    bind = compile_input(s3, s3.operations["PutObject"], handler_of(names))
    if message is None:
        assert bind("k", {}, sent, None, None)["key"] == "k"
        return
    with pytest.raises(S3Error) as caught:
        bind("k", {}, sent, None, None)
    assert caught.value.code == "InvalidRequest"
    assert message in caught.value.message


@pytest.mark.parametrize("sent", ["ENABLED", "enabled"])
def test_checksum_mode_is_read_in_any_case(s3: ServiceModel, sent: str) -> None:
    bind = compile_input(s3, s3.operations["GetObject"], handler_of(["key", "checksum_mode"]))
    bound = bind("k", {}, {"x-amz-checksum-mode": sent}, None, None)
    assert bound["checksum_mode"] == "ENABLED"


@pytest.mark.parametrize(
    ("operation", "names", "query", "headers", "code", "field"),
    [
        ("PutObject", ["key", "body"], {}, {"x-amz-meta-a": "1"}, "NotImplemented", "x-amz-meta-"),
        ("PutObject", ["key"], {}, {"x-amz-tagging": "a"}, "NotImplemented", "x-amz-tagging"),
        ("DeleteObject", ["key"], {}, {"x-amz-mfa": "1"}, "NotImplemented", "x-amz-mfa"),
        ("GetObject", ["key"], {"versionId": "v"}, {}, "NotImplemented", "versionId"),
        ("GetObject", ["key", "part_number"], {"partNumber": "x"}, {}, "InvalidArgument", "x"),
        ("ListObjects", ["max_keys"], {"max-keys": str(2**31)}, {}, "InvalidArgument", "max-keys"),
        ("ListObjects", ["encoding_type"], {"encoding-type": "x"}, {}, "InvalidArgument", "x"),
        ("UploadPart", ["key", "part_number", "upload_id"], {"uploadId": "u"}, {},
         "InvalidArgument", "partNumber"),
        ("CopyObject", ["key", "copy_source"], {}, {}, "InvalidRequest", ""),
        ("PutObject", ["key", "object_lock_retain_until_date"], {},
         {"x-amz-object-lock-retain-until-date": "never"}, "InvalidArgument", "never"),
        ("PutObject", ["key", "bucket_key_enabled"], {},
         {"x-amz-server-side-encryption-bucket-key-enabled": "yes"}, "InvalidArgument", "yes"),
        ("PutObject", ["key", "server_side_encryption"], {},
         {"x-amz-server-side-encryption": ""}, "InvalidArgument", "x-amz-server-side-encryption"),
        ("GetObject", ["key"], {}, {"x-amz-server-side-encryption": "AES256"},
         "InvalidArgument", "AES256"),
        ("HeadObject", ["key"], {}, {"x-amz-server-side-encryption": ""}, "InvalidArgument", ""),
        ("PutBucketTagging", ["tagging"], {}, {}, "MissingRequestBodyError", ""),
    ],
)  # fmt: skip
def test_refusals(
    s3: ServiceModel,
    operation: str,
    names: list[str],
    query: dict[str, str],
    headers: dict[str, str],
    code: str,
    field: str,
) -> None:
    bind = compile_input(s3, s3.operations[operation], handler_of(names))
    with pytest.raises(S3Error) as caught:
        bind("k", query, headers, None, None)
    assert caught.value.code == code
    assert not field or field in caught.value.fields.values()


def test_unsupported_documents_are_named(s3: ServiceModel) -> None:
    bind = compile_input(
        s3, s3.operations["CompleteMultipartUpload"], handler_of(["key", "upload_id"])
    )
    assert bind("k", {"uploadId": "u"}, {}, b"", None) == {"key": "k", "upload_id": "u"}
    with pytest.raises(S3Error, match="NotImplemented"):
        bind("k", {"uploadId": "u"}, {}, b"<CompleteMultipartUpload/>", None)


@pytest.mark.parametrize("names", [["key", "colour"], ["conditions"], []])
def test_signatures_that_do_not_fit(s3: ServiceModel, names: list[str]) -> None:
    with pytest.raises(TypeError):
        compile_input(s3, s3.operations["GetObject"], handler_of(names))


def test_create_bucket_takes_its_name(s3: ServiceModel) -> None:
    with pytest.raises(TypeError):
        compile_input(s3, s3.operations["CreateBucket"], handler_of([]))
    compile_input(s3, s3.operations["CreateBucket"], handler_of(["bucket"]))


@pytest.mark.parametrize(
    ("name", "needs"),
    [("PutObject", False), ("GetObject", False), ("ListBuckets", False), ("DeleteObjects", True),
     ("PutBucketPolicy", True), ("SelectObjectContent", True), ("UploadPart", False)],
)  # fmt: skip
def test_documents(s3: ServiceModel, name: str, needs: bool) -> None:
    assert needs_document(s3, s3.operations[name]) is needs


def test_body_limits(s3: ServiceModel) -> None:
    assert body_bytes_max(s3.operations["DeleteObjects"]) == 2 * 1024 * 1024
    assert body_bytes_max(s3.operations["PutBucketTagging"]) == 64 * 1024


def test_policies_are_text(s3: ServiceModel) -> None:
    bind = compile_input(s3, s3.operations["PutBucketPolicy"], handler_of(["policy"]))
    assert bind(None, {}, {"content-md5": "x"}, b'{"a": "\xc3\xbc"}', None) == {
        "policy": '{"a": "ü"}'
    }
    with pytest.raises(S3Error, match="MalformedXML"):
        bind(None, {}, {}, b"\xff", None)


def test_unsupported_members_of_a_document_are_named(s3: ServiceModel) -> None:
    names = ["key", "expression", "expression_type", "input_serialization", "output_serialization"]
    bind = compile_input(s3, s3.operations["SelectObjectContent"], handler_of(names))
    document = (
        b"<SelectObjectContentRequest><Expression>e</Expression>"
        b"<ExpressionType>SQL</ExpressionType><InputSerialization/><OutputSerialization/>%s"
        b"</SelectObjectContentRequest>"
    )
    assert bind("k", {}, {}, document % b"", None)["expression"] == "e"
    with pytest.raises(S3Error, match="scan_range"):
        bind("k", {}, {}, document % b"<ScanRange/>", None)


def test_an_operation_may_take_nothing() -> None:
    operations = {"Do": {"name": "Do", "http": {"method": "GET", "requestUri": "/"}}}
    tiny = parse("s3", {"metadata": TINY, "operations": operations, "shapes": {}})

    async def do(call: Any) -> None: ...

    bind = compile_input(tiny, tiny.operations["Do"], do)
    assert bind(None, {"x": "1"}, {"host": "h"}, None, None) == {}
    assert not needs_document(tiny, tiny.operations["Do"])


TINY = {"protocol": "rest-xml", "apiVersion": "2006-03-01"}
