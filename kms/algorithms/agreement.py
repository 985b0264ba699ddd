"""ECDH: the x-coordinate that two key pairs on one NIST curve have in common.

Source: NIST SP 800-56A §5.7.1.2; the cofactor of these curves is 1.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.errors import KMSError


def agree(key: EllipticCurvePrivateKey, peer: bytes) -> bytearray:
    """The raw shared secret with `peer`, a SubjectPublicKeyInfo; as long as the field, in bytes.

    Raises ValidationException, which comes without text, for anything but a point on the same
    named curve.
    """
    try:
        public = load_der_public_key(peer)
    except (ValueError, UnsupportedAlgorithm):
        raise KMSError("ValidationException") from None
    if not isinstance(public, EllipticCurvePublicKey) or public.curve.name != key.curve.name:
        raise KMSError("ValidationException")
    return bytearray(key.exchange(ECDH(), public))
