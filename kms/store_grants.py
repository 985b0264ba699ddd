"""Grants as rows, and one connection's cached view of them.

A request asks for the grants of a key and a principal, of which there are few however many the
key has. The cache lives as long as the store's others: until anybody writes.
"""

import json
from typing import Any

import apsw

from kms.grant import Grant, Pairs

GRANT_SCHEMA = """
CREATE TABLE grants (
  grant_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  issuer TEXT NOT NULL,
  name TEXT NOT NULL,
  grantee TEXT NOT NULL,
  retiree TEXT NOT NULL,
  operations TEXT NOT NULL,
  equals TEXT,
  subset TEXT,
  source_arn TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_key ON grants (account, region, key_id, grant_id);
CREATE INDEX grants_by_grantee ON grants (account, region, key_id, grantee, grant_id);
CREATE INDEX grants_by_name ON grants (account, region, key_id, name) WHERE name <> '';
CREATE INDEX grants_by_retiree ON grants (retiree, region, grant_id) WHERE retiree <> '';
"""
GRANT_COLUMNS = (
    "grant_id,account,region,key_id,created_at,issuer,name,grantee,retiree,operations,equals,"
    "subset,source_arn"
)
ENTRIES_MAX = 10_000
_OPERATIONS, _EQUALS, _SUBSET = 9, 10, 11
_OF_KEY = "account=? AND region=? AND key_id=?"
_SELECT = f"SELECT {GRANT_COLUMNS} FROM grants WHERE "

Name = tuple[str, str, str]
"""A key: its account, Region and id."""


class Grants:
    """The grants of a store. Belongs to the store's thread."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._of: dict[tuple[Name, str], tuple[Grant, ...]] = {}

    def flush(self) -> None:
        self._of.clear()

    def of(self, key: Name, grantee: str) -> tuple[Grant, ...]:
        """The grants on a key for the principal bound as `grantee`."""
        found = self._of.get((key, grantee))
        if found is None:
            if len(self._of) >= ENTRIES_MAX:
                self._of.clear()
            found = tuple(self._select(f"{_OF_KEY} AND grantee=?", *key, grantee))
            self._of[key, grantee] = found
        return found

    def get(self, grant_id: str) -> Grant | None:
        found = self._select("grant_id=?", grant_id)
        return found[0] if found else None

    def page(self, key: Name, *, grantee: str | None, after: str, limit: int) -> list[Grant]:
        """Grants on a key by id, from the one behind `after` on."""
        of, whose = ("", ()) if grantee is None else (" AND grantee=?", (grantee,))
        where = f"{_OF_KEY}{of} AND grant_id>? ORDER BY grant_id LIMIT ?"
        return self._select(where, *key, *whose, after, limit)

    def retirable(self, region: str, retiree: str, *, after: str, limit: int) -> list[Grant]:
        """Grants on keys of any account that the principal bound as `retiree` may retire."""
        return self._select(
            "retiree=? AND retiree<>'' AND region=? AND grant_id>? ORDER BY grant_id LIMIT ?",
            retiree,
            region,
            after,
            limit,
        )

    def _select(self, where: str, *values: Any) -> list[Grant]:
        return [grant_from_row(row) for row in self._connection.execute(_SELECT + where, values)]


class GrantEdits:
    """What a write transaction does to grants."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def count(self, key: Name) -> int:
        sql = f"SELECT count(*) FROM grants WHERE {_OF_KEY}"
        counted: int = self._connection.execute(sql, key).get
        return counted

    def named(self, key: Name, name: str) -> list[Grant]:
        """The grants on a key that have this name, which is not empty."""
        where = f"{_OF_KEY} AND name=? AND name<>''"
        rows = self._connection.execute(_SELECT + where, (*key, name))
        return [grant_from_row(row) for row in rows]

    def add(self, grant: Grant) -> None:
        row = grant_to_row(grant)
        marks = ",".join("?" * len(row))
        self._connection.execute(f"INSERT INTO grants ({GRANT_COLUMNS}) VALUES ({marks})", row)

    def remove(self, grant_id: str) -> bool:
        """Whether there was such a grant."""
        self._connection.execute("DELETE FROM grants WHERE grant_id=?", (grant_id,))
        return self._connection.changes() == 1


def grant_to_row(grant: Grant) -> tuple[Any, ...]:
    return (
        grant.grant_id,
        grant.account,
        grant.region,
        grant.key_id,
        grant.created_at,
        grant.issuer,
        grant.name,
        grant.grantee,
        grant.retiree,
        json.dumps(grant.operations),
        None if grant.equals is None else json.dumps(grant.equals),
        None if grant.subset is None else json.dumps(grant.subset),
        grant.source_arn,
    )


def grant_from_row(row: tuple[Any, ...]) -> Grant:
    values = list(row)
    values[_OPERATIONS] = tuple(json.loads(values[_OPERATIONS]))
    values[_EQUALS], values[_SUBSET] = _pairs(values[_EQUALS]), _pairs(values[_SUBSET])
    return Grant(*values)


def _pairs(text: str | None) -> Pairs | None:
    if text is None:
        return None
    return tuple((name, value) for name, value in json.loads(text))
