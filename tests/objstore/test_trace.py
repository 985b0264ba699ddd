from pathlib import Path

import pytest

from objstore import trace
from objstore.trace import TraceFile


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
