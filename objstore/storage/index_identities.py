"""The rows of identities: who exists in which account, their policies' texts, their access keys.

`IdentityRows` is one connection's view of them: it reads anywhere and writes inside a transaction
of the committer. What the rows mean is the account services' business. A change of what anybody
may do counts up the generation, which is how other processes notice.
"""

from collections.abc import Sequence
from typing import Any

import apsw

from objstore.storage.index import pack_json, select, unpack_json
from objstore.storage.records import AccessKey, Document, Identity, KeyUse

_IDENTITY = (
    "SELECT account, kind, name, unique_id, path, created_ms, attributes FROM identities WHERE "
)
_DOCUMENT = "SELECT owner_id, name, created_ms, text FROM identity_documents WHERE owner_id = ? "
_KEY = "SELECT access_key_id, account, owner_id, created_ms, active, sealed FROM access_keys WHERE "


def bump_generation(connection: apsw.Connection) -> None:
    """Tell every process that identities have changed."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'identities'")


def read_generation(connection: apsw.Connection) -> int:
    """How often identities have changed."""
    sql = "SELECT value FROM counters WHERE name = 'identities'"
    generation: int = connection.execute(sql).get
    return generation


def note_uses(connection: apsw.Connection, uses: Sequence[KeyUse]) -> None:
    """Remember the latest use of access keys or roles, which changes nobody's permissions."""
    connection.executemany(
        "INSERT INTO access_key_uses VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "used_ms = excluded.used_ms, service = excluded.service, region = excluded.region "
        "WHERE excluded.used_ms > used_ms",
        [(use.access_key_id, use.used_ms, use.service, use.region) for use in uses],
    )


