"""Where services report each call that they answered.

An event is a flat record of what happened: names, ARNs, ids and codes, never key material,
plaintexts, ciphertexts or signatures. Turning events into CloudTrail records is the reader's work.
"""

import os
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

Event = Mapping[str, Any]


def new_event_id() -> str:
    """A random UUID (version 4); by hand, because every call makes one."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


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
