from pathlib import Path

import pytest

from objstore import trace
from objstore.call import Trace
from objstore.trace import TraceFile, kept_traces


async def test_traces_are_found_newest_first(tmp_path: Path) -> None:
    file = TraceFile(tmp_path)
    assert await file.find() == []
    for number in range(3):
        file.append({"request_id": str(number), "operation": "PutObject", "resource": "/b/k"})
    file.append({"request_id": "3", "operation": "GetObject", "resource": "/b/k"})
    assert [record["request_id"] for record in await file.find(resource="/b/k")] == list("3210")
    assert [record["request_id"] for record in await file.find(operation="PutObject")] == list(
        "210"
    )
    assert len(await file.find(request_id="1")) == 1
    assert (tmp_path / "trace.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_full_file_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "TRACE_BYTES_MAX", 100)
    file = TraceFile(tmp_path)
    for number in range(50):
        file.append({"request_id": str(number)})
    assert (tmp_path / "trace.jsonl").stat().st_size < 200
    assert await file.find(request_id="49")


async def test_steps_are_kept_under_the_name_of_their_request(tmp_path: Path) -> None:
    file = TraceFile(tmp_path)
    named = {"request_id": "1", "operation": "PutObject", "resource": "/b/k"}
    file.keep(Trace(enabled=True), **named)
    assert await file.find() == []
    taken = Trace(enabled=True)
    taken.step("Decrypt", fingerprint="0123456789abcdef")
    file.keep(taken, **named)
    steps = [{"step": "Decrypt", "fingerprint": "0123456789abcdef"}]
    assert await file.find() == [{**named, "steps": steps}]


async def test_a_command_keeps_traces_where_a_server_does(tmp_path: Path) -> None:
    assert kept_traces(tmp_path) is None
    TraceFile(tmp_path).append({"request_id": "0"})
    beside = kept_traces(tmp_path)
    assert beside is not None
    assert await beside.find() == [{"request_id": "0"}]


async def test_a_disk_that_refuses_costs_the_trace_only(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "absent")
    file.append({"request_id": "1"})
    assert await file.find() == []
    file = TraceFile(tmp_path)
    file.append({"request_id": "1"})
    with (tmp_path / "trace.jsonl").open("ab") as written:
        written.write(b'{"request_id": "2", "oper')
    file.append({"request_id": "3"})
    file.append({"request_id": "4"})
    assert [record["request_id"] for record in await file.find()] == ["4", "1"]
