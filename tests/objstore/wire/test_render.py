"""Rendering: a round trip through botocore's parser for all operations, and goldens."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import botocore.awsrequest
import botocore.parsers
import botocore.session
import pytest

from kms.aws.errors import AWSError
from kms.aws.model import ServiceModel, load
from objstore.errors import S3Error
from objstore.wire.render import (
    compile_output,
    http_date,
    render_embedded_error,
    render_error,
)

GOLDENS = Path(__file__).parents[2] / "vectors" / "http"
MODEL = load("s3")
NAMES = [name for name, op in MODEL.operations.items() if op.output and not op.deprecated]
# botocore reads GetBucketLocation outside its parser, and events one by one.
UNPARSED = ("GetBucketLocation", "SelectObjectContent")
MOMENT = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
Fill = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNPARSED])
def test_round_trip(name: str, s3: ServiceModel, fill: Fill) -> None:
    operation = s3.operations[name]
    assert operation.output is not None
    reply = fill(operation.output)
    reply.pop("ContentRange", None)
    status, headers, body = compile_output(s3, operation)(reply)
    shape = s3.shape(operation.output)
    assert isinstance(body, bytes)
    sdk = botocore.session.get_session().get_service_model("s3").operation_model(name)
    parser = botocore.parsers.create_parser("rest-xml")
    streaming = shape.payload and s3.shape(shape.members[shape.payload].shape).type == "blob"
    response = {
        "status_code": status,
        "headers": botocore.awsrequest.HeadersDict(
            {key.decode(): text.decode() for key, text in headers}
        ),
        "body": BytesIO(body) if sdk.has_streaming_output else body,
    }
    parsed = parser.parse(response, sdk.output_shape)
    parsed.pop("ResponseMetadata")
    if "Expires" in parsed:
        parsed["Expires"] = http_date(parsed["Expires"])
    if streaming and sdk.has_streaming_output:
        assert shape.payload is not None
        parsed[shape.payload] = parsed[shape.payload].read()
    assert parsed == reply
    assert len({key for key, _ in headers}) == len(headers)


CONTENT = {
    "Key": "a&b\x01",
    "LastModified": MOMENT,
    "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "Size": 0,
    "StorageClass": "STANDARD",
}
LISTING: dict[str, Any] = {
    "IsTruncated": False,
    "Contents": [CONTENT],
    "Name": "photos",
    "Prefix": "",
    "MaxKeys": 1000,
    "CommonPrefixes": [{"Prefix": "x/"}],
}
OWNER = {"ID": "c0ffee", "DisplayName": "me"}
REPLIES: dict[str, dict[str, Any]] = {
    "ListObjects": LISTING,
    "ListObjectsV2": LISTING | {"KeyCount": 2},
    "ListObjectVersions": {"Versions": [CONTENT | {"VersionId": "null", "IsLatest": True}]},
    "ListBuckets": {"Buckets": [{"Name": "photos", "CreationDate": MOMENT}], "Owner": OWNER},
    "ListParts": {"Parts": [{"PartNumber": 1, "Size": 5}], "IsTruncated": False},
    "ListMultipartUploads": {"Uploads": [{"Key": "k", "Initiated": MOMENT}]},
    "CreateMultipartUpload": {"Bucket": "photos", "Key": "k", "UploadId": "u"},
    "CompleteMultipartUpload": {"ETag": '"e-1"', "VersionId": "v"},
    "CopyObject": {"CopyObjectResult": {"ETag": '"e"', "LastModified": MOMENT}},
    "UploadPartCopy": {"CopyPartResult": {"ETag": '"e"', "LastModified": MOMENT}},
    "DeleteObjects": {"Deleted": [{"Key": "k"}], "Errors": [{"Key": "l", "Code": "AccessDenied"}]},
    "GetBucketLocation": {"LocationConstraint": "eu-west-1"},
    "GetBucketVersioning": {},
    "GetBucketTagging": {"TagSet": [{"Key": "k", "Value": "v"}]},
    "GetBucketAcl": {
        "Owner": OWNER,
        "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "c"}, "Permission": "READ"}],
    },
    "GetBucketEncryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        }
    },
    "GetBucketPolicy": {"Policy": "{}"},
    "GetObjectAttributes": {"ETag": "e", "ObjectSize": 3, "LastModified": MOMENT},
    "PutBucketPolicy": {},
    "PutBucketTagging": {},
    "PutObject": {"ETag": '"e"', "BucketKeyEnabled": True},
    "DeleteBucket": {},
    "DeleteObject": {"DeleteMarker": True, "VersionId": "v"},
    "AbortMultipartUpload": {},
    "CreateBucket": {"Location": "/photos"},
    "HeadObject": {"ContentLength": 5, "Metadata": {"a": "ü"}, "AcceptRanges": "bytes"},
    "GetObject": {"ContentLength": 1, "Body": b"a", "ContentRange": "bytes 0-0/9"},
}


def golden(status: int, headers: list[tuple[bytes, bytes]], body: object) -> str:
    assert isinstance(body, bytes)
    lines = [str(status), *(f"{key.decode()}: {text.decode()}" for key, text in headers)]
    return "\n".join([*lines, "", body.decode(), ""])


@pytest.mark.parametrize("name", REPLIES)
def test_goldens(name: str, s3: ServiceModel) -> None:
    response = compile_output(s3, s3.operations[name])(REPLIES[name])
    assert golden(*response) == (GOLDENS / f"{name}.golden").read_text()


def test_an_unset_location_is_empty(s3: ServiceModel) -> None:
    _, _, body = compile_output(s3, s3.operations["GetBucketLocation"])({})
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
    )


def test_every_document_has_its_root(s3: ServiceModel) -> None:
    for name in NAMES:
        _, headers, body = compile_output(s3, s3.operations[name])({})
        if (b"content-type", b"application/xml") in headers:
            assert isinstance(body, bytes)
            if not body:
                assert name == "HeadBucket"
                continue
            root = body.split(b"\n<")[1].split(b" ")[0]
            assert not root.endswith((b"OutputOutput", b"Response")) or name == (
                "GetObjectAttributes"
            )


def test_streams_pass_through(s3: ServiceModel) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"a"

    body = stream()
    reply = {"Body": body, "ContentLength": 1}
    assert compile_output(s3, s3.operations["GetObject"])(reply) == (
        200,
        [(b"content-length", b"1")],
        body,
    )


@pytest.mark.parametrize(
    "reply",
    [
        {"ContentDisposition": "a\r\nset-cookie: b"},
        {"ContentType": "a\x00"},
        {"Metadata": {"a\r\nb": "c"}},
        {"Metadata": {"a:b": "c"}},
    ],
)
def test_headers_cannot_be_split(s3: ServiceModel, reply: dict[str, Any]) -> None:
    with pytest.raises(S3Error, match="InvalidArgument"):
        compile_output(s3, s3.operations["GetObject"])(reply)


def test_headers_are_latin(s3: ServiceModel) -> None:
    reply = {"CacheControl": "\xc3\x84M", "ContentDisposition": "a—é", "Metadata": {"a": "b\nc"}}
    _, headers, _ = compile_output(s3, s3.operations["GetObject"])(reply)
    assert (b"cache-control", "ÄM".encode()) in headers  # as it came
    assert (b"content-disposition", b"a \xe9") in headers
    assert (b"x-amz-meta-a", b"=?UTF-8?B?Ygpj?=") in headers


def test_http_dates() -> None:
    assert http_date(MOMENT) == "Thu, 29 Feb 2024 23:59:58 GMT"
    elsewhere = (MOMENT + timedelta(1)).astimezone(timezone(timedelta(hours=-5)))
    assert http_date(elsewhere) == "Fri, 01 Mar 2024 23:59:58 GMT"


ERROR = S3Error("NoSuchKey", headers={"X-Amz-Delete-Marker": "true"}, Key="a<b")
IDS = {"request_id": "R", "host_id": "H"}


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("error", render_error(ERROR, head=False, **IDS)),
        ("error_head", render_error(ERROR, head=True, **IDS)),
        ("error_304", render_error(S3Error("NotModified"), head=False, **IDS)),
        ("error_embedded", render_embedded_error(AWSError("InternalError", "Oops"), **IDS)),
    ],
)
def test_errors(name: str, response: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    assert golden(*response) == (GOLDENS / f"{name}.golden").read_text()


def test_headers_that_the_model_does_not_have(s3: ServiceModel) -> None:
    for name in ("GetObject", "HeadObject"):
        render = compile_output(s3, s3.operations[name])
        _, headers, _ = render({"SSEKMSEncryptionContext": "e30="})
        assert (b"x-amz-server-side-encryption-context", b"e30=") in headers


def test_versions_and_delete_markers_share_one_order(s3: ServiceModel) -> None:
    render = compile_output(s3, s3.operations["ListObjectVersions"])
    rows = [("DeleteMarkers", {"Key": "a"}), ("Versions", {"Key": "a"}), ("DeleteMarkers", {})]
    _, _, body = render({"Rows": rows, "Versions": [{"Key": "a"}], "Name": "bucket"})
    assert isinstance(body, bytes)
    names = re.findall(rb"<(DeleteMarker|Version)>", body)
    assert names == [b"DeleteMarker", b"Version", b"DeleteMarker"]
    assert b"<Name>bucket</Name>" in body
