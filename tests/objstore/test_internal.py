from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kms.aws.clock import FixedClock, ServiceClock
from objstore.internal import internal_app
from objstore.trace import TraceFile

HERE = "http://127.0.0.1:9000"


def test_health_says_whether_requests_can_be_served() -> None:
    answers = iter([True, False])
    client = TestClient(internal_app(ready=lambda: next(answers), traces=None, reset=None))
    good = client.get("/_/health")
    bad = client.get("/_/health")
    assert (good.status_code, good.json()) == (200, {"live": True, "ready": True})
    assert (bad.status_code, bad.json()) == (503, {"live": True, "ready": False})


def test_metrics_are_prometheus_text() -> None:
    app = internal_app(ready=lambda: True, traces=None, reset=None)
    answer = TestClient(app, client=("127.0.0.1", 1)).get("/_/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "objstore_requests_total" in answer.text


@pytest.mark.parametrize(
    ("host", "answered"),
    [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), ("2001:db8::1", False), ("", False)],
)
def test_metrics_are_for_this_machine_unless_they_are_opened(host: str, answered: bool) -> None:
    for for_all in (False, True):
        app = internal_app(ready=lambda: True, traces=None, reset=None, metrics_for_all=for_all)
        client = TestClient(app, client=(host, 1), headers={"x-forwarded-for": "127.0.0.1"})
        answer = client.get("/_/metrics")
        assert answer.status_code == (200 if answered or for_all else 403)
        assert ("objstore_requests_total" in answer.text) is (answered or for_all)
        assert client.get("/_/health").status_code == 200


def test_development_pages_exist_only_in_development(tmp_path: Path) -> None:
    plain = TestClient(internal_app(ready=lambda: True, traces=None, reset=None))
    assert plain.get("/_/trace").status_code == 404
    assert plain.post("/_/reset").status_code == 404
    assert plain.get("/_/clock").status_code == 404

    calls: list[str] = []

    async def reset() -> None:
        calls.append("reset")

    traces = TraceFile(tmp_path)
    traces.append({"request_id": "R", "operation": "PutObject", "resource": "/b/k"})
    app = internal_app(ready=lambda: True, traces=traces, reset=reset)
    client = TestClient(app, base_url=HERE)
    assert client.get("/_/trace?operation=PutObject&resource=/b/k").json()[0]["request_id"] == "R"
    assert client.get("/_/trace?request-id=other").json() == []
    assert client.get("/_/reset").status_code == 405
    assert client.post("/_/reset").text == "reset\n"
    assert calls == ["reset"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:9000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_somebody_else_cannot_use_them(headers: dict[str, str], tmp_path: Path) -> None:
    """What a browser on this machine sends for it, by its own host name or across origins."""
    calls: list[str] = []

    async def reset() -> None:
        calls.append("reset")

    clock = ServiceClock(FixedClock(1_700_000_000.0))
    traces = TraceFile(tmp_path)
    traces.append({"request_id": "R"})
    app = internal_app(ready=lambda: True, traces=traces, reset=reset, clock=clock)
    client = TestClient(app, base_url=HERE, headers=headers)
    answers = [
        client.get("/_/trace"),
        client.post("/_/reset"),
        client.get("/_/clock"),
        client.post("/_/clock", content=b'{"advance_seconds": 1}'),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert (calls, clock.offset_seconds) == ([], 0.0)
    assert client.get("/_/health").status_code == 200


def test_the_clock_is_shown_and_moved() -> None:
    clock, waits = ServiceClock(FixedClock(1_700_000_000.0)), []

    async def caught_up() -> None:
        waits.append(clock.offset_seconds)

    app = internal_app(
        ready=lambda: True, traces=None, reset=None, clock=clock, caught_up=caught_up
    )
    client = TestClient(app, base_url=HERE)
    assert client.get("/_/clock").json() == {
        "now": "2023-11-14T22:13:20.000Z",
        "offset_seconds": 0.0,
    }
    moved = client.post("/_/clock", json={"advance_seconds": 86_400})
    assert moved.json() == {"now": "2023-11-15T22:13:20.000Z", "offset_seconds": 86_400.0}
    refused = client.post("/_/clock", content=b"tomorrow")
    assert refused.status_code == 400
    assert "a JSON object with one of the members" in refused.json()["error"]
    assert waits == [86_400.0]
