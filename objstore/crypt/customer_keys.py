"""SSE-C: the customer's key, as its headers bring it, and the data key that it wraps.

    okm     = HKDF-SHA256(customer key, salt, "objstore/v1/customer-key", 76 bytes)
            = wrapping key (32) ‖ nonce (12) ‖ verifier (32)
    wrapped = salt (32, random) ‖ verifier ‖ AES-256-GCM(wrapping key, nonce, data key, AAD)

The AAD is the object's encryption context as a map. The salted verifier tells a wrong key from
damage; neither the key nor its MD5 is kept. Specification: docs/format.md.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
"""

import binascii
import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms.aws.values import value_class
from objstore.crypt.frames import DATA_KEY_LENGTH, TamperedError, wipe
from objstore.crypt.manifest import encode_map
from objstore.crypt.wrapped import NONCE_LENGTH, SALT_LENGTH, VERIFIER_LENGTH
from objstore.errors import S3Error

ALGORITHM = "AES256"
KEY_LENGTH = 32
_INFO = b"objstore/v1/customer-key"
_SSE_HEADER = "x-amz-server-side-encryption"
_REQUESTS = "Requests specifying Server Side Encryption with Customer provided keys must "
_MULTIPART = (
    "The multipart upload initiate requested encryption. Subsequent part requests must include "
    "the appropriate encryption parameters."
)
_NO_KEY = _REQUESTS + "provide an appropriate secret key."
_STORED = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be "
    "provided to retrieve the object."
)
_NOT_APPLICABLE = "The encryption parameters are not applicable to this object."
_MISMATCH = "The provided encryption parameters did not match the ones used originally."


@value_class(frozen=True, slots=True)
class CustomerKeyHeaders:
    """The customer's key as requests bring it: members that reads and parts share."""

    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = field(default=None, repr=False)
    sse_customer_key_md5: str | None = None

    @property
    def absent(self) -> bool:
        return (
            self.sse_customer_algorithm is None
            and self.sse_customer_key is None
            and self.sse_customer_key_md5 is None
        )


@dataclass(frozen=True, slots=True)
class CopySourceKeyHeaders:
    """The key of a copy's source."""

    copy_source_sse_customer_algorithm: str | None = None
    copy_source_sse_customer_key: str | None = field(default=None, repr=False)
    copy_source_sse_customer_key_md5: str | None = None

    @property
    def customer(self) -> CustomerKeyHeaders:
        return CustomerKeyHeaders(
            self.copy_source_sse_customer_algorithm,
            self.copy_source_sse_customer_key,
            self.copy_source_sse_customer_key_md5,
        )


def headers_for(key: bytes) -> CustomerKeyHeaders:
    """The headers that would bring `key`."""
    md5 = hashlib.md5(key, usedforsecurity=False).digest()
    return CustomerKeyHeaders(ALGORITHM, b64encode(key).decode(), b64encode(md5).decode())


NO_CUSTOMER_KEY = CustomerKeyHeaders()
NO_COPY_SOURCE_KEY = CopySourceKeyHeaders()

Refusal = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refusals:
    """Code and message for a key that is missing, that nobody needs, and that is wrong."""

    missing: Refusal
    needless: Refusal
    wrong: Refusal


READING = Refusals(
    ("InvalidRequest", _STORED),
    ("InvalidRequest", _NOT_APPLICABLE),
    ("AccessDenied", _REQUESTS + "provide the correct secret key."),
)
COPYING = Refusals(READING.missing, READING.needless, ("InvalidRequest", _MISMATCH))
PART = Refusals(
    ("InvalidRequest", _MULTIPART), ("InvalidRequest", _MULTIPART), ("InvalidRequest", _MISMATCH)
)
COMPLETION = Refusals(("InvalidArgument", _NO_KEY), PART.needless, PART.wrong)


def refuse(refusal: Refusal) -> S3Error:
    code, message = refusal
    return S3Error(code, message)


def read_key(headers: CustomerKeyHeaders) -> bytearray:
    """The key, which the caller wipes; of any length, but with the MD5 that the client gave.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError.
    """
    if headers.sse_customer_algorithm is None:
        raise _invalid(_REQUESTS + "provide a valid encryption algorithm.")
    if headers.sse_customer_algorithm != ALGORITHM:
        raise S3Error(
            "InvalidEncryptionAlgorithmError",
            ArgumentName=_SSE_HEADER,
            ArgumentValue=headers.sse_customer_algorithm,
        )
    if headers.sse_customer_key is None:
        raise _invalid(_NO_KEY)
    if headers.sse_customer_key_md5 is None:
        raise _invalid(_REQUESTS + "provide the client calculated MD5 of the secret key.")
    try:
        key = bytearray(b64decode(headers.sse_customer_key, validate=True))
    except (binascii.Error, ValueError):
        raise _wrong_length() from None
    digest = b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    if digest != headers.sse_customer_key_md5:
        wipe(key)
        raise _invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided."
        )
    return key


def check(headers: CustomerKeyHeaders) -> None:
    """Return if the headers bring a key that can encrypt. Raises as `read_key` does."""
    key = read_key(headers)
    length = len(key)
    wipe(key)
    if length != KEY_LENGTH:
        raise _wrong_length()


def wrap(customer_key: bytearray, data_key: bytearray, context: Mapping[str, str]) -> bytes:
    """The data key in the form that lies in the manifest."""
    salt = os.urandom(SALT_LENGTH)
    aead, nonce, verifier = _derive(customer_key, salt)
    return salt + verifier + aead.encrypt(nonce, data_key, encode_map(context))


def unwrap(
    customer_key: bytearray, wrapped: bytes, context: Mapping[str, str], *, wrong: Refusal
) -> bytearray:
    """The data key, which the caller wipes. Raises the refusal `wrong`, or TamperedError."""
    salt, rest = wrapped[:SALT_LENGTH], wrapped[SALT_LENGTH:]
    aead, nonce, verifier = _derive(customer_key, salt)
    if not compare_digest(verifier, rest[:VERIFIER_LENGTH]):
        raise refuse(wrong)
    data_key = bytearray(DATA_KEY_LENGTH)
    try:
        aead.decrypt_into(nonce, rest[VERIFIER_LENGTH:], encode_map(context), data_key)
    except (InvalidTag, ValueError):
        raise TamperedError("data key") from None
    return data_key


def _derive(customer_key: bytearray, salt: bytes) -> tuple[AESGCM, bytes, bytes]:
    okm = bytearray(DATA_KEY_LENGTH + NONCE_LENGTH + VERIFIER_LENGTH)
    try:
        HKDF(SHA256(), len(okm), salt, _INFO).derive_into(customer_key, okm)
        middle = DATA_KEY_LENGTH + NONCE_LENGTH
        return (
            AESGCM(memoryview(okm)[:DATA_KEY_LENGTH]),
            bytes(okm[DATA_KEY_LENGTH:middle]),
            bytes(okm[middle:]),
        )
    finally:
        wipe(okm)


def _invalid(message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=_SSE_HEADER)


def _wrong_length() -> S3Error:
    return _invalid("The secret key was invalid for the specified algorithm.")
