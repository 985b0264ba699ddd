import hmac
from typing import Any

import pytest

DRY = "The request would have succeeded, but the DryRun option is set."


def mac_key(client: Any, bits: int = 256) -> str:
    arn: str = client.key(key_spec=f"HMAC_{bits}", key_usage="GENERATE_VERIFY_MAC")
    return arn


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_generate_and_verify(client: Any, bits: int) -> None:
    arn, algorithm = mac_key(client, bits), f"HMAC_SHA_{bits}"
    named = {"key_id": arn, "mac_algorithm": algorithm, "message": b"message"}
    made = client("GenerateMac", **named)
    assert made == {"Mac": made["Mac"], "MacAlgorithm": algorithm, "KeyId": arn}
    assert len(made["Mac"]) == bits // 8
    assert client("VerifyMac", mac=made["Mac"], **named) == {
        "KeyId": arn,
        "MacValid": True,
        "MacAlgorithm": algorithm,
    }
    flipped = bytes((made["Mac"][0] ^ 1,)) + made["Mac"][1:]
    for wrong in (flipped, made["Mac"][:-1], made["Mac"] + b"\0"):
        client.fails("KMSInvalidMacException", "", "VerifyMac", mac=wrong, **named)
    client.fails(
        "KMSInvalidMacException", "", "VerifyMac", mac=made["Mac"], **{**named, "message": b"m"}
    )


def test_the_mac_is_an_hmac(client: Any, service: Any) -> None:
    arn = mac_key(client)
    key = service.store.key(client.caller.account, client.caller.region, arn.rpartition("/")[2])
    secret = bytes(service.store.backing_key(key.account, key.region, key.material_id))
    mac = client("GenerateMac", key_id=arn, mac_algorithm="HMAC_SHA_256", message=b"m")["Mac"]
    assert mac == hmac.digest(secret, b"m", "sha256")


def test_the_key_must_fit(client: Any) -> None:
    arn, symmetric = mac_key(client, 224), client.key()
    for operation, more in (("GenerateMac", {}), ("VerifyMac", {"mac": b"m"})):
        client.fails(
            "InvalidKeyUsageException",
            "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.",
            operation,
            key_id=arn,
            mac_algorithm="HMAC_SHA_256",
            message=b"m",
            **more,
        )
        client.fails(
            "InvalidKeyUsageException",
            f"{symmetric} key usage is ENCRYPT_DECRYPT which is not valid for {operation}.",
            operation,
            key_id=symmetric,
            mac_algorithm="HMAC_SHA_256",
            message=b"m",
            **more,
        )


def test_states_and_dry_runs(client: Any) -> None:
    arn = mac_key(client)
    named: dict[str, Any] = {"key_id": arn, "mac_algorithm": "HMAC_SHA_256", "message": b"m"}
    mac = client("GenerateMac", **named)["Mac"]
    client.fails("DryRunOperationException", DRY, "GenerateMac", dry_run=True, **named)
    client.fails("DryRunOperationException", DRY, "VerifyMac", dry_run=True, mac=mac, **named)
    client.fails("KMSInvalidMacException", "", "VerifyMac", dry_run=True, mac=b"m", **named)
    client("DisableKey", key_id=arn)
    client.fails("DisabledException", f"{arn} is disabled.", "GenerateMac", **named)


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_vectors_through_import(client: Any, vectors: Any, bits: int) -> None:
    algorithm = f"HMAC_SHA_{bits}"
    arns: dict[str, str] = {}
    for case in vectors("macs"):
        key, message, mac = (bytes.fromhex(case[name]) for name in ("key", "message", "mac"))
        if case["algorithm"] != algorithm or not message:
            continue
        if case["key"] not in arns:
            arns[case["key"]] = client.key(
                origin="EXTERNAL", key_spec=f"HMAC_{bits}", key_usage="GENERATE_VERIFY_MAC"
            )
            client.import_material(arns[case["key"]], key)
        named = {"key_id": arns[case["key"]], "mac_algorithm": algorithm, "message": message}
        if case["outcome"] == "valid":
            assert client("GenerateMac", **named)["Mac"] == mac
            assert client("VerifyMac", mac=mac, **named)["MacValid"]
        else:
            client.fails("KMSInvalidMacException", "", "VerifyMac", mac=mac, **named)
    assert arns
