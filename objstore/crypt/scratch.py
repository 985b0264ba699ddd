"""Seals what lies on the disk for a moment only, under a key that is never stored.

A temporary file holds nothing in clear either. Its records are AES-256-GCM under a random key that
lives as long as the object here, each with its number as the nonce.
"""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from objstore.crypt.frames import Buffer

KEY_LENGTH = 32
NONCE_LENGTH = 12
TAG_LENGTH = 16


class Scratch:
    """The key of one temporary file."""

    def __init__(self) -> None:
        self._aead = AESGCM(os.urandom(KEY_LENGTH))
        self._sealed = 0

    def seal(self, plaintext: Buffer) -> bytes:
        """The next record, `TAG_LENGTH` longer than its plaintext."""
        nonce = self._sealed.to_bytes(NONCE_LENGTH, "big")
        self._sealed += 1
        return self._aead.encrypt(nonce, plaintext, None)

    def open(self, number: int, sealed: Buffer) -> bytes:
        """The plaintext of a record by its number, from 0 on. Raises InvalidTag."""
        return self._aead.decrypt(number.to_bytes(NONCE_LENGTH, "big"), sealed, None)
