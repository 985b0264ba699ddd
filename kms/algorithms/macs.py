"""HMAC. Source: RFC 2104, FIPS 198-1"""

import hmac
from collections.abc import Mapping

from kms.errors import KMSError

DIGESTS: Mapping[str, str] = {
    "HMAC_SHA_224": "sha224",
    "HMAC_SHA_256": "sha256",
    "HMAC_SHA_384": "sha384",
    "HMAC_SHA_512": "sha512",
}


def generate(key: bytes | bytearray, algorithm: str, message: bytes) -> bytes:
    return hmac.digest(key, message, DIGESTS[algorithm])


def verify(key: bytes | bytearray, algorithm: str, mac: bytes, message: bytes) -> None:
    """Raise KMSInvalidMacException unless `mac` is, in full length, that of `message`."""
    if not hmac.compare_digest(generate(key, algorithm, message), mac):
        raise KMSError("KMSInvalidMacException")
