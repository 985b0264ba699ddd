from dataclasses import replace
from typing import Any

import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.errors import KMSError
from kms.request import S3_ALIAS

TAG = {"TagKey": "a", "TagValue": "b"}


def refused(code: str, message: str, call: Any, *arguments: Any, **named: Any) -> None:
    with pytest.raises(KMSError) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    assert message in caught.value.message


def test_create_and_describe(client: Any, clock: FixedClock) -> None:
    created = client("CreateKey", description="d", tags=[TAG])["KeyMetadata"]
    assert created == client("DescribeKey", key_id=created["KeyId"])["KeyMetadata"]
    assert created["CreationDate"] == clock.now()
    assert created["AWSAccountId"] == "111122223333"
    assert (created["KeyState"], created["Enabled"]) == ("Enabled", True)
    assert (created["KeySpec"], created["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert created["KeyManager"] == "CUSTOMER"
    assert len(created["CurrentKeyMaterialId"]) == 64
    assert "DeletionDate" not in created


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            {"key_spec": "SM2", "key_usage": "SIGN_VERIFY"},
            "UnsupportedOperationException",
            "KeySpec SM2 is not supported",
        ),
        (
            {"key_spec": "HMAC_256"},
            "ValidationException",
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption "
            "keys.",
        ),
        (
            {"key_spec": "RSA_2048", "key_usage": "KEY_AGREEMENT"},
            "ValidationException",
            "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
        ),
        (
            {"key_spec": "RSA_2048", "customer_master_key_spec": "RSA_2048"},
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
        ),
        (
            {"key_usage": "SIGN_VERIFY"},
            "ValidationException",
            "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT",
        ),
        ({"origin": "AWS_CLOUDHSM"}, "UnsupportedOperationException", "Origin AWS_CLOUDHSM"),
        (
            {"key_spec": "ML_DSA_44", "key_usage": "SIGN_VERIFY", "origin": "EXTERNAL"},
            "ValidationException",
            "KeySpec ML_DSA_44 is not supported for Origin EXTERNAL",
        ),
        ({"policy": "{"}, "MalformedPolicyDocumentException", "invalid JSON"),
        ({"policy": "[" * 9_999}, "MalformedPolicyDocumentException", "invalid JSON"),
        ({"policy": '{"Version":"2012-10-17"}'}, "MalformedPolicyDocumentException", "statement"),
        ({"policy": "x" * 32_769}, "LimitExceededException", "32768"),
        ({"tags": [TAG, TAG]}, "TagException", "Duplicate tag keys"),
        (
            {"tags": [{"TagKey": str(n), "TagValue": ""} for n in range(51)]},
            "TagException",
            "Too many tags",
        ),
        (
            {"tags": [{"TagKey": "AWS:x", "TagValue": ""}]},
            "TagException",
            "Tags beginning with aws: are reserved",
        ),
    ],
)
def test_keys_that_cannot_be_made(
    client: Any, arguments: dict[str, Any], code: str, message: str
) -> None:
    refused(code, message, client, "CreateKey", **arguments)
    assert client("ListKeys")["Keys"] == []


def test_anonymous_creates_nothing(client: Any, anonymous: Caller) -> None:
    refused("AccessDeniedException", "kms:CreateKey", client.as_(anonymous), "CreateKey")


def test_listing_in_pages(client: Any) -> None:
    arns = {client.key() for _ in range(3)}
    first = client("ListKeys", limit=2)
    assert first["Truncated"] is True
    second = client("ListKeys", limit=2, marker=first["NextMarker"])
    assert second["Truncated"] is False
    assert "NextMarker" not in second
    assert {key["KeyArn"] for key in first["Keys"] + second["Keys"]} == arns
    refused("InvalidMarkerException", "", client, "ListKeys", marker="made up")


def test_enabling_and_disabling(client: Any) -> None:
    arn = client.key()
    assert client("DisableKey", key_id=arn) == {}
    assert client("DescribeKey", key_id=arn)["KeyMetadata"]["KeyState"] == "Disabled"
    assert client("EnableKey", key_id=arn) == {}
    assert client("DescribeKey", key_id=arn)["KeyMetadata"]["Enabled"] is True


