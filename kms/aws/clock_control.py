"""Showing and moving the service clock of a development server, for the page `/_/clock`.

A request to move is a JSON object with one member: `{"advance_seconds": 86400}`,
`{"now": "2027-01-31T00:00:00Z"}` or `{"reset": true}`. The clock stays moved when the server starts
again, because what it made of the folder is of that time.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kms.aws.clock import ServiceClock, utc

OFFSET_SECONDS_MAX = 100 * 366 * 86_400
BODY_BYTES_MAX = 4_096


class ClockError(Exception):
    """The clock cannot be moved like that; the message says why."""


def show(clock: ServiceClock) -> dict[str, Any]:
    """What the service clock says, and how far it is from wall time."""
    return {
        "now": utc(clock.now()).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "offset_seconds": clock.offset_seconds,
    }


def move(clock: ServiceClock, body: bytes) -> None:
    """Move the clock as `body` says. Raises ClockError, and then the clock stays as it is."""
    name, value = _only_member(body)
    offset = _MOVES[name](clock, value)
    if not abs(offset) <= OFFSET_SECONDS_MAX:
        raise ClockError("the service clock stays within 100 years of wall time")
    clock.offset_seconds = offset


def _only_member(body: bytes) -> tuple[str, object]:
    try:
        document = json.loads(body) if len(body) <= BODY_BYTES_MAX else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or len(document) != 1 or not document.keys() <= set(_MOVES):
        raise ClockError(f"the body is a JSON object with one of the members {', '.join(_MOVES)}")
    return next(iter(document.items()))


def _advance(clock: ServiceClock, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise ClockError("advance_seconds is a number that is not negative")
    return clock.offset_seconds + value if math.isfinite(value) else math.inf


def _set(clock: ServiceClock, value: object) -> float:
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        date = None
    if date is None:
        raise ClockError("now is a date such as 2027-01-31T00:00:00Z")
    seconds = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    return clock.offset_seconds + seconds - clock.now()


def _reset(clock: ServiceClock, value: object) -> float:
    del clock
    if value is not True:
        raise ClockError("reset is true")
    return 0.0


_MOVES: Mapping[str, Callable[[ServiceClock, object], float]] = {
    "advance_seconds": _advance,
    "now": _set,
    "reset": _reset,
}
