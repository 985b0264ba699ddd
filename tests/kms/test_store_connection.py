from pathlib import Path

import apsw
import pytest

from kms.store_connection import FILE_NAME, StoreError, connect, immediate


def test_a_connection_writes_ahead_and_fully(tmp_path: Path) -> None:
    connection = connect(tmp_path / "new")
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("secure_delete") == 1
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    connection.close()


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match=r"cannot open .*keys\.db"):
        connect(tmp_path)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    connection, other = connect(tmp_path), connect(tmp_path)
    connection.execute("CREATE TABLE t (a)")
    with immediate(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        other.set_busy_timeout(0)
        with pytest.raises(StoreError, match="locked for too long"), immediate(other):
            pass
    with pytest.raises(StoreError, match="could not be written"), immediate(connection):
        connection.execute("INSERT INTO t VALUES (2); INSERT INTO t VALUES (2, 3)")
    with pytest.raises(StoreError, match="could not be written"), immediate(connection):
        connection.execute("INSERT INTO u VALUES (1)")
    assert other.execute("SELECT count(*) FROM t").get == 1
    connection.close()
    other.close()


def test_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StoreError, match=r"3\.51\.2"):
        connect(tmp_path)
