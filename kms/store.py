"""The key store: keys, materials, aliases and owned keys in one SQLite database.

Only wrapped material is written. Records are immutable and cached, as are unwrapped materials;
`refresh` drops the caches, and wipes what is secret in them, when any other process has committed,
so a key that one worker disables is disabled for the next call in every other: committers change a
shared mark, and SQLite's own data version is asked now and then, should one have died before that.
Every mutation is one BEGIN IMMEDIATE transaction that is on disk when the method returns. An
instance belongs to one thread. Source: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_data_version
"""

import hmac
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
from cryptography.hazmat.primitives.hmac import HMAC

from kms import store_erasure
from kms.algorithms.keys import PrivateKey, open_private
from kms.aws.clock import monotonic
from kms.aws.generation import Generation
from kms.ciphertext import derivation
from kms.key import Alias, Key, Material
from kms.root import Root, RootError, Sealer
from kms.store_connection import FILE_NAME, StoreError, connect, immediate
from kms.store_edits import Edit
from kms.store_grants import Grants
from kms.store_root import IDENTITY, MARK_FILE_NAME, newest_version, prepare, reopen
from kms.store_rows import (
    ALIAS_COLUMNS,
    KEY_COLUMNS,
    MATERIAL_COLUMNS,
    OF_A_KEY,
    alias_from_row,
    key_from_row,
    material_from_row,
)
from kms.store_usage import Usage

LOOK_AGAIN_SECONDS = 0.25
CACHE_ENTRIES_MAX = 10_000
MATERIAL_BYTES = 32


