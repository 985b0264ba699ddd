"""What can be written to the key store, inside one transaction.

`Store.edit` opens the transaction and hands out an `Edit`; its reads see the transaction's own
writes. Everything is on disk when the transaction ends, or nothing is.
"""

from typing import Any

import apsw

from kms.key import Alias, Key, Material
from kms.store_grants import GrantEdits
from kms.store_rows import (
    ALIAS_COLUMNS,
    KEY_COLUMNS,
    MATERIAL_COLUMNS,
    OF_A_KEY,
    alias_from_row,
    alias_to_row,
    key_from_row,
    key_to_row,
    material_from_row,
    material_to_row,
)

_OF_KEY = "account=? AND region=? AND key_id=?"
_OF_MATERIAL = "material_id=? AND region=? AND account=?"


class Edit:
    """A write transaction under way; `destroyed` says whether it took material away."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.destroyed = False
        self.grants = GrantEdits(connection)

    def key(self, account: str, region: str, key_id: str) -> Key | None:
        row = self._row(
            f"SELECT {KEY_COLUMNS} FROM keys WHERE {_OF_KEY}", (account, region, key_id)
        )
        return key_from_row(row) if row else None

    def related(self, key: Key) -> list[Key]:
        """The multi-Region keys that `key` is one of, itself included, by Region."""
        rows = self._connection.execute(
            f"SELECT {KEY_COLUMNS} FROM keys WHERE key_id=? AND account=? AND primary_region<>''"
            " ORDER BY region",
            (key.key_id, key.account),
        )
        return [key_from_row(row) for row in rows]

    def due(self, now: float, limit: int) -> list[Key]:
        """Keys to which something was to happen by `now`, the longest due first."""
        rows = self._connection.execute(
            f"SELECT {KEY_COLUMNS} FROM keys WHERE due_at<=? ORDER BY due_at LIMIT ?", (now, limit)
        )
        return [key_from_row(row) for row in rows]

    def count_keys(self, account: str, region: str, manager: str) -> int:
        return self._count(
            "SELECT count(*) FROM keys WHERE account=? AND region=? AND manager=?",
            (account, region, manager),
        )

    def add_key(self, key: Key) -> None:
        self._insert("INSERT", "keys", KEY_COLUMNS, key_to_row(key))

    def put_key(self, key: Key) -> None:
        """Replace the stored record."""
        self._insert("REPLACE", "keys", KEY_COLUMNS, key_to_row(key))

    def remove_key(self, key: Key) -> None:
        """Delete a key with everything that belongs to it, for good."""
        self.destroyed = True
        for table in OF_A_KEY:
            self._connection.execute(
                f"DELETE FROM {table} WHERE {_OF_KEY}", (key.account, key.region, key.key_id)
            )

    def materials(self, key: Key) -> list[Material]:
        """The materials of `key`, oldest first."""
        rows = self._connection.execute(
            f"SELECT {MATERIAL_COLUMNS} FROM materials WHERE {_OF_KEY} ORDER BY number",
            (key.account, key.region, key.key_id),
        )
        return [material_from_row(row) for row in rows]

    def put_material(self, material: Material) -> None:
        """Store a material, in the place of one with its id."""
        if not material.wrapped:
            self.destroyed |= self._has_bytes(material)
        self._insert("REPLACE", "materials", MATERIAL_COLUMNS, material_to_row(material))

    def remove_material(self, material: Material) -> None:
        self.destroyed |= self._has_bytes(material)
        self._connection.execute(f"DELETE FROM materials WHERE {_OF_MATERIAL}", _name(material))

    def _has_bytes(self, material: Material) -> bool:
        """Whether the record that is stored of `material` has bytes, which writing it destroys."""
        row = self._row(f"SELECT wrapped<>x'' FROM materials WHERE {_OF_MATERIAL}", _name(material))
        return row is not None and bool(row[0])

    def alias(self, account: str, region: str, name: str) -> Alias | None:
        row = self._row(
            f"SELECT {ALIAS_COLUMNS} FROM aliases WHERE account=? AND region=? AND name=?",
            (account, region, name),
        )
        return alias_from_row(row) if row else None

    def count_aliases(self, account: str, region: str, key_id: str) -> int:
        return self._count(
            f"SELECT count(*) FROM aliases WHERE {_OF_KEY}", (account, region, key_id)
        )

    def put_alias(self, alias: Alias) -> None:
        """Store an alias, in the place of one with its name."""
        self._insert("REPLACE", "aliases", ALIAS_COLUMNS, alias_to_row(alias))

    def remove_alias(self, alias: Alias) -> None:
        self._connection.execute(
            "DELETE FROM aliases WHERE account=? AND region=? AND name=?",
            (alias.account, alias.region, alias.name),
        )

    def _insert(self, verb: str, table: str, columns: str, row: tuple[Any, ...]) -> None:
        marks = ",".join("?" * len(row))
        self._connection.execute(f"{verb} INTO {table} ({columns}) VALUES ({marks})", row)

    def _row(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return row

    def _count(self, sql: str, values: tuple[Any, ...]) -> int:
        row = self._row(sql, values)
        assert row is not None
        count: int = row[0]
        return count


def _name(material: Material) -> tuple[str, str, str]:
    return material.material_id, material.region, material.account
