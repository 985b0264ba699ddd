import fcntl
import threading
from pathlib import Path
from typing import cast

import apsw
import pytest

from objstore.storage import index_checkpoint
from objstore.storage.commits import COMMIT_LOCK, locked
from objstore.storage.index import connect, prepare
from objstore.storage.index_checkpoint import Checkpointer, checkpoint


def test_a_large_log_is_emptied_unless_somebody_commits(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    prepare(connection)
    log = tmp_path / "index.db-wal"
    assert log.stat().st_size > 0
    checkpoint(connection, tmp_path)
    assert log.stat().st_size > 0
    with locked(tmp_path / COMMIT_LOCK, fcntl.LOCK_EX):
        checkpoint(connection, tmp_path, log_bytes_max=0)
    assert log.stat().st_size > 0
    checkpoint(connection, tmp_path, log_bytes_max=0)
    assert log.stat().st_size == 0
    connection.close()


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    class Full:
        tries = 0

        def wal_checkpoint(self, *, mode: int) -> None:
            self.tries += 1
            raise apsw.FullError("database or disk is full")

    full = Full()
    checkpoint(cast(apsw.Connection, full), tmp_path)
    assert full.tries == 1


def test_it_stops_when_told(tmp_path: Path) -> None:
    first, second = Checkpointer(tmp_path), Checkpointer(tmp_path)
    first.close()
    second.close()


def test_it_goes_on_after_what_it_could_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("too many open files"), apsw.CantOpenError("unable to open")]
    opened = threading.Event()

    def connect_late(folder: Path) -> apsw.Connection:
        if failures:
            raise failures.pop()
        opened.set()
        return connect(folder)

    monkeypatch.setattr(index_checkpoint, "CHECKPOINT_SECONDS", 0.001)
    monkeypatch.setattr(index_checkpoint, "connect", connect_late)
    checkpointer = Checkpointer(tmp_path)
    assert opened.wait(10)
    checkpointer.close()
