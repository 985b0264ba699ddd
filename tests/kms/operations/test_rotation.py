import json
from typing import Any

import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.request import S3_ALIAS
from kms.service import Service
from kms.wire import BINDERS

DAY = 86_400
UNSUPPORTED = ("UnsupportedOperationException", "")
ROTATION_OPERATIONS = (
    "EnableKeyRotation",
    "DisableKeyRotation",
    "GetKeyRotationStatus",
    "RotateKeyOnDemand",
    "ListKeyRotations",
)


def status(client: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = client("GetKeyRotationStatus", key_id=arn)
    assert found.pop("KeyId") == arn
    return found


def current(client: Any, arn: str) -> str:
    material_id: str = client.metadata(arn)["CurrentKeyMaterialId"]
    return material_id


def encrypt(client: Any, arn: str) -> bytes:
    blob: bytes = client("Encrypt", key_id=arn, plaintext=b"hello")["CiphertextBlob"]
    return blob


def rotations(client: Any, arn: str, **arguments: Any) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = client("ListKeyRotations", key_id=arn, **arguments)["Rotations"]
    return entries


def test_the_schedule(client: Any, clock: FixedClock) -> None:
    arn, start = client.key(), clock.now()
    assert status(client, arn) == {"KeyRotationEnabled": False}
    client("EnableKeyRotation", key_id=arn)
    yearly = {
        "KeyRotationEnabled": True,
        "RotationPeriodInDays": 365,
        "NextRotationDate": start + 365 * DAY,
    }
    assert status(client, arn) == yearly
    clock.advance(DAY)
    client("EnableKeyRotation", key_id=arn)
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=365)
    assert status(client, arn) == yearly
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=90)
    assert status(client, arn)["NextRotationDate"] == clock.now() + 90 * DAY
    client("EnableKeyRotation", key_id=arn)
    assert status(client, arn)["RotationPeriodInDays"] == 90
    assert client("DisableKeyRotation", key_id=arn) == {}
    assert status(client, arn) == {"KeyRotationEnabled": False}
    client("EnableKeyRotation", key_id=arn)
    assert status(client, arn)["RotationPeriodInDays"] == 365


@pytest.mark.parametrize("days", [89, 2561])
def test_periods_outside_the_rule(days: int) -> None:
    words = "less than or equal to 2560" if days > 90 else "greater than or equal to 90"
    with pytest.raises(Exception, match="ValidationException") as caught:
        BINDERS["EnableKeyRotation"](
            json.dumps({"KeyId": "x", "RotationPeriodInDays": days}).encode()
        )
    assert caught.value.args[1] == (
        f"1 validation error detected: Value '{days}' at 'rotationPeriodInDays' failed to "
        f"satisfy constraint: Member must have value {words}"
    )


def test_automatic_rotation_keeps_its_dates_whoever_looks(
    client: Any, clock: FixedClock, audit: MemorySink
) -> None:
    arn, start = client.key(), clock.now()
    first, blob = current(client, arn), encrypt(client, arn)
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=90)
    clock.advance(200 * DAY)
    assert status(client, arn)["NextRotationDate"] == start + 270 * DAY
    listed = rotations(client, arn)
    assert [entry["RotationDate"] for entry in listed] == [start + 90 * DAY, start + 180 * DAY]
    assert {entry["RotationType"] for entry in listed} == {"AUTOMATIC"}
    assert [entry["KeyMaterialState"] for entry in listed] == ["NON_CURRENT", "CURRENT"]
    assert current(client, arn) == listed[1]["KeyMaterialId"] != first
    opened = client("Decrypt", ciphertext_blob=blob)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"hello", first)
    events = [event for event in audit.events if event["eventName"] == "RotateKey"]
    assert [event["eventTime"] for event in events] == [start + 90 * DAY, start + 180 * DAY]
    assert events[0]["serviceEventDetails"] == {
        "keyId": arn.rpartition("/")[2],
        "keyOrigin": "AWS_KMS",
        "rotationType": "AUTOMATIC",
        "previousKeyMaterialId": first,
        "currentKeyMaterialId": listed[0]["KeyMaterialId"],
    }


