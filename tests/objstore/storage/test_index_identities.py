from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from objstore.storage.index import connect, prepare
from objstore.storage.index_identities import (
    IdentityRows,
    bump_generation,
    note_uses,
    read_generation,
)
from objstore.storage.records import AccessKey, Document, Identity, KeyUse

ACCOUNT = "123456789012"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = connect(tmp_path)
    prepare(connection)
    yield connection
    connection.close()


@pytest.fixture
def rows(connection: apsw.Connection) -> IdentityRows:
    return IdentityRows(connection)


def user(name: str, path: str = "/", **attributes: Any) -> Identity:
    return Identity(ACCOUNT, "user", name, f"AIDA{name.upper()}", path, 7, attributes)


def test_names_are_unique_whatever_their_case(rows: IdentityRows) -> None:
    bob = user("Bob", tags={"a": "b"})
    rows.add(bob)
    assert rows.get(ACCOUNT, "user", "bOB") == bob
    assert rows.by_id("AIDABOB") == bob
    with pytest.raises(apsw.ConstraintError):
        rows.add(replace(bob, name="BOB", unique_id="AIDA2"))
    assert rows.get("111122223333", "user", "Bob") is None
    assert rows.get(ACCOUNT, "group", "Bob") is None
    assert rows.by_id("AIDA2") is None


def test_pages_are_in_the_order_of_names(rows: IdentityRows) -> None:
    for name, path in (("c", "/"), ("B", "/x/"), ("a", "/x/y/"), ("d", "/z/")):
        rows.add(user(name, path))
    rows.add(Identity("111122223333", "user", "e", "AIDAE", "/", 7))
    assert [one.name for one in rows.page(ACCOUNT, "user", limit=9)] == ["a", "B", "c", "d"]
    assert [one.name for one in rows.page(ACCOUNT, "user", after="A", limit=2)] == ["B", "c"]
    assert [one.name for one in rows.page(ACCOUNT, "user", path_prefix="/x", limit=9)] == ["a", "B"]
    assert rows.count(ACCOUNT, "user") == 4


def test_a_renamed_identity_keeps_its_id(rows: IdentityRows) -> None:
    rows.add(user("bob"))
    rows.update(replace(user("bob"), name="Rob", path="/r/", attributes={"tags": {}}))
    assert rows.get(ACCOUNT, "user", "bob") is None
    found = rows.get(ACCOUNT, "user", "rob")
    assert found is not None
    assert (found.unique_id, found.path, found.attributes) == ("AIDABOB", "/r/", {"tags": {}})


def test_what_belongs_to_an_identity_goes_with_it(
    rows: IdentityRows, connection: apsw.Connection
) -> None:
    rows.add(user("bob"))
    rows.put_document(Document("AIDABOB", "p", 1, "{}"))
    rows.put_key(AccessKey("AKIA1", ACCOUNT, "AIDABOB", 1, True, b"sealed"))
    note_uses(connection, [KeyUse("AKIA1", 5, "s3", "us-east-1")])
    rows.link(ACCOUNT, "attached", "AIDABOB", "arn:p")
    rows.link(ACCOUNT, "attached", "AIDAEVE", "arn:p")
    rows.remove(user("bob"))
    assert rows.by_id("AIDABOB") is None
    assert not rows.documents("AIDABOB")
    assert not rows.keys_of("AIDABOB")
    assert rows.key_use("AKIA1") is None
    assert rows.sources(ACCOUNT, "attached", "arn:p") == ["AIDAEVE"]


def test_documents(rows: IdentityRows) -> None:
    rows.put_document(Document("A", "q", 1, "1"))
    rows.put_document(Document("A", "p", 1, "2"))
    rows.put_document(Document("A", "q", 2, "3"))
    assert [(one.name, one.text) for one in rows.documents("A")] == [("p", "2"), ("q", "3")]
    assert rows.document("A", "q") == Document("A", "q", 2, "3")
    assert rows.document("A", "r") is None
    assert rows.remove_document("A", "q")
    assert not rows.remove_document("A", "q")


def test_links_lead_both_ways(rows: IdentityRows) -> None:
    for source, target in (("u1", "g1"), ("u2", "g1"), ("u1", "g2"), ("u1", "g1")):
        rows.link(ACCOUNT, "member", source, target)
    rows.link("111122223333", "member", "u3", "g1")
    assert rows.targets(ACCOUNT, "member", "u1") == ["g1", "g2"]
    assert rows.sources(ACCOUNT, "member", "g1") == ["u1", "u2"]
    assert rows.count_sources(ACCOUNT, "member", "g1") == 2
    assert rows.targets(ACCOUNT, "attached", "u1") == []
    assert rows.unlink(ACCOUNT, "member", "u1", "g1")
    assert not rows.unlink(ACCOUNT, "member", "u1", "g1")


def test_access_keys(rows: IdentityRows) -> None:
    first = AccessKey("AKIA2", ACCOUNT, "AIDA1", 1, True, b"s")
    rows.put_key(first)
    rows.put_key(AccessKey("AKIA1", ACCOUNT, "AIDA1", 2, True, b"t"))
    rows.put_key(replace(first, active=False))
    assert [(key.access_key_id, key.active) for key in rows.keys_of("AIDA1")] == [
        ("AKIA2", False),
        ("AKIA1", True),
    ]
    rows.remove_key("AKIA2")
    assert rows.key("AKIA2") is None
    assert "sealed" not in repr(first)


def test_the_latest_use_of_a_key_is_kept(rows: IdentityRows, connection: apsw.Connection) -> None:
    for used_ms, service in ((5, "s3"), (9, "kms"), (7, "iam")):
        note_uses(connection, [KeyUse("AKIA1", used_ms, service, "us-east-1")])
    assert rows.key_use("AKIA1") == KeyUse("AKIA1", 9, "kms", "us-east-1")
    assert not rows.changed


def test_only_what_changes_something_counts(
    rows: IdentityRows, connection: apsw.Connection
) -> None:
    seen = []
    for write in (
        lambda: rows.remove_document("A", "p"),
        lambda: rows.get(ACCOUNT, "user", "bob"),
        lambda: rows.add(user("bob")),
    ):
        write()
        seen.append(rows.changed)
    assert seen == [False, False, True]
    before = read_generation(connection)
    bump_generation(connection)
    assert read_generation(connection) == before + 1
