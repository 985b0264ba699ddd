import asyncio
import json
import logging
import sys

import pytest

from kms.aws.clock import FixedClock
from objstore.log import FLUSH_SECONDS, PENDING_MAX, JSONFormatter, RequestLog


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("objstore", logging.INFO, "file.py", 1, "request", (), None)
    made.__dict__.update(extra)
    return made


def test_a_line_is_json_with_its_fields() -> None:
    line = JSONFormatter(FixedClock(0)).format(record(fields={"status": 200, "key": "a\nb"}))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "status": 200,
        "key": "a\nb",
    }


def test_an_exception_shows_no_local_values() -> None:
    secret = "plaintext" + "-data-key"
    try:
        assert secret
        raise ValueError("broken")
    except ValueError:
        line = JSONFormatter(FixedClock(0)).format(record(exc_info=sys.exc_info()))
    assert "ValueError: broken" in json.loads(line)["exception"]
    assert secret not in line


async def test_requests_are_written_in_order_and_soon(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objstore.log.FLUSH_SECONDS", 0)
    assert FLUSH_SECONDS < 1
    requests = RequestLog(FixedClock(0))
    requests.add({"status": 200, "path": "/a\nb"})
    requests.add({"status": 404})
    assert capsys.readouterr().err == ""
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0, later.set)
    await later.wait()
    first, second = capsys.readouterr().err.splitlines()
    assert json.loads(first) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "status": 200,
        "path": "/a\nb",
    }
    assert json.loads(second)["status"] == 404


async def test_many_requests_are_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    requests = RequestLog(FixedClock(0))
    for _ in range(PENDING_MAX):
        requests.add({"status": 200})
    assert len(capsys.readouterr().err.splitlines()) == PENDING_MAX
    requests.flush()
    assert capsys.readouterr().err == ""
