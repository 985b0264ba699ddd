from pathlib import Path

import apsw
import pytest

from objstore.storage.index import (
    IndexVersionError,
    connect,
    pack_json,
    pack_refs,
    prepare,
    select,
    unpack_json,
    unpack_refs,
)
from objstore.storage.records import BlobRef


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.0"])
def test_an_unsafe_sqlite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(IndexVersionError):
        connect(tmp_path)


def test_the_settings_that_durability_needs(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    prepare(connection)
    found = {
        name: connection.pragma(name)
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "cell_size_check")
    }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "cell_size_check": 1,
    }
    reader = connect(tmp_path, read_only=True)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM meta")
    reader.close()
    connection.close()


def test_another_format_is_refused(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    prepare(connection)
    prepare(connection)
    connection.execute("UPDATE meta SET value = 2")
    with pytest.raises(IndexVersionError):
        prepare(connection)
    connection.close()


def test_columns_round_trip() -> None:
    refs = (BlobRef(b"i" * 16, 7, 1 << 40, (1 << 64) - 1), BlobRef(b"j" * 16, 0, 0, 0))
    assert unpack_refs(pack_refs(refs)) == refs
    for value in ({}, {"tags": {"ä": "1"}}):
        assert unpack_json(pack_json(value)) == value


def test_point_reads_use_an_index(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    prepare(connection)
    for sql in (
        "SELECT 1 FROM objects WHERE bucket_id = ? AND key = ? ORDER BY sequence DESC LIMIT 1",
        "SELECT size FROM objects WHERE bucket_id = ? AND key = ? AND version_id = ?",
    ):
        plan = select(connection, "EXPLAIN QUERY PLAN " + sql, (b"",) * sql.count("?"))
        assert all("SCAN" not in row[3] and "TEMP" not in row[3] for row in plan)
    connection.close()
