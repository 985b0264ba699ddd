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
    refused(
        "ValidationException", "Value null at 'ciphertextBlob'", client, "Decrypt", key_id=first
    )


def test_the_ciphertext_is_looked_at_before_the_named_key_is(client: Any) -> None:
    """Whether a key may decrypt at all matters only if it is the key of the ciphertext."""
    blob = client("Encrypt", key_id=client.key(), plaintext=b"x")["CiphertextBlob"]
    for arguments in (
        {"origin": "EXTERNAL"},
        {"key_spec": "RSA_2048", "key_usage": "SIGN_VERIFY"},
        {"key_spec": "HMAC_256", "key_usage": "GENERATE_VERIFY_MAC"},
    ):
        arn = client.key(**arguments)
        assert client.refused("Decrypt", ciphertext_blob=blob, key_id=arn)[0] == (
            "IncorrectKeyException"
        )
        assert client.refused("Decrypt", ciphertext_blob=b"x", key_id=arn) == (
            "InvalidCiphertextException",
            "",
        )


def test_usage_then_state_then_algorithm(client: Any) -> None:
    arn = client.key(key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    client("DisableKey", key_id=arn)
    client.fails(
        "InvalidKeyUsageException",
        f"{arn} key usage is SIGN_VERIFY which is not valid for Encrypt.",
        "Encrypt",
        key_id=arn,
        plaintext=b"x",
        **RSA,
    )
    client.fails(
        "DisabledException",
        f"{arn} is disabled.",
        "Sign",
        key_id=arn,
        message=b"x",
        signing_algorithm="ECDSA_SHA_256",
    )


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


def test_dry_runs(client: Any) -> None:
    arn = client.key()
    blob = client("Encrypt", key_id=arn, plaintext=b"x")["CiphertextBlob"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Encrypt", {"key_id": arn, "plaintext": b"x"}),
        ("Decrypt", {"ciphertext_blob": blob}),
        ("ReEncrypt", {"ciphertext_blob": blob, "destination_key_id": arn}),
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


RSA: dict[str, Any] = {"encryption_algorithm": "RSAES_OAEP_SHA_256"}


def encrypting_key(client: Any) -> str:
    arn: str = client.key(key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
    return arn


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
def test_rsa_keys_encrypt(client: Any, algorithm: str) -> None:
    arn = encrypting_key(client)
    named = {"key_id": arn, "encryption_algorithm": algorithm}
    sealed = client("Encrypt", plaintext=b"hello", encryption_context={}, **named)
    assert (sealed["KeyId"], sealed["EncryptionAlgorithm"]) == (arn, algorithm)
    assert len(sealed["CiphertextBlob"]) == 256
    assert client("Decrypt", ciphertext_blob=sealed["CiphertextBlob"], **named) == {
        "KeyId": arn,
        "Plaintext": b"hello",
        "EncryptionAlgorithm": algorithm,
    }


def test_what_rsa_keys_refuse(client: Any) -> None:
    arn, other = encrypting_key(client), encrypting_key(client)
    blob = client("Encrypt", key_id=arn, plaintext=b"x", **RSA)["CiphertextBlob"]
    for arguments in ({"key_id": arn, "ciphertext_blob": b"x"}, {"key_id": other}):
        client.fails(
            "InvalidCiphertextException",
            "",
            "Decrypt",
            **{"ciphertext_blob": blob, "dry_run": True, **arguments, **RSA},
        )
    client.fails(
        "ValidationException", "KeyId must not be null", "Decrypt", ciphertext_blob=blob, **RSA
    )
    client.fails(
        "InvalidKeyUsageException",
        "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.",
        "Encrypt",
        key_id=arn,
        plaintext=b"x",
    )
    client.fails("InvalidCiphertextException", "", "Decrypt", key_id=arn, ciphertext_blob=blob)
    refusal = "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
    for operation, more in (
        ("Encrypt", {"plaintext": b"x"}),
        ("Decrypt", {"ciphertext_blob": blob}),
    ):
        client.fails(
            "ValidationException",
            refusal,
            operation,
            key_id=arn,
            encryption_context=CONTEXT,
            **more,
            **RSA,
        )
    client.fails(
        "ValidationException",
        "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 "
        "bytes.",
        "Encrypt",
        key_id=arn,
        plaintext=bytes(191),
        dry_run=True,
        **RSA,
    )
    signing = client.key(key_spec="RSA_2048", key_usage="SIGN_VERIFY")
    client.fails(
        "InvalidKeyUsageException",
        f"{signing} key usage is SIGN_VERIFY which is not valid for Encrypt.",
        "Encrypt",
        key_id=signing,
        plaintext=b"x",
        **RSA,
    )


def test_re_encrypt_between_kinds_of_key(client: Any) -> None:
    symmetric, pair = client.key(), encrypting_key(client)
    blob = client("Encrypt", key_id=symmetric, plaintext=b"x")["CiphertextBlob"]
    there = client(
        "ReEncrypt",
        ciphertext_blob=blob,
        destination_key_id=pair,
        destination_encryption_algorithm="RSAES_OAEP_SHA_256",
    )
    assert "DestinationKeyMaterialId" not in there
    assert there["DestinationEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
    back = client(
        "ReEncrypt",
        ciphertext_blob=there["CiphertextBlob"],
        source_key_id=pair,
        source_encryption_algorithm="RSAES_OAEP_SHA_256",
        destination_key_id=symmetric,
        destination_encryption_context=CONTEXT,
    )
    assert "SourceKeyMaterialId" not in back
    assert back["DestinationKeyMaterialId"] == there["SourceKeyMaterialId"]
    opened = client("Decrypt", ciphertext_blob=back["CiphertextBlob"], encryption_context=CONTEXT)
    assert opened["Plaintext"] == b"x"


def test_a_dry_run_may_do_without_a_ciphertext(client: Any) -> None:
    arn = client.key()
    dry: dict[str, Any] = {"dry_run": True, "dry_run_modifiers": ["IGNORE_CIPHERTEXT"]}
    text = "The request would have succeeded, but the DryRun option is set."
    client.fails("DryRunOperationException", text, "Decrypt", key_id=arn, **dry)
    moving = {"source_key_id": arn, "destination_key_id": arn}
    client.fails("DryRunOperationException", text, "ReEncrypt", **moving, **dry)
    client.fails("ValidationException", "KeyId must not be null", "Decrypt", **dry)
    client.fails(
        "ValidationException",
        "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy "
        "constraint: Member must not be null",
        "Decrypt",
        key_id=arn,
        dry_run_modifiers=["IGNORE_CIPHERTEXT"],
    )
    client("DisableKey", key_id=arn)
    client.fails("DisabledException", f"{arn} is disabled.", "Decrypt", key_id=arn, **dry)
    client.fails("DisabledException", f"{arn} is disabled.", "ReEncrypt", **moving, **dry)


def test_oaep_vectors_through_import(client: Any, vectors: Any) -> None:
    arns: dict[str, str] = {}
    for case in vectors("oaep"):
        private = bytes.fromhex(case["private"])
        if case["private"] not in arns:
            arns[case["private"]] = client.key(
                origin="EXTERNAL",
                key_spec="RSA_2048" if len(private) < 1_500 else "RSA_4096",
                key_usage="ENCRYPT_DECRYPT",
            )
            client.import_material(
                arns[case["private"]], private, algorithm="RSA_AES_KEY_WRAP_SHA_256"
            )
        named = {
            "key_id": arns[case["private"]],
            "encryption_algorithm": case["algorithm"],
            "ciphertext_blob": bytes.fromhex(case["ciphertext"]),
        }
        if case["outcome"] == "valid":
            assert client("Decrypt", **named)["Plaintext"].hex() == case["plaintext"]
        else:
            client.fails("InvalidCiphertextException", "", "Decrypt", **named)
    assert len(arns) > 2


LONG = {"encryption_context": {"a": "b" * 8_192}}


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("Encrypt", {"plaintext": b"x", **LONG}),
        ("Decrypt", {"ciphertext_blob": b"x", **LONG}),
        ("GenerateDataKey", {"number_of_bytes": 1, **LONG}),
        ("GenerateDataKeyWithoutPlaintext", {"number_of_bytes": 1, **LONG}),
        ("GenerateDataKeyPair", {"key_pair_spec": "ECC_NIST_P256", **LONG}),
        ("GenerateDataKeyPairWithoutPlaintext", {"key_pair_spec": "ECC_NIST_P256", **LONG}),
        (
            "CreateGrant",
            {
                "operations": ["Encrypt"],
                "grantee_principal": "arn:aws:iam::111122223333:root",
                "constraints": {"EncryptionContextSubset": {"a" * 8_192: "b"}},
            },
        ),
    ],
)
def test_a_context_that_is_too_long_is_refused_before_policies_compare_it(
    client: Any, stranger: Caller, operation: str, arguments: dict[str, Any]
) -> None:
    code, message = client.as_(stranger).refused(operation, key_id=client.key(), **arguments)
    assert (code, message) == (
        "ValidationException",
        "EncryptionContext is longer than 8192 bytes",
    )


@pytest.mark.parametrize("side", ["source", "destination"])
def test_so_is_one_of_a_re_encryption(client: Any, stranger: Caller, side: str) -> None:
    code, message = client.as_(stranger).refused(
        "ReEncrypt",
        ciphertext_blob=b"x",
        destination_key_id=client.key(),
        **{f"{side}_encryption_context": {"a": "b" * 8_192}},
    )
    assert (code, message[:27]) == ("ValidationException", "EncryptionContext is longer")
