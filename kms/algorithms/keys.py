"""Private keys: between PKCS #8 DER, which is what the store wraps, and the library's objects.

An opened key lives in memory that the library clears when the object goes; the DER that the
library writes of a new key is a `bytes` object, of which one copy is returned and one is left.
Sources: RFC 5958 (PKCS #8), RFC 5280 §4.1.2.7 (SubjectPublicKeyInfo)
"""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import (
    MLDSA44PrivateKey,
    MLDSA65PrivateKey,
    MLDSA87PrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

MLDSAPrivateKey = MLDSA44PrivateKey | MLDSA65PrivateKey | MLDSA87PrivateKey
MLKEMPrivateKey = MLKEM768PrivateKey | MLKEM1024PrivateKey
PrivateKey = (
    RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | MLDSAPrivateKey | MLKEMPrivateKey
)

RSA_EXPONENT = 65_537

_GENERATORS: Mapping[str, Callable[[], PrivateKey]] = {
    "RSA_2048": partial(rsa.generate_private_key, RSA_EXPONENT, 2_048),
    "RSA_3072": partial(rsa.generate_private_key, RSA_EXPONENT, 3_072),
    "RSA_4096": partial(rsa.generate_private_key, RSA_EXPONENT, 4_096),
    "ECC_NIST_P256": partial(ec.generate_private_key, ec.SECP256R1()),
    "ECC_NIST_P384": partial(ec.generate_private_key, ec.SECP384R1()),
    "ECC_NIST_P521": partial(ec.generate_private_key, ec.SECP521R1()),
    "ECC_SECG_P256K1": partial(ec.generate_private_key, ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": Ed25519PrivateKey.generate,
    "ML_DSA_44": MLDSA44PrivateKey.generate,
    "ML_DSA_65": MLDSA65PrivateKey.generate,
    "ML_DSA_87": MLDSA87PrivateKey.generate,
    "ML_KEM_768": MLKEM768PrivateKey.generate,
    "ML_KEM_1024": MLKEM1024PrivateKey.generate,
}
PRIVATE_KEY_SPECS = frozenset(_GENERATORS)
SLOW_SPECS = ("RSA_2048", "RSA_3072", "RSA_4096")
AHEAD_MAX = 4
_AHEAD: Mapping[str, deque[PrivateKey]] = {spec: deque(maxlen=AHEAD_MAX) for spec in SLOW_SPECS}


def generate_private(spec: str) -> PrivateKey:
    """A new key of `spec`, one of PRIVATE_KEY_SPECS; perhaps one that was made ahead."""
    with suppress(KeyError, IndexError):
        return _AHEAD[spec].popleft()
    return _GENERATORS[spec]()


def make_ahead(spec: str) -> None:
    """Make a key of `spec`, one of SLOW_SPECS, for the next `generate_private`; in any thread."""
    _AHEAD[spec].append(_GENERATORS[spec]())


def private_der(key: PrivateKey) -> bytearray:
    """The key as PKCS #8; the caller wipes it."""
    return bytearray(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def open_private(material: bytes | bytearray) -> PrivateKey:
    """The key in `material`, which was checked when it was made or imported.

    Checking an RSA key again at every opening would cost more than using it.
    """
    opened = load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True)
    return cast(PrivateKey, opened)


def public_der(key: PrivateKey) -> bytes:
    """The public half as SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
