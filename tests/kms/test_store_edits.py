from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kms.key import Alias, Key, Material, MaterialState
from kms.root import KeyFile
from kms.store import Store

NAME = ("111122223333", "us-east-1", "mrk-1")
KEY = Key(*NAME, 1.0, "aa", "{}", primary_region="us-east-1")
ALIAS = Alias(*NAME[:2], "alias/a", NAME[2], 1.0, 1.0)


def material(number: int, state: MaterialState = MaterialState.CURRENT) -> Material:
    return Material(f"id{number}", *NAME, "S", "U", b"w", 1.0, number, state)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield opened
    opened.close()


def test_an_edit_sees_its_own_writes_and_ends_with_all_of_them(store: Store) -> None:
    with store.edit() as edit:
        edit.add_key(KEY)
        edit.put_material(material(2))
        edit.put_material(material(1, MaterialState.NON_CURRENT))
        edit.put_alias(ALIAS)
        assert edit.key(*NAME) == KEY
        assert edit.count_aliases(*NAME) == 1
        assert edit.count_keys(*NAME[:2], "CUSTOMER") == 1
        assert edit.count_keys(*NAME[:2], "AWS") == 0
    assert store.key(*NAME) == KEY
    assert [found.number for found in store.materials(KEY)] == [1, 2]
    assert store.alias(*NAME[:2], "alias/a") == ALIAS


def test_an_exception_undoes_all_of_it(store: Store) -> None:
    def write_and_stop() -> None:
        with store.edit() as edit:
            edit.add_key(KEY)
            edit.put_material(material(1))
            edit.put_alias(ALIAS)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_and_stop()
    assert store.key(*NAME) is None
    assert store.materials(KEY) == []
    assert store.alias(*NAME[:2], "alias/a") is None


def test_related_keys_share_account_and_id(store: Store) -> None:
    replica = replace(KEY, region="eu-west-1")
    with store.edit() as edit:
        edit.add_key(KEY)
        edit.add_key(replica)
        edit.add_key(replace(KEY, account="444455556666"))
        edit.add_key(replace(KEY, region="eu-west-2", primary_region=""))
    assert store.related(KEY) == [replica, KEY]


def test_materials_and_aliases_are_replaced_and_removed(store: Store) -> None:
    with store.edit() as edit:
        edit.put_material(material(1))
        edit.put_material(replace(material(1), wrapped=b""))
        edit.put_alias(ALIAS)
        edit.put_alias(replace(ALIAS, key_id="other"))
    assert [found.wrapped for found in store.materials(KEY)] == [b""]
    assert store.alias(*NAME[:2], "alias/a") == replace(ALIAS, key_id="other")
    with store.edit() as edit:
        edit.remove_material(material(1))
        edit.remove_alias(ALIAS)
    assert store.materials(KEY) == []
    assert store.alias(*NAME[:2], "alias/a") is None
