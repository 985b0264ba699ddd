"""What a server counts for Prometheus, in the client library's own types.

Requests are added up in plain values and handed to the library a few times a second: with several
workers its multiprocess mode writes every change to files in the folder that
`PROMETHEUS_MULTIPROC_DIR` names, which is too much for every request.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

FLUSH_SECONDS = 0.25
PENDING_MAX = 4096
ROOM_BYTES_MIN = 4 * 1024 * 1024


class Durations(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        bounds = self._upper_bounds
        counts = [0] * len(bounds)
        for amount in amounts:
            counts[bisect_left(bounds, amount)] += 1
        self._sum.inc(sum(amounts))
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


REQUESTS = Counter(
    "objstore_requests_total", "Requests answered.", ("service", "operation", "status")
)
SECONDS = Durations(
    "objstore_request_seconds",
    "Time from the request's header to the response's end.",
    ("service",),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
RECEIVED = Counter("objstore_received_bytes_total", "Payload bytes taken in.", ("service",))
SENT = Counter("objstore_sent_bytes_total", "Body bytes sent out.", ("service",))

# Since the last flush: how many requests, bytes in and bytes out; and how long each took.
_totals: dict[tuple[str, str, int], list[int]] = {}
_seconds: dict[str, list[float]] = {}


@cache
def _requests(service: str, operation: str, status: int) -> Counter:
    return REQUESTS.labels(service, operation, str(status))


@cache
def _volumes(service: str) -> tuple[Durations, Counter, Counter]:
    return SECONDS.labels(service), RECEIVED.labels(service), SENT.labels(service)


def count(
    service: str, operation: str, status: int, *, seconds: float, received: int, sent: int
) -> None:
    """Count one finished request. `operation` is a name of the model, so labels are bounded.

    Call it on an event loop, which will hand the counts on within FLUSH_SECONDS.
    """
    if not _totals:
        asyncio.get_running_loop().call_later(FLUSH_SECONDS, flush)
    name = (service, operation, status)
    total = _totals.get(name)
    if total is None:
        total = _totals[name] = [0, 0, 0]
    total[0] += 1
    total[1] += received
    total[2] += sent
    durations = _seconds.setdefault(service, [])
    durations.append(seconds)
    if len(durations) >= PENDING_MAX:
        flush()


def flush() -> None:
    """Hand what was counted to the client library; on a full disk later, and without the times."""
    if not _has_room():
        _seconds.clear()
        return
    for (service, operation, status), (number, received, sent) in _totals.items():
        _requests(service, operation, status).inc(number)
        _, taken, given = _volumes(service)
        taken.inc(received)
        given.inc(sent)
    for service, durations in _seconds.items():
        _volumes(service)[0].observe_all(durations)
    _totals.clear()
    _seconds.clear()


def _has_room() -> bool:
    """Whether the library may write: its files are mapped and have holes.

    A write into one that the disk has no block for would kill the process.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return True
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize >= ROOM_BYTES_MIN


def render() -> bytes:
    """All metrics in Prometheus's text format, of all workers."""
    flush()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
