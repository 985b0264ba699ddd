"""RSA encryption: RSAES-OAEP with SHA-1 or SHA-256, MGF1 of the same digest, and no label.

Source: RFC 8017 §7.1
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from kms.errors import KMSError

_DIGESTS: Mapping[str, HashAlgorithm] = {
    "RSAES_OAEP_SHA_1": hashes.SHA1(),
    "RSAES_OAEP_SHA_256": hashes.SHA256(),
}
PADDINGS: Mapping[str, OAEP] = {
    name: OAEP(MGF1(digest), digest, None) for name, digest in _DIGESTS.items()
}


def encrypt(key: RSAPublicKey, algorithm: str, plaintext: bytes | bytearray) -> bytes:
    """The ciphertext, as long as the modulus. Raises ValidationException if it does not fit."""
    room = plaintext_bytes_max(key, algorithm)
    if len(plaintext) > room:
        raise KMSError(
            "ValidationException",
            f"Algorithm {algorithm} and key spec RSA_{key.key_size} cannot encrypt data larger "
            f"than {room} bytes.",
        )
    return key.encrypt(bytes(plaintext), PADDINGS[algorithm])


def decrypt(key: RSAPrivateKey, algorithm: str, ciphertext: bytes) -> bytearray:
    """The plaintext; the caller wipes it. Raises InvalidCiphertextException, whatever is wrong."""
    try:
        return bytearray(key.decrypt(ciphertext, PADDINGS[algorithm]))
    except ValueError:
        raise KMSError("InvalidCiphertextException") from None


def plaintext_bytes_max(key: RSAPublicKey, algorithm: str) -> int:
    return key.key_size // 8 - 2 * _DIGESTS[algorithm].digest_size - 2
