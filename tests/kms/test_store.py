import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from kms import store as store_module
from kms.key import Alias, Key, KeyState, Material
from kms.material import generate
from kms.root import KeyFile, RootError
from kms.store import Store
from kms.store_connection import StoreError
from kms.store_edits import Edit
from kms.store_grants import GrantEdits

ACCOUNT, REGION = "111122223333", "us-east-1"
KEY_ID = "00000000-0000-4000-8000-000000000000"


def opened(folder: Path) -> Store:
    return Store.open(folder, KeyFile(folder / "root.key"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Iterator[Store]:
    made = opened(tmp_path)
    yield made
    made.close()


def fresh(store: Store, key_id: str) -> tuple[Key, Material]:
    draft = Key(ACCOUNT, REGION, key_id, 1.0, "", "{}")
    material = store.new_material(draft, generate(draft.spec), 1.0)
    return replace(draft, material_id=material.material_id), material


def add(store: Store, key_id: str = KEY_ID, alias: str | None = None) -> Key:
    key, material = fresh(store, key_id)
    name = Alias(ACCOUNT, REGION, alias, key_id, 1.0, 1.0) if alias else None
    assert store.add_key(key, material, name)
    return key


def update(store: Store, key: Key, **changes: Any) -> Key:
    changed = replace(key, **changes)
    with store.edit() as edit:
        edit.put_key(changed)
    return changed


def test_keys_come_back(store: Store) -> None:
    key = add(store)
    assert store.key(ACCOUNT, REGION, KEY_ID) == key
    assert store.key("444455556666", REGION, KEY_ID) is None
    assert store.key(ACCOUNT, "eu-west-1", KEY_ID) is None
    assert store.keys(ACCOUNT, REGION, after="", limit=9) == [KEY_ID]
    assert store.keys(ACCOUNT, REGION, after=KEY_ID, limit=9) == []
    assert len(key.material_id) == 64


def test_only_wrapped_material_is_on_disk(store: Store, tmp_path: Path) -> None:
    key = add(store)
    backing = bytes(store.backing_key(ACCOUNT, REGION, key.material_id))
    assert len(backing) == 32
    for path in tmp_path.iterdir():
        assert backing not in path.read_bytes()


def test_two_stores_see_each_other(store: Store, other: Store) -> None:
    key = add(store)
    other.refresh()
    assert other.key(ACCOUNT, REGION, KEY_ID) == key
    update(store, key, state=KeyState.DISABLED)
    other.refresh()
    seen = other.key(ACCOUNT, REGION, KEY_ID)
    assert seen is not None
    assert seen.state is KeyState.DISABLED


def test_unwrapped_material_is_wiped_when_another_process_commits(
    store: Store, other: Store
) -> None:
    key = add(store)
    other.refresh()
    backing = other.backing_key(ACCOUNT, REGION, key.material_id)
    assert any(backing)
    update(store, key, description="x")
    other.refresh()
    assert not any(backing)


def test_a_change_that_raises_changes_nothing(store: Store) -> None:
    key = add(store)

    def change() -> None:
        with store.edit() as edit:
            edit.put_key(replace(key, description="x"))
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        change()
    assert store.key(ACCOUNT, REGION, KEY_ID) == key


def test_removing_a_key_takes_material_and_aliases_along(store: Store) -> None:
    key = add(store, alias="alias/a")
    with store.edit() as edit:
        edit.remove_key(key)
    assert store.key(ACCOUNT, REGION, KEY_ID) is None
    assert store.alias(ACCOUNT, REGION, "alias/a") is None
    assert store.material_in(REGION, key.material_id) is None
    with pytest.raises(KeyError):
        store.backing_key(ACCOUNT, REGION, key.material_id)


def test_the_next_date_of_any_key(store: Store, other: Store) -> None:
    assert store.next_due_at == math.inf
    key = add(store)
    add(store, "11111111-0000-4000-8000-000000000000")
    assert store.next_due_at == math.inf
    assert other.next_due_at == math.inf
    changed = update(store, key, deletion_at=50.0)
    other.refresh()
    assert store.next_due_at == other.next_due_at == 50.0
    with store.edit() as edit:
        assert edit.due(49.0, 10) == []
        assert edit.due(50.0, 10) == [changed]


def test_aliases(store: Store) -> None:
    add(store, alias="alias/a")
    second = Alias(ACCOUNT, REGION, "alias/b", KEY_ID, 1.0, 1.0)
    with store.edit() as edit:
        edit.put_alias(second)
        assert edit.count_aliases(ACCOUNT, REGION, KEY_ID) == 2
    found = store.aliases(ACCOUNT, REGION, key_id=None, after="", limit=9)
    assert [alias.name for alias in found] == ["alias/a", "alias/b"]
    assert store.aliases(ACCOUNT, REGION, key_id="other", after="", limit=9) == []
    store.delete_alias(second)
    assert store.alias(ACCOUNT, REGION, "alias/b") is None


def test_lists_are_read_in_the_order_of_an_index(store: Store) -> None:
    """A page costs what is on it, however much there is beside it."""
    seen: list[tuple[str, Any]] = []
    connection = store._connection

    def trace(cursor: apsw.Cursor, sql: str, values: Any) -> bool:
        seen.append((sql, values))
        return True

    connection.exec_trace = trace
    of_key = (ACCOUNT, REGION, KEY_ID)
    store.keys(ACCOUNT, REGION, after="", limit=1)
    store.grants.retirable(REGION, "AROAR", after="", limit=1)
    for key_id, grantee in ((None, None), (KEY_ID, "AIDABOB")):
        store.aliases(ACCOUNT, REGION, key_id=key_id, after="", limit=1)
        store.grants.page(of_key, grantee=grantee, after="", limit=1)
    GrantEdits(connection).named(of_key, "name")
    GrantEdits(connection).count(of_key)
    Edit(connection).count_aliases(*of_key)
    Edit(connection).count_keys(ACCOUNT, REGION, "CUSTOMER")
    connection.exec_trace = None
    assert len(seen) == 10
    for sql, values in seen:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        (plan,) = [str(row[3]) for row in rows]
        assert plan.startswith("SEARCH")
        assert [plan.count(term) for term in ("=?", ">?")] == [
            sql.count(term) for term in ("=?", ">?")
        ]


def test_a_taken_alias_stores_no_key(store: Store) -> None:
    add(store, alias="alias/a")
    key, material = fresh(store, "second")
    assert not store.add_key(key, material, Alias(ACCOUNT, REGION, "alias/a", "second", 1.0, 1.0))
    assert store.key(ACCOUNT, REGION, "second") is None


def test_owned_keys_and_secrets(store: Store, other: Store) -> None:
    (material_id, one), (same_id, same) = store.owned("s3", 1.0), other.owned("s3", 2.0)
    assert (material_id, one.copy().finalize()) == (same_id, same.copy().finalize())
    assert store.owned("else", 1.0)[0] != material_id
    sealed = store.seal("root", b"secret")
    assert other.open_sealed("root", sealed) == b"secret"
    with pytest.raises(RootError):
        other.open_sealed("other name", sealed)
    assert store.add_setting("a", b"1") == b"1"
    assert other.add_setting("a", b"2") == b"1"
    assert store.setting("b") is None


def test_rows_cannot_be_exchanged(store: Store, tmp_path: Path) -> None:
    first, second = add(store), add(store, "11111111-0000-4000-8000-000000000000")
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute(
        "UPDATE materials SET wrapped=(SELECT wrapped FROM materials WHERE material_id=?)"
        " WHERE material_id=?",
        (first.material_id, second.material_id),
    )
    raw.close()
    store.refresh()
    with pytest.raises(RootError, match="altered or moved"):
        store.backing_key(ACCOUNT, REGION, second.material_id)


def test_wrong_or_missing_root_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    add(store)
    store.close()
    before = (tmp_path / "keys.db").read_bytes()
    key_file = tmp_path / "root.key"
    good = key_file.read_bytes()
    key_file.unlink()
    with pytest.raises(RootError, match="cannot open"):
        opened(tmp_path)
    assert not key_file.exists()
    key_file.write_bytes(b"kms-root-key-v1 " + b"11" * 32 + b"\n")
    key_file.chmod(0o600)
    with pytest.raises(RootError, match="is not the one"):
        opened(tmp_path)
    assert (tmp_path / "keys.db").read_bytes() == before
    key_file.write_bytes(good)
    opened(tmp_path).close()


def test_lost_domain_keys_and_unknown_schemas(store: Store, tmp_path: Path) -> None:
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute("DELETE FROM settings")
    with pytest.raises(RootError, match="lost its secret"):
        store.identify(KEY_ID, bytearray(32))
    raw.execute("DELETE FROM domain_keys")
    with pytest.raises(RootError, match="lost its domain keys"):
        opened(tmp_path)
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(StoreError, match="schema 99"):
        opened(tmp_path)


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match=r"keys\.db"):
        opened(tmp_path)


def test_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StoreError, match=r"3\.51\.2"):
        opened(tmp_path)


def test_caches_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CACHE_ENTRIES_MAX", 2)
    for number in range(5):
        assert store.key(ACCOUNT, REGION, str(number)) is None
        assert len(store._keys) <= 2


def test_a_failed_write_leaves_the_store_usable(store: Store, other: Store, tmp_path: Path) -> None:
    key = add(store)
    with pytest.raises(StoreError, match="could not be written"):
        add(store)
    assert store.key(ACCOUNT, REGION, KEY_ID) == key
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute("BEGIN IMMEDIATE")
    other._connection.set_busy_timeout(0)
    with pytest.raises(StoreError, match="locked for too long"):
        update(other, key)
    raw.execute("ROLLBACK")
    raw.close()
    assert update(other, key) == key


def test_how_the_database_is_opened(store: Store) -> None:
    settings = ("journal_mode", "synchronous", "secure_delete")
    assert [store._connection.pragma(name) for name in settings] == ["wal", 2, 1]
