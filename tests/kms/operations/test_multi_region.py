from dataclasses import replace
from typing import Any

import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.policy_text import default_policy

DAY = 86_400
HOME, AWAY, FAR = "us-east-1", "eu-west-1", "ap-south-1"
FIRST, SECOND = b"1" * 32, b"2" * 32
NEW = {"import_type": "NEW_KEY_MATERIAL"}
EVERYTHING = {"include_key_material": "ALL_KEY_MATERIAL"}
POLICY = default_policy("111122223333").replace("key-default-1", "mine")


@pytest.fixture
def away(client: Any) -> Any:
    """The same caller in another region."""
    return client.as_(replace(client.caller, region=AWAY))


@pytest.fixture
def far(client: Any) -> Any:
    return client.as_(replace(client.caller, region=FAR))


@pytest.fixture
def key(client: Any) -> str:
    arn: str = client.key(multi_region=True)
    return arn


def arn_in(arn: str, region: str) -> str:
    return arn.replace(HOME, region)


def id_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def replicate(client: Any, clock: FixedClock, arn: str, *regions: str) -> None:
    for region in regions:
        client("ReplicateKey", key_id=arn, replica_region=region)
    clock.advance(5)


def states(client: Any, arn: str) -> list[str]:
    listed = client("ListKeyRotations", key_id=id_of(arn), **EVERYTHING)["Rotations"]
    return [entry["KeyMaterialState"] for entry in listed]


def test_a_replica_is_created(client: Any, away: Any, key: str, clock: FixedClock) -> None:
    tags = [{"TagKey": "a", "TagValue": "b"}]
    reply = client("ReplicateKey", key_id=key, replica_region=AWAY, description="there", tags=tags)
    described = reply["ReplicaKeyMetadata"]
    assert described["Arn"] == arn_in(key, AWAY)
    assert (described["KeyState"], described["Enabled"]) == ("Creating", False)
    assert described["Description"] == "there"
    assert "CurrentKeyMaterialId" not in described
    assert described["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": key, "Region": HOME},
        "ReplicaKeys": [{"Arn": arn_in(key, AWAY), "Region": AWAY}],
    }
    assert "Enable IAM User Permissions" in reply["ReplicaPolicy"]
    assert reply["ReplicaTags"] == tags
    assert away.refused("Encrypt", key_id=id_of(key), plaintext=b"x") == (
        "KMSInvalidStateException",
        f"{arn_in(key, AWAY)} is creating.",
    )
    clock.advance(5)
    here, there = client.metadata(key), away.metadata(id_of(key))
    assert there["KeyState"] == "Enabled"
    assert there["CurrentKeyMaterialId"] == here["CurrentKeyMaterialId"]
    assert here["MultiRegionConfiguration"] == {
        **there["MultiRegionConfiguration"],
        "MultiRegionKeyType": "PRIMARY",
    }


