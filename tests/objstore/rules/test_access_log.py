"""Lines of access logs: AWS's fields in AWS's order, and nothing that could end one."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from objstore.rules.access_log import Visited, by_event_time, line, object_key, operation

AT = datetime(2026, 2, 6, 0, 0, 38, tzinfo=UTC)
GET = Visited(
    owner="79a5",
    bucket="bucket",
    at=AT,
    source_ip="192.0.2.3",
    requester="arn:aws:iam::123456789012:user/bob",
    request_id="3E57427F3EXAMPLE",
    operation="GetObject",
    method="GET",
    key="a b/ü",
    target="/bucket/a%20b/%C3%BC?versionId=1",
    status=200,
    error_code="",
    sent=113,
    object_size=2000,
    milliseconds=7,
    referer="",
    user_agent="curl/7 (x)",
    version_id="1",
    host_id="s9lz",
    authentication="AuthHeader",
    host="localhost:9000",
    tls="1.3",
    region="us-east-1",
)


def test_a_line_is_awss() -> None:
    assert line(GET) == (
        "79a5 bucket [06/Feb/2026:00:00:38 +0000] 192.0.2.3 arn:aws:iam::123456789012:user/bob "
        '3E57427F3EXAMPLE REST.GET.OBJECT a%20b/%C3%BC "GET /bucket/a%20b/%C3%BC?versionId=1 '
        'HTTP/1.1" 200 - 113 2000 7 7 "-" "curl/7 (x)" 1 s9lz SigV4 - AuthHeader localhost:9000 '
        "TLSv1.3 - - us-east-1"
    )


def test_what_is_not_there_is_a_dash() -> None:
    nothing = replace(
        GET,
        requester="",
        key="",
        sent=0,
        object_size=None,
        version_id="",
        authentication="",
        host="",
        tls="",
        status=403,
        error_code="AccessDenied",
    )
    fields = shlex.split(re.sub(r"[\[\]]", '"', line(nothing)))
    assert len(fields) == 27
    assert (fields[4], fields[7], fields[9:13]) == ("-", "-", ["403", "AccessDenied", "-", "-"])
    assert fields[17:25] == ["-", "s9lz", "-", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize("field", ["user_agent", "referer", "host", "target", "version_id"])
@pytest.mark.parametrize("text", ['a" 200 - "b', "a\nb", "a\r\nb", "\x00", "\xff"])
def test_nothing_ends_a_field_or_a_line(field: str, text: str) -> None:
    seen: Any = {field: text}
    written = line(replace(GET, **seen))
    assert "\n" not in written
    assert "\r" not in written
    assert written.isascii()
    assert written.count('"') == 6


@pytest.mark.parametrize(
    ("query", "logged"),
    [
        (
            "X-Amz-Signature=abc123&X-Amz-Security-Token=tok%2Fen&x=1",
            "X-Amz-Signature=REDACTED&X-Amz-Security-Token=REDACTED&x=1",
        ),
        ("AWSAccessKeyId=A&Signature=abc123&Expires=1", None),
        ("a=b&X%2DAmz%2dSignatur%65=abc123", "a=b&X%2DAmz%2dSignatur%65=REDACTED"),
        ("x-amz-server-side-encryption-customer-key=abc123&x", None),
        ("X-Amz-Server-Side-Encryption-Customer-Key-MD5=md5", "Key-MD5=md5"),
        ("X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key=abc123", None),
        ("versions&prefix=a?Signature=b", "versions&prefix=a?Signature=b"),
    ],
)
def test_secrets_are_blanked(query: str, logged: str | None) -> None:
    """Signatures, tokens and customers' keys, however their parameters are written."""
    written = line(replace(GET, target=f"/bucket/key?{query}"))
    assert "abc123" not in written
    assert "tok%2Fen" not in written
    assert (logged or "=REDACTED") in written


OPERATIONS = [
    ("GetObject", "GET", "REST.GET.OBJECT"),
    ("ListObjectsV2", "GET", "REST.GET.BUCKET"),
    ("CopyObject", "PUT", "REST.COPY.OBJECT"),
    ("DeleteObjects", "POST", "REST.POST.MULTI_OBJECT_DELETE"),
    ("GetBucketVersioning", "GET", "REST.GET.VERSIONING"),
    ("PutBucketCors", "PUT", "REST.PUT.CORS"),
    ("GetObjectTagging", "GET", "REST.GET.OBJECT_TAGGING"),
    ("ListBucketInventoryConfigurations", "GET", "REST.GET.INVENTORY"),
    ("GetPublicAccessBlock", "GET", "REST.GET.PUBLIC_ACCESS_BLOCK"),
    ("WebsiteGetObject", "GET", "WEBSITE.GET.OBJECT"),
]


@pytest.mark.parametrize(("name", "method", "shown"), OPERATIONS)
def test_operations(name: str, method: str, shown: str) -> None:
    assert operation(name, method) == shown


@pytest.mark.parametrize(
    ("document", "pattern", "by_event"),
    [
        ({}, r"logs/2026-02-06-00-00-38-[0-9A-F]{16}", False),
        (
            {"TargetObjectKeyFormat": {"SimplePrefix": {}}},
            r"logs/2026-02-06-00-00-38-[0-9A-F]{16}",
            False,
        ),
        (
            {"TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}},
            r"logs/1234/us-east-1/bucket/2026/02/06/2026-02-06-00-00-38-[0-9A-F]{16}",
            True,
        ),
    ],
)
def test_keys(document: dict[str, Any], pattern: str, by_event: bool) -> None:
    whole = {"TargetPrefix": "logs/", **document}
    key = object_key(whole, account="1234", region="us-east-1", bucket="bucket", at=AT)
    assert re.fullmatch(pattern, key)
    assert by_event_time(whole) is by_event
