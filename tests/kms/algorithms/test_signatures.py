import hashlib
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSAMuHasher
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.algorithms.keys import generate_private
from kms.algorithms.signatures import SCHEMES, MessageType, check, sign, verify
from kms.errors import KMSError

RAW, DIGEST, EXTERNAL_MU = MessageType
ALGORITHMS = {
    "RSA_2048": [name for name in SCHEMES if name.startswith("RSASSA")],
    "ECC_NIST_P256": ["ECDSA_SHA_256"],
    "ECC_NIST_P384": ["ECDSA_SHA_384"],
    "ECC_NIST_P521": ["ECDSA_SHA_512"],
    "ECC_SECG_P256K1": ["ECDSA_SHA_256"],
    "ECC_NIST_EDWARDS25519": ["ED25519_SHA_512"],
    "ML_DSA_44": ["ML_DSA_SHAKE_256"],
    "ML_DSA_65": ["ML_DSA_SHAKE_256"],
    "ML_DSA_87": ["ML_DSA_SHAKE_256"],
}
PAIRS = [(spec, algorithm) for spec, names in ALGORITHMS.items() for algorithm in names]
HASHING = [pair for pair in PAIRS if DIGEST in SCHEMES[pair[1]].lengths]
SIGNATURE_BYTES = {
    "RSA_2048": 256,
    "ECC_NIST_EDWARDS25519": 64,
    "ML_DSA_44": 2_420,
    "ML_DSA_65": 3_309,
    "ML_DSA_87": 4_627,
}


def test_vectors(case: dict[str, Any]) -> None:
    public = load_der_public_key(bytes.fromhex(case["public"]))
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    scheme = SCHEMES[case["algorithm"]]
    message_type = MessageType(case.get("type", "RAW"))
    if case["outcome"] == "valid":
        scheme.verify(public, signature, message, message_type)
    else:
        with pytest.raises(InvalidSignature):
            scheme.verify(public, signature, message, message_type)


@pytest.mark.parametrize(("spec", "algorithm"), PAIRS)
def test_what_is_signed_verifies_and_nothing_else(spec: str, algorithm: str) -> None:
    key = generate_private(spec)
    signature = sign(key, algorithm, b"message", RAW)
    assert len(signature) == SIGNATURE_BYTES.get(spec, len(signature))
    verify(key, algorithm, signature, b"message", RAW)
    flipped = bytes((signature[0] ^ 1,)) + signature[1:]
    wrong = [(b"messagE", signature), (b"message", flipped), (b"message", signature[:-1])]
    for message, other in [*wrong, (b"message", b"")]:
        with pytest.raises(KMSError) as caught:
            verify(key, algorithm, other, message, RAW)
        assert (caught.value.code, caught.value.message) == ("KMSInvalidSignatureException", "")
    deterministic = algorithm.startswith(("RSASSA_PKCS1", "ED25519"))
    assert (sign(key, algorithm, b"message", RAW) == signature) is deterministic


@pytest.mark.parametrize(("spec", "algorithm"), HASHING)
def test_a_digest_stands_for_its_message(spec: str, algorithm: str) -> None:
    key = generate_private(spec)
    digest = hashlib.new(f"sha{algorithm[-3:]}", b"message").digest()
    verify(key, algorithm, sign(key, algorithm, digest, DIGEST), b"message", RAW)
    verify(key, algorithm, sign(key, algorithm, b"message", RAW), digest, DIGEST)


@pytest.mark.parametrize("spec", ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
def test_an_external_mu_stands_for_its_message(spec: str) -> None:
    key: Any = generate_private(spec)
    hasher = MLDSAMuHasher(key.public_key())
    hasher.update(b"message")
    mu = hasher.finalize()
    verify(key, "ML_DSA_SHAKE_256", sign(key, "ML_DSA_SHAKE_256", mu, EXTERNAL_MU), b"message", RAW)
    verify(key, "ML_DSA_SHAKE_256", sign(key, "ML_DSA_SHAKE_256", b"message", RAW), mu, EXTERNAL_MU)


@pytest.mark.parametrize(
    ("algorithm", "spec", "length", "message_type", "message"),
    [
        ("ECDSA_SHA_256", "ECC_NIST_P256", 31, DIGEST, "Digest is invalid length for algorithm"),
        ("RSASSA_PSS_SHA_384", "RSA_2048", 32, DIGEST, "algorithm RSASSA_PSS_SHA_384."),
        ("ML_DSA_SHAKE_256", "ML_DSA_44", 63, EXTERNAL_MU, "External Mu is invalid length"),
        (
            "ML_DSA_SHAKE_256",
            "ML_DSA_44",
            64,
            DIGEST,
            "Message type DIGEST is incompatible with key spec ML_DSA_44.",
        ),
        (
            "ED25519_SHA_512",
            "ECC_NIST_EDWARDS25519",
            64,
            DIGEST,
            "Message type DIGEST is incompatible with algorithm ED25519_SHA_512.",
        ),
        (
            "ECDSA_SHA_256",
            "ECC_NIST_P256",
            64,
            EXTERNAL_MU,
            "Message type EXTERNAL_MU is incompatible with key spec ECC_NIST_P256.",
        ),
    ],
)
def test_messages_that_an_algorithm_does_not_take(
    algorithm: str, spec: str, length: int, message_type: MessageType, message: str
) -> None:
    with pytest.raises(KMSError) as caught:
        check(algorithm, spec, bytes(length), message_type)
    assert caught.value.code == "ValidationException"
    assert message in caught.value.message


def test_messages_that_an_algorithm_takes() -> None:
    check("ECDSA_SHA_256", "ECC_NIST_P256", bytes(32), DIGEST)
    check("ECDSA_SHA_256", "ECC_NIST_P256", b"", RAW)
    check("ML_DSA_SHAKE_256", "ML_DSA_87", bytes(64), EXTERNAL_MU)
