"""The ids that IAM gives: unique ids of identities, access key ids, secrets.

An access key id carries its account as AWS's do: bits 1 to 40 of what its base 32 stands for, so
that tools that read accounts off ids read ours.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping

UNIQUE_PREFIXES: Mapping[str, str] = {
    "user": "AIDA",
    "role": "AROA",
    "group": "AGPA",
    "policy": "ANPA",
    "oidc-provider": "OIDC",
}
LONG_TERM = "AKIA"
TEMPORARY = "ASIA"
UNIQUE_BYTES = 11
SECRET_BYTES = 30
_KEY_BYTES = 10
_ACCOUNT_BITS = 40
_ACCOUNT_SHIFT = 8 * _KEY_BYTES - 1 - _ACCOUNT_BITS


def new_unique_id(kind: str) -> str:
    """An id that no identity has ever had: `AIDA` and 17 letters and digits for a user."""
    return UNIQUE_PREFIXES[kind] + _letters(secrets.token_bytes(UNIQUE_BYTES))


def stable_unique_id(kind: str, account: str, name: str) -> str:
    """The unique id of a seeded identity, the same whenever its seed is planted."""
    digest = hashlib.sha256(f"{kind} {account} {name}".encode()).digest()
    return UNIQUE_PREFIXES[kind] + _letters(digest[:UNIQUE_BYTES])


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode()[:17]


def new_access_key_id(prefix: str, account: str) -> str:
    """An access key id of an account; `prefix` is LONG_TERM or TEMPORARY."""
    value = secrets.randbits(_ACCOUNT_SHIFT) | int(account) << _ACCOUNT_SHIFT
    value |= 1 << (8 * _KEY_BYTES - 1)
    return prefix + base64.b32encode(value.to_bytes(_KEY_BYTES)).decode()


def account_of(access_key_id: str) -> str | None:
    """The account that an access key id carries; None for an id that is not AWS's."""
    if not access_key_id.startswith((LONG_TERM, TEMPORARY)):
        return None
    try:
        raw = base64.b32decode(access_key_id[4:])
    except binascii.Error:
        return None
    if len(raw) != _KEY_BYTES:
        return None
    account = int.from_bytes(raw) >> _ACCOUNT_SHIFT & ((1 << _ACCOUNT_BITS) - 1)
    return f"{account:012}" if account < 10**12 else None


def new_secret() -> str:
    """A secret access key: 40 characters of base 64."""
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_name(access_key_id: str) -> str:
    """The name that a secret is sealed under, which binds it to its access key."""
    return f"access-key:{access_key_id}"