def test_rotation_on_demand_takes_its_time(client: Any, clock: FixedClock) -> None:
    arn, start = client.key(), clock.now()
    first, blob = current(client, arn), encrypt(client, arn)
    assert client("RotateKeyOnDemand", key_id=arn) == {"KeyId": arn}
    assert status(client, arn)["OnDemandRotationStartDate"] == start
    clock.advance(99)
    assert client("RotateKeyOnDemand", key_id=arn) == {"KeyId": arn}
    assert current(client, arn) == first
    assert rotations(client, arn) == []
    clock.advance(1)
    assert status(client, arn) == {"KeyRotationEnabled": False}
    second = current(client, arn)
    rotated = {
        "KeyId": arn,
        "KeyMaterialId": second,
        "KeyMaterialState": "CURRENT",
        "RotationDate": start + 100,
        "RotationType": "ON_DEMAND",
    }
    assert rotations(client, arn) == [rotated]
    assert rotations(client, arn, include_key_material="ALL_KEY_MATERIAL") == [
        {"KeyId": arn, "KeyMaterialId": first, "KeyMaterialState": "NON_CURRENT"},
        rotated,
    ]
    newer = encrypt(client, arn)
    assert client("Decrypt", ciphertext_blob=blob)["KeyMaterialId"] == first
    assert client("Decrypt", ciphertext_blob=newer)["KeyMaterialId"] == second
    made = client("GenerateDataKey", key_id=arn, number_of_bytes=32)
    assert made["KeyMaterialId"] == second
    again = client("ReEncrypt", ciphertext_blob=blob, destination_key_id=arn)
    assert again["SourceKeyMaterialId"] == first
    assert again["DestinationKeyMaterialId"] == second


@pytest.mark.parametrize("operation", ["DisableKey", "ScheduleKeyDeletion"])
def test_rotation_on_demand_finishes_whatever_happens(
    client: Any, clock: FixedClock, operation: str
) -> None:
    arn = client.key()
    first = current(client, arn)
    client("RotateKeyOnDemand", key_id=arn)
    client(operation, key_id=arn)
    clock.advance(100)
    assert current(client, arn) != first


