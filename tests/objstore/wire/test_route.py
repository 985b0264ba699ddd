"""Targets, queries and the routing table."""

import pytest

from kms.aws.model import ServiceModel
from objstore.errors import S3Error
from objstore.wire import quirks
from objstore.wire.route import KEY_BYTES_MAX, Router, compile_routes, parse_query, split_target

SUFFIXES = ("localhost", "s3.example.com")


@pytest.fixture(scope="module")
def router(s3: ServiceModel) -> Router:
    return compile_routes(s3)


@pytest.mark.parametrize(
    ("path", "host", "target"),
    [
        (b"/", "localhost:9000", ("", "")),
        (b"/photos", "localhost", ("photos", "")),
        (b"/photos/", "localhost", ("photos", "")),
        (b"/photos/a/../b//c/", "localhost", ("photos", "a/../b//c/")),
        (b"/photos//a", "localhost", ("photos", "/a")),
        (b"/photos/a+b%20c%252F%2f", "localhost", ("photos", "a+b c%2F/")),
        (b"/photos/%C3%BC", "127.0.0.1:1", ("photos", "ü")),
        (b"/a/b", "Photos.LOCALHOST:9000", ("photos", "a/b")),
        (b"/", "my.photos.s3.example.com", ("my.photos", "")),
        (b"/:photos/a", "localhost", ("photos", "a")),
        (b"/%3Aphotos", "localhost", ("photos", "")),
        (b"/::photos", "localhost", (":photos", "")),
        (b"/:/a", "localhost", (":", "a")),
        (b"/a", "[::1]:9000", ("a", "")),
        (b"/p/" + b"k" * KEY_BYTES_MAX, "localhost", ("p", "k" * KEY_BYTES_MAX)),
    ],
)
def test_targets(path: bytes, host: str, target: tuple[str, str]) -> None:
    assert split_target(path, host, SUFFIXES) == target


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"*", "InvalidURI"),
        (b"", "InvalidURI"),
        (b"/b/%zz", "InvalidURI"),
        (b"/b/%2", "InvalidURI"),
        (b"/b/%ff", "InvalidURI"),
        (b"/b/\xff", "InvalidURI"),
        (b"/b/%ed%a0%80", "InvalidURI"),
        (b"/b/" + b"k" * (KEY_BYTES_MAX + 1), "KeyTooLongError"),
        (b"/b/" + "ü".encode() * 513, "KeyTooLongError"),
    ],
)
def test_targets_that_are_none(path: bytes, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        split_target(path, "localhost", SUFFIXES)
    assert caught.value.code == code


def test_queries() -> None:
    assert parse_query(b"") == {}
    assert parse_query(b"acl&prefix=a+b%2B&prefix=second&&x=a=b&=lost") == {
        "acl": "",
        "prefix": "a b+",
        "x": "a=b",
    }


@pytest.mark.parametrize("raw", [b"a=%zz", b"a=%ff", b"&".join([b"a"] * 257)])
def test_queries_that_are_none(raw: bytes) -> None:
    with pytest.raises(S3Error, match="InvalidURI"):
        parse_query(raw)


CREATE = {"uploadId": "u", "partNumber": "1"}
COPY = {"x-amz-copy-source": "/b/k"}
TABLE: list[tuple[str, int, dict[str, str], dict[str, str], str]] = [
    ("GET", 0, {}, {}, "ListBuckets"),
    ("GET", 0, {"x-id": "ListBuckets"}, {}, "ListBuckets"),
    ("GET", 1, {}, {}, "ListObjects"),
    ("GET", 1, {"list-type": "2"}, {}, "ListObjectsV2"),
    ("GET", 1, {"list-type": "1", "prefix": "a"}, {}, "ListObjects"),
    ("HEAD", 1, {}, {}, "HeadBucket"),
    ("PUT", 1, {}, {}, "CreateBucket"),
    ("GET", 1, {"location": ""}, {}, "GetBucketLocation"),
    ("GET", 1, {"analytics": ""}, {}, "ListBucketAnalyticsConfigurations"),
    ("GET", 1, {"analytics": "", "id": "1"}, {}, "GetBucketAnalyticsConfiguration"),
    ("DELETE", 1, {"analytics": ""}, {}, "DeleteBucketAnalyticsConfiguration"),
    ("POST", 1, {"delete": ""}, {}, "DeleteObjects"),
    ("POST", 1, {}, {"content-type": "multipart/form-data; boundary=x"}, "PostObject"),
    ("POST", 1, {}, {}, "PostObject"),
    ("OPTIONS", 1, {}, {}, "PreflightObject"),
    ("OPTIONS", 2, {"acl": ""}, {}, "PreflightObject"),
    ("GET", 2, {}, {}, "GetObject"),
    ("GET", 2, {"partNumber": "1", "versionId": "v"}, {}, "GetObject"),
    ("GET", 2, {"uploadId": "u"}, {}, "ListParts"),
    ("GET", 2, {"acl": ""}, {}, "GetObjectAcl"),
    ("GET", 2, {"torrent": ""}, {}, "GetObjectTorrent"),
    ("GET", 2, {"attributes": ""}, {}, "GetObjectAttributes"),
    ("HEAD", 2, {}, {}, "HeadObject"),
    ("PUT", 2, {}, {}, "PutObject"),
    ("PUT", 2, {}, COPY, "CopyObject"),
    ("PUT", 2, CREATE, {}, "UploadPart"),
    ("PUT", 2, CREATE, COPY, "UploadPartCopy"),
    ("PUT", 2, {"partNumber": "1"}, {}, "UploadPart"),
    ("PUT", 2, {"uploadId": "u"}, {}, "UploadPart"),
    ("PUT", 2, {"uploadId": "u"}, COPY, "UploadPart"),
    ("PUT", 2, {"renameObject": ""}, {}, "RenameObject"),
    ("POST", 2, {"uploads": ""}, {}, "CreateMultipartUpload"),
    ("POST", 2, {"uploadId": "u"}, {}, "CompleteMultipartUpload"),
    ("POST", 2, {"select": "", "select-type": "2"}, {}, "SelectObjectContent"),
    ("DELETE", 2, {}, {}, "DeleteObject"),
    ("DELETE", 2, {"uploadId": "u"}, {}, "AbortMultipartUpload"),
]


@pytest.mark.parametrize(("method", "depth", "query", "headers", "operation"), TABLE)
def test_routes(
    router: Router,
    method: str,
    depth: int,
    query: dict[str, str],
    headers: dict[str, str],
    operation: str,
) -> None:
    assert router.match(method, depth > 0, depth > 1, query, headers) == operation


@pytest.mark.parametrize(
    ("method", "depth", "query"),
    [
        ("POST", 0, {}),
        ("OPTIONS", 0, {}),
        ("POST", 2, {}),
        ("PATCH", 2, {}),
        ("GET", 2, {"cors": ""}),
        ("GET", 2, {"acl": "", "cors": ""}),
        ("HEAD", 2, {"acl": ""}),
        ("PUT", 2, {"torrent": ""}),
        ("GET", 0, {"acl": ""}),
        ("DELETE", 1, {"versions": ""}),
    ],
)
def test_what_is_nowhere_is_not_allowed(
    router: Router, method: str, depth: int, query: dict[str, str]
) -> None:
    with pytest.raises(S3Error) as caught:
        router.match(method, depth > 0, depth > 1, query, {})
    assert caught.value.code == "MethodNotAllowed"
    assert caught.value.fields["Method"] == method
    assert method not in caught.value.headers["allow"].split(", ")


def test_every_operation_has_a_route(s3: ServiceModel, router: Router) -> None:
    for operation in s3.operations.values():
        if operation.deprecated or operation.name in quirks.UNROUTED:
            continue
        path, _, fixed = operation.uri.partition("?")
        query = parse_query(fixed.encode())
        headers = {}
        shape = s3.shape(operation.input) if operation.input else None
        for member in shape.members.values() if shape else ():
            if shape and member.name in shape.required:
                if member.location == "querystring":
                    query[member.wire_name] = "1"
                elif member.location == "header":
                    headers[member.wire_name.lower()] = "1"
        depth = path.count("{")
        assert router.match(operation.method, depth > 0, depth > 1, query, headers) == (
            operation.name
        )
