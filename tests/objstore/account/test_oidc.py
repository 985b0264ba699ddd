"""Tokens by PyJWT itself, and the attacks on verifiers that their CVEs describe."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from objstore.account.oidc import DiscoveredKeySet, Identity, Issuers, KeySet, read_keys

ISSUER = "https://issuer.test/id"
NOW = 1_700_000_000
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
SMALL_RSA_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WIDE_EC_KEY = ec.generate_private_key(ec.SECP384R1())
CLAIMS = {"iss": ISSUER, "sub": "alice", "aud": "app", "iat": NOW, "exp": NOW + 600}


def jwk(key: Any, kid: str, **more: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else None
    maker = algorithm or jwt.algorithms.ECAlgorithm
    return {**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


KEYS = {
    "keys": [
        jwk(RSA_KEY, "rsa"),
        jwk(EC_KEY, "ec"),
        jwk(WIDE_EC_KEY, "wide"),
        jwk(SMALL_RSA_KEY, "small"),
        jwk(OTHER_RSA_KEY, "encrypting", use="enc"),
        jwk(OTHER_RSA_KEY, "rs512", alg="RS512"),
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"},
    ]
}


def issuers(*algorithms: str, keys: KeySet | None = None, now: float = NOW) -> Issuers:
    found = {ISSUER: keys or KeySet(KEYS)}
    return Issuers(
        found, wall=FixedClock(now), algorithms=algorithms or ("RS256", "ES256", "ES384")
    )


def token(key: Any = RSA_KEY, kid: str | None = "rsa", alg: str = "RS256", **claims: Any) -> str:
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(merged, key, alg, headers)


async def refusal(text: str, found: Issuers | None = None) -> tuple[str, str]:
    with pytest.raises(AWSError) as caught:
        await (found or issuers()).verify(text, ["app"])
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("key", "kid", "alg"),
    [
        (RSA_KEY, "rsa", "RS256"),
        (RSA_KEY, None, "RS256"),
        (EC_KEY, "ec", "ES256"),
        (WIDE_EC_KEY, "wide", "ES384"),
    ],
)
async def test_what_a_token_says(key: Any, kid: str | None, alg: str) -> None:
    found = await issuers().verify(token(key, kid, alg), ["other", "app"])
    assert found == Identity(ISSUER, "alice", "app", CLAIMS)
    assert issuers().issuer_of(token(key, kid, alg)) == ISSUER


def forged(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    parts = [json.dumps(part).encode() for part in (header, CLAIMS)]
    head = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (head + b"." + base64.urlsafe_b64encode(sign(head)).rstrip(b"=")).decode()


def test_no_claim_has_half_a_letter() -> None:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, {"iss": "https://\ud800"})]
    head = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    with pytest.raises(AWSError, match="not a valid JWT"):
        issuers().issuer_of(head.decode() + ".AA")


PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
NOT_ALLOWED = "The signature algorithm of the token is not allowed"
NO_KEYS = "Couldn't retrieve verification key"
BAD_SIGNATURE = "Invalid signature"

# Alg none (CVE-2024-48916), a public key taken for a secret (CVE-2026-33322), and their kin.
ATTACKS: list[tuple[str, str]] = [
    (forged({"alg": "none", "kid": "rsa"}, lambda head: b""), NOT_ALLOWED),
    (forged({"alg": "None", "kid": "rsa"}, lambda head: b"x"), NOT_ALLOWED),
    (forged({"alg": ["RS256"], "kid": "rsa"}, lambda head: b"x"), NOT_ALLOWED),
    (forged({"kid": "rsa"}, lambda head: b""), "not"),
    (
        forged({"alg": "HS256", "kid": "rsa"}, lambda h: hmac.digest(PUBLIC_PEM, h, "sha256")),
        NOT_ALLOWED,
    ),
    (
        forged({"alg": "HS256", "kid": "oct"}, lambda h: hmac.digest(b"secret", h, "sha256")),
        NOT_ALLOWED,
    ),
    (forged({"alg": "RS256", "kid": "rsa"}, lambda head: b""), BAD_SIGNATURE),
    (forged({"alg": "RS256", "kid": "rsa"}, lambda head: b"x" * 256), BAD_SIGNATURE),
    (
        forged({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}, lambda head: b"x" * 256),
        "not",
    ),
    (token(OTHER_RSA_KEY), BAD_SIGNATURE),
    (token(RSA_KEY, "rsa", "RS512"), NOT_ALLOWED),
    (token(RSA_KEY, "ec"), NO_KEYS),
    (token(EC_KEY, "rsa", "ES256"), NO_KEYS),
    (token(WIDE_EC_KEY, "ec", "ES384"), NO_KEYS),
    (token(OTHER_RSA_KEY, "encrypting"), NO_KEYS),
    (token(OTHER_RSA_KEY, "rs512"), NO_KEYS),
    (token(RSA_KEY, "unknown"), NO_KEYS),
    ("a.b", "not a valid JWT"),
    ("", "not a valid JWT"),
    (token()[:-10], "Invalid signature"),
]


@pytest.mark.parametrize(("text", "message"), ATTACKS)
async def test_attacks_are_refused(text: str, message: str) -> None:
    code, said = await refusal(text)
    assert code == "InvalidIdentityToken"
    assert message in said


@pytest.mark.filterwarnings("ignore:The RSA key is:jwt.warnings.InsecureKeyLengthWarning")
async def test_short_keys_are_refused() -> None:
    assert (await refusal(token(SMALL_RSA_KEY, "small")))[0] == "InvalidIdentityToken"


def test_algorithms_with_shared_secrets_cannot_be_configured() -> None:
    found = issuers("HS256", "none", "RS256")
    assert found._algorithms == {"RS256"}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW}, "ExpiredTokenException"),
        ({"exp": None}, "InvalidIdentityToken"),
        ({"exp": "never"}, "InvalidIdentityToken"),
        ({"iat": None}, "InvalidIdentityToken"),
        ({"iat": NOW + 301}, "InvalidIdentityToken"),
        ({"nbf": NOW + 301}, "InvalidIdentityToken"),
        ({"sub": None}, "InvalidIdentityToken"),
        ({"sub": ""}, "InvalidIdentityToken"),
        ({"aud": "other"}, "InvalidIdentityToken"),
        ({"aud": None}, "InvalidIdentityToken"),
        ({"azp": "other"}, "InvalidIdentityToken"),
        ({"iss": "https://issuer.test"}, "InvalidIdentityToken"),
        ({"iss": None}, "InvalidIdentityToken"),
    ],
)
async def test_claims_that_do_not_hold(claims: dict[str, Any], code: str) -> None:
    key = RSA_KEY
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    text = jwt.encode(merged, key, "RS256", {"kid": "rsa"})
    assert (await refusal(text))[0] == code


@pytest.mark.parametrize(
    ("claims", "audience"),
    [({"aud": ["x", "app"]}, "app"), ({"azp": "app", "aud": "x"}, "app"), ({"nbf": NOW}, "app")],
)
async def test_the_audience(claims: dict[str, Any], audience: str) -> None:
    assert (await issuers().verify(token(**claims), ["app"])).audience == audience


@pytest.mark.parametrize("document", [{}, {"keys": 1}, {"keys": ["x"]}, {"keys": [{}] * 101}])
def test_what_is_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a JWK set"):
        read_keys(document)


class Web:
    """An issuer's documents, and how often they were asked for."""

    def __init__(self, **documents: Any) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def fetch(self, url: str) -> Any:
        self.asked.append(url)
        document = self.documents[url.rpartition("/")[2]]
        if isinstance(document, Exception):
            raise document
        return document


