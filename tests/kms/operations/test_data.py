from dataclasses import replace
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.errors import KMSError

CONTEXT = {"a": "bc"}
UNKNOWN = "The ciphertext refers to a customer master key that does not exist"


def refused(code: str, message: str, call: Any, *arguments: Any, **named: Any) -> None:
    with pytest.raises(KMSError) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    assert message in caught.value.message


def test_encrypt_and_decrypt(client: Any) -> None:
    arn = client.key()
    sealed = client("Encrypt", key_id=arn, plaintext=b"hello", encryption_context=CONTEXT)
    assert sealed["KeyId"] == arn
    opened = client("Decrypt", ciphertext_blob=sealed["CiphertextBlob"], encryption_context=CONTEXT)
    assert opened["Plaintext"] == b"hello"
    assert opened["KeyId"] == arn
    metadata = client("DescribeKey", key_id=arn)["KeyMetadata"]
    assert opened["KeyMaterialId"] == metadata["CurrentKeyMaterialId"]


@pytest.mark.parametrize("context", [{}, {"ab": "c"}, {"a": "bc", "d": ""}, {"A": "bc"}])
def test_other_contexts_do_not_decrypt(client: Any, context: dict[str, str]) -> None:
    blob = client("Encrypt", key_id=client.key(), plaintext=b"x", encryption_context=CONTEXT)[
        "CiphertextBlob"
    ]
    refused(
        "InvalidCiphertextException",
        "",
        client,
        "Decrypt",
        ciphertext_blob=blob,
        encryption_context=context,
    )


def test_every_flipped_byte_of_a_blob_is_noticed(client: Any) -> None:
    arn = client.key()
    blob = client("Encrypt", key_id=arn, plaintext=b"x" * 32)["CiphertextBlob"]
    for position in range(len(blob)):
        tampered = bytearray(blob)
        tampered[position] ^= 1
        refused(
            "InvalidCiphertextException",
            "",
            client,
            "Decrypt",
            ciphertext_blob=bytes(tampered),
            key_id=arn,
        )


def test_a_blob_of_an_unknown_key(client: Any, stranger: Caller, caller: Caller) -> None:
    blob = client("Encrypt", key_id=client.key(), plaintext=b"x")["CiphertextBlob"]
    unknown = blob[:5] + bytes(32) + blob[37:]
    refused("AccessDeniedException", UNKNOWN, client, "Decrypt", ciphertext_blob=unknown)
    for other in (stranger, replace(caller, region="eu-west-1")):
        refused(
            "AccessDeniedException", UNKNOWN, client.as_(other), "Decrypt", ciphertext_blob=blob
        )


def test_the_named_key_must_be_the_blobs(client: Any) -> None:
    first, second = client.key(), client.key()
    blob = client("Encrypt", key_id=first, plaintext=b"x")["CiphertextBlob"]
    refused(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK",
        client,
        "Decrypt",
        ciphertext_blob=blob,
        key_id=second,
    )
    assert client("Decrypt", ciphertext_blob=blob, key_id=first)["Plaintext"] == b"x"
    refused("ValidationException", "CiphertextBlob is required", client, "Decrypt", key_id=first)


def test_states_stop_decryption(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    blob = client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"]
    client("DisableKey", key_id=arn)
    refused("DisabledException", f"{arn} is disabled.", client, "Decrypt", ciphertext_blob=blob)
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    refused(
        "KMSInvalidStateException",
        f"{arn} is pending deletion.",
        client,
        "GenerateDataKey",
        key_id=arn,
        key_spec="AES_256",
    )
    client("CancelKeyDeletion", key_id=arn)
    client("EnableKey", key_id=arn)
    assert client("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    clock.advance(7 * 86_400)
    refused("AccessDeniedException", UNKNOWN, client, "Decrypt", ciphertext_blob=blob)


def test_re_encrypt(client: Any) -> None:
    first, second = client.key(), client.key()
    blob = client("Encrypt", key_id=first, plaintext=b"x", encryption_context=CONTEXT)[
        "CiphertextBlob"
    ]
    moved = client(
        "ReEncrypt",
        ciphertext_blob=blob,
        source_encryption_context=CONTEXT,
        destination_key_id=second,
        destination_encryption_context={"new": "context"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (first, second)
    assert moved["SourceKeyMaterialId"] != moved["DestinationKeyMaterialId"]
    opened = client(
        "Decrypt",
        ciphertext_blob=moved["CiphertextBlob"],
        encryption_context={"new": "context"},
    )
    assert opened["Plaintext"] == b"x"
    client("DisableKey", key_id=second)
    refused(
        "DisabledException",
        second,
        client,
        "ReEncrypt",
        ciphertext_blob=blob,
        source_encryption_context=CONTEXT,
        destination_key_id=second,
    )


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
    refused(
        "ValidationException",
        "either number of bytes or key spec",
        client,
        "GenerateDataKey",
        key_id=client.key(),
        **arguments,
    )


def test_dry_runs(client: Any) -> None:
    arn = client.key()
    blob = client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Encrypt", {"key_id": arn, "plaintext": b"x"}),
        ("Decrypt", {"ciphertext_blob": blob}),
        ("ReEncrypt", {"ciphertext_blob": blob, "destination_key_id": arn}),
        ("GenerateDataKey", {"key_id": arn, "key_spec": "AES_256"}),
        ("GenerateDataKeyWithoutPlaintext", {"key_id": arn, "key_spec": "AES_256"}),
    ]
    for operation, arguments in calls:
        refused(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
            client,
            operation,
            dry_run=True,
            **arguments,
        )
    client("DisableKey", key_id=arn)
    for operation, arguments in calls:
        refused("DisabledException", arn, client, operation, dry_run=True, **arguments)
    refused("InvalidCiphertextException", "", client, "Decrypt", ciphertext_blob=b"x", dry_run=True)


def test_algorithms_and_grant_tokens(client: Any) -> None:
    arn = client.key()
    refused(
        "InvalidKeyUsageException",
        "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.",
        client,
        "Encrypt",
        key_id=arn,
        plaintext=b"x",
        encryption_algorithm="RSAES_OAEP_SHA_256",
    )
    for operation in ("Encrypt", "GenerateDataKey"):
        named = {"plaintext": b"x"} if operation == "Encrypt" else {"key_spec": "AES_256"}
        refused(
            "InvalidGrantTokenException",
            "",
            client,
            operation,
            key_id=arn,
            grant_tokens=["t"],
            **named,
        )


def test_random_bytes(client: Any, anonymous: Caller) -> None:
    assert len(client("GenerateRandom", number_of_bytes=24)["Plaintext"]) == 24
    refused("ValidationException", "required", client, "GenerateRandom")
    refused(
        "AccessDeniedException",
        "kms:GenerateRandom",
        client.as_(anonymous),
        "GenerateRandom",
        number_of_bytes=1,
    )
