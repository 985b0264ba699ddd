"""Keeps the traces of a `--dev` server, so that people can watch envelope encryption happen.

A trace is one line of JSON in `DATA/trace.jsonl`, which all workers append to; the file starts
anew when it is full. Values are printable and never secret (see `objstore.call.Trace`).
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiofiles

from objstore.call import Trace

TRACE_BYTES_MAX = 4 * 1024 * 1024
TRACE_ANSWERS_MAX = 50
TRACE_NAME = "trace.jsonl"


class TraceFile:
    """Appends traces and finds them again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TRACE_NAME

    def keep(self, trace: Trace, *, request_id: str, operation: str, resource: str) -> None:
        """Write the steps that were taken, if there were any."""
        if trace.steps:
            named = {"request_id": request_id, "operation": operation, "resource": resource}
            self.append({**named, "steps": trace.steps})

    def append(self, record: dict[str, Any]) -> None:
        """Write one trace. Lines are short, so `O_APPEND` keeps them whole between workers.

        A disk that refuses costs the trace, not the request.
        """
        with suppress(OSError):
            self._append(json.dumps(record).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size > TRACE_BYTES_MAX:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    async def find(
        self, *, request_id: str = "", operation: str = "", resource: str = ""
    ) -> list[dict[str, Any]]:
        """The newest traces, newest first, that match every argument that is not empty."""
        wanted = {"request_id": request_id, "operation": operation, "resource": resource}
        filters = {name: value for name, value in wanted.items() if value}
        if not self._path.exists():
            return []
        async with aiofiles.open(self._path, encoding="utf-8") as file:
            lines = await file.readlines()
        found: list[dict[str, Any]] = []
        for line in reversed(lines):
            try:
                record = json.loads(line)
            except ValueError:
                # One that the disk took only a part of, and the one after it.
                continue
            if all(record.get(name) == value for name, value in filters.items()):
                found.append(record)
                if len(found) == TRACE_ANSWERS_MAX:
                    break
        return found


def kept_traces(folder: Path) -> TraceFile | None:
    """The traces of a folder, for a command beside its server: only if that keeps some."""
    return TraceFile(folder) if (folder / TRACE_NAME).exists() else None
