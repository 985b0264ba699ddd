"""The root of trust of a key store: opening it, sealing it otherwise, rotating its domain key.

Each change is one transaction, so a crash leaves the old root or the new one. A sealer may take
its time, so none is asked while the database is locked; only a new store's is.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from kms.aws.generation import Generation
from kms.root import DomainRecord, Root, RootError, Sealer, reseal
from kms.store_connection import StoreError, connect, immediate
from kms.store_rows import MATERIAL_COLUMNS, SCHEMA, material_from_row

MARK_FILE_NAME = "keys.mark"
SCHEMA_VERSION = 1
IDENTITY = "material-identity"
"""The setting with the secret that material ids are made with."""


def prepare(connection: apsw.Connection, sealer: Sealer) -> Root:
    """Check the schema, making it in an empty database, and open the root of trust."""
    if connection.pragma("user_version") == 0:
        with immediate(connection):
            if connection.pragma("user_version") == 0:
                return _make(connection, sealer)
    return reopen(connection, sealer)


def reopen(connection: apsw.Connection, sealer: Sealer) -> Root:
    """The root of trust of a store that exists."""
    version = connection.pragma("user_version")
    if version != SCHEMA_VERSION:
        raise StoreError(f"the key store has schema {version}; this is {SCHEMA_VERSION}")
    return Root.open(sealer, _records(connection))


def newest_version(connection: apsw.Connection) -> int:
    """The version of the domain key that wraps."""
    version: int = connection.execute("SELECT max(version) FROM domain_keys").get
    return version


def change_sealer(folder: Path, old: Sealer, new: Sealer) -> int:
    """Seal the domain keys of the store in `folder` by `new`; answers how many there are.

    Nothing else is written. Raises RootError and StoreError, and then nothing is changed.
    """
    connection = _existing(folder)
    try:
        records = _records(connection)
        resealed = reseal(records, old, new)
        Root.open(new, resealed).close()
        with immediate(connection):
            if _records(connection) != records:
                raise StoreError("the root of trust was changed meanwhile; try again")
            for record in resealed:
                connection.execute(
                    "UPDATE domain_keys SET sealer=?, sealed=? WHERE version=?",
                    (record.sealer, record.sealed, record.version),
                )
    finally:
        connection.close()
    return len(resealed)


def rotate_domain_key(folder: Path, sealer: Sealer) -> int:
    """Wrap everything that the store keeps under a new domain key; answers that key's version.

    Older domain keys stay, since secrets that others keep are wrapped under them.
    """
    connection = _existing(folder)
    try:
        records = _records(connection)
        root = Root.open(sealer, records)
        try:
            record = root.rotate(sealer)
            with immediate(connection):
                if _records(connection) != records:
                    raise StoreError("the root of trust was changed meanwhile; try again")
                _insert(connection, record)
                _rewrap(connection, root)
        finally:
            root.close()
    finally:
        connection.close()
    generation = Generation(folder / MARK_FILE_NAME)
    generation.change()
    generation.close()
    return record.version


def _make(connection: apsw.Connection, sealer: Sealer) -> Root:
    connection.execute(SCHEMA)
    root, record = Root.create(sealer)
    _insert(connection, record)
    identity = root.wrap("secret", (IDENTITY,), os.urandom(32))
    connection.execute("INSERT INTO settings VALUES (?,?)", (IDENTITY, identity))
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    return root


def _existing(folder: Path) -> apsw.Connection:
    connection = connect(folder) if folder.is_dir() else None
    if connection is None or connection.pragma("user_version") != SCHEMA_VERSION:
        if connection is not None:
            connection.close()
        raise StoreError(f"{folder} has no key store")
    return connection


def _records(connection: apsw.Connection) -> list[DomainRecord]:
    rows = connection.execute(
        "SELECT version, sealer, sealed, key_check FROM domain_keys ORDER BY version"
    )
    records = [DomainRecord(*row) for row in rows]
    if not records:
        raise RootError("the key store has lost its domain keys")
    return records


def _insert(connection: apsw.Connection, record: DomainRecord) -> None:
    connection.execute(
        "INSERT INTO domain_keys VALUES (?,?,?,?)",
        (record.version, record.sealer, record.sealed, record.check),
    )


def _rewrap(connection: apsw.Connection, root: Root) -> None:
    """Wrap materials, services' keys and sealed settings anew, row by row."""
    for row in _rows(connection, MATERIAL_COLUMNS, "materials"):
        material = material_from_row(row)
        if material.wrapped:
            connection.execute(
                "UPDATE materials SET wrapped=? WHERE material_id=? AND region=? AND account=?",
                (
                    _moved(root, "material", material.binding, material.wrapped),
                    material.material_id,
                    material.region,
                    material.account,
                ),
            )
    for owner, material_id, wrapped in _rows(connection, "owner, material_id, wrapped", "owned"):
        connection.execute(
            "UPDATE owned SET wrapped=? WHERE owner=?",
            (_moved(root, "owned", (owner, material_id), wrapped), owner),
        )
    for name, value in _rows(connection, "name, value", "settings"):
        # A setting that does not open under its own name is not a sealed one.
        with suppress(RootError):
            connection.execute(
                "UPDATE settings SET value=? WHERE name=?",
                (_moved(root, "secret", (name,), value), name),
            )


def _rows(connection: apsw.Connection, columns: str, table: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
    return rows


def _moved(root: Root, purpose: str, binding: Iterable[str], wrapped: bytes) -> bytes:
    secret = root.unwrap(purpose, binding, wrapped)
    moved = root.wrap(purpose, binding, secret)
    secret[:] = bytes(len(secret))
    return moved
