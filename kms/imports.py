"""Import: wrapping keys, import tokens, and which material fits which key. Knows no store.

A token is the parameters of one import, sealed by the root of trust for one key: the private
wrapping key, the algorithm and the date until which they are good. So nothing is kept between
GetParametersForImport and ImportKeyMaterial, a token can be used more than once, and any process
can take it. Sources: https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html,
RFC 8017 §7.1, PKCS #11 CKM_RSA_AES_KEY_WRAP, RFC 5649
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
)
from cryptography.hazmat.primitives.serialization import load_der_private_key

from kms.algorithms import oaep
from kms.algorithms.keys import PrivateKey, generate_private, open_private, private_der, public_der
from kms.errors import KMSError
from kms.material import RANDOM_BYTES
from kms.specs import GENERATE_VERIFY_MAC, SPECS

TOKEN_SECONDS = 24 * 60 * 60
HMAC_BYTES_MAX = 128
WRAPPING_SPECS = ("RSA_2048", "RSA_3072", "RSA_4096")
SMALL_PRIVATE_BYTES_MAX = 512
# A PKCS #8 RSA key has 4.5 times the bytes of its modulus, and some.
_PRIVATE_BYTES_MAX: Mapping[str, int] = {"RSA_2048": 1_536, "RSA_3072": 2_304, "RSA_4096": 3_072}
_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_AES_OAEP: Mapping[str, str] = {
    "RSA_AES_KEY_WRAP_SHA_1": "RSAES_OAEP_SHA_1",
    "RSA_AES_KEY_WRAP_SHA_256": "RSAES_OAEP_SHA_256",
}
ALGORITHMS = (*_OAEP, *_AES_OAEP)
# Material that a wrapping key of 2,048 bits does not wrap directly.
_TOO_LONG_FOR_RSA_2048 = ("ECC_NIST_P521", "ECC_NIST_EDWARDS25519")
_TOKEN = struct.Struct(">Bd")
_CURVES: Mapping[str, str] = {
    "ECC_NIST_P256": "secp256r1",
    "ECC_NIST_P384": "secp384r1",
    "ECC_NIST_P521": "secp521r1",
    "ECC_SECG_P256K1": "secp256k1",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one import is wrapped with. `valid_to` is in seconds since 1970."""

    algorithm: str
    valid_to: float
    private_key: RSAPrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The wrapping key as SubjectPublicKeyInfo."""
        return public_der(self.private_key)

    def encode(self) -> bytearray:
        """The parameters as the content of a token; the caller wipes it."""
        der = private_der(self.private_key)
        encoded = bytearray(_TOKEN.pack(ALGORITHMS.index(self.algorithm), self.valid_to))
        encoded += der
        der[:] = bytes(len(der))
        return encoded

    @classmethod
    def decode(cls, encoded: bytearray) -> "Parameters":
        """The parameters of a token's content, which stays the caller's."""
        number, valid_to = _TOKEN.unpack_from(encoded)
        der = encoded[_TOKEN.size :]
        key = cast(RSAPrivateKey, open_private(der))
        der[:] = bytes(len(der))
        return cls(ALGORITHMS[number], valid_to, key)


def new_parameters(spec: str, algorithm: str, wrapping_spec: str, now: float) -> Parameters:
    """Parameters for material of `spec`. Raises what AWS refuses a combination with."""
    if algorithm == "SM2PKE" or wrapping_spec not in WRAPPING_SPECS:
        raise KMSError("UnsupportedOperationException", "SM2 wrapping keys are not supported")
    if not _wraps(spec, algorithm, wrapping_spec):
        raise KMSError(
            "ValidationException",
            f"Wrapping algorithm {algorithm} and wrapping key spec {wrapping_spec} cannot be used "
            f"to import a {spec} key.",
        )
    key = cast(RSAPrivateKey, generate_private(wrapping_spec))
    return Parameters(algorithm, now + TOKEN_SECONDS, key)


def unwrap(parameters: Parameters, wrapped: bytes) -> bytearray:
    """The material in `wrapped`; the caller wipes it. Raises InvalidCiphertextException."""
    direct = _AES_OAEP.get(parameters.algorithm)
    if direct is None:
        return oaep.decrypt(parameters.private_key, parameters.algorithm, wrapped)
    length = parameters.private_key.key_size // 8
    key = oaep.decrypt(parameters.private_key, direct, wrapped[:length])
    try:
        return bytearray(aes_key_unwrap_with_padding(key, wrapped[length:]))
    except (InvalidUnwrap, ValueError):
        raise KMSError("InvalidCiphertextException") from None
    finally:
        key[:] = bytes(len(key))


def normalized(spec: str, material: bytearray) -> bytearray:
    """`material` in the form that a key of `spec` keeps, so that the same key has the same bytes.

    Raises InvalidCiphertextException for what is no such material.
    """
    length = RANDOM_BYTES.get(spec)
    if length is not None:
        longest = HMAC_BYTES_MAX if GENERATE_VERIFY_MAC in SPECS[spec] else length
        if not length <= len(material) <= longest:
            raise KMSError("InvalidCiphertextException")
        return bytearray(material)
    if len(material) > _PRIVATE_BYTES_MAX.get(spec, SMALL_PRIVATE_BYTES_MAX):
        # The library proves an RSA key's primes, however large, before anybody can ask its size.
        raise KMSError("InvalidCiphertextException")
    try:
        key = cast(PrivateKey, load_der_private_key(material, None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KMSError("InvalidCiphertextException") from None
    if not _fits(spec, key):
        raise KMSError("InvalidCiphertextException")
    return private_der(key)


def _wraps(spec: str, algorithm: str, wrapping_spec: str) -> bool:
    if algorithm in _OAEP:
        too_long = wrapping_spec == "RSA_2048" and spec in _TOO_LONG_FOR_RSA_2048
        return not spec.startswith("RSA_") and not too_long
    return algorithm in _AES_OAEP and spec not in RANDOM_BYTES


def _fits(spec: str, key: PrivateKey) -> bool:
    if isinstance(key, RSAPrivateKey):
        return spec == f"RSA_{key.key_size}"
    if isinstance(key, EllipticCurvePrivateKey):
        return _CURVES.get(spec) == key.curve.name
    return spec == "ECC_NIST_EDWARDS25519" and isinstance(key, Ed25519PrivateKey)
