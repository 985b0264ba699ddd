"""Finds records in the files of an audit trail, the newest first.

A record's place is its time, then its file and where in the file it stands, so records of one
second keep the order in which they were written, and a page can go on where the last one ended,
whatever was written meanwhile. Files are read whole, the newest first, and only as many as can hold
something that is new enough; from the second time on it is known which those are.
"""

import heapq
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kms.aws.audit_log import files_of
from kms.aws.audit_record import AUTHORIZATION

KNOWN_FILES_MAX = 8_192
_TIME = re.compile(rb'"eventTime":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"')
_MANAGEMENT = b'"managementEvent":true'
START, END = "", "9999-12-31T23:59:59Z"

Record = dict[str, Any]
Place = tuple[str, str, int]
"""A record's time, its file's name, and the offset in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which management events: those of [`since`, `until`] that come after `after` in the order.

    Times are texts as in records. A line has all of `texts` in it, or is no candidate; `fits`
    decides.
    """

    since: str = START
    until: str = END
    after: Place | None = None
    texts: tuple[str, ...] = ()
    fits: Callable[[Record], bool] = field(default=lambda record: True)


@dataclass(frozen=True, slots=True)
class _Known:
    size: int
    oldest: str
    newest: str


class Search:
    """Searches the trail of a folder; remembers which times its files cover."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, _Known] = {}

    def find(self, wanted: Wanted, count: int) -> list[tuple[Place, Record]]:
        """The newest `count` records."""
        needles = tuple(text.encode() for text in wanted.texts)
        best: list[tuple[Place, bytes]] = []
        for path, newest in self._candidates(wanted):
            if len(best) == count and newest < best[0][0][0]:
                continue
            for place, line in reversed(list(self._lines(path))):
                if not wanted.since <= place[0] <= wanted.until:
                    continue
                if wanted.after is not None and place >= wanted.after:
                    continue
                if len(best) == count and place <= best[0][0]:
                    continue
                if _MANAGEMENT in line and all(needle in line for needle in needles):
                    record = parsed(line)
                    if record is not None and wanted.fits(record):
                        (heapq.heappush if len(best) < count else heapq.heapreplace)(
                            best, (place, line)
                        )
        found = [(place, parsed(line)) for place, line in sorted(best, reverse=True)]
        return [(place, record) for place, record in found if record is not None]

    def _candidates(self, wanted: Wanted) -> Iterator[tuple[Path, str]]:
        """The files that may hold something, those with the newest records first."""
        found: list[tuple[str, Path]] = []
        for path in files_of(self._folder):
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            known = self._known.get(path.name)
            if known is None or known.size != size:
                found.append((END, path))
            elif known.newest >= wanted.since and known.oldest <= wanted.until:
                found.append((known.newest, path))
        for newest, path in sorted(found, reverse=True):
            yield path, newest

    def _lines(self, path: Path) -> Iterator[tuple[Place, bytes]]:
        """The lines of a file. The last one is left out while it is being written."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        offset, oldest, newest = 0, END, START
        for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
            found = _TIME.search(line)
            if found is not None:
                time = found[1].decode()
                oldest, newest = min(oldest, time), max(newest, time)
                yield (time, path.name, offset), line
            offset += len(line) + 1
        if len(self._known) >= KNOWN_FILES_MAX:
            self._known.clear()
        self._known[path.name] = _Known(len(data), oldest, newest)


def parsed(line: bytes) -> Record | None:
    """The record of a line, without what is ours; None for a line that a crash tore."""
    try:
        record: Record = json.loads(line)
    except ValueError:
        return None
    record.pop(AUTHORIZATION, None)
    return record
