from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.audit import MemorySink
from kms.aws.audit_record import records_of
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.aws.model import load
from objstore.actions import OF_OBJECTS
from objstore.errors import S3Error
from objstore.exchange import Request
from objstore.storage.records import Bucket
from objstore.trail import DATA_EVENTS, Noted, Trail
from objstore.wire.quirks import FORM_UPLOAD

OWNER = "123456789012"
ROOT = Principal(PrincipalKind.ROOT, OWNER, f"arn:aws:iam::{OWNER}:root", OWNER)
CALLER = Caller(ROOT, "AKIA1", "us-east-1", "request-1", "192.0.2.1", "aws-cli")
BUCKET = Bucket("photos", bytes(16), OWNER, "eu-west-1", 0, {})


def request_of(operation: str, noted: Noted | None, **headers: str) -> Request:
    sent = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {
        "method": "PUT",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", b"AWS4"), *sent],
        "scheme": "http",
    }

    async def receive() -> Any:
        raise AssertionError("nobody reads the body")

    request = Request(scope, receive)
    request.operation, request.noted = operation, noted
    return request


def record(
    request: Request, answered: list[tuple[bytes, bytes]], error: S3Error | None = None
) -> dict[str, Any]:
    sink = MemorySink()
    Trail(sink, FixedClock(0.0), data_events=True).tell(request, answered, error)
    [event] = sink.events
    return list(records_of(event))[-1]


def test_data_events_are_operations_on_objects() -> None:
    operations = {*load("s3").operations, FORM_UPLOAD}
    assert operations >= DATA_EVENTS
    objects = {name for name in operations if f"s3:{name}" in OF_OBJECTS}
    assert objects <= DATA_EVENTS
    quiet, loud = (
        Trail(MemorySink(), FixedClock(0.0), data_events=wanted) for wanted in (False, True)
    )
    assert [quiet.wants("GetObject"), quiet.wants("CreateBucket")] == [False, True]
    assert loud.wants("GetObject")


def test_a_change_of_a_bucket() -> None:
    rules = {"Rules": [{"Expiration": {"Date": datetime(2026, 1, 1, tzinfo=UTC)}}]}
    noted = Noted(
        CALLER,
        "photos",
        "",
        {"lifecycle": "", "X-Amz-Signature": "s", "Signature": "s"},
        BUCKET,
        {"lifecycle_configuration": rules},
    )
    request = request_of(
        "PutBucketLifecycleConfiguration", noted, x_amz_security_token="t", x_amz_acl="private"
    )
    found = record(request, [])
    assert found["eventName"] == "PutBucketLifecycle"
    assert found["awsRegion"] == "eu-west-1"
    assert found["requestParameters"] == {
        "bucketName": "photos",
        "Host": "localhost",
        "lifecycle": "",
        "x-amz-acl": "private",
        "LifecycleConfiguration": {
            "Rules": [{"Expiration": {"Date": "2026-01-01T00:00:00+00:00"}}]
        },
    }
    assert found["resources"] == [
        {"accountId": OWNER, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}
    ]
    assert found["readOnly"] is False
    assert found["managementEvent"] is True
    assert found["additionalEventData"]["AuthenticationMethod"] == "AuthHeader"


def test_no_parameter_passes_for_what_a_request_is_about() -> None:
    query = {"acl": "", "bucketName": "other", "key": "other", "Host": "other"}
    found = record(request_of("GetBucketAcl", Noted(CALLER, "photos", "", query, BUCKET)), [])
    assert found["requestParameters"] == {"acl": "", "bucketName": "photos", "Host": "localhost"}


@pytest.mark.parametrize(("text", "shown"), [('{"a":1}', {"a": 1}), ("{", "{")])
def test_bucket_policies_are_shown_as_documents(text: str, shown: Any) -> None:
    noted = Noted(CALLER, "photos", "", {}, BUCKET, {"policy": text})
    found = record(request_of("PutBucketPolicy", noted), [])
    assert found["requestParameters"]["bucketPolicy"] == shown


def test_a_refusal_by_another_accounts_bucket() -> None:
    stranger = Principal(PrincipalKind.ROOT, "444455556666", "arn:stranger", "444455556666")
    caller = Caller(stranger, "AKIA2", "eu-west-1", "request-1")
    noted = Noted(caller, "photos", "", {}, BUCKET)
    found = record(request_of("DeleteBucket", noted), [], S3Error("AccessDenied"))
    assert found["errorCode"] == "AccessDenied"
    assert found["recipientAccountId"] == "444455556666"


SSE = b"x-amz-server-side-encryption"


@pytest.mark.parametrize(
    ("operation", "asked", "answered", "applied"),
    [
        ("PutObject", {}, [(SSE, b"AES256")], "Default_SSE_S3"),
        ("PutObject", {}, [(SSE, b"aws:kms")], "Default_SSE_KMS"),
        ("PutObject", {SSE.decode(): "aws:kms"}, [(SSE, b"aws:kms")], "SSE_KMS"),
        ("GetObject", {}, [(SSE, b"aws:kms:dsse")], "DSSE_KMS"),
        ("GetObject", {}, [(SSE + b"-customer-algorithm", b"AES256")], "SSE_C"),
        ("DeleteObject", {}, [], None),
    ],
)
def test_data_events_say_how_objects_are_encrypted(
    operation: str, asked: dict[str, str], answered: list[tuple[bytes, bytes]], applied: str | None
) -> None:
    found = record(
        request_of(operation, Noted(CALLER, "photos", "a/b", {}, BUCKET), **asked), answered
    )
    assert found["additionalEventData"].get("SSEApplied") == applied
    assert found["eventCategory"] == "Data"
    assert [one["ARN"] for one in found["resources"]] == [
        "arn:aws:s3:::photos/a/b",
        "arn:aws:s3:::photos",
    ]


def test_what_nobody_noted_is_not_told() -> None:
    sink = MemorySink()
    Trail(sink, FixedClock(0.0)).tell(request_of("GetObject", None), [])
    assert not sink.events
