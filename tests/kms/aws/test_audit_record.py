import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.audit_record import AUTHORIZATION, lines_of, lower_camel, records_of, shown
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from kms.aws.policy import Decision, Reason

ACCOUNT, OTHER = "111122223333", "444455556666"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
TAIL = {
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": ACCOUNT,
    "eventCategory": "Management",
}


def root(account: str) -> Principal:
    return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", account)


def event(who: Principal, **more: Any) -> dict[str, Any]:
    return {
        "eventSource": "kms.amazonaws.com",
        "eventName": "Decrypt",
        "eventTime": 1_700_000_000.9,
        "eventID": "event-1",
        "caller": Caller(who, "AKIA1", "us-east-1", "request-1", "192.0.2.1", "aws-cli"),
        "readOnly": True,
        "keyArn": KEY,
        "keyMaterialId": "ab",
        "errorCode": "",
        "errorMessage": "",
        "action": "kms:Decrypt",
        "decided": Decision(True, Reason.ROOT),
        **more,
    }


def test_a_record() -> None:
    parameters = {"encryption_context": {"Project_Name": "x"}, "key_id": "k", "blob": b"secret"}
    [record] = records_of(event(root(ACCOUNT), parameters=parameters))
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "Root",
            "principalId": ACCOUNT,
            "arn": f"arn:aws:iam::{ACCOUNT}:root",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIA1",
        },
        "eventTime": "2023-11-14T22:13:20Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "Decrypt",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli",
        "requestParameters": {"encryptionContext": {"Project_Name": "x"}, "keyId": "k"},
        "responseElements": None,
        "additionalEventData": {"keyMaterialId": "ab"},
        "requestID": "request-1",
        "eventID": "event-1",
        "readOnly": True,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": KEY}],
        **TAIL,
    }
    assert list(record)[:4] == ["eventVersion", "userIdentity", "eventTime", "eventSource"]


def test_refusals_have_cloudtrails_code() -> None:
    refused = event(root(ACCOUNT), errorCode="AccessDeniedException", errorMessage="m" * 2_000)
    [record] = records_of(refused)
    assert (record["errorCode"], record["errorMessage"]) == ("AccessDenied", "m" * 1_024)


def test_another_accounts_key_gives_two_records() -> None:
    theirs, ours = records_of(event(root(OTHER)))
    assert (theirs["recipientAccountId"], ours["recipientAccountId"]) == (OTHER, ACCOUNT)
    assert theirs["sharedEventID"] == ours["sharedEventID"]
    assert ours["eventID"] == "event-1" != theirs["eventID"]
    assert theirs["userIdentity"]["type"] == "Root"
    assert ours["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": OTHER,
        "accountId": OTHER,
    }


def test_a_refused_stranger_is_not_told_the_key() -> None:
    [record] = records_of(event(root(OTHER), errorCode="AccessDeniedException"))
    assert record["recipientAccountId"] == OTHER
    assert KEY not in json.dumps(record)


@pytest.mark.parametrize(
    "who", [ANONYMOUS, Principal(PrincipalKind.SERVICE, "aws", "", "", "s3.amazonaws.com")]
)
def test_callers_without_a_trail(who: Principal) -> None:
    [record] = records_of(event(who, errorCode="AccessDenied"))
    assert record["recipientAccountId"] == ACCOUNT


def test_what_a_service_does_by_itself() -> None:
    [record] = records_of(
        {
            "eventSource": "kms.amazonaws.com",
            "eventName": "DeleteKey",
            "eventType": "AwsServiceEvent",
            "eventTime": 0.0,
            "eventID": "event-1",
            "account": ACCOUNT,
            "region": "us-east-1",
            "keyArn": KEY,
            "serviceEventDetails": {"keyId": "1"},
        }
    )
    assert record["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "AWS Internal"}
    assert record["serviceEventDetails"] == {"keyId": "1"}
    assert record["eventType"] == "AwsServiceEvent"
    assert record["resources"][0]["ARN"] == KEY
    assert record["recipientAccountId"] == ACCOUNT


def test_buckets_belong_to_their_owner() -> None:
    names = ("arn:aws:s3:::b/k", "arn:aws:s3:::b")
    [record] = records_of(
        event(root(ACCOUNT), keyArn="", resources=names, owner=ACCOUNT, category="Data")
    )
    assert [found["type"] for found in record["resources"]] == [
        "AWS::S3::Object",
        "AWS::S3::Bucket",
    ]
    assert (record["managementEvent"], record["eventCategory"]) == (False, "Data")


def test_lines_say_what_decided_and_stay_short() -> None:
    long = {"policy": "x" * 200_000, "key_id": "k"}
    [line] = lines_of(event(root(ACCOUNT), parameters=long))
    record = json.loads(line)
    assert record[AUTHORIZATION] == "allowed as the account's root"
    assert record["requestParameters"] == {"omitted": True, "reason": "too long"}
    [line] = lines_of(event(root(ACCOUNT), decided=None))
    assert AUTHORIZATION not in json.loads(line)


def test_members() -> None:
    moment = datetime(2024, 4, 4, 0, 5, tzinfo=UTC)
    assert shown(
        {
            "UserName": "bob",
            "CreateDate": moment,
            "DeletionDate": 1_700_000_000.0,
            "valid_to": 0,
            "pending_window_in_days": 7,
            "Tags": [{"TagKey": "a", "TagValue": "b"}],
            "constraints": {"EncryptionContextSubset": {"A_b": "c"}},
            "nothing": None,
            "bytes": [b"x", memoryview(b"x")[:0].tobytes(), "y"],
            "flag": True,
        }
    ) == {
        "userName": "bob",
        "createDate": "Apr 4, 2024, 12:05:00 AM",
        "deletionDate": "Nov 14, 2023, 10:13:20 PM",
        "validTo": "Jan 1, 1970, 12:00:00 AM",
        "pendingWindowInDays": 7,
        "tags": [{"tagKey": "a", "tagValue": "b"}],
        "constraints": {"encryptionContextSubset": {"A_b": "c"}},
        "bytes": ["y"],
        "flag": True,
    }
    assert shown(None) is None
    assert [lower_camel(name) for name in ("KeyId", "key_id", "limit", "x")] == [
        "keyId",
        "keyId",
        "limit",
        "x",
    ]
