from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kms.grant import Grant
from kms.root import KeyFile
from kms.store import Store

KEY = ("111122223333", "us-east-1", "k")
GRANT = Grant(
    "ab" * 32,
    *KEY,
    1.5,
    "444455556666",
    "name",
    "AIDABOB",
    "AROAR",
    ("Decrypt", "Encrypt"),
    equals=(("a", "b"),),
    source_arn="arn:aws:s3:::b",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield opened
    opened.close()


def add(store: Store, *grants: Grant) -> None:
    with store.edit() as edit:
        for grant in grants:
            edit.grants.add(grant)


def test_a_grant_comes_back_as_it_was(store: Store) -> None:
    plain = replace(GRANT, grant_id="cd" * 32, retiree="", equals=None, subset=(), source_arn="")
    add(store, GRANT, plain)
    assert store.grants.get(GRANT.grant_id) == GRANT
    assert store.grants.get(plain.grant_id) == plain
    assert store.grants.get("ef" * 32) is None


def test_grants_of_a_key_and_a_principal_are_remembered_until_one_is_written(store: Store) -> None:
    assert store.grants.of(KEY, "AIDABOB") == ()
    add(store, GRANT, replace(GRANT, grant_id="cd" * 32, grantee="AIDAEVE"))
    found = store.grants.of(KEY, "AIDABOB")
    assert found == (GRANT,)
    assert store.grants.of(KEY, "AIDABOB") is found
    assert store.grants.of(("444455556666", *KEY[1:]), "AIDABOB") == ()
    with store.edit() as edit:
        assert edit.grants.remove(GRANT.grant_id)
        assert not edit.grants.remove(GRANT.grant_id)
    assert store.grants.of(KEY, "AIDABOB") == ()


def test_pages(store: Store) -> None:
    grants = [replace(GRANT, grant_id=f"{number:064x}") for number in range(5)]
    other = replace(GRANT, grant_id=f"{9:064x}", grantee="AIDAEVE", retiree="")
    add(store, *grants, other)
    assert store.grants.page(KEY, grantee=None, after="", limit=10) == [*grants, other]
    assert (
        store.grants.page(KEY, grantee="AIDABOB", after=grants[1].grant_id, limit=2) == grants[2:4]
    )
    assert store.grants.page(KEY, grantee="AIDAEVE", after="", limit=10) == [other]
    assert store.grants.retirable("us-east-1", "AROAR", after="", limit=10) == grants
    assert store.grants.retirable("eu-west-1", "AROAR", after="", limit=10) == []


def test_names_and_counts(store: Store) -> None:
    add(store, GRANT, replace(GRANT, grant_id="cd" * 32, name=""))
    with store.edit() as edit:
        assert edit.grants.named(KEY, "name") == [GRANT]
        assert edit.grants.count(KEY) == 2
        assert edit.grants.count(("111122223333", "us-east-1", "l")) == 0
