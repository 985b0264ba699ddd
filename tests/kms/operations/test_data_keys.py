from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.algorithms.keys import PRIVATE_KEY_SPECS, open_private
from kms.aws.identity import Caller
from kms.operations import data_keys
from kms.root import RootError

CONTEXT = {"a": "bc"}
DRY = "The request would have succeeded, but the DryRun option is set."


@pytest.mark.parametrize(
    ("arguments", "length"),
    [
        ({"key_spec": "AES_256"}, 32),
        ({"key_spec": "AES_128"}, 16),
        ({"number_of_bytes": 1}, 1),
        ({"number_of_bytes": 1024}, 1024),
    ],
)
def test_data_keys(client: Any, arguments: dict[str, Any], length: int) -> None:
    arn = client.key()
    made = client("GenerateDataKey", key_id=arn, encryption_context=CONTEXT, **arguments)
    assert isinstance(made["Plaintext"], bytearray)
    assert len(made["Plaintext"]) == length
    assert any(made["Plaintext"]) or length == 1
    hidden = client("GenerateDataKeyWithoutPlaintext", key_id=arn, **arguments)
    assert "Plaintext" not in hidden
    for output, context in ((made, CONTEXT), (hidden, {})):
        blob = output["CiphertextBlob"]
        assert blob[:5].hex() == "0102030078"
        opened = client("Decrypt", ciphertext_blob=blob, encryption_context=context)["Plaintext"]
        assert len(opened) == length
    assert (
        client("Decrypt", ciphertext_blob=made["CiphertextBlob"], encryption_context=CONTEXT)[
            "Plaintext"
        ]
        == made["Plaintext"]
    )


@pytest.mark.parametrize("arguments", [{}, {"key_spec": "AES_256", "number_of_bytes": 32}])
def test_data_keys_have_one_length(client: Any, arguments: dict[str, Any]) -> None:
    client.fails(
        "ValidationException",
        "Please specify either number of bytes or key spec.",
        "GenerateDataKey",
        key_id=client.key(),
        **arguments,
    )


@pytest.mark.parametrize(
    "spec", sorted(PRIVATE_KEY_SPECS - {"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
)
def test_data_key_pairs(client: Any, spec: str) -> None:
    arn = client.key()
    made = client("GenerateDataKeyPair", key_id=arn, key_pair_spec=spec, encryption_context=CONTEXT)
    private = open_private(made["PrivateKeyPlaintext"])
    public = private.public_key()
    assert made["PublicKey"] == public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (made["KeyId"], made["KeyPairSpec"]) == (arn, spec)
    sealed = made["PrivateKeyCiphertextBlob"]
    assert sealed[:5].hex() == "0102030078"
    opened = client("Decrypt", ciphertext_blob=sealed, encryption_context=CONTEXT)
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    assert opened["KeyMaterialId"] == made["KeyMaterialId"]


def test_a_data_key_pair_without_plaintext(client: Any) -> None:
    arn = client.key()
    named = {"key_id": arn, "key_pair_spec": "ECC_NIST_P256"}
    made = client("GenerateDataKeyPairWithoutPlaintext", **named)
    assert set(made) == {
        "PrivateKeyCiphertextBlob",
        "PublicKey",
        "KeyId",
        "KeyPairSpec",
        "KeyMaterialId",
    }
    opened = client("Decrypt", ciphertext_blob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    public = open_private(opened).public_key()
    assert public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made["PublicKey"]
    for spec in ("SM2", "ML_KEM_512"):
        client.fails(
            "UnsupportedOperationException",
            f"{spec} is not supported",
            "GenerateDataKeyPair",
            key_id=arn,
            key_pair_spec=spec,
        )


def test_only_symmetric_keys_wrap(client: Any) -> None:
    pair = client.key(key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
    mac = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("GenerateDataKey", {"key_spec": "AES_256"}),
        ("GenerateDataKeyWithoutPlaintext", {"key_spec": "AES_256"}),
        ("GenerateDataKeyPair", {"key_pair_spec": "ECC_NIST_P256"}),
        ("GenerateDataKeyPairWithoutPlaintext", {"key_pair_spec": "ECC_NIST_P256"}),
    ]
    for operation, arguments in calls:
        client.fails(
            "InvalidKeyUsageException",
            "You cannot generate a data key with an asymmetric CMK",
            operation,
            key_id=pair,
            **arguments,
        )
        client.fails(
            "InvalidKeyUsageException",
            f"{mac} key usage is GENERATE_VERIFY_MAC which is not valid for {operation}.",
            operation,
            key_id=mac,
            **arguments,
        )
        client.fails(
            "DryRunOperationException",
            DRY,
            operation,
            key_id=client.key(),
            dry_run=True,
            **arguments,
        )


def test_random_bytes(client: Any, anonymous: Caller) -> None:
    first, second = (client("GenerateRandom", number_of_bytes=24)["Plaintext"] for _ in range(2))
    assert len(first) == len(second) == 24
    assert first != second
    client.fails("ValidationException", "NumberOfBytes is required.", "GenerateRandom")
    client.as_(anonymous).fails(
        "AccessDeniedException",
        "User: anonymous is not authorized to perform: kms:GenerateRandom on resource: * because "
        "no identity-based policy allows the kms:GenerateRandom action",
        "GenerateRandom",
        number_of_bytes=1,
    )


def test_refusals_come_in_order(client: Any) -> None:
    """What is asked for, then the key's usage, its state, its spec."""
    pair = client.key(key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
    mac = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    for arn in (pair, mac):
        client("DisableKey", key_id=arn)
        client.fails(
            "ValidationException",
            "Please specify either number of bytes or key spec.",
            "GenerateDataKey",
            key_id=arn,
        )
    sized = {"number_of_bytes": 32}
    assert client.refused("GenerateDataKey", key_id=mac, **sized)[0] == "InvalidKeyUsageException"
    assert client.refused("GenerateDataKey", key_id=pair, **sized)[0] == "DisabledException"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("GenerateDataKey", {"number_of_bytes": 32}),
        ("GenerateDataKeyPair", {"key_pair_spec": "ECC_NIST_P256"}),
    ],
)
def test_a_fresh_key_that_cannot_be_wrapped_is_wiped(
    client: Any, monkeypatch: pytest.MonkeyPatch, operation: str, arguments: dict[str, Any]
) -> None:
    secrets: list[bytearray] = []

    def fail(request: Any, key: Any, kind: int, plaintext: bytearray, context: bytes) -> bytes:
        assert any(plaintext)
        secrets.append(plaintext)
        raise RootError("the row was altered")

    monkeypatch.setattr(data_keys, "seal_under", fail)
    refused = client.refused(operation, key_id=client.key(), **arguments)
    assert refused == ("KMSInternalException", "The key store failed.")
    assert not any(secrets.pop())
