"""Grant tokens: opaque names of grants that only CreateGrant hands out.

A token is no secret and permits nothing by itself. Grants are in force at once, so a token is only
checked: one that this store did not make is refused.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from kms.errors import KMSError
from kms.store import Store

SETTING = "grant-token"
GRANT_ID_BYTES = 32
NONCE_BYTES = 16
TAG_BYTES = 32


def make(store: Store, grant_id: str) -> str:
    """A new token for a grant; all tokens of a grant are as good."""
    named = bytes.fromhex(grant_id) + os.urandom(NONCE_BYTES)
    return urlsafe_b64encode(named + _tag(store, named)).decode()


def read(store: Store, token: str) -> str:
    """The id of a token's grant. Raises InvalidGrantTokenException."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        raise _invalid() from None
    named, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
    canonical = urlsafe_b64encode(raw).decode() == token
    if not canonical or len(named) != GRANT_ID_BYTES + NONCE_BYTES:
        raise _invalid()
    if not hmac.compare_digest(tag, _tag(store, named)):
        raise _invalid()
    return named[:GRANT_ID_BYTES].hex()


def _tag(store: Store, named: bytes) -> bytes:
    sealed = store.setting(SETTING)
    if sealed is None:
        sealed = store.add_setting(SETTING, store.seal(SETTING, os.urandom(TAG_BYTES)))
    secret = store.open_sealed(SETTING, sealed)
    tag = hmac.digest(secret, named, "sha256")
    secret[:] = bytes(len(secret))
    return tag


def _invalid() -> KMSError:
    return KMSError("InvalidGrantTokenException", "The grant token is not valid.")
