"""Tokens of OpenID Connect issuers: whose keys are taken, with which algorithms, and what they say.

Only issuers that the configuration names are ever asked for keys, so no request makes the server
fetch anything of its choosing. The algorithms are the configuration's, never the token's; each
goes with one type of public key, so that none can be taken for another.

Source: https://openid.net/specs/openid-connect-core-1_0.html and
https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from kms.aws.clock import Clock
from objstore.account.errors import IAMError

# Each algorithm that may be configured, with the type and curve of its keys.
KEY_TYPES: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
ALGORITHMS_DEFAULT = ("RS256", "ES256")
KEYS_MAX = 100
KEYS_SECONDS_MAX = 3_600
FETCH_SECONDS_MIN = 60
SKEW_SECONDS_MAX = 300
DISCOVERY_PATH = "/.well-known/openid-configuration"

JSONObject = Mapping[str, Any]
Fetch = Callable[[str], JSONObject]
"""The JSON object at a URL. Blocking; raises OSError or ValueError."""


class KeySet:
    """The public keys of an issuer: those of a file, for good."""

    def __init__(self, document: JSONObject) -> None:
        self._keys = read_keys(document)

    async def find(self, key_id: str | None) -> list[JSONObject]:
        """The keys with that id; without one all of them."""
        return [key for key in self._keys if key_id is None or key.get("kid") == key_id]


class DiscoveredKeySet(KeySet):
    """The public keys that an issuer publishes, fetched when needed, but not more than once a
    minute."""

    def __init__(self, issuer: str, *, fetch: Fetch, wall: Clock) -> None:
        super().__init__({"keys": []})
        self._issuer = issuer
        self._fetch = fetch
        self._wall = wall
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> list[JSONObject]:
        async with self._lock:
            age = self._wall.now() - self._fetched_at
            found = await super().find(key_id)
            if age > KEYS_SECONDS_MAX or (not found and age > FETCH_SECONDS_MIN):
                self._fetched_at = self._wall.now()
                self._keys = await asyncio.to_thread(self._read)
                found = await super().find(key_id)
        return found

    def _read(self) -> list[JSONObject]:
        try:
            configuration = self._fetch(self._issuer.rstrip("/") + DISCOVERY_PATH)
            if configuration.get("issuer") != self._issuer:
                raise ValueError("the discovery document is another issuer's")
            place = str(configuration.get("jwks_uri", ""))
            if self._issuer.startswith("https:") and not place.startswith("https:"):
                raise ValueError("the issuer names a place on this machine")
            return read_keys(self._fetch(place))
        except (OSError, ValueError):
            raise no_keys() from None


def read_keys(document: JSONObject) -> list[JSONObject]:
    """The keys of a JWK set. Raises ValueError."""
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise ValueError("not a JWK set")
    if not all(isinstance(key, dict) for key in keys):
        raise ValueError("not a JWK set")
    return keys


def no_keys() -> IAMError:
    return IAMError(
        "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider, please reference "
        "AssumeRoleWithWebIdentity documentation for requirements",
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says of its bearer, verified."""

    issuer: str
    subject: str
    audience: str
    claims: JSONObject


class Issuers:
    """The issuers of a server's configuration, by their URLs."""

    def __init__(
        self,
        keys: Mapping[str, KeySet],
        *,
        wall: Clock,
        algorithms: Sequence[str] = ALGORITHMS_DEFAULT,
    ) -> None:
        self._keys = keys
        self._wall = wall
        self._algorithms = frozenset(algorithms) & KEY_TYPES.keys()
        self._verifier = jwt.PyJWS(sorted(self._algorithms), {"enforce_minimum_key_length": True})

    @staticmethod
    def issuer_of(token: str) -> str:
        """The issuer that a token names; nothing of it is proved. Raises InvalidIdentityToken."""
        return str(_claims(_unverified(token)["payload"]).get("iss", ""))

    async def verify(self, token: str, clients: Sequence[str]) -> Identity:
        """What a token says that was issued for one of `clients`.

        Raises InvalidIdentityToken, ExpiredTokenException.
        """
        unverified = _unverified(token)
        issuer = str(_claims(unverified["payload"]).get("iss", ""))
        keys = self._keys.get(issuer)
        if keys is None:
            raise no_keys()
        claims = _claims(await self._proved(token, unverified["header"], keys))
        self._check_time(claims)
        subject, audience = _required(claims, "sub"), _audience(claims, clients)
        return Identity(issuer, subject, audience, claims)

    async def _proved(self, token: str, header: JSONObject, keys: KeySet) -> bytes:
        """The payload of a token that one of the keys signed."""
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise _invalid("The signature algorithm of the token is not allowed")
        candidates = [key for key in await keys.find(header.get("kid")) if _fits(key, algorithm)]
        if not candidates:
            raise no_keys()
        for key in candidates:
            try:
                decoded = self._verifier.decode_complete(
                    token, jwt.PyJWK(dict(key), algorithm), [algorithm]
                )
            except jwt.PyJWTError:
                continue
            payload: bytes = decoded["payload"]
            return payload
        raise _invalid("The ID Token provided is not a valid JWT. (Invalid signature)")

    def _check_time(self, claims: JSONObject) -> None:
        now = self._wall.now()
        expires_at, issued_at = _seconds(claims, "exp"), _seconds(claims, "iat")
        if now >= expires_at:
            raise IAMError(
                "ExpiredTokenException",
                f"Token expired: current date/time {int(now)} must be before the expiration "
                f"date/time {int(expires_at)}",
            )
        starts_at = max(issued_at, _seconds(claims, "nbf") if "nbf" in claims else issued_at)
        if starts_at > now + SKEW_SECONDS_MAX:
            raise _invalid("The token is not valid yet")


def _unverified(token: str) -> dict[str, Any]:
    try:
        return jwt.PyJWS().decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise _invalid("The ID Token provided is not a valid JWT") from None


def _claims(payload: bytes) -> JSONObject:
    try:
        claims = json.loads(payload)
        json.dumps(claims, ensure_ascii=False).encode()  # Half a letter can be escaped.
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise _invalid("The ID Token provided is not a valid JWT")
    return claims


def _fits(key: JSONObject, algorithm: str) -> bool:
    """Whether a key is of the type that the algorithm needs, and meant for it."""
    kind, curve = KEY_TYPES[algorithm]
    return (
        key.get("kty") == kind
        and (not curve or key.get("crv") == curve)
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


def _audience(claims: JSONObject, clients: Sequence[str]) -> str:
    """The client that the token was issued for: `azp` if it is there, as at AWS, else `aud`."""
    named = claims.get("azp") or claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    for audience in audiences:
        if audience in clients:
            return str(audience)
    raise _invalid("Incorrect token audience")


def _required(claims: JSONObject, name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"Missing a required claim: {name}")
    return value


def _seconds(claims: JSONObject, name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _invalid(f"Missing a required claim: {name}")
    return value


def _invalid(message: str) -> IAMError:
    return IAMError("InvalidIdentityToken", message)
