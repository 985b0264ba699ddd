"""The outbox: what is to be told or done after a write, in the write's own transaction.

So nothing that happened is forgotten, and nothing is told that did not. Whoever works a message
off settles it; what could not be done yet is due again later. Ids grow in the order of commits.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import apsw

from objstore.storage.commits import Transaction
from objstore.storage.index import pack_json, select
from objstore.storage.records import Message, Queued

T = TypeVar("T")


def append(connection: apsw.Connection, messages: Iterable[Message]) -> None:
    """Add messages, due at once."""
    for message in messages:
        connection.execute(
            "INSERT INTO outbox (kind, due_ms, attempts, body) VALUES (?, 0, 0, ?)",
            (message.kind, pack_json(message.body)),
        )


def telling(transaction: Transaction[T], messages: Sequence[Message]) -> Transaction[T]:
    """The transaction, with messages of it."""

    def run(connection: apsw.Connection) -> T:
        result = transaction(connection)
        append(connection, messages)
        return result

    return run if messages else transaction


def telling_if_found(
    transaction: Transaction[T | None], messages: Sequence[Message]
) -> Transaction[T | None]:
    """The transaction, with messages if it finds what it is about."""

    def run(connection: apsw.Connection) -> T | None:
        result = transaction(connection)
        if result is not None:
            append(connection, messages)
        return result

    return run if messages else transaction


def due(connection: apsw.Connection, kind: str, now_ms: int, limit: int) -> list[Queued]:
    """Up to `limit` messages of a kind that are due, oldest first."""
    rows: list[Any] = select(
        connection,
        "SELECT id, kind, attempts, body FROM outbox WHERE kind = ? AND due_ms <= ? "
        "ORDER BY id LIMIT ?",
        (kind, now_ms, limit),
    )
    return [Queued(row[0], row[2], Message(row[1], json.loads(row[3]))) for row in rows]


def settle(
    connection: apsw.Connection, done: Sequence[int], postponed: Sequence[tuple[Queued, int]]
) -> None:
    """Remove what is done; have the rest, with its body and attempts, due again at its time."""
    for identity in done:
        connection.execute("DELETE FROM outbox WHERE id = ?", (identity,))
    for queued, due_ms in postponed:
        connection.execute(
            "UPDATE outbox SET due_ms = ?, attempts = ?, body = ? WHERE id = ?",
            (due_ms, queued.attempts, pack_json(queued.message.body), queued.identity),
        )


def count(connection: apsw.Connection, kind: str) -> int:
    """How many messages of a kind wait."""
    [(found,)] = select(connection, "SELECT count(*) FROM outbox WHERE kind = ?", (kind,))
    return int(found)
