from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from kms import store_usage
from kms.store_usage import Usage, Use

ARN = "arn:aws:kms:us-east-1:111122223333:key/a"


def use(at: float, operation: str = "Encrypt") -> Use:
    return Use(operation, at, f"event-{at}", f"request-{at}")


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[Usage]:
    opened = Usage(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def other(usage: Usage, tmp_path: Path) -> Iterator[Usage]:
    opened = Usage(tmp_path)
    yield opened
    opened.close()


def test_the_last_use_is_told(usage: Usage) -> None:
    assert usage.last(ARN) is None
    for at in (1.0, 2.0):
        usage.note(ARN, use(at))
    assert usage.last(ARN) == use(2.0)
    assert usage.last(ARN + "b") is None


def test_uses_are_written_together(usage: Usage, other: Usage) -> None:
    usage.note(ARN, use(1.0))
    assert other.last(ARN) == use(1.0)
    for at in (2.0, 3.0):
        usage.note(ARN, use(at))
    assert other.last(ARN) == use(1.0)
    usage.flush()
    assert other.last(ARN) == use(3.0)


def test_closing_loses_nothing(tmp_path: Path) -> None:
    usage = Usage(tmp_path)
    for at in (1.0, 2.0):
        usage.note(ARN, use(at))
    usage.close()
    again = Usage(tmp_path)
    assert again.last(ARN) == use(2.0)
    again.close()


def test_the_latest_use_of_all_processes_stays(usage: Usage, other: Usage) -> None:
    other.note(ARN, use(5.0))
    usage.note(ARN, use(4.0))
    usage.note(ARN + "b", use(6.0))
    assert usage.last(ARN) == use(5.0)
    usage.note(ARN, use(7.0, "Decrypt"))
    assert other.last(ARN) == use(5.0)
    assert usage.last(ARN) == use(7.0, "Decrypt")


def test_a_clock_that_was_set_back_counts(usage: Usage) -> None:
    usage.note(ARN, use(1_000.0))
    usage.flush()
    usage.note(ARN, use(10.0))
    assert usage.last(ARN) == use(10.0)


def test_forgetting(usage: Usage) -> None:
    for name in ("a", "b"):
        usage.note(name, use(1.0))
    usage.forget("a")
    assert (usage.last("a"), usage.last("b")) == (None, use(1.0))
    usage.forget()
    assert usage.last("b") is None


def test_what_cannot_be_written_waits(
    usage: Usage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage._connection.set_busy_timeout(0)
    raw = apsw.Connection(str(tmp_path / "usage.db"))
    raw.execute("BEGIN IMMEDIATE")
    usage.note(ARN, use(1.0))
    assert usage.last(ARN) is None
    raw.execute("ROLLBACK")
    assert usage.last(ARN) == use(1.0)
    raw.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(store_usage, "PENDING_MAX", 1)
    usage.note(ARN, use(2.0))
    usage.flush()
    raw.execute("ROLLBACK")
    raw.close()
    assert usage.last(ARN) == use(1.0)
