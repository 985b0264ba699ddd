"""Structured logs: one JSON object a line on standard error.

The lines of requests are gathered and written a few times a second, or at once when many wait:
written one by one they would cost as much as encryption does. A request's line has its id,
operation, resource, status, bytes and time, and never a header, a query string or a signature:
presigned URLs and tokens would be among them.
"""

import asyncio
import json
import logging
import sys
from typing import Any

import orjson

from kms.aws.clock import Clock, utc

LEVELS = ("debug", "info", "warning", "error")
FLUSH_SECONDS = 0.05
PENDING_MAX = 256
REQUESTS = logging.getLogger("objstore.requests")


class JSONFormatter(logging.Formatter):
    """Renders a record as one line of JSON; `extra={"fields": {…}}` adds members."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": utc(self._clock.now()).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if fields:
            line.update(fields)
        if record.exc_info and record.exc_info[1] is not None:
            # The type and place of an unexpected exception, but no values of local variables.
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


def configure(level: str, clock: Clock) -> None:
    """Send all logs of this process to standard error at `level` (one of `LEVELS`)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter(clock))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(noisy)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    # A malformed form is its client's affair, and is answered.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


class RequestLog:
    """Writes a line a request to standard error, while `REQUESTS` is enabled for INFO."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: list[dict[str, Any]] = []
        self.enabled = REQUESTS.isEnabledFor(logging.INFO)

    def add(self, fields: dict[str, Any]) -> None:
        """Log one finished request. Call it on an event loop, which will `flush`."""
        if not self._pending:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._pending.append({"time": self._clock.now(), **fields})
        if len(self._pending) >= PENDING_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        lines = [
            orjson.dumps(
                {
                    "time": utc(fields.pop("time")).isoformat(timespec="milliseconds"),
                    "level": "info",
                    "event": "request",
                    **fields,
                }
            ).decode()
            for fields in self._pending
        ]
        self._pending.clear()
        if lines:
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()
