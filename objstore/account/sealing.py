"""What the server hands out sealed and wants back unchanged: session tokens, denials' evidence.

AES-256-GCM under keys derived, one a purpose, from a secret that the KMS's root of trust seals; so
any worker opens what another sealed, and nothing is stored. Layout: version byte 1 ‖ nonce(12) ‖
ciphertext ‖ tag(16), in base 64; the purpose is the associated data.
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
SEALED_LENGTH_MAX = 16 * 1024
_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealError(Exception):
    """A text that this server did not seal, or not for this purpose."""


class Sealing:
    """Seals and opens; safe to use from any thread."""

    def __init__(self, secret: bytes | bytearray) -> None:
        self._secret = bytes(secret)
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, purpose: str, plaintext: bytes) -> str:
        """`plaintext` as a text that only `open` with the same purpose can read."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher(purpose).encrypt(nonce, plaintext, purpose.encode())
        return base64.b64encode(_VERSION + nonce + sealed).decode()

    def open(self, purpose: str, text: str) -> bytes:
        """What `seal` was given. Raises SealError."""
        try:
            raw = base64.b64decode(text[: SEALED_LENGTH_MAX + 1].encode(), validate=True)
        except (binascii.Error, ValueError):
            raise SealError from None
        nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
        if raw[:1] != _VERSION or len(nonce) < _NONCE_BYTES or len(text) > SEALED_LENGTH_MAX:
            raise SealError
        try:
            return self._cipher(purpose).decrypt(nonce, sealed, purpose.encode())
        except InvalidTag:
            raise SealError from None

    def _cipher(self, purpose: str) -> AESGCM:
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            info = f"objstore/v1/sealing/{purpose}".encode()
            key = HKDF(SHA256(), 32, salt=None, info=info).derive(self._secret)
            cipher = self._ciphers[purpose] = AESGCM(key)
        return cipher
