"""The schema of the key store and the translation between its rows and our records."""

import json
from operator import attrgetter
from typing import Any

from kms.key import Alias, Key, KeyState, Material, MaterialState
from kms.store_grants import GRANT_SCHEMA

SCHEMA = (
    """
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
  tags TEXT NOT NULL,
  primary_region TEXT NOT NULL,
  deletion_at REAL,
  pending_window_days INTEGER,
  rotation_period_days INTEGER,
  next_rotation_at REAL,
  on_demand_at REAL,
  on_demand_rotations INTEGER NOT NULL,
  expires_at REAL,
  settles_at REAL,
  bound TEXT NOT NULL,
  due_at REAL,
  PRIMARY KEY (account, region, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_manager ON keys (account, region, manager);
CREATE INDEX keys_by_due_date ON keys (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX keys_by_id ON keys (key_id, account) WHERE primary_region <> '';
CREATE TABLE materials (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  key_id TEXT NOT NULL,
  material_id TEXT NOT NULL,
  spec TEXT NOT NULL,
  usage TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  created_at REAL NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  description TEXT NOT NULL,
  expires_at REAL,
  rotation_type TEXT NOT NULL,
  rotated_at REAL,
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
CREATE INDEX aliases_by_key ON aliases (account, region, key_id, name);
CREATE TABLE owned (
  owner TEXT PRIMARY KEY,
  material_id TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""
    + GRANT_SCHEMA
)

KEY_COLUMNS = (
    "account,region,key_id,created_at,material_id,policy,state,manager,description,usage,spec,"
    "origin,tags,primary_region,deletion_at,pending_window_days,rotation_period_days,"
    "next_rotation_at,on_demand_at,on_demand_rotations,expires_at,settles_at,bound,due_at"
)
MATERIAL_COLUMNS = (
    "material_id,account,region,key_id,spec,usage,wrapped,created_at,number,state,description,"
    "expires_at,rotation_type,rotated_at"
)
ALIAS_COLUMNS = "account,region,name,key_id,created_at,updated_at"
OF_A_KEY = ("keys", "materials", "aliases", "grants")
"""The tables whose rows belong to a key: what goes when the key goes."""

_key_values = attrgetter(*KEY_COLUMNS.split(","))
_material_values = attrgetter(*MATERIAL_COLUMNS.split(","))
_alias_values = attrgetter(*ALIAS_COLUMNS.split(","))
_STATE, _TAGS, _BOUND = 6, 12, 22
_MATERIAL_STATE = 9


def key_to_row(key: Key) -> tuple[Any, ...]:
    values = list(_key_values(key))
    values[_TAGS], values[_BOUND] = json.dumps(key.tags), json.dumps(key.bound)
    return tuple(values)


def key_from_row(row: tuple[Any, ...]) -> Key:
    values = list(row[:-1])
    values[_STATE] = KeyState(values[_STATE])
    values[_TAGS], values[_BOUND] = _pairs(values[_TAGS]), _pairs(values[_BOUND])
    return Key(*values)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(text))


def material_to_row(material: Material) -> tuple[Any, ...]:
    values: tuple[Any, ...] = _material_values(material)
    return values


def material_from_row(row: tuple[Any, ...]) -> Material:
    values = list(row)
    values[_MATERIAL_STATE] = MaterialState(values[_MATERIAL_STATE])
    return Material(*values)


def alias_to_row(alias: Alias) -> tuple[Any, ...]:
    values: tuple[Any, ...] = _alias_values(alias)
    return values


def alias_from_row(row: tuple[Any, ...]) -> Alias:
    return Alias(*row)
