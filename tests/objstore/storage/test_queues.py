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