def discovered(web: Web, clock: FixedClock) -> Issuers:
    keys = DiscoveredKeySet(ISSUER, fetch=web.fetch, wall=clock)
    return Issuers({ISSUER: keys}, wall=clock)


CONFIGURATION = {"issuer": ISSUER, "jwks_uri": "https://issuer.test/keys"}


async def test_keys_are_discovered_and_kept() -> None:
    web = Web(**{"openid-configuration": CONFIGURATION, "keys": KEYS})
    clock = FixedClock(NOW)
    found = discovered(web, clock)
    for _ in range(3):
        await found.verify(token(), ["app"])
    assert web.asked == [
        "https://issuer.test/id/.well-known/openid-configuration",
        "https://issuer.test/keys",
    ]


async def test_new_keys_are_looked_for_but_not_all_the_time() -> None:
    web = Web(**{"openid-configuration": CONFIGURATION, "keys": {"keys": []}})
    clock = FixedClock(NOW)
    found = discovered(web, clock)
    for _ in range(5):
        assert NO_KEYS in (await refusal(token(), found))[1]
    assert len(web.asked) == 2
    web.documents["keys"] = KEYS
    clock.advance(61)
    assert (await found.verify(token(), ["app"])).subject == "alice"


@pytest.mark.parametrize(
    "documents",
    [
        {"openid-configuration": OSError("down"), "keys": KEYS},
        {"openid-configuration": {**CONFIGURATION, "issuer": "https://evil.test"}, "keys": KEYS},
        {"openid-configuration": CONFIGURATION, "keys": {}},
        {
            "openid-configuration": {**CONFIGURATION, "jwks_uri": "http://127.0.0.1:1/keys"},
            "keys": KEYS,
        },
        {"openid-configuration": CONFIGURATION, "keys": ValueError("not JSON")},
    ],
)
async def test_an_issuer_that_gives_no_keys(documents: dict[str, Any]) -> None:
    web = Web(**documents)
    code, message = await refusal(token(), discovered(web, FixedClock(NOW)))
    assert (code, NO_KEYS in message) == ("InvalidIdentityToken", True)