def test_deletion_is_scheduled_and_cancelled(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    reply = client("ScheduleKeyDeletion", key_id=arn)
    assert reply == {
        "KeyId": arn,
        "DeletionDate": clock.now() + 30 * 86_400,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": 30,
    }
    described = client("DescribeKey", key_id=arn)["KeyMetadata"]
    assert described["DeletionDate"] == reply["DeletionDate"]
    pending = f"{arn} is pending deletion."
    refused("KMSInvalidStateException", pending, client, "EnableKey", key_id=arn)
    refused("KMSInvalidStateException", pending, client, "ScheduleKeyDeletion", key_id=arn)
    assert client("CancelKeyDeletion", key_id=arn) == {"KeyId": arn}
    described = client("DescribeKey", key_id=arn)["KeyMetadata"]
    assert described["KeyState"] == "Disabled"
    assert "DeletionDate" not in described
    refused("KMSInvalidStateException", "not pending", client, "CancelKeyDeletion", key_id=arn)


@pytest.mark.parametrize("days", [1, 6, 31, 365])
def test_windows_outside_the_rule(client: Any, days: int) -> None:
    arn = client.key()
    refused(
        "ValidationException",
        "between 7 and 30",
        client,
        "ScheduleKeyDeletion",
        key_id=arn,
        pending_window_in_days=days,
    )


@pytest.mark.parametrize("operation", ["DisableKey", "EnableKey", "ScheduleKeyDeletion"])
def test_managed_keys_are_not_managed_by_callers(client: Any, operation: str) -> None:
    arn = client("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", arn, client, operation, key_id=arn)


def test_aliases_do_not_change_states(client: Any) -> None:
    client("CreateAlias", alias_name="alias/a", target_key_id=client.key())
    refused("InvalidArnException", "not supported", client, "DisableKey", key_id="alias/a")


def test_grant_tokens_are_unknown(client: Any) -> None:
    arn = client.key()
    refused("InvalidGrantTokenException", "", client, "DescribeKey", key_id=arn, grant_tokens=["t"])


def test_the_last_use_of_a_key(client: Any, clock: FixedClock, audit: MemorySink) -> None:
    arn, created_at = client.key(), clock.now()
    dates = {
        "KeyId": arn.rpartition("/")[2],
        "TrackingStartDate": created_at,
        "KeyCreationDate": created_at,
    }
    assert client("GetKeyLastUsage", key_id=arn) == {**dates, "KeyLastUsage": {}}
    clock.advance(60)
    blob = client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"]
    used = audit.events[-1]
    for operation, members in (("DescribeKey", {}), ("Encrypt", {"plaintext": b"x"})):
        clock.advance(60)
        if operation == "Encrypt":
            assert client.refused(operation, key_id=arn, dry_run=True, **members)
        else:
            client(operation, key_id=arn, **members)
    assert client("GetKeyLastUsage", key_id=arn)["KeyLastUsage"] == {
        "Operation": "Encrypt",
        "Timestamp": used["eventTime"],
        "CloudTrailEventId": used["eventID"],
        "KmsRequestId": used["caller"].request_id,
    }
    client("Decrypt", ciphertext_blob=blob)
    assert client("GetKeyLastUsage", key_id=arn)["KeyLastUsage"]["Operation"] == "Decrypt"


def test_both_keys_of_a_re_encryption_are_used(client: Any, audit: MemorySink) -> None:
    source, target = client.key(), client.key()
    blob = client("Encrypt", key_id=source, plaintext=b"x")["CiphertextBlob"]
    client("ReEncrypt", ciphertext_blob=blob, destination_key_id=target)
    event_id = audit.events[-1]["eventID"]
    for arn in (source, target):
        use = client("GetKeyLastUsage", key_id=arn)["KeyLastUsage"]
        assert (use["Operation"], use["CloudTrailEventId"]) == ("ReEncrypt", event_id)


def test_a_key_that_comes_again_was_never_used(client: Any, clock: FixedClock) -> None:
    arn = client.key(multi_region=True)
    away = client.as_(replace(client.caller, region="eu-west-1"))
    key_id = arn.rpartition("/")[2]
    for used in ({"Operation": "Encrypt"}, {}):
        client("ReplicateKey", key_id=arn, replica_region="eu-west-1")
        clock.advance(5)
        if used:
            away("Encrypt", key_id=key_id, plaintext=b"x")
        found = away("GetKeyLastUsage", key_id=key_id)["KeyLastUsage"]
        assert found.get("Operation") == used.get("Operation")
        away("ScheduleKeyDeletion", key_id=key_id, pending_window_in_days=7)
        clock.advance(7 * 86_400)


def test_nobody_shares_keys_here(client: Any) -> None:
    arn = client.key()
    others = "OTHER_ACCOUNTS_VIA_RAM"
    for owners, shown in ((["SELF"], [arn]), ([others], []), ([others, "SELF"], [arn])):
        listed = client("ListKeys", resource_owners=owners)["Keys"]
        assert [key["KeyArn"] for key in listed] == shown


def test_descriptions(client: Any) -> None:
    arn = client.key(description="old")
    assert client("UpdateKeyDescription", key_id=arn, description="new") == {}
    assert client.metadata(arn)["Description"] == "new"
    client("ScheduleKeyDeletion", key_id=arn)
    assert client.refused("UpdateKeyDescription", key_id=arn, description="x") == (
        "KMSInvalidStateException",
        f"{arn} is pending deletion.",
    )
