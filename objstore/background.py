"""Work that no request asks for: expiry, schedules, flushing. One small runner for all of it.

Tasks of the server run in one of its workers, which holds a file lock; if it dies, another takes
over. Tasks of a worker run in each. Every run is bounded in time, a failure is logged and the task
runs again at its next interval; when the service clock moves, all of them run at once. Tasks may be
run as often as one likes.
"""

import asyncio
import fcntl
import logging
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kms.aws.clock import ServiceClock, monotonic
from kms.aws.shared import SharedNumber

LOG = logging.getLogger("objstore.background")
LOCK_NAME = "background.lock"
DONE_NAME = "background.done"
ELECTION_SECONDS = 1.0
LOOK_SECONDS = 0.05
RUN_SECONDS_MAX = 60.0
CAUGHT_UP_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do again and again, `interval_seconds` after the last run.

    `run` does a bounded part of what is due, and answers whether more is left to do at once.
    """

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[bool]]


class Background:
    """The background work of a worker of the server in `folder`.

    `movable` says whether the clock may be moved, so that it is looked at often.
    """

    def __init__(
        self,
        folder: Path,
        clock: ServiceClock,
        *,
        server_tasks: Sequence[Task],
        worker_tasks: Sequence[Task] = (),
        movable: bool,
    ) -> None:
        self._lock_path = folder / LOCK_NAME
        self._clock = clock
        self._done = SharedNumber(folder / DONE_NAME)
        self._server_tasks = server_tasks
        self._worker_tasks = worker_tasks
        self._look_seconds = LOOK_SECONDS if movable else ELECTION_SECONDS
        self._ran_at: dict[str, float] = {}
        self._running: list[asyncio.Task[None]] = []
        self._lock: int | None = None

    async def start(self) -> None:
        """Begin; a task of the server runs first when this worker is elected."""
        self._running = [
            asyncio.create_task(self._repeat(task), name=task.name) for task in self._worker_tasks
        ]
        self._running.append(asyncio.create_task(self._serve(), name="background"))

    async def stop(self) -> None:
        """Stop between two steps of a task, and let another worker be elected."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._done.close()

    async def caught_up(self) -> None:
        """Wait until the tasks of the server have run since the clock was last moved.

        Gives up quietly after CAUGHT_UP_SECONDS_MAX.
        """
        await _poll(
            lambda: self._done.value == self._clock.offset_seconds,
            every=LOOK_SECONDS,
            seconds_max=CAUGHT_UP_SECONDS_MAX,
        )

    async def _serve(self) -> None:
        """Run the tasks of the server once this worker is the one."""
        await _poll(self._elected, every=ELECTION_SECONDS, seconds_max=math.inf)
        async with asyncio.TaskGroup() as group:
            for task in self._server_tasks:
                group.create_task(self._repeat(task, tell=True), name=task.name)

    def _elected(self) -> bool:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    async def _repeat(self, task: Task, *, tell: bool = False) -> None:
        while True:
            offset = self._clock.offset_seconds
            if await self._run(task):
                await asyncio.sleep(0)
                continue
            if tell:
                self._tell(task.name, offset)
            await self._pause(task.interval_seconds, offset)

    async def _run(self, task: Task) -> bool:
        try:
            async with asyncio.timeout(RUN_SECONDS_MAX):
                return await task.run()
        except Exception:
            LOG.exception("a background task failed", extra={"fields": {"task": task.name}})
            return False

    def _tell(self, name: str, offset: float) -> None:
        """Let every worker know when all tasks have run at an offset of the clock."""
        self._ran_at[name] = offset
        if all(self._ran_at.get(task.name) == offset for task in self._server_tasks):
            self._done.value = offset

    async def _pause(self, seconds: float, offset: float) -> None:
        """Wait for the interval to pass or the clock to move."""
        await _poll(
            lambda: self._clock.offset_seconds != offset,
            every=self._look_seconds,
            seconds_max=max(seconds, LOOK_SECONDS),
        )


async def _poll(condition: Callable[[], bool], *, every: float, seconds_max: float) -> None:
    """Look `every` so many seconds until `condition` holds: what other processes do wakes nobody.

    Gives up after `seconds_max`.
    """
    until = monotonic() + seconds_max
    while not condition() and (left := until - monotonic()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(left, every))
