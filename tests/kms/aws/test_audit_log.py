import errno
import json
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kms.aws import audit_log
from kms.aws.audit_log import RETENTION_SECONDS, AuditLog, files_of
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Principal, PrincipalKind

NOW = 1_700_000_000.0
ROOT = Principal(PrincipalKind.ROOT, "111122223333", "arn:aws:iam::111122223333:root", "1")
CALLER = Caller(ROOT, "AKIA1", "us-east-1", "request-1")


def event(name: str, at: float = NOW) -> dict[str, Any]:
    return {
        "eventSource": "kms.amazonaws.com",
        "eventName": name,
        "eventTime": at,
        "eventID": name,
        "caller": CALLER,
        "readOnly": True,
        "errorCode": "",
        "errorMessage": "",
    }


def names(folder: Path) -> list[str]:
    """The events in the files, the oldest file first."""
    return [
        json.loads(line)["eventName"]
        for path in reversed(files_of(folder))
        for line in path.read_text().splitlines()
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def test_what_is_recorded_is_written(folder: Path) -> None:
    log = AuditLog(folder, FixedClock(NOW))
    assert not folder.exists()
    log.record(event("a"))
    log.flush()
    assert names(folder) == ["a"]
    log.record(event("b"))
    log.close()
    assert names(folder) == ["a", "b"]
    [path] = files_of(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_is_written_without_anybody_asking(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    sync = os.fdatasync

    def tell(descriptor: int) -> None:
        sync(descriptor)
        written.set()

    monkeypatch.setattr(os, "fdatasync", tell)
    log = AuditLog(folder, FixedClock(NOW))
    log.record(event("a"))
    assert written.wait(30)
    assert names(folder) == ["a"]
    log.close()


def test_a_second_log_keeps_what_the_first_wrote(folder: Path) -> None:
    for name in ("a", "b"):
        log = AuditLog(folder, FixedClock(NOW))
        log.record(event(name))
        log.close()
    assert sorted(names(folder)) == ["a", "b"]
    assert len(files_of(folder)) == 2


def test_files_are_begun_anew_and_the_oldest_go(folder: Path) -> None:
    log = AuditLog(folder, FixedClock(NOW), file_bytes_max=1_000, folder_bytes_max=2_500)
    for number in range(10):
        log.record(event(f"e{number}", NOW + number))
        log.flush()
    log.close()
    sizes = [path.stat().st_size for path in files_of(folder)]
    assert max(sizes) <= 1_000
    assert sum(sizes[1:]) <= 2_500
    kept = names(folder)
    assert 1 < len(kept) < 10
    assert kept == [f"e{number}" for number in range(10 - len(kept), 10)]


def test_what_is_too_old_goes(folder: Path) -> None:
    clock = FixedClock(NOW)
    for _ in range(2):
        log = AuditLog(folder, clock)
        log.record(event("e", clock.now()))
        log.close()
        clock.advance(RETENTION_SECONDS + 1)
    assert len(files_of(folder)) == 1


def test_old_files_are_begun_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "FILE_SECONDS_MAX", -1.0)
    log = AuditLog(folder, FixedClock(NOW))
    for name in ("a", "b"):
        log.record(event(name))
        log.flush()
    log.close()
    assert len(files_of(folder)) == 2


def test_clearing_forgets_all_and_goes_on(folder: Path) -> None:
    first, second = (AuditLog(folder, FixedClock(NOW)) for _ in range(2))
    for log in (first, second):
        log.record(event("before"))
        log.flush()
    first.record(event("pending"))
    first.clear()
    assert files_of(folder) == []
    for log in (first, second):
        log.record(event("after"))
        log.close()
    assert names(folder) == ["after", "after"]


def test_a_disk_that_refuses_loses_nothing_at_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder.touch()
    monkeypatch.setattr(audit_log, "PENDING_MAX", 2)
    log = AuditLog(folder, FixedClock(NOW))
    with caplog.at_level(logging.ERROR, "kms.audit"):
        for name in ("a", "b", "c"):
            log.record(event(name))
        log.flush()
    assert "cannot be written" in caplog.text
    assert "are lost: 1" in caplog.text
    folder.unlink()
    log.close()
    assert names(folder) == ["a", "b"]


def test_a_full_disk_leaves_whole_lines_in_one_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, 2_000

    def short_write(descriptor: int, data: bytes) -> int:
        left = room - os.fstat(descriptor).st_size
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:left])

    log = AuditLog(folder, FixedClock(NOW))
    monkeypatch.setattr(os, "write", short_write)
    for number in range(10):
        log.record(event(str(number)))
        log.flush()
        log.flush()
    some = names(folder)
    assert 0 < len(some) < 10
    assert len(files_of(folder)) == 1
    monkeypatch.undo()
    log.close()
    assert names(folder) == [str(number) for number in range(10)]


def test_it_keeps_off_the_last_room_until_it_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = 1_000_000

    def measured(_: int) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free, f_frsize=1)

    monkeypatch.setattr(os, "fstatvfs", measured)
    log = AuditLog(folder, FixedClock(NOW), free_bytes_min=1_000_000)
    for name in ("a", "b"):
        log.record(event(name))
        log.flush()
    assert names(folder) == []
    assert "the room that is left is kept" in caplog.text
    free = 1_100_000
    log.flush()
    assert names(folder) == ["a", "b"]
    free = 10_000
    log.record(event("c"))
    log.flush()
    assert names(folder) == ["a", "b"]
    log.close()
    assert names(folder) == ["a", "b", "c"]


def test_what_a_full_disk_did_not_take_until_the_end_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.touch()
    log = AuditLog(folder, FixedClock(NOW))
    log.record(event("a"))
    log.close()
    assert "are lost: 1" in caplog.text


def test_an_event_without_a_record_stops_no_other(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(folder, FixedClock(NOW))
    log.record(event("a"))
    log.record({"eventName": "odd", "eventTime": NOW})
    log.record(event("b"))
    log.close()
    assert names(folder) == ["a", "b"]
    assert "no record: odd" in caplog.text
