"""What seals domain keys, and the box that sealers with a secret of their own put them in.

A box is a 12-byte nonce and AES-256-GCM ciphertext and tag, under a secret of 32 bytes and with a
binding as AAD. Source: NIST SP 800-38D
"""

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DOMAIN_KEY_BYTES = 32
SECRET_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
BOX_BYTES = NONCE_BYTES + DOMAIN_KEY_BYTES + TAG_BYTES


class RootError(Exception):
    """The root of trust is missing, unreadable or not the one that the store was made with."""


class Sealer(Protocol):
    """Seals domain keys under a secret kept elsewhere. Methods raise RootError.

    `name` says in the store which kind of sealer a record needs.
    """

    name: str

    def create(self) -> None:
        """Make the secret if there is none and it can be made; called once, for a new store."""

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes: ...

    def open(self, sealed: bytes, binding: bytes) -> bytearray: ...


def seal_under(secret: bytearray, key: bytes | bytearray, binding: bytes) -> bytes:
    """A box with `key`; `secret` is wiped."""
    nonce = os.urandom(NONCE_BYTES)
    aead = AESGCM(secret)
    secret[:] = bytes(len(secret))
    return nonce + aead.encrypt(nonce, key, binding)


def open_under(secret: bytearray, box: bytes, binding: bytes, *, wrong: str) -> bytearray:
    """The key in a box; `secret` is wiped. Raises RootError, saying `wrong`."""
    key = bytearray(DOMAIN_KEY_BYTES)
    aead = AESGCM(secret)
    secret[:] = bytes(len(secret))
    try:
        if len(box) != BOX_BYTES:
            raise InvalidTag
        aead.decrypt_into(box[:NONCE_BYTES], box[NONCE_BYTES:], binding, key)
    except InvalidTag:
        raise RootError(wrong) from None
    return key
