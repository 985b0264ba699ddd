import asyncio
import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from objstore.storage import commits
from objstore.storage.commits import Committer, locked
from objstore.storage.index import select
from objstore.storage.records import BusyError, NoSpaceError


@pytest.fixture
def committer(tmp_path: Path) -> Iterator[Committer]:
    committer = Committer(tmp_path)
    yield committer
    committer.close()


def insert(name: str) -> commits.Transaction[None]:
    def transaction(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES (?, 1)", (name,))
        if name.startswith("bad"):
            raise ValueError(name)

    return transaction


def names(connection: apsw.Connection) -> list[str]:
    rows = select(connection, "SELECT name FROM meta WHERE name <> 'format' ORDER BY name")
    return [row[0] for row in rows]


async def test_a_refused_transaction_leaves_the_others_alone(committer: Committer) -> None:
    jobs = [committer.commit(insert(name)) for name in ("a", "bad", "b")]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    assert await committer.commit(names) == ["a", "b"]


async def test_only_a_change_to_take_back_makes_the_others_run_again(
    committer: Committer, tmp_path: Path
) -> None:
    calls: list[str] = []

    def noted(name: str, *, refuse: bool = False) -> commits.Transaction[None]:
        def transaction(connection: apsw.Connection) -> None:
            calls.append(name)
            if refuse:
                raise ValueError(name)
            insert(name)(connection)

        return transaction

    for batch, called in (
        ((noted("a"), noted("refused", refuse=True), noted("b")), ["a", "refused", "b"]),
        ((noted("c"), noted("bad"), noted("d")), ["c", "bad", "c", "bad", "d"]),
    ):
        calls.clear()
        with locked(tmp_path / "commit.lock", fcntl.LOCK_EX):
            jobs = [asyncio.ensure_future(committer.commit(one)) for one in batch]
            await asyncio.sleep(0)
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), ValueError, type(None)]
        assert calls == called
    assert await committer.commit(names) == ["a", "b", "c", "d"]


async def test_many_share_one_lock_and_a_cancelled_caller_hurts_nobody(
    committer: Committer, tmp_path: Path
) -> None:
    with locked(tmp_path / "commit.lock", fcntl.LOCK_EX):
        lost = asyncio.ensure_future(committer.commit(insert("lost")))
        kept = asyncio.ensure_future(committer.commit(insert("kept")))
        await asyncio.sleep(0)
        lost.cancel()
    await kept
    assert committer.submit(names).result() == ["kept", "lost"]


def test_the_queue_is_bounded(
    committer: Committer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "QUEUED_MAX", 1)
    begun, release = threading.Event(), threading.Event()

    def wait(connection: apsw.Connection) -> None:
        begun.set()
        release.wait()

    running = committer.submit(wait)
    begun.wait()
    waiting = committer.submit(names)
    with pytest.raises(BusyError):
        committer.submit(names)
    release.set()
    running.result()
    assert waiting.result() == []


def test_a_failed_commit_fails_all_of_its_batch(committer: Committer) -> None:
    def break_off(connection: apsw.Connection) -> None:
        connection.execute("ROLLBACK")

    with pytest.raises(apsw.Error):
        committer.submit(break_off).result()
    committer.submit(insert("a")).result()
    assert committer.submit(names).result() == ["a"]


async def test_a_full_disk_is_no_space_for_all_that_share_the_flush(
    committer: Committer, tmp_path: Path
) -> None:
    """SQLite takes the whole transaction back then, savepoints and all."""

    def limit(connection: apsw.Connection, *, more: int = 0) -> None:
        connection.pragma("max_page_count", connection.pragma("page_count") + more)

    def fill(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('large', zeroblob(100000))")

    await committer.commit(limit)
    with locked(tmp_path / "commit.lock", fcntl.LOCK_EX):
        jobs = [asyncio.ensure_future(committer.commit(one)) for one in (insert("a"), fill)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [NoSpaceError, NoSpaceError]
    await committer.commit(lambda connection: limit(connection, more=1000))
    await committer.commit(insert("b"))
    assert await committer.commit(names) == ["b"]


def test_a_lock_is_exclusive(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", fcntl.LOCK_EX) as first:
        assert first
        with locked(tmp_path / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB) as second:
            assert not second
