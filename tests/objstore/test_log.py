import json
import logging
import sys

from kms.aws.clock import FixedClock
from objstore.log import JSONFormatter


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
