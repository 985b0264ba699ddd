"""What a server counts for Prometheus, in the client library's own types.

With several workers the library's multiprocess mode adds them up: each writes its values to files
in the folder that `PROMETHEUS_MULTIPROC_DIR` names.
"""

import os
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Counter(
    "objstore_requests_total", "Requests answered.", ("service", "operation", "status")
)
SECONDS = Histogram(
    "objstore_request_seconds",
    "Time from the request's header to the response's end.",
    ("service",),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
RECEIVED = Counter("objstore_received_bytes_total", "Payload bytes taken in.", ("service",))
SENT = Counter("objstore_sent_bytes_total", "Body bytes sent out.", ("service",))


@cache
def _requests(service: str, operation: str, status: int) -> Counter:
    return REQUESTS.labels(service, operation, str(status))


@cache
def _volumes(service: str) -> tuple[Histogram, Counter, Counter]:
    return SECONDS.labels(service), RECEIVED.labels(service), SENT.labels(service)


def count(
    service: str, operation: str, status: int, *, seconds: float, received: int, sent: int
) -> None:
    """Count one finished request. `operation` is a name of the model, so labels are bounded."""
    _requests(service, operation, status).inc()
    duration, taken, given = _volumes(service)
    duration.observe(seconds)
    if received:
        taken.inc(received)
    if sent:
        given.inc(sent)


def render() -> bytes:
    """All metrics in Prometheus's text format, of all workers."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
