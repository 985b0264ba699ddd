import inspect
from typing import Any

import pytest

from kms.aws import model
from kms.aws.audit import MemorySink
from kms.aws.audit_record import records_of
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.aws.json_protocol import snake_case
from kms.errors import KMSError
from kms.operations import HANDLERS
from kms.service import Service
from kms.trail import CHANGING, PARAMETERS, RESPONSES, parameters_of, response_of

WITHHELD = {
    "ciphertext_blob",
    "encrypted_key_material",
    "grant_token",
    "grant_tokens",
    "import_token",
    "mac",
    "message",
    "plaintext",
    "public_key",
    "recipient",
    "shared_secret_ciphertext_blob",
    "signature",
}
WITHHELD_ANSWERS = {"GrantToken"}


def test_every_member_is_either_shown_or_withheld() -> None:
    """A new member of the API must be decided about."""
    members = {
        name
        for handler in HANDLERS.values()
        for name in list(inspect.signature(handler).parameters)[1:]
    }
    assert members - set(PARAMETERS) == WITHHELD
    service = model.load("kms")
    blobs = {
        snake_case(name)
        for shape in service.shapes.values()
        for name, member in shape.members.items()
        if service.shape(member.shape).type == "blob"
    }
    assert blobs.isdisjoint(PARAMETERS)
    answers = set()
    for operation in CHANGING:
        output = service.operations[operation].output
        answers |= set(service.shape(output).members) if output else set()
    assert answers - set(RESPONSES) == WITHHELD_ANSWERS


def test_operations_that_use_keys_change_nothing() -> None:
    assert {"Decrypt", "Encrypt", "GenerateDataKey", "Sign", "ReEncrypt"}.isdisjoint(CHANGING)
    assert {"CreateKey", "RevokeGrant", "UntagResource", "PutKeyPolicy"} <= CHANGING


def test_parameters_and_responses() -> None:
    assert parameters_of("Decrypt", {"ciphertext_blob": b"x", "key_id": None}) == {
        "encryption_algorithm": "SYMMETRIC_DEFAULT"
    }
    assert parameters_of("Unheard", {"key_id": "k"}) == {}
    granted = response_of({"GrantId": "g", "GrantToken": "t"}, "arn")
    assert granted == {"GrantId": "g", "KeyId": "arn"}
    assert response_of({"KeyMetadata": {}}, "arn") == {"KeyMetadata": {}}


def records(audit: MemorySink) -> list[dict[str, Any]]:
    return list(records_of(audit.events[-1]))


def test_grants_aliases_and_what_was_refused(client: Any, audit: MemorySink) -> None:
    arn = client.key()
    [record] = records(audit)
    assert record["responseElements"]["keyMetadata"]["arn"] == arn
    assert record["readOnly"] is False
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    [record] = records(audit)
    assert record["requestParameters"] == {"aliasName": "alias/a", "targetKeyId": arn}
    assert {found["ARN"].rpartition(":")[2] for found in record["resources"]} == {
        "alias/a",
        arn.rpartition(":")[2],
    }
    client.fails(
        "InvalidCiphertextException", "", "Decrypt", ciphertext_blob=b"x", encryption_context={}
    )
    [record] = records(audit)
    assert record["errorCode"] == "InvalidCiphertextException"
    assert "errorMessage" not in record


def test_what_happens_to_keys_by_itself(
    client: Any, service: Service, clock: FixedClock, audit: MemorySink
) -> None:
    arn = client.key(multi_region=True)
    client("ReplicateKey", key_id=arn, replica_region="eu-west-1")
    clock.advance(60)
    client("RotateKeyOnDemand", key_id=arn)
    clock.advance(3_600)
    service.schedule.run(clock.now())
    client("ScheduleKeyDeletion", key_id=client.key(), pending_window_in_days=7)
    clock.advance(8 * 86_400)
    service.schedule.run(clock.now())
    made = [one for event in audit.events for one in records_of(event) if "caller" not in event]
    assert {record["eventName"]: record["eventType"] for record in made} == {
        "RotateKey": "AwsServiceEvent",
        "SynchronizeMultiRegionKey": "AwsApiCall",
        "DeleteKey": "AwsServiceEvent",
    }
    for record in made:
        assert record["userIdentity"] == {
            "accountId": record["recipientAccountId"],
            "invokedBy": "AWS Internal",
        }
        assert record["serviceEventDetails"]["keyId"] in record["resources"][0]["ARN"]


def test_what_s3_forwards(client: Any, caller: Caller, service: Service, audit: MemorySink) -> None:
    arn = client.key()
    forwarded = caller.forwarded_by("s3.us-east-1.amazonaws.com")
    context = {"aws:s3:arn": "arn:aws:s3:::b/k"}
    arguments = {"key_id": arn.rpartition("/")[2], "encryption_context": context}
    service.call("GenerateDataKey", {**arguments, "key_spec": "AES_256"}, forwarded)
    [record] = records(audit)
    assert record["requestParameters"]["keyId"] == arn
    assert record["requestParameters"]["encryptionContext"] == context
    assert record["sourceIPAddress"] == record["userAgent"] == "fas.s3.amazonaws.com"
    policy = client("GetKeyPolicy", key_id=arn)["Policy"].replace("kms:*", "kms:PutKeyPolicy")
    client("PutKeyPolicy", key_id=arn, policy=policy, bypass_policy_lockout_safety_check=True)
    with pytest.raises(KMSError, match="AccessDenied"):
        service.call("GenerateDataKey", {**arguments, "key_spec": "AES_256"}, forwarded)
    [record] = records(audit)
    assert record["errorCode"] == "AccessDenied"
    assert record["requestParameters"] is None
    assert "resources" not in record
