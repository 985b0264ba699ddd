"""Time. The only place that may ask the operating system what time it is.

Two clocks run in a server: wall time, for signatures, sessions and TLS, which nothing moves; and
the service clock, for dates that a service keeps (creation, deletion, rotation, retention, audit),
which `--dev` may move so that a thirty-day window passes in a test.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current time, in seconds since 1970-01-01T00:00:00Z."""

    def now(self) -> float: ...


class SystemClock:
    """Wall time."""

    def now(self) -> float:
        return time.time()


class Offset(Protocol):
    """A number of seconds that can be changed; perhaps by other processes, too."""

    value: float


class LocalOffset:
    """An offset of this process alone."""

    def __init__(self) -> None:
        self.value = 0.0


class ServiceClock:
    """Wall time plus an offset in seconds that can be changed."""

    def __init__(self, wall: Clock, offset: Offset | None = None) -> None:
        self._wall = wall
        self._offset = offset or LocalOffset()

    @property
    def offset_seconds(self) -> float:
        return self._offset.value

    @offset_seconds.setter
    def offset_seconds(self, seconds: float) -> None:
        self._offset.value = seconds

    def now(self) -> float:
        return self._wall.now() + self._offset.value


class FixedClock:
    """A clock that moves only when told to; for tests and vectors."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def utc(seconds: float) -> datetime:
    """The UTC date and time of `seconds` since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


monotonic = time.perf_counter
"""Seconds on a clock that never goes back, for durations."""
