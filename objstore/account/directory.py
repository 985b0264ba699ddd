"""The accounts of a server and the access keys that speak for them.

The root access key comes from the data folder, everything else from the seed file, whose format
docs/seed.md gives. Nothing here reads a file: composition hands in the bytes.
"""

import hashlib
import tomllib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kms.aws import arn
from kms.aws.identity import Credential, Principal, PrincipalKind
from objstore.names import owner_id

ENTRIES_MAX = 10_000


class SeedError(Exception):
    """The seed file says something that makes no sense; the message names the place."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `canonical_id` is the 64 hex digits that S3 shows as an owner's ID."""

    account: str
    canonical_id: str
    display_name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class SeedKey:
    """A KMS key with a fixed id. `material` is 32 bytes, or None for random material."""

    account: str
    region: str
    key_id: str
    aliases: tuple[str, ...]
    description: str
    material: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SeedBucket:
    """A bucket to make at the start."""

    account: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Seed:
    """A parsed seed file."""

    accounts: tuple[Account, ...] = ()
    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    keys: tuple[SeedKey, ...] = ()
    buckets: tuple[SeedBucket, ...] = ()


class Directory:
    """Finds accounts and credentials; satisfies `kms.aws.identity.Credentials`."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._credentials: dict[str, Credential] = {}

    def add(self, seed: Seed) -> None:
        self._accounts.update((account.account, account) for account in seed.accounts)
        for credential in seed.credentials:
            self.add_credential(credential)

    def add_credential(self, credential: Credential) -> None:
        self._credentials[credential.access_key_id] = credential

    def find(self, access_key_id: str) -> Credential | None:
        return self._credentials.get(access_key_id)

    def account(self, account: str) -> Account:
        """The account's names; one that was never named gets a canonical id from its number."""
        known = self._accounts.get(account)
        return known if known is not None else unnamed_account(account)


def unnamed_account(account: str) -> Account:
    return Account(account, owner_id(account), account)


def root_principal(account: str) -> Principal:
    return Principal(PrincipalKind.ROOT, account, arn.account_root(account), account, "root")


def root_credential(account: str, access_key_id: str, secret_access_key: str) -> Credential:
    return Credential(access_key_id, secret_access_key, root_principal(account))


def user_principal(account: str, name: str) -> Principal:
    """An IAM user; its unique id is made from account and name, so that it is stable."""
    digest = hashlib.sha256(f"user {account} {name}".encode()).hexdigest().upper()
    return Principal(
        PrincipalKind.USER, account, arn.iam_user(account, name), f"AIDA{digest[:16]}", name
    )


def parse_seed(text: str, *, account: str, region: str) -> Seed:
    """Read a seed file; entries without account or region get those given. Raises SeedError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SeedError(f"not TOML: {error}") from None
    unknown = set(document) - {"accounts", "users", "keys", "buckets"}
    if unknown:
        raise SeedError(f"unknown table {sorted(unknown)[0]!r}")
    defaults = {"account": account, "region": region}
    accounts = [_table(entry, "accounts") for entry in _entries(document, "accounts")]
    users = [_table(entry, "users", defaults) for entry in _entries(document, "users")]
    credentials = [
        root_credential(entry["id"], entry["access_key_id"], entry["secret_access_key"])
        for entry in accounts
        if "access_key_id" in entry
    ]
    credentials += [
        Credential(
            entry["access_key_id"],
            entry["secret_access_key"],
            user_principal(entry["account"], entry["name"]),
        )
        for entry in users
    ]
    keys = [_table(entry, "keys", defaults) for entry in _entries(document, "keys")]
    buckets = [_table(entry, "buckets", defaults) for entry in _entries(document, "buckets")]
    return Seed(
        tuple(_account(entry) for entry in accounts),
        tuple(credentials),
        tuple(_key(entry) for entry in keys),
        tuple(SeedBucket(entry["account"], entry["region"], entry["name"]) for entry in buckets),
    )


# Each table's fields: those it must have, and those it may have.
_FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "accounts": (
        frozenset({"id"}),
        frozenset({"canonical_id", "display_name", "email", "access_key_id", "secret_access_key"}),
    ),
    "users": (
        frozenset({"name", "access_key_id", "secret_access_key"}),
        frozenset({"account"}),
    ),
    "keys": (
        frozenset({"id"}),
        frozenset({"account", "region", "alias", "aliases", "description", "material"}),
    ),
    "buckets": (frozenset({"name"}), frozenset({"account", "region"})),
}


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or len(entries) > ENTRIES_MAX:
        raise SeedError(f"{name!r} must be an array of at most {ENTRIES_MAX} tables")
    return entries


def _table(
    entry: Mapping[str, Any], name: str, defaults: Mapping[str, str] | None = None
) -> dict[str, Any]:
    required, optional = _FIELDS[name]
    for missing in sorted(required - set(entry)):
        raise SeedError(f"an entry of {name!r} lacks {missing!r}")
    for unknown in sorted(set(entry) - required - optional):
        raise SeedError(f"an entry of {name!r} has the unknown field {unknown!r}")
    if "access_key_id" in entry and "secret_access_key" not in entry:
        raise SeedError(f"an entry of {name!r} lacks 'secret_access_key'")
    return {**(defaults or {}), **entry}


def _account(entry: Mapping[str, Any]) -> Account:
    fallback = unnamed_account(entry["id"])
    return Account(
        entry["id"],
        entry.get("canonical_id", fallback.canonical_id),
        entry.get("display_name", fallback.display_name),
        entry.get("email", ""),
    )


def _key(entry: Mapping[str, Any]) -> SeedKey:
    material = None
    if "material" in entry:
        try:
            material = b64decode(entry["material"], validate=True)
        except ValueError:
            raise SeedError(f"the material of key {entry['id']!r} is not base64") from None
        if len(material) != 32:
            raise SeedError(f"the material of key {entry['id']!r} is not 32 bytes")
    aliases = list(entry.get("aliases", []))
    if "alias" in entry:
        aliases.append(entry["alias"])
    return SeedKey(
        entry["account"],
        entry["region"],
        entry["id"],
        tuple(aliases),
        entry.get("description", ""),
        material,
    )
