"""Delivery of event records: to queue files, to a webhook that fails and recovers, or never."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from objstore import notifications
from objstore.notifications import Notifications
from objstore.storage.queues import QueueFiles
from objstore.transfer.events import KIND

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


class Hook(BaseHTTPRequestHandler):
    """Takes nothing until it is told to."""

    statuses: list[int]
    got: list[Any]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.statuses, Hook.got = [], []
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook?token=secret"
    server.shutdown()
    thread.join()
    server.server_close()


class Delivering:
    """A bucket that notifies a queue and a topic, and whoever delivers that."""

    def __init__(self, s3: Any, url: str) -> None:
        self.s3 = s3
        self.files = QueueFiles(s3.folder)
        self.notifications = Notifications(s3.store, s3.clock, {TOPIC: url}, self.files)

    async def listen(self, *arns: str) -> None:
        kinds = {
            QUEUE: ("QueueConfigurations", "QueueArn"),
            TOPIC: ("TopicConfigurations", "TopicArn"),
        }
        document = {
            kinds[arn][0]: [{"Id": arn[-5:], kinds[arn][1]: arn, "Events": ["s3:ObjectCreated:*"]}]
            for arn in arns
        }
        await self.s3.call(
            "PutBucketNotificationConfiguration",
            notification_configuration=document,
            skip_destination_validation=True,
        )
        self.s3.bucket = self.s3.store.bucket("bucket")

    def lines(self) -> list[Any]:
        text = self.files.path("123456789012.us-east-1.queue").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @property
    def waiting(self) -> int:
        count: int = self.s3.store.outbox.count(KIND)
        return count


@pytest.fixture
def delivering(s3: Any, hook: str) -> Delivering:
    return Delivering(s3, hook)


async def test_records_reach_both_kinds_of_destination(delivering: Delivering) -> None:
    await delivering.listen(QUEUE, TOPIC)
    await delivering.s3.put("a", b"x")
    await delivering.s3.put("b", b"x")
    assert not await delivering.notifications.run()
    test, first, second = delivering.lines()
    assert test["Event"] == "s3:TestEvent"
    [record] = first["Records"]
    assert record["s3"]["configurationId"] == "queue"
    assert record["s3"]["object"]["key"] == "a"
    later = second["Records"][0]["s3"]["object"]
    assert later["sequencer"] > record["s3"]["object"]["sequencer"]
    assert len(Hook.got) == 3
    names = {got["Records"][0]["s3"]["configurationId"] for got in Hook.got if "Records" in got}
    assert names == {"topic"}
    assert delivering.waiting == 0
    assert not await delivering.notifications.run()


async def test_a_webhook_that_fails_gets_it_again(delivering: Delivering) -> None:
    await delivering.listen(QUEUE, TOPIC)
    await delivering.notifications.run()
    Hook.statuses, Hook.got = [500, 503], []
    await delivering.s3.put("a", b"x")
    await delivering.notifications.run()
    await delivering.notifications.run()
    assert (len(Hook.got), delivering.waiting) == (1, 1)
    delivering.s3.clock.advance(2)
    await delivering.notifications.run()
    assert (len(Hook.got), delivering.waiting) == (2, 1)
    delivering.s3.clock.advance(4)
    await delivering.notifications.run()
    assert (len(Hook.got), delivering.waiting) == (3, 0)
    assert len(delivering.lines()) == 2


async def test_a_webhook_that_never_takes_it_is_given_up(
    delivering: Delivering, caplog: pytest.LogCaptureFixture
) -> None:
    await delivering.listen(TOPIC)
    Hook.statuses = [500] * 100
    with caplog.at_level(logging.INFO):
        for _ in range(notifications.ATTEMPTS_MAX):
            assert delivering.waiting == 1
            await delivering.notifications.run()
            delivering.s3.clock.advance(notifications.PAUSE_SECONDS_MAX)
    assert delivering.waiting == 0
    assert caplog.records[-1].message == "a notification was given up"
    assert not any("secret" in str(record.__dict__) for record in caplog.records)


async def test_too_many_waiting_are_not_kept(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "WAITING_MAX", 0)
    await delivering.listen(TOPIC)
    Hook.statuses = [500]
    await delivering.notifications.run()
    assert delivering.waiting == 0


async def test_a_run_is_bounded(delivering: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MESSAGES_A_RUN", 2)
    await delivering.listen(QUEUE)
    for number in range(4):
        await delivering.s3.put(str(number), b"x")
    assert await delivering.notifications.run()
    assert delivering.waiting == 3
    assert await delivering.notifications.run()
    assert not await delivering.notifications.run()
    assert len(delivering.lines()) == 5


async def test_destinations_that_nobody_stands_for_get_nothing(s3: Any) -> None:
    alone = Delivering(s3, "http://127.0.0.1:1/")
    alone.notifications = Notifications(s3.store, s3.clock, {}, alone.files)
    await alone.listen(TOPIC)
    await alone.notifications.run()
    assert alone.waiting == 0