def test_rotation_on_demand_leaves_the_schedule_alone(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    client("EnableKeyRotation", key_id=arn)
    before = status(client, arn)
    client("RotateKeyOnDemand", key_id=arn)
    clock.advance(100)
    assert status(client, arn) == before


def test_on_demand_rotations_are_limited(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    for _ in range(25):
        client("RotateKeyOnDemand", key_id=arn)
        clock.advance(100)
    assert client.refused("RotateKeyOnDemand", key_id=arn) == (
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. No more on-demand "
        f"rotations can be performed for this key: {arn}",
    )
    assert len(rotations(client, arn)) == 25


def test_rotation_on_demand_close_to_the_schedule(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=90)
    clock.advance(90 * DAY - 20 * 60)
    code, message = client.refused("RotateKeyOnDemand", key_id=arn)
    assert code == "ConflictException"
    assert "within the next 20 minutes" in message


def test_a_disabled_key_rotates_when_it_is_enabled_again(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    first = current(client, arn)
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=90)
    client("DisableKey", key_id=arn)
    before = status(client, arn)
    clock.advance(100 * DAY)
    assert status(client, arn) == before
    assert current(client, arn) == first
    for operation in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):
        assert client.refused(operation, key_id=arn) == (
            "DisabledException",
            f"{arn} is disabled.",
        )
    client("EnableKey", key_id=arn)
    assert current(client, arn) != first
    assert rotations(client, arn)[0]["RotationDate"] == clock.now()
    assert status(client, arn)["NextRotationDate"] == clock.now() + 90 * DAY
    client("EnableKey", key_id=arn)
    assert len(rotations(client, arn)) == 1


def test_a_key_that_waits_for_deletion_does_not_rotate(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    client("EnableKeyRotation", key_id=arn, rotation_period_in_days=90)
    before = status(client, arn)
    client("ScheduleKeyDeletion", key_id=arn)
    assert status(client, arn) == {"KeyRotationEnabled": False}
    client("CancelKeyDeletion", key_id=arn)
    assert status(client, arn) == before


def test_keys_that_have_one_material(client: Any) -> None:
    arn = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    assert status(client, arn) == {"KeyRotationEnabled": False}
    assert rotations(client, arn) == []
    assert client("DisableKeyRotation", key_id=arn) == {}
    for operation in ("EnableKeyRotation", "RotateKeyOnDemand"):
        assert client.refused(operation, key_id=arn) == UNSUPPORTED
    everything = {"include_key_material": "ALL_KEY_MATERIAL"}
    assert client.refused("ListKeyRotations", key_id=arn, **everything) == (
        "ValidationException",
        "Input parameter includeKeyMaterial can only be used with symmetric keys.",
    )


@pytest.mark.parametrize("operation", ["EnableKeyRotation", "RotateKeyOnDemand"])
def test_the_state_is_asked_before_the_spec(client: Any, operation: str) -> None:
    arn = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    client("DisableKey", key_id=arn)
    client.fails("DisabledException", f"{arn} is disabled.", operation, key_id=arn)
    external = client.key(key_spec="RSA_2048", key_usage="SIGN_VERIFY", origin="EXTERNAL")
    if operation == "RotateKeyOnDemand":
        client.fails(
            "KMSInvalidStateException", f"{external} is pending import.", operation, key_id=external
        )


def test_imported_keys_have_no_schedule(client: Any) -> None:
    arn = client.key(origin="EXTERNAL")
    assert status(client, arn) == {"KeyRotationEnabled": False}
    for operation in ("EnableKeyRotation", "DisableKeyRotation"):
        assert client.refused(operation, key_id=arn) == (
            "UnsupportedOperationException",
            f"{arn} origin is EXTERNAL which is not valid for this operation.",
        )


@pytest.mark.parametrize("operation", ROTATION_OPERATIONS)
def test_aliases_do_not_name_keys_here(client: Any, operation: str) -> None:
    client("CreateAlias", alias_name="alias/a", target_key_id=client.key())
    assert client.refused(operation, key_id="alias/a") == (
        "InvalidArnException",
        "Key Aliases are not supported for this operation.",
    )


def test_the_managed_key_rotates_by_itself(client: Any, clock: FixedClock) -> None:
    arn = client.metadata(S3_ALIAS)["Arn"]
    first = current(client, arn)
    assert status(client, arn)["RotationPeriodInDays"] == 365
    for operation in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):
        assert client.refused(operation, key_id=arn)[0] == "AccessDeniedException"
    clock.advance(365 * DAY)
    assert current(client, arn) != first


def test_listing_in_pages(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    for _ in range(3):
        client("RotateKeyOnDemand", key_id=arn)
        clock.advance(100)
    first = client("ListKeyRotations", key_id=arn, limit=2)
    assert first["Truncated"] is True
    second = client("ListKeyRotations", key_id=arn, limit=2, marker=first["NextMarker"])
    assert second["Truncated"] is False
    assert first["Rotations"] + second["Rotations"] == rotations(client, arn)
    assert client.refused("ListKeyRotations", key_id=arn, marker="x")[0] == "InvalidMarkerException"


def test_old_materials_are_wrapped_too(
    client: Any, service: Service, clock: FixedClock, tmp_path: Any
) -> None:
    arn = client.key()
    client("RotateKeyOnDemand", key_id=arn)
    clock.advance(100)
    ids = [
        e["KeyMaterialId"] for e in rotations(client, arn, include_key_material="ALL_KEY_MATERIAL")
    ]
    for material_id in ids:
        backing = bytes(service.store.backing_key("111122223333", "us-east-1", material_id))
        for path in tmp_path.iterdir():
            assert backing not in path.read_bytes()
