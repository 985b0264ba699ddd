"""Where services report each call that they answered.

An event is a flat record of what happened: names, ARNs, ids and codes, never key material,
plaintexts, ciphertexts or signatures. Turning events into CloudTrail records is the reader's work.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

Event = Mapping[str, Any]


class AuditSink(Protocol):
    """Takes the events of a service, in the order of the calls. It must not raise."""

    def record(self, event: Event) -> None: ...


class NullSink:
    """Forgets every event."""

    def record(self, event: Event) -> None:
        del event


class MemorySink:
    """Keeps the newest `events_max` events."""

    def __init__(self, events_max: int = 10_000) -> None:
        self.events: deque[Event] = deque(maxlen=events_max)

    def record(self, event: Event) -> None:
        self.events.append(event)
