"""ML-KEM: shared secrets and their encapsulated form.

A wrong or altered ciphertext of the right length yields another secret instead of an error:
implicit rejection, which is part of the algorithm. Source: FIPS 203
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM1024PrivateKey,
)

from kms.algorithms.keys import MLKEMPrivateKey
from kms.errors import KMSError

SHARED_SECRET_BYTES = 32
CIPHERTEXT_BYTES: Mapping[type, int] = {MLKEM768PrivateKey: 1_088, MLKEM1024PrivateKey: 1_568}


def encapsulate(key: MLKEMPrivateKey) -> tuple[bytearray, bytes]:
    """A fresh shared secret, which the caller wipes, and its ciphertext for the public half."""
    secret, ciphertext = key.public_key().encapsulate()
    return bytearray(secret), ciphertext


def decapsulate(key: MLKEMPrivateKey, ciphertext: bytes) -> bytearray:
    """The shared secret; the caller wipes it. Raises InvalidCiphertextException for its length."""
    wanted = next(size for kind, size in CIPHERTEXT_BYTES.items() if isinstance(key, kind))
    if len(ciphertext) != wanted:
        raise KMSError("InvalidCiphertextException")
    return bytearray(key.decapsulate(ciphertext))
