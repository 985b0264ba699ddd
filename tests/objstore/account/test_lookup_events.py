import json
from typing import Any

import pytest

from objstore.account.lookup_events import MATCHES, resources_of, shape_of, text_of

KEY = "arn:aws:kms:us-east-1:111122223333:key/1"
RECORD: dict[str, Any] = {
    "userIdentity": {"type": "IAMUser", "userName": "bob", "accessKeyId": "AKIA1"},
    "eventTime": "2023-11-14T22:13:20Z",
    "eventSource": "kms.amazonaws.com",
    "eventName": "Decrypt",
    "eventID": "event-1",
    "readOnly": True,
    "requestParameters": None,
    "resources": [{"accountId": "1", "type": "AWS::KMS::Key", "ARN": KEY}],
}


def test_an_event() -> None:
    shape = shape_of(RECORD)
    assert json.loads(shape.pop("CloudTrailEvent")) == RECORD
    assert shape == {
        "EventId": "event-1",
        "EventName": "Decrypt",
        "ReadOnly": "true",
        "AccessKeyId": "AKIA1",
        "EventTime": 1_700_000_000.0,
        "EventSource": "kms.amazonaws.com",
        "Username": "bob",
        "Resources": [{"ResourceType": "AWS::KMS::Key", "ResourceName": KEY}],
    }


def test_events_without_names_leave_them_out() -> None:
    shape = shape_of({**RECORD, "userIdentity": {"accountId": "1"}, "resources": []})
    assert {"Username", "AccessKeyId"}.isdisjoint(shape)
    assert shape["Resources"] == []


def test_resources_of_s3() -> None:
    bucket = {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}
    assert list(resources_of({**RECORD, "resources": [bucket]})) == [("AWS::S3::Bucket", "b")]


@pytest.mark.parametrize(
    ("read_only", "elements", "resources"),
    [
        (True, None, []),
        (False, None, [("AWS::IAM::User", "bob")]),
        (
            False,
            {"user": {"path": "/", "userName": "bob", "userId": "AIDA1", "arn": "arn:bob"}},
            [("AWS::IAM::User", name) for name in ("AIDA1", "arn:bob", "bob")],
        ),
        (
            False,
            {"accessKey": {"userName": "bob", "accessKeyId": "AKIA1", "status": "Active"}},
            [("AWS::IAM::AccessKey", "AKIA1"), ("AWS::IAM::User", "bob")],
        ),
    ],
)
def test_resources_of_iam(read_only: bool, elements: Any, resources: list[Any]) -> None:
    record = RECORD | {
        "eventSource": "iam.amazonaws.com",
        "readOnly": read_only,
        "requestParameters": {"userName": "bob"},
        "responseElements": elements,
        "resources": [],
    }
    assert list(resources_of(record)) == resources


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EventId", "event-1"),
        ("EventName", "Decrypt"),
        ("ReadOnly", "true"),
        ("Username", "bob"),
        ("ResourceType", "AWS::KMS::Key"),
        ("ResourceName", KEY),
        ("EventSource", "kms.amazonaws.com"),
        ("AccessKeyId", "AKIA1"),
    ],
)
def test_attributes(key: str, value: str) -> None:
    assert MATCHES[key](RECORD, value)
    assert not MATCHES[key](RECORD, f"{value}x")
    assert text_of(key, value) in json.dumps(RECORD)
