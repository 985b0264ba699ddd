"""Signing and verifying. `SCHEMES` has every algorithm by its name.

A scheme says which message types it takes and how long such a message is; `check` holds a message
against that before any key is touched. Signatures are those of the standards: RSA as in PKCS #1,
ECDSA as DER, Ed25519 and ML-DSA as bytes. PSS salts are as long as the digest. ECDSA and ML-DSA
signatures are randomized; Ed25519's are not.
Sources: RFC 8017 §8, FIPS 186-5, RFC 3279 §2.2.3, FIPS 204 (EXTERNAL_MU: §6.2, algorithm 7 line 6)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from kms.algorithms.keys import PrivateKey
from kms.errors import KMSError

MU_BYTES = 64
_EDWARDS = "ECC_NIST_EDWARDS25519"


class MessageType(StrEnum):
    """What a message is: to be hashed here, hashed already, or ML-DSA's representative."""

    RAW = "RAW"
    DIGEST = "DIGEST"
    EXTERNAL_MU = "EXTERNAL_MU"


# A key, a message and its type to a signature; and with a signature, InvalidSignature or nothing.
Sign = Callable[[Any, bytes, MessageType], bytes]
Verify = Callable[[Any, bytes, bytes, MessageType], None]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature algorithm; `lengths` has the message types it takes, None for any length."""

    lengths: Mapping[MessageType, int | None]
    sign: Sign
    verify: Verify


def check(algorithm: str, spec: str, message: bytes, message_type: MessageType) -> None:
    """Raise ValidationException unless `algorithm`, one of `spec`'s, takes such a message."""
    lengths = SCHEMES[algorithm].lengths
    if message_type not in lengths:
        chosen = f"algorithm {algorithm}" if spec == _EDWARDS else f"key spec {spec}"
        raise KMSError(
            "ValidationException", f"Message type {message_type} is incompatible with {chosen}."
        )
    wanted = lengths[message_type]
    if wanted is not None and len(message) != wanted:
        noun = "External Mu" if message_type is MessageType.EXTERNAL_MU else "Digest"
        raise KMSError(
            "ValidationException", f"{noun} is invalid length for algorithm {algorithm}."
        )


def sign(key: PrivateKey, algorithm: str, message: bytes, message_type: MessageType) -> bytes:
    """A signature of a checked message; `key` is of the algorithm's kind."""
    return SCHEMES[algorithm].sign(key, message, message_type)


def verify(
    key: PrivateKey, algorithm: str, signature: bytes, message: bytes, message_type: MessageType
) -> None:
    """Raise KMSInvalidSignatureException unless `signature` is one of a checked message."""
    try:
        SCHEMES[algorithm].verify(key.public_key(), signature, message, message_type)
    except InvalidSignature:
        raise KMSError("KMSInvalidSignatureException") from None


def _hashing(digest: HashAlgorithm) -> Mapping[MessageType, HashAlgorithm | Prehashed]:
    return {MessageType.RAW: digest, MessageType.DIGEST: Prehashed(digest)}


def _digest_lengths(digest: HashAlgorithm) -> Mapping[MessageType, int | None]:
    return {MessageType.RAW: None, MessageType.DIGEST: digest.digest_size}


def _rsa(form: AsymmetricPadding, digest: HashAlgorithm) -> Scheme:
    hashing = _hashing(digest)

    def sign_rsa(key: Any, message: bytes, message_type: MessageType) -> bytes:
        signature: bytes = key.sign(message, form, hashing[message_type])
        return signature

    def verify_rsa(key: Any, signature: bytes, message: bytes, message_type: MessageType) -> None:
        key.verify(signature, message, form, hashing[message_type])

    return Scheme(_digest_lengths(digest), sign_rsa, verify_rsa)


def _pss(digest: HashAlgorithm) -> Scheme:
    return _rsa(padding.PSS(padding.MGF1(digest), digest.digest_size), digest)


def _pkcs1(digest: HashAlgorithm) -> Scheme:
    return _rsa(padding.PKCS1v15(), digest)


def _ecdsa(digest: HashAlgorithm) -> Scheme:
    hashing = {kind: ec.ECDSA(function) for kind, function in _hashing(digest).items()}

    def sign_ecdsa(key: Any, message: bytes, message_type: MessageType) -> bytes:
        signature: bytes = key.sign(message, hashing[message_type])
        return signature

    def verify_ecdsa(key: Any, signature: bytes, message: bytes, message_type: MessageType) -> None:
        key.verify(signature, message, hashing[message_type])

    return Scheme(_digest_lengths(digest), sign_ecdsa, verify_ecdsa)


def _sign_ed25519(key: Any, message: bytes, message_type: MessageType) -> bytes:
    del message_type
    signature: bytes = key.sign(message)
    return signature


def _verify_ed25519(key: Any, signature: bytes, message: bytes, message_type: MessageType) -> None:
    del message_type
    key.verify(signature, message)


def _sign_ml_dsa(key: Any, message: bytes, message_type: MessageType) -> bytes:
    external = message_type is MessageType.EXTERNAL_MU
    signature: bytes = key.sign_mu(message) if external else key.sign(message)
    return signature


def _verify_ml_dsa(key: Any, signature: bytes, message: bytes, message_type: MessageType) -> None:
    if message_type is MessageType.EXTERNAL_MU:
        key.verify_mu(signature, message)
    else:
        key.verify(signature, message)


_DIGESTS = {"SHA_256": hashes.SHA256(), "SHA_384": hashes.SHA384(), "SHA_512": hashes.SHA512()}

SCHEMES: Mapping[str, Scheme] = {
    **{f"RSASSA_PSS_{name}": _pss(digest) for name, digest in _DIGESTS.items()},
    **{f"RSASSA_PKCS1_V1_5_{name}": _pkcs1(digest) for name, digest in _DIGESTS.items()},
    **{f"ECDSA_{name}": _ecdsa(digest) for name, digest in _DIGESTS.items()},
    "ED25519_SHA_512": Scheme({MessageType.RAW: None}, _sign_ed25519, _verify_ed25519),
    "ML_DSA_SHAKE_256": Scheme(
        {MessageType.RAW: None, MessageType.EXTERNAL_MU: MU_BYTES}, _sign_ml_dsa, _verify_ml_dsa
    ),
}
