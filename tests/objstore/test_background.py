import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock, ServiceClock
from objstore import background
from objstore.background import Background, Task

HOUR = 3_600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(background, "ELECTION_SECONDS", 0.001)


@pytest.fixture
def clock() -> ServiceClock:
    return ServiceClock(FixedClock(1_000.0))


async def holds(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


class Counter:
    """A task that counts its runs, and can be waited for."""

    def __init__(self, name: str = "count", *, fails: bool = False, parts: int = 1) -> None:
        self.task = Task(name, HOUR, self.run)
        self.runs = 0
        self.fails = fails
        self.parts = parts

    async def run(self) -> bool:
        self.runs += 1
        if self.fails:
            raise ValueError("broken")
        return self.runs % self.parts != 0

    async def reaches(self, runs: int) -> None:
        await holds(lambda: self.runs >= runs)


def worker(folder: Path, clock: ServiceClock, *counters: Counter) -> Background:
    tasks = [counter.task for counter in counters]
    return Background(folder, clock, server_tasks=tasks, movable=True)


async def test_tasks_run_at_the_start_and_when_the_clock_moves(
    tmp_path: Path, clock: ServiceClock
) -> None:
    first, second = Counter("first"), Counter("second")
    runner = worker(tmp_path, clock, first, second)
    await runner.start()
    for runs in (1, 2, 3):
        await asyncio.gather(first.reaches(runs), second.reaches(runs))
        clock.offset_seconds += HOUR
    await runner.caught_up()
    assert (first.runs, second.runs) == (4, 4)
    await runner.stop()


async def test_a_task_runs_again_after_its_interval(tmp_path: Path, clock: ServiceClock) -> None:
    counter = Counter()
    quick_task = Task("quick", 0.0, counter.run)
    runner = Background(tmp_path, clock, server_tasks=[quick_task], movable=False)
    await runner.start()
    await counter.reaches(3)
    await runner.stop()


async def test_what_is_left_is_done_at_once(tmp_path: Path, clock: ServiceClock) -> None:
    counter = Counter(parts=5)
    runner = worker(tmp_path, clock, counter)
    await runner.start()
    clock.offset_seconds = HOUR
    await runner.caught_up()
    assert counter.runs in (5, 10)
    await runner.stop()


async def test_one_worker_is_elected_and_another_takes_over(
    tmp_path: Path, clock: ServiceClock
) -> None:
    first, second, own = Counter(), Counter(), Counter("own")
    one = worker(tmp_path, clock, first)
    await one.start()
    await first.reaches(1)
    other = Background(
        tmp_path, clock, server_tasks=[second.task], worker_tasks=[own.task], movable=True
    )
    await other.start()
    await own.reaches(1)
    clock.offset_seconds = HOUR
    await other.caught_up()
    assert (first.runs, second.runs) == (2, 0)
    await one.stop()
    await second.reaches(1)
    await other.stop()


async def test_a_failing_task_stops_no_other(
    tmp_path: Path, clock: ServiceClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Counter("broken", fails=True), Counter("sound")
    runner = worker(tmp_path, clock, broken, sound)
    with caplog.at_level(logging.ERROR):
        await runner.start()
        await asyncio.gather(broken.reaches(1), sound.reaches(1))
        clock.offset_seconds = HOUR
        await runner.caught_up()
    assert (broken.runs, sound.runs) == (2, 2)
    assert "a background task failed" in caplog.text
    await runner.stop()


async def test_a_run_is_bounded(
    tmp_path: Path,
    clock: ServiceClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "RUN_SECONDS_MAX", 0.001)
    ran: list[str] = []

    async def endless() -> bool:
        ran.append("endless")
        return await asyncio.Event().wait()

    runner = Background(tmp_path, clock, server_tasks=[Task("endless", 0.0, endless)], movable=True)
    with caplog.at_level(logging.CRITICAL):
        await runner.start()
        await holds(lambda: len(ran) >= 2)
        await runner.stop()


async def test_waiting_for_a_server_without_a_runner_ends(
    tmp_path: Path, clock: ServiceClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "CAUGHT_UP_SECONDS_MAX", 0.0)
    runner = worker(tmp_path, clock, Counter())
    clock.offset_seconds = HOUR
    await runner.caught_up()
    await runner.stop()
