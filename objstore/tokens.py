"""Continuation tokens: where a listing goes on, sealed so that they tell nothing and fit only it.

AES-SIV (RFC 5297) needs no nonce, so equal places of equal listings have equal tokens, and that
is all that a token gives away. What the listing is about goes in as associated data: a token of
another bucket, prefix or operation is as wrong as one that was made up.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from objstore.errors import S3Error

TOKEN_KEY_BYTES = 64
TOKEN_CHARACTERS_MAX = 2048
_VERSION = b"1"


class Tokens:
    """Makes and reads the tokens of one server; `key` is the same in all of its workers."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes | bytearray) -> None:
        self._cipher = AESSIV(key)

    def make(self, listing: Sequence[bytes], after: bytes) -> str:
        """The token for the page after `after` of what `listing` names."""
        return urlsafe_b64encode(self._cipher.encrypt(_VERSION + after, list(listing))).decode()

    def read(self, listing: Sequence[bytes], token: str) -> bytes:
        """The place that `make` wrote down. Raises InvalidArgument for any other token."""
        try:
            if len(token) > TOKEN_CHARACTERS_MAX:
                raise ValueError("no token is that long")
            sealed = b64decode(token, altchars=b"-_", validate=True)
            opened = self._cipher.decrypt(sealed, list(listing))
        except (ValueError, InvalidTag):
            raise S3Error(
                "InvalidArgument",
                "The continuation token provided is incorrect",
                ArgumentName="continuation-token",
            ) from None
        return opened[len(_VERSION) :]
