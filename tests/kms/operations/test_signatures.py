import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.algorithms.keys import private_der

DRY = "The request would have succeeded, but the DryRun option is set."
PAIRS = [
    ("RSA_2048", "RSASSA_PSS_SHA_256"),
    ("RSA_2048", "RSASSA_PSS_SHA_384"),
    ("RSA_2048", "RSASSA_PSS_SHA_512"),
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ("ML_DSA_44", "ML_DSA_SHAKE_256"),
    ("ML_DSA_65", "ML_DSA_SHAKE_256"),
    ("ML_DSA_87", "ML_DSA_SHAKE_256"),
]


def signing_key(client: Any, spec: str = "ECC_NIST_P256") -> str:
    arn: str = client.key(key_spec=spec, key_usage="SIGN_VERIFY")
    return arn


@pytest.mark.parametrize(("spec", "algorithm"), PAIRS)
def test_sign_and_verify(client: Any, spec: str, algorithm: str) -> None:
    arn = signing_key(client, spec)
    named = {"key_id": arn, "signing_algorithm": algorithm}
    signed = client("Sign", message=b"message", **named)
    signature = signed["Signature"]
    assert signed == {"KeyId": arn, "Signature": signature, "SigningAlgorithm": algorithm}
    assert client("Verify", message=b"message", signature=signature, **named) == {
        "KeyId": arn,
        "SignatureValid": True,
        "SigningAlgorithm": algorithm,
    }
    for message, wrong in ((b"other", signature), (b"message", signature[:-1] + b"\0\0")):
        client.fails(
            "KMSInvalidSignatureException", "", "Verify", message=message, signature=wrong, **named
        )


def test_a_digest_is_signed_as_it_is(client: Any) -> None:
    arn = signing_key(client)
    digest = hashlib.sha256(b"message").digest()
    named = {"key_id": arn, "signing_algorithm": "ECDSA_SHA_256"}
    signature = client("Sign", message=digest, message_type="DIGEST", **named)["Signature"]
    public = load_der_public_key(client("GetPublicKey", key_id=arn)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
    assert client("Verify", message=b"message", signature=signature, **named)["SignatureValid"]
    for operation, more in (("Sign", {}), ("Verify", {"signature": signature})):
        client.fails(
            "ValidationException",
            "Digest is invalid length for algorithm ECDSA_SHA_256.",
            operation,
            message=b"message",
            message_type="DIGEST",
            **named,
            **more,
        )


@pytest.mark.parametrize(
    ("spec", "algorithm", "message_type", "text"),
    [
        ("ML_DSA_65", "ML_DSA_SHAKE_256", "DIGEST", "key spec ML_DSA_65"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "DIGEST", "algorithm ED25519_SHA_512"),
    ],
)
def test_message_types(
    client: Any, spec: str, algorithm: str, message_type: str, text: str
) -> None:
    client.fails(
        "ValidationException",
        f"Message type {message_type} is incompatible with {text}.",
        "Sign",
        key_id=signing_key(client, spec),
        message=bytes(64),
        message_type=message_type,
        signing_algorithm=algorithm,
    )


def test_the_key_must_fit(client: Any) -> None:
    message: dict[str, Any] = {"message": b"m"}
    encrypting = client.key(key_spec="RSA_2048", key_usage="ENCRYPT_DECRYPT")
    symmetric = client.key()
    for key_id, usage in ((encrypting, "ENCRYPT_DECRYPT"), (symmetric, "ENCRYPT_DECRYPT")):
        for operation, more in (("Sign", {}), ("Verify", {"signature": b"s"})):
            client.fails(
                "InvalidKeyUsageException",
                f"{key_id} key usage is {usage} which is not valid for {operation}.",
                operation,
                key_id=key_id,
                signing_algorithm="RSASSA_PSS_SHA_256",
                **message,
                **more,
            )
    client.fails(
        "InvalidKeyUsageException",
        "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.",
        "Sign",
        key_id=signing_key(client),
        signing_algorithm="ECDSA_SHA_384",
        **message,
    )
    client.fails(
        "UnsupportedOperationException",
        "ED25519_PH_SHA_512 is not supported",
        "Sign",
        key_id=signing_key(client, "ECC_NIST_EDWARDS25519"),
        signing_algorithm="ED25519_PH_SHA_512",
        **message,
    )


def test_states_and_dry_runs(client: Any) -> None:
    arn = signing_key(client)
    named: dict[str, Any] = {
        "key_id": arn,
        "message": b"m",
        "signing_algorithm": "ECDSA_SHA_256",
    }
    signature = client("Sign", **named)["Signature"]
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Sign", {}),
        ("Verify", {"signature": signature}),
    )
    for operation, more in calls:
        client.fails("DryRunOperationException", DRY, operation, dry_run=True, **named, **more)
    client.fails(
        "KMSInvalidSignatureException", "", "Verify", dry_run=True, signature=b"s", **named
    )
    client("DisableKey", key_id=arn)
    for operation, more in calls:
        client.fails("DisabledException", f"{arn} is disabled.", operation, **named, **more)


def test_a_pss_salt_is_as_long_as_the_digest(client: Any) -> None:
    arn = signing_key(client, "RSA_2048")
    public: Any = load_der_public_key(client("GetPublicKey", key_id=arn)["PublicKey"])
    for name, digest in (("256", hashes.SHA256()), ("384", hashes.SHA384())):
        signature = client(
            "Sign", key_id=arn, message=b"m", signing_algorithm=f"RSASSA_PSS_SHA_{name}"
        )["Signature"]
        form = padding.PSS(padding.MGF1(digest), digest.digest_size)
        public.verify(signature, b"m", form, digest)


# RFC 8032 §7.1, tests 2 and 3: secret key, message, signature.
RFC_8032 = [
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "message", "signature"), RFC_8032)
def test_rfc_8032_through_import(client: Any, secret: str, message: str, signature: str) -> None:
    arn = client.key(origin="EXTERNAL", key_spec="ECC_NIST_EDWARDS25519", key_usage="SIGN_VERIFY")
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    client.import_material(arn, bytes(private_der(private)), algorithm="RSA_AES_KEY_WRAP_SHA_256")
    signed = client(
        "Sign",
        key_id=arn,
        message=bytes.fromhex(message),
        signing_algorithm="ED25519_SHA_512",
    )
    assert signed["Signature"].hex() == signature
