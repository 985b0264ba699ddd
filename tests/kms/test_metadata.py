from typing import Any

import pytest

from kms.aws.clock import FixedClock


def metadata(client: Any, **arguments: Any) -> dict[str, Any]:
    described: dict[str, Any] = client("CreateKey", **arguments)["KeyMetadata"]
    assert client("DescribeKey", key_id=described["KeyId"])["KeyMetadata"] == described
    return described


def test_a_symmetric_key(client: Any, clock: FixedClock) -> None:
    described = metadata(client, description="d")
    key_id, material_id = described.pop("KeyId"), described.pop("CurrentKeyMaterialId")
    assert len(key_id) == 36
    assert len(material_id) == 64
    assert described == {
        "AWSAccountId": "111122223333",
        "Arn": f"arn:aws:kms:us-east-1:111122223333:key/{key_id}",
        "CreationDate": clock.now(),
        "Enabled": True,
        "Description": "d",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_hmac_keys(client: Any, bits: int) -> None:
    described = metadata(client, key_spec=f"HMAC_{bits}", key_usage="GENERATE_VERIFY_MAC")
    assert described["MacAlgorithms"] == [f"HMAC_SHA_{bits}"]
    assert not described.keys() & {"CurrentKeyMaterialId", "EncryptionAlgorithms"}


def test_a_key_that_waits_for_its_material(client: Any) -> None:
    described = metadata(client, origin="EXTERNAL")
    assert (described["KeyState"], described["Enabled"]) == ("PendingImport", False)
    assert described["Origin"] == "EXTERNAL"
    assert not described.keys() & {"CurrentKeyMaterialId", "ExpirationModel", "ValidTo"}


def test_a_multi_region_primary(client: Any) -> None:
    described = metadata(client, multi_region=True)
    assert described["KeyId"].startswith("mrk-")
    assert len(described["KeyId"]) == 36
    assert described["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": described["Arn"], "Region": "us-east-1"},
        "ReplicaKeys": [],
    }
