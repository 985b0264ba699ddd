from collections.abc import Callable
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Identity, KeyUse, StoredObject
from objstore.storage.store import Store

BOB = Identity("123456789012", "user", "bob", "AIDABOB", "/", 7)


async def test_another_process_sees_a_change_at_once(
    store: Store, tmp_path: Path, make_object: Callable[..., StoredObject]
) -> None:
    other = Store.open(tmp_path / "data", wall=FixedClock(1e9), space_reserve_bytes=0)
    before = other.identities.generation()
    await store.put_object(make_object())
    assert other.identities.generation() == before
    await store.identities.change(lambda rows: rows.add(BOB))
    assert other.identities.generation() == before + 1 == store.identities.generation()
    assert other.identities.rows.get(BOB.account, "user", "bob") == BOB
    await other.close()


async def test_changes_may_use_the_reserve(tmp_path: Path) -> None:
    full = Store.open(tmp_path / "full", wall=FixedClock(1e9), space_reserve_bytes=1 << 62)
    await full.identities.change(lambda rows: rows.add(BOB))
    assert full.identities.rows.by_id(BOB.unique_id) == BOB
    await full.close()


async def test_a_refused_change_leaves_nothing(store: Store) -> None:
    def change(rows: IdentityRows) -> None:
        rows.add(BOB)
        raise KeyError("refused")

    before = store.identities.generation()
    with pytest.raises(KeyError, match="refused"):
        await store.identities.change(change)
    assert store.identities.rows.by_id(BOB.unique_id) is None
    assert store.identities.generation() == before


async def test_a_change_that_changes_nothing_is_no_news(store: Store) -> None:
    before = store.identities.generation()
    assert await store.identities.change(lambda rows: rows.count(BOB.account, "user")) == 0
    store.identities.note_uses([KeyUse("AKIA1", 5, "s3", "us-east-1")])
    await store.identities.change(lambda rows: None)
    assert store.identities.rows.key_use("AKIA1") == KeyUse("AKIA1", 5, "s3", "us-east-1")
    assert store.identities.generation() == before


async def test_a_reset_forgets_identities(store: Store) -> None:
    await store.identities.change(lambda rows: rows.add(BOB))
    before = store.identities.generation()
    await store.reset()
    assert store.identities.rows.by_id(BOB.unique_id) is None
    assert store.identities.generation() != before
