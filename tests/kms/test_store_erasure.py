"""What the disk still has of destroyed materials: nothing, in unused parts of pages neither."""

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from kms import store_erasure
from kms.key import Key
from kms.material import generate
from kms.root import KeyFile
from kms.store import Store

ACCOUNT, REGION = "111122223333", "us-east-1"
KEYS, DESTROYED = 300, 150
PIECE_BYTES = 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield made
    made.close()


def add(store: Store, number: int, description: str = "") -> tuple[Key, bytes]:
    """A new key and its wrapped material."""
    key_id = f"{number:08x}-0000-4000-8000-000000000000"
    draft = Key(ACCOUNT, REGION, key_id, 1.0, description, "{}")
    material = store.new_material(draft, generate(draft.spec), 1.0)
    key = replace(draft, material_id=material.material_id)
    store.add_key(key, material)
    return key, material.wrapped


def remove(store: Store, *keys: Key) -> None:
    with store.edit() as edit:
        for key in keys:
            edit.remove_key(key)


def left(folder: Path, wrapped: list[bytes]) -> int:
    """How many pieces of wrapped materials are anywhere in the files of a folder."""
    held = b"\n".join(path.read_bytes() for path in folder.iterdir())
    return sum(
        piece in held
        for one in wrapped
        for piece in (one[at : at + PIECE_BYTES] for at in range(0, len(one), PIECE_BYTES))
        if len(piece) == PIECE_BYTES
    )


def test_rows_that_moved_between_pages_leave_nothing(store: Store, tmp_path: Path) -> None:
    """Many rows of many lengths in random order split pages, and leave copies of rows in them."""
    chance = random.Random(5)
    numbers = chance.sample(range(1 << 32), KEYS)
    made = [add(store, number, "x" * chance.randrange(300)) for number in numbers]
    for key, _ in chance.sample(made, KEYS // 3):
        longer = "y" * chance.randrange(2000)
        with store.edit() as edit:
            edit.put_key(replace(key, description=longer))
    gone, kept = made[:DESTROYED], made[DESTROYED:]
    other = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    remove(store, *(key for key, _ in gone))
    assert left(tmp_path, [wrapped for _, wrapped in gone]) == 0
    for key, wrapped in kept:
        other.refresh()
        assert other.key(ACCOUNT, REGION, key.key_id) is not None
        assert left(tmp_path, [wrapped]) == len(wrapped) // PIECE_BYTES
    other.close()


def test_a_reader_in_the_way_puts_it_off(store: Store, tmp_path: Path) -> None:
    key, wrapped = add(store, 1)
    add(store, 2)
    store._connection.set_busy_timeout(0)
    reader = apsw.Connection(str(tmp_path / "keys.db"))
    rows = reader.execute("SELECT key_id FROM keys")
    next(rows)
    remove(store, key)
    assert left(tmp_path, [wrapped]) > 0
    assert not store_erasure.settle(store._connection)
    rows.close()
    reader.close()
    assert store.erase()
    assert left(tmp_path, [wrapped]) == 0


def test_a_large_database_is_rewritten_by_the_sweep(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_erasure, "PAGES_AT_ONCE_MAX", 1)
    key, wrapped = add(store, 1)
    remove(store, key)
    assert store.owes_erasure
    assert (tmp_path / "keys.db-wal").stat().st_size == 0
    assert store.erase()
    assert not store_erasure.is_owed(store._connection)
    assert left(tmp_path, [wrapped]) == 0


def test_what_is_owed_is_done_at_the_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process had died between the destruction and the erasure."""
    key, wrapped = add(store, 1)
    monkeypatch.setattr(store_erasure, "begin", lambda connection: None)
    remove(store, key)
    assert left(tmp_path, [wrapped]) > 0
    monkeypatch.undo()
    Store.open(tmp_path, KeyFile(tmp_path / "root.key")).close()
    assert left(tmp_path, [wrapped]) == 0


def test_a_disk_that_cannot_be_written_stops_nothing(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, _ = add(store, 1)
    with store.edit() as edit:
        edit.remove_key(key)
    store_erasure.owe(store._connection)
    store._connection.pragma("query_only", True)
    with caplog.at_level(logging.ERROR):
        store_erasure.begin(store._connection)
    assert "could not be taken off the disk yet" in caplog.text
    closed = apsw.Connection("")
    closed.close()
    with caplog.at_level(logging.ERROR):
        store_erasure.begin(closed)
    assert caplog.text.count("could not be taken off the disk yet") == 2
    assert store.owes_erasure
    store._connection.pragma("query_only", False)
    assert store.erase()
