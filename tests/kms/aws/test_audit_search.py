import json
from pathlib import Path
from typing import Any

import pytest

from kms.aws.audit_record import AUTHORIZATION
from kms.aws.audit_search import Search, Wanted, parsed


def line(name: str, second: int, *, management: bool = True) -> str:
    record = {
        "userIdentity": {},
        "eventTime": f"2026-01-01T00:00:{second:02}Z",
        "eventName": name,
        "requestParameters": {"encryptionContext": {"eventTime": "2030-01-01T00:00:00Z"}},
        "managementEvent": management,
        AUTHORIZATION: "allowed",
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "20260101T000000Z-a.jsonl").write_text(
        line("a0", 0) + line("a1", 1) + line("a1-second", 1) + line("data", 1, management=False)
    )
    (tmp_path / "20260101T000001Z-b.jsonl").write_text(
        line("b1", 1) + line("b3", 3) + line("b2-late", 2) + line("torn", 9)[:-20]
    )
    return tmp_path


def found(search: Search, count: int = 100, **wanted: Any) -> list[str]:
    return [record["eventName"] for _, record in search.find(Wanted(**wanted), count)]


ALL = ["b3", "b2-late", "b1", "a1-second", "a1", "a0"]


def test_the_newest_first(folder: Path) -> None:
    search = Search(folder)
    for _ in range(2):
        assert found(search) == ALL
        assert found(search, 2) == ALL[:2]
    assert all(AUTHORIZATION not in record for _, record in search.find(Wanted(), 9))


def test_times_texts_and_what_fits(folder: Path) -> None:
    search = Search(folder)
    for _ in range(2):
        assert found(search, since="2026-01-01T00:00:01Z", until="2026-01-01T00:00:02Z") == ALL[1:5]
        assert found(search, until="2025-01-01T00:00:00Z") == []
        assert found(search, since="2027-01-01T00:00:00Z") == []
    assert found(search, texts=('"eventName":"a1',)) == ["a1-second", "a1"]
    assert found(search, fits=lambda record: record["eventName"].startswith("b")) == ALL[:3]


def test_pages_go_on_where_they_ended(folder: Path) -> None:
    search, names, after = Search(folder), [], None
    for _ in range(3):
        page = search.find(Wanted(after=after), 2)
        names += [record["eventName"] for _, record in page]
        after = page[-1][0]
        newer = folder / "20260101T000010Z-c.jsonl"
        newer.write_text(newer.read_text() + line("new", 10) if newer.exists() else "")
    assert names == ALL
    assert search.find(Wanted(after=after), 2) == []


def test_files_that_grow_and_go(folder: Path) -> None:
    search = Search(folder)
    assert found(search) == ALL
    path = folder / "20260101T000000Z-a.jsonl"
    path.write_text(path.read_text() + line("grown", 5))
    assert found(search, 1) == ["grown"]
    path.unlink()
    assert found(search) == ALL[:3]


def test_no_trail_yet(tmp_path: Path) -> None:
    assert Search(tmp_path / "none").find(Wanted(), 1) == []


def test_lines_that_are_none() -> None:
    assert parsed(b"{") is None
