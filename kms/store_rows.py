"""The schema of the key store and the translation between its rows and our records."""

import json
from typing import Any

from kms.key import Alias, Key, KeyState, Material

SCHEMA = """
CREATE TABLE domain_keys (
  version INTEGER PRIMARY KEY,
  sealer TEXT NOT NULL,
  sealed BLOB NOT NULL,
  key_check BLOB NOT NULL
) STRICT;
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  material_id TEXT NOT NULL,
  policy TEXT NOT NULL,
  state TEXT NOT NULL,
  manager TEXT NOT NULL,
  description TEXT NOT NULL,
  usage TEXT NOT NULL,
  spec TEXT NOT NULL,
  origin TEXT NOT NULL,
  deletion_at REAL,
  tags TEXT NOT NULL,
  PRIMARY KEY (account, region, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_deletion ON keys (deletion_at) WHERE deletion_at IS NOT NULL;
CREATE TABLE materials (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  key_id TEXT NOT NULL,
  material_id TEXT NOT NULL,
  spec TEXT NOT NULL,
  usage TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  created_at REAL NOT NULL,
  PRIMARY KEY (material_id, region, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX materials_by_key ON materials (account, region, key_id);
CREATE TABLE aliases (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_key ON aliases (account, region, key_id);
CREATE TABLE owned (
  owner TEXT PRIMARY KEY,
  material_id TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""

KEY_COLUMNS = (
    "account,region,key_id,created_at,material_id,policy,state,manager,description,usage,spec,"
    "origin,deletion_at,tags"
)
MATERIAL_COLUMNS = "account,region,key_id,material_id,spec,usage,wrapped,created_at"
ALIAS_COLUMNS = "account,region,name,key_id,created_at,updated_at"


def key_to_row(key: Key) -> tuple[Any, ...]:
    return (
        key.account,
        key.region,
        key.key_id,
        key.created_at,
        key.material_id,
        key.policy,
        key.state.value,
        key.manager,
        key.description,
        key.usage,
        key.spec,
        key.origin,
        key.deletion_at,
        json.dumps(key.tags),
    )


def key_from_row(row: tuple[Any, ...]) -> Key:
    tags = tuple((name, value) for name, value in json.loads(row[13]))
    return Key(
        account=row[0],
        region=row[1],
        key_id=row[2],
        created_at=row[3],
        material_id=row[4],
        policy=row[5],
        state=KeyState(row[6]),
        manager=row[7],
        description=row[8],
        usage=row[9],
        spec=row[10],
        origin=row[11],
        deletion_at=row[12],
        tags=tags,
    )


def material_from_row(row: tuple[Any, ...]) -> Material:
    account, region, key_id, material_id, spec, usage, wrapped, created_at = row
    return Material(material_id, account, region, key_id, spec, usage, wrapped, created_at)


def alias_from_row(row: tuple[Any, ...]) -> Alias:
    return Alias(*row)
