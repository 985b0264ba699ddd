import asyncio
from pathlib import Path

import pytest

from objstore import metrics

LINE = 'objstore_requests_total{operation="%s",service="s3",status="200"} %s'


async def test_a_counted_request_is_rendered_at_once() -> None:
    metrics.count("s3", "TestOnly", 200, seconds=0.002, received=10, sent=0)
    metrics.count("s3", "TestOnly", 200, seconds=0.002, received=0, sent=7)
    text = metrics.render().decode()
    assert LINE % ("TestOnly", "2.0") in text
    assert "objstore_request_seconds_bucket" in text


async def test_counts_reach_the_library_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 0)
    metrics.count("s3", "TestTimer", 200, seconds=0.002, received=0, sent=0)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0, later.set)
    await later.wait()
    assert metrics.REQUESTS.labels("s3", "TestTimer", "200")._value.get() == 1


async def test_many_counts_do_not_pile_up() -> None:
    for _ in range(metrics.PENDING_MAX):
        metrics.count("s3", "TestMany", 200, seconds=0.002, received=0, sent=0)
    assert metrics.REQUESTS.labels("s3", "TestMany", "200")._value.get() == metrics.PENDING_MAX


async def test_a_full_disk_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(metrics, "ROOM_BYTES_MIN", 1 << 62)
    metrics.count("s3", "TestFull", 200, seconds=0.002, received=0, sent=0)
    metrics.flush()
    requests = metrics.REQUESTS.labels("s3", "TestFull", "200")
    assert requests._value.get() == 0
    monkeypatch.setattr(metrics, "ROOM_BYTES_MIN", 0)
    metrics.flush()
    assert requests._value.get() == 1


def test_observing_all_is_observing_each() -> None:
    amounts = [0.0, 0.0005, 0.00051, 0.3, 30.0, 31.0]
    each, together = (metrics.Durations(name, "d", registry=None) for name in ("each", "all"))
    for amount in amounts:
        each.observe(amount)
    together.observe_all(amounts)
    found = [
        [
            (sample.name.partition("_")[2], sample.labels, round(sample.value, 9))
            for sample in one.samples
        ]
        for durations in (each, together)
        for one in durations.collect()
    ]
    assert [one for one in found[0] if one[0] != "created"] == [
        one for one in found[1] if one[0] != "created"
    ]
    assert len(found[0]) > len(amounts)
