"""Queues as files."""

from pathlib import Path

import pytest

from objstore.storage import queues
from objstore.storage.queues import QueueFiles


def test_lines_are_added(tmp_path: Path) -> None:
    files = QueueFiles(tmp_path)
    files.append("q", [b"one", b"two"])
    files.append("q", [b"three"])
    assert files.path("q").read_bytes() == b"one\ntwo\nthree\n"
    assert files.path("q").stat().st_mode & 0o777 == 0o600
    assert files.path("q").parent.stat().st_mode & 0o777 == 0o700


def test_a_full_file_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "QUEUE_BYTES_MAX", 10)
    files = QueueFiles(tmp_path)
    for line in (b"12345", b"123", b"45678", b"abcdefghi"):
        files.append("q", [line])
    assert files.path("q").read_bytes() == b"abcdefghi\n"
    assert (files.path("q").parent / "q.jsonl.old").read_bytes() == b"45678\n"


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    files = QueueFiles(tmp_path)
    files.append("q", [b"one"])
    with files.path("q").open("ab") as file:
        file.write(b"tw")
    files.append("q", [b"three"])
    assert files.path("q").read_bytes() == b"one\ntw\nthree\n"


def test_a_new_file_survives_a_power_loss_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "QUEUE_BYTES_MAX", 10)
    synced: list[Path] = []
    monkeypatch.setattr(queues, "sync_directory", synced.append)
    files = QueueFiles(tmp_path)
    both = [tmp_path / "queues", tmp_path]
    for line, wanted in ((b"1234", both), (b"123", []), (b"5678", both)):
        files.append("q", [line])
        assert synced == wanted
        synced.clear()