class Store:
    """One process's view of the key store in a folder."""

    def __init__(
        self,
        folder: Path,
        connection: apsw.Connection,
        root: Root,
        sealer: Sealer,
        *,
        generation: Generation,
        usage: Usage,
    ) -> None:
        self.usage = usage
        self._folder = folder
        self._connection = connection
        self._cursor = connection.cursor()
        self._root = root
        self._sealer = sealer
        self._keys: dict[tuple[str, str, str], Key | None] = {}
        self._known_as: dict[tuple[str, str, str], Key] = {}
        self._aliases: dict[tuple[str, str, str], Alias | None] = {}
        self._materials: dict[tuple[str, str, str], Material | None] = {}
        self._backing: dict[tuple[str, str, str], bytearray] = {}
        self._private: dict[tuple[str, str, str], PrivateKey] = {}
        self._derivations: dict[tuple[str, str, str], HMAC] = {}
        self._owned: dict[str, tuple[str, HMAC]] = {}
        self._next_due_at: float | None = None
        self.grants = Grants(connection)
        self._generation = generation
        self._seen_mark = generation.mark
        self._seen_version = self._data_version()
        self._look_again_at = 0.0

    @classmethod
    def open(cls, folder: Path, sealer: Sealer) -> "Store":
        """Open the store of `folder`, making it (and the root's secret) if there is none.

        Raises RootError for a root of trust that is not this store's, StoreError for the rest.
        """
        connection = connect(folder)
        try:
            root = prepare(connection, sealer)
            store_erasure.settle(connection)
            return cls(
                folder,
                connection,
                root,
                sealer,
                generation=Generation(folder / MARK_FILE_NAME),
                usage=Usage(folder),
            )
        except apsw.Error as error:
            connection.close()
            raise StoreError(f"cannot read {folder / FILE_NAME}: {error}") from None
        except (RootError, StoreError):
            connection.close()
            raise

    def close(self) -> None:
        self.flush()
        self.usage.close()
        self._connection.close()
        self._generation.close()
        self._root.close()

    def fill_random(self, buffer: bytearray) -> None:
        self._root.fill_random(buffer)

    def refresh(self) -> None:
        """Notice what other processes committed. Call it once at the start of each call."""
        mark, now = self._generation.mark, monotonic()
        if mark == self._seen_mark and now < self._look_again_at:
            return
        self._look_again_at = now + LOOK_AGAIN_SECONDS
        version = self._data_version()
        if mark != self._seen_mark or version != self._seen_version:
            self.flush()
            if newest_version(self._connection) != self._root.version:
                older, self._root = self._root, reopen(self._connection, self._sealer)
                older.close()
            self._seen_mark, self._seen_version = mark, version

    def flush(self) -> None:
        """Forget every cached record; wipe unwrapped materials, and let go of opened keys."""
        for backing in self._backing.values():
            backing[:] = bytes(len(backing))
        for cache in (
            self._keys,
            self._known_as,
            self._aliases,
            self._materials,
            self._backing,
            self._private,
            self._derivations,
            self._owned,
        ):
            cache.clear()
        self.grants.flush()
        self._next_due_at = None

    def key(self, account: str, region: str, key_id: str) -> Key | None:
        name = (account, region, key_id)
        if name not in self._keys:
            self._bound(self._keys)
            self._keys[name] = self._read_key(name)
        return self._keys[name]

    def known_as(self, name: tuple[str, str, str]) -> Key | None:
        """The key that an account, in a Region, was found to mean by a name, as `know_as` has it.

        It is forgotten with every change of any key or alias.
        """
        return self._known_as.get(name)

    def know_as(self, name: tuple[str, str, str], key: Key) -> None:
        self._bound(self._known_as)
        self._known_as[name] = key

    def alias(self, account: str, region: str, alias: str) -> Alias | None:
        name = (account, region, alias)
        if name not in self._aliases:
            self._bound(self._aliases)
            row = self._row(
                f"SELECT {ALIAS_COLUMNS} FROM aliases WHERE account=? AND region=? AND name=?",
                name,
            )
            self._aliases[name] = alias_from_row(row) if row else None
        return self._aliases[name]

    def material(self, account: str, region: str, material_id: str) -> Material | None:
        name = (account, region, material_id)
        if name not in self._materials:
            self._bound(self._materials)
            row = self._row(
                f"SELECT {MATERIAL_COLUMNS} FROM materials"
                " WHERE account=? AND region=? AND material_id=?",
                name,
            )
            self._materials[name] = material_from_row(row) if row else None
        return self._materials[name]

    def material_in(self, region: str, material_id: str) -> Material | None:
        """The material in `region` of whichever account owns it: a ciphertext names no account."""
        row = self._row(
            f"SELECT {MATERIAL_COLUMNS} FROM materials WHERE region=? AND material_id=?",
            (region, material_id),
        )
        return material_from_row(row) if row else None

    def backing_key(self, account: str, region: str, material_id: str) -> bytearray:
        """The unwrapped material. It belongs to the cache: don't keep, change or wipe it.

        Raises RootError if the row was altered, KeyError if there is no such material or it is not
        imported now.
        """
        name = (account, region, material_id)
        backing = self._backing.get(name)
        if backing is None:
            material = self.material(account, region, material_id)
            if material is None or not material.wrapped:
                raise KeyError(material_id)
            self._bound(self._backing)
            backing = self._root.unwrap("material", material.binding, material.wrapped)
            self._backing[name] = backing
        return backing

    def derivation_key(self, account: str, region: str, material_id: str) -> HMAC:
        """The material of a symmetric key as `ciphertext` takes it; raises as `backing_key`."""
        name = (account, region, material_id)
        found = self._derivations.get(name)
        if found is None:
            found = derivation(self.backing_key(*name))
            self._bound(self._derivations)
            self._derivations[name] = found
        return found

    def private_key(self, key: Key) -> PrivateKey:
        """The opened private key of an asymmetric `key`. It belongs to the cache, like a material.

        Raises RootError if the row was altered, KeyError if there is no such material.
        """
        name = (key.account, key.region, key.material_id)
        opened = self._private.get(name)
        if opened is None:
            material = self.material(*name)
            if material is None:
                raise KeyError(key.material_id)
            self._bound(self._private)
            der = self._root.unwrap("material", material.binding, material.wrapped)
            opened = open_private(der)
            der[:] = bytes(len(der))
            self._private[name] = opened
        return opened

    def keys(self, account: str, region: str, *, after: str, limit: int) -> list[str]:
        """Key ids in order, from the one behind `after` on."""
        rows = self._connection.execute(
            "SELECT key_id FROM keys WHERE account=? AND region=? AND key_id>?"
            " ORDER BY key_id LIMIT ?",
            (account, region, after, limit),
        )
        return [row[0] for row in rows]

    def aliases(
        self, account: str, region: str, *, key_id: str | None, after: str, limit: int
    ) -> list[Alias]:
        """Aliases in order, from the one behind `after` on; only those of `key_id` if given."""
        if key_id is None:
            of = "aliases WHERE account=? AND region=?"
            whose: tuple[str, ...] = (account, region)
        else:
            # The planner would read all of the account's aliases, because those are in order too.
            of = "aliases INDEXED BY aliases_by_key WHERE account=? AND region=? AND key_id=?"
            whose = (account, region, key_id)
        rows = self._connection.execute(
            f"SELECT {ALIAS_COLUMNS} FROM {of} AND name>? ORDER BY name LIMIT ?",
            (*whose, after, limit),
        )
        return [alias_from_row(row) for row in rows]

    def new_material(self, key: Key, backing: bytearray, now: float) -> Material:
        """The first material of `key`, not stored yet: `backing`, which is wrapped and wiped."""
        material_id = self.identify(key.key_id, backing)
        draft = Material(
            material_id, key.account, key.region, key.key_id, key.spec, key.usage, b"", now
        )
        return self.wrap(draft, backing)

    def wrap(self, draft: Material, backing: bytearray) -> Material:
        """`draft` with `backing`, which is wiped, as its wrapped bytes."""
        wrapped = self._root.wrap("material", draft.binding, backing)
        backing[:] = bytes(len(backing))
        return replace(draft, wrapped=wrapped)

    @property
    def next_due_at(self) -> float:
        """The first date at which something happens to any key; infinite if nothing is due."""
        if self._next_due_at is None:
            row = self._row("SELECT min(due_at) FROM keys WHERE due_at IS NOT NULL", ())
            assert row is not None
            self._next_due_at = math.inf if row[0] is None else row[0]
        return self._next_due_at

    def related(self, key: Key) -> list[Key]:
        """The multi-Region keys that `key` is one of, itself included, by Region."""
        return Edit(self._connection).related(key)

    def materials(self, key: Key) -> list[Material]:
        """The materials of `key`, oldest first."""
        return Edit(self._connection).materials(key)

    @contextmanager
    def edit(self) -> Iterator[Edit]:
        """A transaction to write in; an exception leaves the store as it was."""
        with self._transaction():
            edit = Edit(self._connection)
            yield edit
            if edit.destroyed:
                store_erasure.owe(self._connection)
        if edit.destroyed:
            store_erasure.begin(self._connection)

    @property
    def owes_erasure(self) -> bool:
        """Whether the disk may still have copies of materials that were destroyed."""
        return store_erasure.is_owed(self._connection)

    def erase(self) -> bool:
        """Take those copies off it; False if some reader is in the way. In any thread, blocking."""
        with closing(connect(self._folder)) as connection:
            return store_erasure.settle(connection)

    def add_key(self, key: Key, material: Material | None, alias: Alias | None = None) -> bool:
        """Store a new key. False, and nothing is stored, if the alias was taken meanwhile."""
        with self.edit() as edit:
            if alias is not None:
                if edit.alias(alias.account, alias.region, alias.name) is not None:
                    return False
                edit.put_alias(alias)
            edit.add_key(key)
            if material is not None:
                edit.put_material(material)
        return True

    def delete_alias(self, alias: Alias) -> None:
        with self.edit() as edit:
            edit.remove_alias(alias)

    def clear(self) -> None:
        """Delete every key with what belongs to it; services' own keys stay."""
        with self._transaction():
            for table in OF_A_KEY:
                self._cursor.execute(f"DELETE FROM {table}")
        self.usage.forget()

    def owned(self, owner: str, now: float) -> tuple[str, HMAC]:
        """The id and `derivation` of the key that a service owns; made on first use."""
        found = self._owned.get(owner)
        if found is None:
            row = self._row("SELECT material_id, wrapped FROM owned WHERE owner=?", (owner,))
            if row is None:
                row = self._make_owned(owner, now)
            self._bound(self._owned)
            backing = self._root.unwrap("owned", (owner, row[0]), row[1])
            found = row[0], derivation(backing)
            backing[:] = bytes(len(backing))
            self._owned[owner] = found
        return found

    def seal(self, name: str, secret: bytes | bytearray) -> bytes:
        return self._root.wrap("secret", (name,), secret)

    def open_sealed(self, name: str, sealed: bytes) -> bytearray:
        return self._root.unwrap("secret", (name,), sealed)

    def setting(self, name: str) -> bytes | None:
        row = self._row("SELECT value FROM settings WHERE name=?", (name,))
        return row[0] if row else None

    def add_setting(self, name: str, value: bytes) -> bytes:
        """Store a setting unless it exists; answers the stored one."""
        with self._transaction():
            self._cursor.execute("INSERT OR IGNORE INTO settings VALUES (?,?)", (name, value))
            row = self._row("SELECT value FROM settings WHERE name=?", (name,))
        assert row is not None
        stored: bytes = row[0]
        return stored

    def _make_owned(self, owner: str, now: float) -> tuple[Any, ...]:
        backing = bytearray(MATERIAL_BYTES)
        self._root.fill_random(backing)
        material_id = self.identify(f"owned/{owner}", backing)
        wrapped = self._root.wrap("owned", (owner, material_id), backing)
        backing[:] = bytes(len(backing))
        with self._transaction():
            self._cursor.execute(
                "INSERT OR IGNORE INTO owned VALUES (?,?,?,?)", (owner, material_id, wrapped, now)
            )
            row = self._row("SELECT material_id, wrapped FROM owned WHERE owner=?", (owner,))
        assert row is not None
        return row

    def identify(self, key_id: str, backing: bytearray) -> str:
        """The id of a key's material: the same for the same bytes, in every Region.

        It does not confirm a guess of the material to those who see it.
        """
        sealed = self.setting(IDENTITY)
        if sealed is None:
            raise RootError("the key store has lost its secret for material ids")
        secret = self.open_sealed(IDENTITY, sealed)
        mac = hmac.new(secret, key_id.encode() + b"\0", "sha256")
        secret[:] = bytes(len(secret))
        mac.update(backing)
        return mac.hexdigest()

    def _read_key(self, name: tuple[str, str, str]) -> Key | None:
        row = self._row(
            f"SELECT {KEY_COLUMNS} FROM keys WHERE account=? AND region=? AND key_id=?", name
        )
        return key_from_row(row) if row else None

    def _row(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return row

    def _data_version(self) -> int:
        version: int = self._cursor.execute("PRAGMA data_version").get
        return version

    def _bound(self, cache: dict[Any, Any]) -> None:
        if len(cache) >= CACHE_ENTRIES_MAX:
            self.flush()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with immediate(self._connection):
            yield
        self._generation.change()
        self.flush()