def test_either_key_decrypts_what_the_other_encrypted(
    client: Any, away: Any, key: str, clock: FixedClock
) -> None:
    replicate(client, clock, key, AWAY)
    for one, other, place in ((client, away, AWAY), (away, client, HOME)):
        blob = one("Encrypt", key_id=id_of(key), plaintext=b"hello")["CiphertextBlob"]
        opened = other("Decrypt", ciphertext_blob=blob)
        assert (opened["Plaintext"], opened["KeyId"]) == (b"hello", arn_in(key, place))
        pinned = other("Decrypt", ciphertext_blob=blob, key_id=id_of(key))
        assert pinned["KeyId"] == arn_in(key, place)
    blob = client("Encrypt", key_id=key, plaintext=b"x")["CiphertextBlob"]
    assert away.refused("Decrypt", ciphertext_blob=blob, key_id=key) == (
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
    again = away("ReEncrypt", ciphertext_blob=blob, destination_key_id=id_of(key))
    assert client("Decrypt", ciphertext_blob=again["CiphertextBlob"])["Plaintext"] == b"x"


def test_asymmetric_and_hmac_keys_have_replicas(client: Any, away: Any, clock: FixedClock) -> None:
    arn = client.key(multi_region=True, key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    replicate(client, clock, arn, AWAY)
    given = {"key_id": id_of(arn), "message": b"m", "mac_algorithm": "HMAC_SHA_256"}
    mac = client("GenerateMac", **given)["Mac"]
    assert away("VerifyMac", mac=mac, **given)["MacValid"] is True


def test_what_is_each_keys_own(client: Any, away: Any, key: str, clock: FixedClock) -> None:
    client("PutKeyPolicy", key_id=key, policy=POLICY)
    client("TagResource", key_id=key, tags=[{"TagKey": "a", "TagValue": "b"}])
    replicate(client, clock, key, AWAY)
    assert away("GetKeyPolicy", key_id=id_of(key))["Policy"] != POLICY
    assert away("ListResourceTags", key_id=id_of(key))["Tags"] == []
    client("CreateAlias", alias_name="alias/a", target_key_id=key)
    assert away("ListAliases", key_id=id_of(key))["Aliases"] == []
    client("DisableKey", key_id=key)
    assert away("GenerateDataKey", key_id=id_of(key), number_of_bytes=32)


def test_a_replica_gets_its_policy_at_once(client: Any, away: Any, key: str) -> None:
    policy = client("GetKeyPolicy", key_id=key)["Policy"].replace("key-default-1", "mine")
    reply = client("ReplicateKey", key_id=key, replica_region=AWAY, policy=policy)
    assert reply["ReplicaPolicy"] == policy
    assert away("GetKeyPolicy", key_id=id_of(key))["Policy"] == policy
    assert client.refused("ReplicateKey", key_id=key, replica_region=FAR, policy="{") == (
        "MalformedPolicyDocumentException",
        client.refused("PutKeyPolicy", key_id=key, policy="{")[1],
    )


def test_rotation_is_shared(
    client: Any, away: Any, key: str, clock: FixedClock, audit: MemorySink
) -> None:
    replicate(client, clock, key, AWAY)
    blob = away("Encrypt", key_id=id_of(key), plaintext=b"x")["CiphertextBlob"]
    for operation in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):
        assert away.refused(operation, key_id=id_of(key)) == (
            "UnsupportedOperationException",
            f"{arn_in(key, AWAY)} is a multi-region replica key which is not valid for "
            f"{operation}.",
        )
    client("EnableKeyRotation", key_id=key, rotation_period_in_days=90)
    client("RotateKeyOnDemand", key_id=key)
    here = client("GetKeyRotationStatus", key_id=key)
    there = away("GetKeyRotationStatus", key_id=id_of(key))
    assert there == {**here, "KeyId": arn_in(key, AWAY)}
    clock.advance(100)
    rotated = client.metadata(key)["CurrentKeyMaterialId"]
    assert away.metadata(id_of(key))["CurrentKeyMaterialId"] == rotated
    assert states(client, key) == states(away, key) == ["NON_CURRENT", "CURRENT"]
    assert client("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"
    newer = away("Encrypt", key_id=id_of(key), plaintext=b"y")["CiphertextBlob"]
    assert client("Decrypt", ciphertext_blob=newer)["KeyMaterialId"] == rotated
    events = [(event["eventName"], event["region"]) for event in audit.events if "region" in event]
    assert ("RotateKey", HOME) in events
    assert ("SynchronizeMultiRegionKey", AWAY) in events


def test_only_a_primary_is_replicated(client: Any, away: Any, key: str, clock: FixedClock) -> None:
    replicate(client, clock, key, AWAY)
    single = client.key()
    for caller, name, arn in ((away, id_of(key), arn_in(key, AWAY)), (client, single, single)):
        assert caller.refused("ReplicateKey", key_id=name, replica_region=FAR) == (
            "UnsupportedOperationException",
            f"{arn} is not a multi-region primary key.",
        )
    for region, code, message in (
        (
            AWAY,
            "AlreadyExistsException",
            "You can create only one replica of each primary key in each AWS Region.",
        ),
        (
            HOME,
            "ValidationException",
            f"{HOME} cannot have a replica because it contains the primary.",
        ),
        (
            "cn-north-1",
            "ValidationException",
            "The replica key Region must be in the same AWS partition as the primary key Region.",
        ),
    ):
        client.fails(code, message, "ReplicateKey", key_id=key, replica_region=region)


def test_the_primary_changes(client: Any, away: Any, far: Any, key: str, clock: FixedClock) -> None:
    replicate(client, clock, key, AWAY, FAR)
    client("EnableKeyRotation", key_id=key, rotation_period_in_days=90)
    before = client("GetKeyRotationStatus", key_id=key)
    assert client("UpdatePrimaryRegion", key_id=key, primary_region=AWAY) == {}
    for one in (client, away):
        assert one.metadata(id_of(key))["KeyState"] == "Updating"
        assert one("Encrypt", key_id=id_of(key), plaintext=b"x")
        assert one.refused("DisableKey", key_id=id_of(key))[1].endswith(" is updating.")
    assert far.metadata(id_of(key))["KeyState"] == "Enabled"
    clock.advance(5)
    kinds = {}
    for one, region in ((client, HOME), (away, AWAY), (far, FAR)):
        described = one.metadata(id_of(key))
        assert described["KeyState"] == "Enabled"
        shown = described["MultiRegionConfiguration"]
        assert shown["PrimaryKey"] == {"Arn": arn_in(key, AWAY), "Region": AWAY}
        assert {replica["Region"] for replica in shown["ReplicaKeys"]} == {HOME, FAR}
        kinds[region] = shown["MultiRegionKeyType"]
    assert kinds == {HOME: "REPLICA", AWAY: "PRIMARY", FAR: "REPLICA"}
    after = away("GetKeyRotationStatus", key_id=id_of(key))
    assert after == {**before, "KeyId": arn_in(key, AWAY)}
    assert client.refused("RotateKeyOnDemand", key_id=key)[0] == "UnsupportedOperationException"
    assert away("RotateKeyOnDemand", key_id=id_of(key))


def test_primaries_that_cannot_be(client: Any, away: Any, key: str, clock: FixedClock) -> None:
    replicate(client, clock, key, AWAY)
    assert client("UpdatePrimaryRegion", key_id=key, primary_region=HOME) == {}
    assert client.metadata(key)["KeyState"] == "Enabled"
    assert client.refused("UpdatePrimaryRegion", key_id=key, primary_region=FAR) == (
        "ValidationException",
        f"{id_of(key)} does not have a replica key in the specified Region.",
    )
    assert away.refused("UpdatePrimaryRegion", key_id=id_of(key), primary_region=HOME) == (
        "KMSInvalidStateException",
        f"{arn_in(key, AWAY)} is not a multi-Region primary key.",
    )
    away("DisableKey", key_id=id_of(key))
    assert client.refused("UpdatePrimaryRegion", key_id=key, primary_region=AWAY) == (
        "DisabledException",
        f"{arn_in(key, AWAY)} is disabled.",
    )


@pytest.mark.parametrize(
    ("operation", "more", "code"),
    [
        ("EnableKeyRotation", {}, "UnsupportedOperationException"),
        ("DisableKeyRotation", {}, "UnsupportedOperationException"),
        ("RotateKeyOnDemand", {}, "UnsupportedOperationException"),
        ("ReplicateKey", {"replica_region": FAR}, "UnsupportedOperationException"),
        ("UpdatePrimaryRegion", {"primary_region": AWAY}, "KMSInvalidStateException"),
    ],
)
def test_what_a_primary_is_asked_when_it_stops_being_one(
    client: Any,
    away: Any,
    key: str,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    more: dict[str, Any],
    code: str,
) -> None:
    """Another process is faster: between the look at the key and the transaction."""
    replicate(client, clock, key, AWAY)
    client.metadata(key)
    store, edit = client.service.store, client.service.store.edit

    def overtaken() -> Any:
        monkeypatch.setattr(store, "edit", edit)
        client("UpdatePrimaryRegion", key_id=key, primary_region=AWAY)
        clock.advance(5)
        client.metadata(key)
        return edit()

    monkeypatch.setattr(store, "edit", overtaken)
    assert client.refused(operation, key_id=key, **more)[0] == code
    assert not away("GetKeyRotationStatus", key_id=id_of(key))["KeyRotationEnabled"]


def test_a_key_that_waits_for_its_replicas_does_not_rotate(
    client: Any, away: Any, key: str, clock: FixedClock
) -> None:
    replicate(client, clock, key, AWAY)
    client("EnableKeyRotation", key_id=key)
    client("ScheduleKeyDeletion", key_id=key)
    for one in (client, away):
        assert not one("GetKeyRotationStatus", key_id=id_of(key))["KeyRotationEnabled"]
    client("CancelKeyDeletion", key_id=key)
    for one in (client, away):
        assert one("GetKeyRotationStatus", key_id=id_of(key))["KeyRotationEnabled"]


def test_a_primary_waits_for_its_replicas(
    client: Any, away: Any, key: str, clock: FixedClock, audit: MemorySink
) -> None:
    replicate(client, clock, key, AWAY)
    assert client("ScheduleKeyDeletion", key_id=key, pending_window_in_days=7) == {
        "KeyId": key,
        "KeyState": "PendingReplicaDeletion",
        "PendingWindowInDays": 7,
    }
    described = client.metadata(key)
    assert described["PendingDeletionWindowInDays"] == 7
    assert "DeletionDate" not in described
    assert client.refused("Encrypt", key_id=key, plaintext=b"x")[0] == "KMSInvalidStateException"
    clock.advance(100 * DAY)
    assert client.metadata(key)["KeyState"] == "PendingReplicaDeletion"
    away("ScheduleKeyDeletion", key_id=id_of(key), pending_window_in_days=10)
    clock.advance(10 * DAY)
    gone_at = clock.now()
    clock.advance(DAY)
    described = client.metadata(key)
    assert described["KeyState"] == "PendingDeletion"
    assert described["DeletionDate"] == gone_at + 7 * DAY
    assert described["MultiRegionConfiguration"]["ReplicaKeys"] == []
    assert away.refused("DescribeKey", key_id=id_of(key))[0] == "NotFoundException"
    clock.advance(6 * DAY)
    assert client.refused("DescribeKey", key_id=key)[0] == "NotFoundException"
    deleted = [event["region"] for event in audit.events if event["eventName"] == "DeleteKey"]
    assert deleted == [AWAY, HOME]


def test_replica_and_primary_are_destroyed_in_one_leap_of_the_clock(
    client: Any, away: Any, key: str, clock: FixedClock
) -> None:
    replicate(client, clock, key, AWAY)
    client("ScheduleKeyDeletion", key_id=key)
    away("ScheduleKeyDeletion", key_id=id_of(key))
    clock.advance(60 * DAY)
    assert client("ListKeys")["Keys"] == away("ListKeys")["Keys"] == []


def test_a_deleted_replica_can_be_made_again(
    client: Any, away: Any, key: str, clock: FixedClock
) -> None:
    replicate(client, clock, key, AWAY)
    blob = away("Encrypt", key_id=id_of(key), plaintext=b"x")["CiphertextBlob"]
    away("ScheduleKeyDeletion", key_id=id_of(key), pending_window_in_days=7)
    clock.advance(7 * DAY)
    assert client("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"
    replicate(client, clock, key, AWAY)
    assert away("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"


def test_replicas_of_imported_keys_take_the_same_material(
    client: Any, away: Any, clock: FixedClock
) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    assert client.refused("ReplicateKey", key_id=arn, replica_region=AWAY) == (
        "KMSInvalidStateException",
        f"{arn} is pending import.",
    )
    first = client.import_material(arn, FIRST)["KeyMaterialId"]
    blob = client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"]
    replicate(client, clock, arn, AWAY)
    there = id_of(arn)
    assert away.metadata(there)["KeyState"] == "PendingImport"
    with pytest.raises(Exception, match="does not have the expected identifier") as caught:
        away.import_material(there, SECOND)
    assert first in caught.value.args[1]
    assert away.import_material(there, FIRST)["KeyMaterialId"] == first
    assert away("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"


def test_a_replica_waits_for_its_primary(client: Any, away: Any, clock: FixedClock) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    client.import_material(arn, FIRST)
    replicate(client, clock, arn, AWAY)
    client("DeleteImportedKeyMaterial", key_id=arn)
    with pytest.raises(Exception, match="is not a multi-region primary key"):
        away.import_material(id_of(arn), SECOND, **NEW)
    assert away.import_material(id_of(arn), FIRST)
    assert client.metadata(arn)["KeyState"] == "PendingImport"


def test_new_material_waits_for_every_region(client: Any, away: Any, clock: FixedClock) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    there = id_of(arn)
    client.import_material(arn, FIRST)
    replicate(client, clock, arn, AWAY)
    away.import_material(there, FIRST)
    pending = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    second = client.import_material(arn, SECOND, **NEW)["KeyMaterialId"]
    assert states(client, arn) == states(away, there) == ["CURRENT", pending]
    assert client.refused("RotateKeyOnDemand", key_id=arn)[0] == "KMSInvalidStateException"
    away.import_material(there, SECOND)
    assert states(client, arn) == states(away, there) == ["CURRENT", "PENDING_ROTATION"]
    client("RotateKeyOnDemand", key_id=arn)
    clock.advance(100)
    for one in (client, away):
        assert one.metadata(there)["CurrentKeyMaterialId"] == second
        assert one.metadata(there)["KeyState"] == "Enabled"


def test_pending_material_is_forgotten_in_every_region(
    client: Any, away: Any, clock: FixedClock
) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    there = id_of(arn)
    client.import_material(arn, FIRST)
    replicate(client, clock, arn, AWAY)
    second = client.import_material(arn, SECOND, **NEW)["KeyMaterialId"]
    away.import_material(there, SECOND)
    away("DeleteImportedKeyMaterial", key_id=there, key_material_id=second)
    assert states(client, arn) == ["CURRENT", "PENDING_ROTATION"]
    client("DeleteImportedKeyMaterial", key_id=arn, key_material_id=second)
    assert states(client, arn) == states(away, there) == ["CURRENT"]


def test_a_new_replica_lacks_the_pending_material(
    client: Any, away: Any, far: Any, clock: FixedClock
) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    client.import_material(arn, FIRST)
    client.import_material(arn, SECOND, **NEW)
    assert states(client, arn) == ["CURRENT", "PENDING_ROTATION"]
    replicate(client, clock, arn, AWAY)
    pending = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    assert states(client, arn) == states(away, arn) == ["CURRENT", pending]
    away.import_material(id_of(arn), FIRST)
    away.import_material(id_of(arn), SECOND)
    assert states(client, arn) == states(away, arn) == ["CURRENT", "PENDING_ROTATION"]
    replicate(client, clock, arn, FAR)
    for one in (client, away, far):
        assert states(one, arn) == ["CURRENT", pending]
    far("ScheduleKeyDeletion", key_id=id_of(arn), pending_window_in_days=7)
    clock.advance(7 * DAY)
    assert states(client, arn) == states(away, arn) == ["CURRENT", "PENDING_ROTATION"]


def test_nothing_is_encrypted_with_material_that_a_region_lacks(
    client: Any, away: Any, clock: FixedClock
) -> None:
    arn = client.key(multi_region=True, origin="EXTERNAL")
    client.import_material(arn, FIRST)
    replicate(client, clock, arn, AWAY)
    away.import_material(id_of(arn), FIRST)
    second = client.import_material(arn, SECOND, **NEW)["KeyMaterialId"]
    blob = bytearray(client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"])
    blob[5:37] = bytes.fromhex(second)
    for one in (client, away):
        refused = one.refused("Decrypt", ciphertext_blob=bytes(blob))
        assert refused == ("InvalidCiphertextException", "")
