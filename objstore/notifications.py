"""Delivers event records from the outbox: to queue files and to webhooks that are allowed.

Off the path of requests, at least once, in the order of commits to each queue. A destination that
does not take a record gets it again later, ever more rarely, until it is given up. Which ARN
stands for which address is the server's owner's to say; an SQS queue of the bucket's own account
and region is a file in the data folder.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kms.aws.clock import Clock
from objstore.rules.notification import Targets, queue_of
from objstore.storage.queues import QueueFiles
from objstore.storage.records import Message, Queued
from objstore.storage.store import Store
from objstore.transfer.events import KIND
from objstore.webhook import WebhookError, post

LOG = logging.getLogger("objstore.notifications")
MESSAGES_A_RUN = 200
POSTS_AT_ONCE = 8
ATTEMPTS_MAX = 12
PAUSE_SECONDS_MAX = 600
WAITING_MAX = 100_000


class Notifications:
    """Works the outbox's notifications off. One a server."""

    def __init__(self, store: Store, clock: Clock, targets: Targets, files: QueueFiles) -> None:
        self._store = store
        self._clock = clock
        self._targets = targets
        self._files = files
        self._slots = asyncio.Semaphore(POSTS_AT_ONCE)

    async def run(self) -> bool:
        """Deliver a bounded part of what is due; whether more may be left."""
        outbox = self._store.outbox
        now_ms = int(self._clock.now() * 1000)
        waiting = outbox.due(KIND, now_ms=now_ms, limit=MESSAGES_A_RUN)
        if not waiting:
            return False
        await self._fill_queues(waiting)
        lefts = await asyncio.gather(*map(self._post, waiting))
        done: list[int] = []
        postponed: list[tuple[Queued, int]] = []
        crowded = outbox.count(KIND) > WAITING_MAX
        for queued, left in zip(waiting, lefts, strict=True):
            attempts = queued.attempts + 1
            if not left or attempts >= ATTEMPTS_MAX or crowded:
                done.append(queued.identity)
                if left:
                    _give_up(queued, left)
                continue
            body = {**queued.message.body, "targets": left}
            again = replace(queued, attempts=attempts, message=Message(KIND, body))
            pause_ms = min(2**attempts, PAUSE_SECONDS_MAX) * 1000
            postponed.append((again, now_ms + pause_ms))
        await outbox.settle(done, postponed)
        return len(waiting) == MESSAGES_A_RUN

    async def _fill_queues(self, waiting: Sequence[Queued]) -> None:
        """Write what goes to queue files, one write a file."""
        lines: dict[str, list[bytes]] = {}
        for queued in waiting:
            for arn, identity in queued.message.body["targets"]:
                queue = queue_of(arn)
                if arn not in self._targets and queue is not None:
                    name = f"{queue.account}.{queue.region}.{queue.name}"
                    lines.setdefault(name, []).append(_event(queued, identity))
        for name, added in lines.items():
            await self._store.run(self._files.append, name, added)

    async def _post(self, queued: Queued) -> list[list[str]]:
        """Post to webhooks; the targets that did not take it."""
        left: list[list[str]] = []
        for arn, identity in queued.message.body["targets"]:
            url = self._targets.get(arn)
            if url is None:
                # A queue file has it already, and nobody stands for any other destination.
                continue
            try:
                async with self._slots:
                    await asyncio.to_thread(post, url, _event(queued, identity))
            except WebhookError as error:
                fields = {"destination": arn, "reason": str(error), "attempt": queued.attempts + 1}
                LOG.info("a notification was not taken", extra={"fields": fields})
                left.append([arn, identity])
        return left


def _event(queued: Queued, identity: str) -> bytes:
    """The JSON that a destination gets: a test event, or a record in a list of one."""
    body = queued.message.body
    if "test" in body:
        return json.dumps(body["test"]).encode()
    record: dict[str, Any] = {**body["record"]}
    described = {**record["s3"]["object"], "sequencer": f"{queued.identity:018X}"}
    record["s3"] = {**record["s3"], "configurationId": identity, "object": described}
    return json.dumps({"Records": [record]}, ensure_ascii=False).encode()


def _give_up(queued: Queued, left: Sequence[Sequence[str]]) -> None:
    fields = {"destinations": [arn for arn, _ in left], "attempts": queued.attempts + 1}
    LOG.warning("a notification was given up", extra={"fields": fields})