class IdentityRows:
    """The identities as one connection sees them. `changed` tells whether a write came by."""

    __slots__ = ("_connection", "changed")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.changed = False

    def _select(self, sql: str, *values: Any) -> list[Any]:
        return select(self._connection, sql, values)

    def _write(self, sql: str, *values: Any) -> bool:
        """Run a statement; whether it changed a row."""
        before = self._connection.total_changes()
        self._connection.execute(sql, values)
        wrote = self._connection.total_changes() > before
        self.changed = self.changed or wrote
        return wrote

    # Identities.

    def get(self, account: str, kind: str, name: str) -> Identity | None:
        """The identity of that name, in any case."""
        sql = _IDENTITY + "account = ? AND kind = ? AND folded = ?"
        return _one(self._select(sql, account, kind, name.lower()))

    def by_id(self, unique_id: str) -> Identity | None:
        """The identity of that unique id."""
        return _one(self._select(_IDENTITY + "unique_id = ?", unique_id))

    def page(
        self, account: str, kind: str, *, path_prefix: str = "/", after: str = "", limit: int
    ) -> list[Identity]:
        """Up to `limit` identities by name, after `after`, whose path starts with a prefix."""
        rows = self._select(
            _IDENTITY + "account = ? AND kind = ? AND folded > ? AND substr(path, 1, ?) = ? "
            "ORDER BY folded LIMIT ?",
            account,
            kind,
            after.lower(),
            len(path_prefix),
            path_prefix,
            limit,
        )
        return [_identity(row) for row in rows]

    def count(self, account: str, kind: str) -> int:
        """How many identities of a kind an account has."""
        sql = "SELECT count(*) FROM identities WHERE account = ? AND kind = ?"
        return int(self._select(sql, account, kind)[0][0])

    def add(self, identity: Identity) -> None:
        """Insert an identity whose name and unique id are free."""
        self._write(
            "INSERT INTO identities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            identity.account,
            identity.kind,
            identity.name.lower(),
            identity.name,
            identity.unique_id,
            identity.path,
            identity.created_ms,
            pack_json(identity.attributes),
        )

    def update(self, identity: Identity) -> None:
        """Store what may change: name, path and attributes."""
        self._write(
            "UPDATE identities SET folded = ?, name = ?, path = ?, attributes = ? "
            "WHERE unique_id = ?",
            identity.name.lower(),
            identity.name,
            identity.path,
            pack_json(identity.attributes),
            identity.unique_id,
        )

    def remove(self, identity: Identity) -> None:
        """Remove an identity, its documents, its access keys and its links to others."""
        for sql in (
            "DELETE FROM access_key_uses WHERE access_key_id IN "
            "(SELECT access_key_id FROM access_keys WHERE owner_id = ?)",
            "DELETE FROM access_key_uses WHERE access_key_id = ?",
            "DELETE FROM access_keys WHERE owner_id = ?",
            "DELETE FROM identity_documents WHERE owner_id = ?",
            "DELETE FROM identities WHERE unique_id = ?",
        ):
            self._write(sql, identity.unique_id)
        self._write(
            "DELETE FROM identity_links WHERE account = ? AND source = ?",
            identity.account,
            identity.unique_id,
        )

    # Documents.

    def document(self, owner_id: str, name: str) -> Document | None:
        """One document of an identity."""
        rows = self._select(_DOCUMENT + "AND name = ?", owner_id, name)
        return Document(*rows[0]) if rows else None

    def documents(self, owner_id: str) -> list[Document]:
        """All documents of an identity, by name."""
        return [Document(*row) for row in self._select(_DOCUMENT + "ORDER BY name", owner_id)]

    def put_document(self, document: Document) -> None:
        """Insert or replace a document."""
        self._write(
            "INSERT OR REPLACE INTO identity_documents VALUES (?, ?, ?, ?)",
            document.owner_id,
            document.name,
            document.created_ms,
            document.text,
        )

    def remove_document(self, owner_id: str, name: str) -> bool:
        """Remove a document; whether there was one."""
        sql = "DELETE FROM identity_documents WHERE owner_id = ? AND name = ?"
        return self._write(sql, owner_id, name)

    # Links: from a unique id to a unique id or an ARN.

    def link(self, account: str, relation: str, source: str, target: str) -> None:
        """Add a link; one that exists stays."""
        sql = "INSERT OR IGNORE INTO identity_links VALUES (?, ?, ?, ?)"
        self._write(sql, account, relation, source, target)

    def unlink(self, account: str, relation: str, source: str, target: str) -> bool:
        """Remove a link; whether there was one."""
        sql = (
            "DELETE FROM identity_links WHERE account = ? AND relation = ? AND source = ? "
            "AND target = ?"
        )
        return self._write(sql, account, relation, source, target)

    def targets(self, account: str, relation: str, source: str) -> list[str]:
        """Where the links of a source lead, in order."""
        sql = (
            "SELECT target FROM identity_links WHERE account = ? AND relation = ? AND source = ? "
            "ORDER BY target"
        )
        return [row[0] for row in self._select(sql, account, relation, source)]

    def sources(self, account: str, relation: str, target: str) -> list[str]:
        """Where the links to a target come from, in order."""
        sql = (
            "SELECT source FROM identity_links WHERE account = ? AND relation = ? AND target = ? "
            "ORDER BY source"
        )
        return [row[0] for row in self._select(sql, account, relation, target)]

    def count_sources(self, account: str, relation: str, target: str) -> int:
        """How many links lead to a target."""
        sql = (
            "SELECT count(*) FROM identity_links WHERE account = ? AND relation = ? AND target = ?"
        )
        return int(self._select(sql, account, relation, target)[0][0])

    # Access keys.

    def key(self, access_key_id: str) -> AccessKey | None:
        """One access key."""
        rows = self._select(_KEY + "access_key_id = ?", access_key_id)
        return _key(rows[0]) if rows else None

    def keys_of(self, owner_id: str) -> list[AccessKey]:
        """The access keys of an identity, the oldest first."""
        sql = _KEY + "owner_id = ? ORDER BY created_ms, access_key_id"
        return [_key(row) for row in self._select(sql, owner_id)]

    def put_key(self, key: AccessKey) -> None:
        """Insert or replace an access key."""
        self._write(
            "INSERT OR REPLACE INTO access_keys VALUES (?, ?, ?, ?, ?, ?)",
            key.access_key_id,
            key.account,
            key.owner_id,
            key.created_ms,
            int(key.active),
            key.sealed,
        )

    def remove_key(self, access_key_id: str) -> None:
        """Remove an access key and what is known of its use."""
        self._write("DELETE FROM access_keys WHERE access_key_id = ?", access_key_id)
        self._write("DELETE FROM access_key_uses WHERE access_key_id = ?", access_key_id)

    def key_use(self, access_key_id: str) -> KeyUse | None:
        """When an access key was used last, if ever."""
        sql = (
            "SELECT access_key_id, used_ms, service, region FROM access_key_uses "
            "WHERE access_key_id = ?"
        )
        rows = self._select(sql, access_key_id)
        return KeyUse(*rows[0]) if rows else None


def _one(rows: list[Any]) -> Identity | None:
    return _identity(rows[0]) if rows else None


def _identity(row: Any) -> Identity:
    values: Any = (*row[:6], unpack_json(row[6]))
    return Identity(*values)


def _key(row: Any) -> AccessKey:
    access_key_id, account, owner_id, created_ms, active, sealed = row
    return AccessKey(access_key_id, account, owner_id, created_ms, active != 0, sealed)
