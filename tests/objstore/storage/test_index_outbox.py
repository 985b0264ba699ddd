"""The outbox: messages go in with a write or not at all, and come out in order."""

from pathlib import Path

import apsw
import pytest

from objstore.storage import index_outbox
from objstore.storage.index import connect, prepare
from objstore.storage.index_outbox import telling, telling_if_found
from objstore.storage.records import Message, Queued

ONE, TWO, OTHER = Message("k", {"n": 1}), Message("k", {"n": 2}), Message("other", {})


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    connection = connect(tmp_path)
    prepare(connection)
    return connection


def waiting(connection: apsw.Connection, now_ms: int = 0) -> list[tuple[int, int]]:
    """Number and attempts of what is due."""
    found = index_outbox.due(connection, "k", now_ms, 10)
    return [(queued.message.body["n"], queued.attempts) for queued in found]


def test_messages_come_out_by_kind_in_order(connection: apsw.Connection) -> None:
    index_outbox.append(connection, [ONE, OTHER, TWO])
    assert waiting(connection) == [(1, 0), (2, 0)]
    first, second = index_outbox.due(connection, "k", 0, 10)
    assert first.identity < second.identity
    assert len(index_outbox.due(connection, "k", 0, 1)) == 1
    assert index_outbox.count(connection, "k") == 2


def test_what_is_done_goes_and_the_rest_waits(connection: apsw.Connection) -> None:
    index_outbox.append(connection, [ONE, TWO])
    first, second = index_outbox.due(connection, "k", 0, 10)
    again = Queued(second.identity, 3, Message("k", {"n": 5}))
    index_outbox.settle(connection, [first.identity], [(again, 1000)])
    assert waiting(connection, 999) == []
    assert waiting(connection, 1000) == [(5, 3)]


def test_ids_are_never_used_twice(connection: apsw.Connection) -> None:
    index_outbox.append(connection, [ONE])
    [first] = index_outbox.due(connection, "k", 0, 10)
    index_outbox.settle(connection, [first.identity], [])
    index_outbox.append(connection, [ONE])
    [second] = index_outbox.due(connection, "k", 0, 10)
    assert second.identity > first.identity


@pytest.mark.parametrize(
    ("result", "expected"), [("found", [(1, 0)]), (None, [])], ids=["found", "not found"]
)
def test_writes_tell_of_what_they_find(
    connection: apsw.Connection, result: str | None, expected: list[tuple[int, int]]
) -> None:
    assert telling_if_found(lambda _: result, [ONE])(connection) == result
    assert waiting(connection) == expected


def test_writes_tell(connection: apsw.Connection) -> None:
    assert telling(lambda _: None, [TWO])(connection) is None
    assert waiting(connection) == [(2, 0)]
