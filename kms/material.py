"""Fresh key material for each kind of key.

Symmetric and HMAC keys are random bytes; asymmetric keys are private keys in PKCS#8 DER. What is
returned belongs to the caller, who wipes it.
"""

from collections.abc import Mapping

from kms.algorithms.keys import PRIVATE_KEY_SPECS, generate_private, private_der
from kms.errors import KMSError
from kms.root import random_bytes

RANDOM_BYTES: Mapping[str, int] = {
    "SYMMETRIC_DEFAULT": 32,
    "HMAC_224": 28,
    "HMAC_256": 32,
    "HMAC_384": 48,
    "HMAC_512": 64,
}


def generate(spec: str) -> bytearray:
    """New material for a key of `spec`. Raises UnsupportedOperationException."""
    length = RANDOM_BYTES.get(spec)
    if length is not None:
        return random_bytes(length)
    if spec in PRIVATE_KEY_SPECS:
        return private_der(generate_private(spec))
    raise KMSError("UnsupportedOperationException", f"KeySpec {spec} is not supported")
