"""The seed file: accounts, identities, keys and buckets that a server starts with.

docs/howto.md gives its format. Nothing here reads a file: composition hands in the text.
"""

import tomllib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kms.aws.identity import Credential
from objstore.account.directory import Account, root_credential, unnamed_account
from objstore.account.documents import check_identity_policy, check_trust_policy
from objstore.account.entities import POLICY, ROOT_PATH, arn_for
from objstore.account.errors import IAMError
from objstore.account.tags import read_tags

ENTRIES_MAX = 10_000
MATERIAL_BYTES = 32
SESSION_SECONDS_DEFAULT = 3_600


class SeedError(Exception):
    """The seed file says something that makes no sense; the message names the place."""


@dataclass(frozen=True, slots=True)
class SeedIdentity:
    """A user, group, role or managed policy. `kind` is that of its rows.

    `policies` are ARNs of managed policies, `inline` texts by name (a managed policy's own under
    `v1`), `attributes` what its row holds.
    """

    kind: str
    account: str
    name: str
    path: str
    attributes: Mapping[str, Any]
    policies: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


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
    """A parsed seed file. Identities come in the order in which they can be made."""

    accounts: tuple[Account, ...] = ()
    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    identities: tuple[SeedIdentity, ...] = ()
    keys: tuple[SeedKey, ...] = ()
    buckets: tuple[SeedBucket, ...] = ()


_BEARER = frozenset({"account", "path", "policies", "inline"})

# Each table's fields: those it must have, and those it may have.
_FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "accounts": (
        frozenset({"id"}),
        frozenset({"canonical_id", "display_name", "email", "access_key_id", "secret_access_key"}),
    ),
    "policies": (
        frozenset({"name", "document"}),
        frozenset({"account", "path", "description", "tags"}),
    ),
    "groups": (frozenset({"name"}), _BEARER),
    "users": (
        frozenset({"name"}),
        _BEARER | {"groups", "boundary", "tags", "access_key_id", "secret_access_key"},
    ),
    "roles": (
        frozenset({"name", "trust"}),
        _BEARER | {"boundary", "tags", "description", "max_session_seconds"},
    ),
    "keys": (
        frozenset({"id"}),
        frozenset({"account", "region", "alias", "aliases", "description", "material"}),
    ),
    "buckets": (frozenset({"name"}), frozenset({"account", "region"})),
}


def parse_seed(text: str, *, account: str, region: str) -> Seed:
    """Read a seed file; entries without account or region get those given. Raises SeedError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SeedError(f"not TOML: {error}") from None
    unknown = set(document) - set(_FIELDS)
    if unknown:
        raise SeedError(f"unknown table {sorted(unknown)[0]!r}")
    tables = {
        name: [_table(entry, name, account, region) for entry in _entries(document, name)]
        for name in _FIELDS
    }
    return Seed(
        tuple(_account(entry) for entry in tables["accounts"]),
        tuple(
            root_credential(entry["id"], entry["access_key_id"], entry["secret_access_key"])
            for entry in tables["accounts"]
            if "access_key_id" in entry
        ),
        (
            *(_policy(entry) for entry in tables["policies"]),
            *(_bearer("group", entry) for entry in tables["groups"]),
            *(_bearer("user", entry) for entry in tables["users"]),
            *(_bearer("role", entry) for entry in tables["roles"]),
        ),
        tuple(_key(entry) for entry in tables["keys"]),
        tuple(
            SeedBucket(entry["account"], entry["region"], entry["name"])
            for entry in tables["buckets"]
        ),
    )


def _entries(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or len(entries) > ENTRIES_MAX:
        raise SeedError(f"{name!r} must be an array of at most {ENTRIES_MAX} tables")
    return entries


def _table(entry: Mapping[str, Any], name: str, account: str, region: str) -> dict[str, Any]:
    required, optional = _FIELDS[name]
    for missing in sorted(required - set(entry)):
        raise SeedError(f"an entry of {name!r} lacks {missing!r}")
    for unknown in sorted(set(entry) - required - optional):
        raise SeedError(f"an entry of {name!r} has the unknown field {unknown!r}")
    if ("access_key_id" in entry) != ("secret_access_key" in entry):
        raise SeedError(
            f"an entry of {name!r} needs 'access_key_id' and 'secret_access_key' together"
        )
    return {"account": account, "region": region, **entry}


def _account(entry: Mapping[str, Any]) -> Account:
    fallback = unnamed_account(entry["id"])
    return Account(
        entry["id"],
        entry.get("canonical_id", fallback.canonical_id),
        entry.get("display_name", fallback.display_name),
        entry.get("email", ""),
    )


def _policy(entry: Mapping[str, Any]) -> SeedIdentity:
    text = _checked(entry, entry["document"])
    attributes = {"default_version": "v1", "last_version": 1} | _chosen(entry, "description")
    return SeedIdentity(
        POLICY.row,
        entry["account"],
        entry["name"],
        entry.get("path", ROOT_PATH),
        attributes | _tags(entry),
        inline={"v1": text},
    )


def _bearer(kind: str, entry: Mapping[str, Any]) -> SeedIdentity:
    """A user, group or role with its policies."""
    inline = {name: _checked(entry, text) for name, text in entry.get("inline", {}).items()}
    attributes = _chosen(entry, "description") | _tags(entry)
    if "boundary" in entry:
        attributes["boundary"] = _policy_arn(entry, entry["boundary"])
    if kind == "role":
        _checked(entry, entry["trust"], trust=True)
        attributes["trust"] = entry["trust"]
        seconds = entry.get("max_session_seconds", SESSION_SECONDS_DEFAULT)
        attributes["max_session_seconds"] = seconds
    return SeedIdentity(
        kind,
        entry["account"],
        entry["name"],
        entry.get("path", ROOT_PATH),
        attributes,
        tuple(_policy_arn(entry, policy) for policy in entry.get("policies", [])),
        inline,
        tuple(entry.get("groups", [])),
        entry.get("access_key_id", ""),
        entry.get("secret_access_key", ""),
    )


def _policy_arn(entry: Mapping[str, Any], policy: str) -> str:
    """The ARN of a managed policy, which may be given by its name alone."""
    if policy.startswith("arn:"):
        return policy
    return arn_for(POLICY, entry["account"], policy)


def _checked(entry: Mapping[str, Any], text: str, *, trust: bool = False) -> str:
    """A policy's text. Raises SeedError."""
    try:
        (check_trust_policy if trust else check_identity_policy)(text)
    except IAMError as error:
        raise SeedError(f"a policy of {entry['name']!r}: {error.message}") from None
    return text


def _chosen(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: entry[name]} if entry.get(name) else {}


def _tags(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        tags = read_tags(
            [{"Key": key, "Value": str(value)} for key, value in entry.get("tags", {}).items()]
        )
    except IAMError as error:
        raise SeedError(f"the tags of {entry['name']!r}: {error.message}") from None
    return {"tags": tags} if tags else {}


def _key(entry: Mapping[str, Any]) -> SeedKey:
    material = None
    if "material" in entry:
        try:
            material = b64decode(entry["material"], validate=True)
        except ValueError:
            raise SeedError(f"the material of key {entry['id']!r} is not base64") from None
        if len(material) != MATERIAL_BYTES:
            raise SeedError(f"the material of key {entry['id']!r} is not {MATERIAL_BYTES} bytes")
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
