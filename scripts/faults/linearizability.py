"""Linearizability: many clients on the same few keys must see one copy of each.

Clients put, copy, complete, read and delete, with and without conditions, in a versioned bucket and
in one that is not, on a server whose workers, or all processes, are killed at random moments. What
each call was answered, and when, is the history; `history` looks for an order that explains it. The
same is done to a server that leaves out the second look at a write's condition, at its commit;
there no order may be found.
"""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any
from zlib import crc32

import click
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from history import Operation, Outcome, Undecided, Unset, Value, violation
from server import Server, client
from workplace import workplace

BUCKETS = ("plain", "versioned")
WORKERS = 2
SIZES = (100, 12_000, 40_000)
ROUND_SECONDS_MAX = 8.0
PAUSE_SECONDS = 0.05
MUTANT_ROUNDS_MAX = 40
MUTANT_ROUND_OPERATIONS = 200
MUTANT = Path(__file__).parent / "mutant"
OUTCOMES = {
    "PreconditionFailed": Outcome.MISMATCH,
    "NoSuchKey": Outcome.ABSENT,
    "404": Outcome.ABSENT,
    "ConditionalRequestConflict": Outcome.ABSENT,
}

OUTCOMES_UNDER_A_MARKER = {**OUTCOMES, "PreconditionFailed": Outcome.REFUSED}
"""Of a versioned delete: under a delete marker no ETag matches, but the key is there."""
OUTCOMES_OF_COMPLETION = {**OUTCOMES, "ConditionalRequestConflict": Outcome.CONFLICT}
"""A completion conflicts with anything that was written since its upload began."""

Place = tuple[str, str]
Answer = dict[str, Any]


def content(value: str) -> bytes:
    """The bytes that stand for a value, some of them too many for the index."""
    line = f"{value}\n".encode()
    size = SIZES[crc32(line) % len(SIZES)]
    return (line * (size // len(line) + 1))[:size]


@dataclass
class History:
    """What was asked and answered on each key, by one clock."""

    operations: defaultdict[Place, list[Operation]] = field(
        default_factory=lambda: defaultdict(list)
    )
    seen: dict[Place, tuple[str, str]] = field(default_factory=dict)
    """The value and the ETag that somebody found last, for the conditions of others."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each kind of call had each outcome."""
    problems: list[str] = field(default_factory=list)
    """Answers that are wrong whatever the order: errors of the server's, bytes of no value."""

    def died(self) -> None:
        """Nothing without an answer can be done from now on."""
        now = time.monotonic()
        for operations in self.operations.values():
            for number, one in enumerate(operations):
                if one.returned == inf:
                    operations[number] = replace(one, returned=now)

    @property
    def size(self) -> int:
        return self.counts.total()

    @property
    def unanswered(self) -> int:
        return sum(count for name, count in self.counts.items() if name.endswith(" unknown"))


class Client:
    """One of those who work on the same keys."""

    def __init__(self, number: int, keys: int, seed: int, history: History) -> None:
        self._number = number
        self._random = random.Random(f"{seed} {number}")
        self._places = [(BUCKETS[key % len(BUCKETS)], f"shared/{key}") for key in range(keys)]
        self._history = history
        self._values = 0
        self._s3: Any = None

    def run(self, s3: Any, stop: threading.Event, operations: int) -> None:
        """Work until `stop`, or so many operations are done."""
        self._s3 = s3
        choices = (
            *(self._get, self._get, self._head, self._get_unless),
            *(self._put, self._put_new, self._put_new, self._put_over, self._put_over),
            *(self._delete, self._delete_that, self._copy, self._complete),
        )
        for _ in range(operations):
            if stop.is_set():
                return
            try:
                self._random.choice(choices)(self._random.choice(self._places))
            except ClientError as error:
                self._history.problems.append(str(error))
            except (BotoCoreError, OSError):
                # The server is being killed. What was sent is in the history.
                stop.wait(PAUSE_SECONDS)

    def read_all(self, s3: Any) -> None:
        self._s3 = s3
        for place in self._places:
            self._get(place)

    # Reads.

    def _get(self, place: Place, **more: Any) -> None:
        def read() -> Answer:
            answer = self._s3.get_object(**named(place), **more)
            return {**answer, "Data": answer["Body"].read()}

        self._read("get", place, read)

    def _get_unless(self, place: Place) -> None:
        """GetObject that is not answered if the key holds what it held."""
        known = self._history.seen.get(place)
        if known is None:
            return
        value, etag = known
        invoked = time.monotonic()
        try:
            self._get(place, IfNoneMatch=etag)
        except ClientError as error:
            if error.response["Error"]["Code"] != "304":
                raise
            self._record("get unless", place, invoked, value, Unset.UNCHANGED, Outcome.DONE)

    def _head(self, place: Place) -> None:
        self._read("head", place, partial(self._s3.head_object, **named(place)))

    def _read(self, name: str, place: Place, send: Callable[[], Answer]) -> None:
        invoked = time.monotonic()
        value: Value = None
        try:
            answer = send()
        except ClientError as error:
            if OUTCOMES.get(error.response["Error"]["Code"]) is not Outcome.ABSENT:
                raise
        else:
            value = answer["Metadata"]["value"]
            self._history.seen[place] = (value, answer["ETag"])
            if "Data" in answer and answer["Data"] != content(value):
                self._history.problems.append(f"{place}: bytes are not those of {value}")
        self._record(name, place, invoked, value, Unset.UNCHANGED, Outcome.DONE)

    # Writes.

    def _put(self, place: Place) -> None:
        self._write("put", place, Unset.ANYTHING, self._putting(place, {}))

    def _put_new(self, place: Place) -> None:
        self._write("put new", place, None, self._putting(place, {"IfNoneMatch": "*"}))

    def _put_over(self, place: Place) -> None:
        known = self._history.seen.get(place)
        if known is not None:
            put = self._putting(place, {"IfMatch": known[1]})
            self._write("put over", place, known[0], put)

    def _putting(self, place: Place, condition: Mapping[str, str]) -> "Sending":
        value = self._new_value()
        return value, partial(
            self._s3.put_object,
            **named(place),
            **condition,
            **self._encryption(),
            Body=content(value),
            Metadata={"value": value},
        )

    def _copy(self, place: Place) -> None:
        """CopyObject from a key that nobody else uses."""
        wanted, condition = self._condition(place)
        source = (place[0], f"own/{self._number}")
        value, put = self._putting(source, {})
        put()
        self._write(
            "copy",
            place,
            wanted,
            (
                value,
                lambda: self._s3.copy_object(
                    **named(place),
                    **condition,
                    **self._encryption(),
                    CopySource=dict(named(source)),
                )["CopyObjectResult"],
            ),
        )

    def _complete(self, place: Place) -> None:
        wanted, condition = self._condition(place)
        value = self._new_value()
        upload = self._s3.create_multipart_upload(
            **named(place), **self._encryption(), Metadata={"value": value}
        )
        whole = {**named(place), "UploadId": upload["UploadId"]}
        part = self._s3.upload_part(**whole, PartNumber=1, Body=content(value))
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self._write(
            "complete",
            place,
            wanted,
            (
                value,
                lambda: self._s3.complete_multipart_upload(
                    **whole, **condition, MultipartUpload=parts
                ),
            ),
            OUTCOMES_OF_COMPLETION,
        )

    def _delete(self, place: Place) -> None:
        send = partial(self._s3.delete_object, **named(place))
        self._write("delete", place, Unset.ANYTHING, (None, send))

    def _delete_that(self, place: Place) -> None:
        known = self._history.seen.get(place)
        if known is not None:
            value, etag = known
            send = partial(self._s3.delete_object, **named(place), IfMatch=etag)
            outcomes = OUTCOMES_UNDER_A_MARKER if place[0] == "versioned" else OUTCOMES
            self._write("delete that", place, value, (None, send), outcomes)

    def _write(
        self,
        name: str,
        place: Place,
        wanted: Value | Unset,
        sending: "Sending",
        outcomes: Mapping[str, Outcome] = OUTCOMES,
    ) -> None:
        """Send a write of a value and record what came of it. Raises what is no answer to it."""
        value, send = sending
        invoked = time.monotonic()
        try:
            answer = send()
        except EndpointConnectionError:
            # Nothing was sent.
            raise
        except (BotoCoreError, OSError):
            self._record(name, place, invoked, wanted, value, Outcome.UNKNOWN)
            raise
        except ClientError as error:
            outcome = outcomes.get(error.response["Error"]["Code"], Outcome.UNKNOWN)
            self._record(name, place, invoked, wanted, value, outcome)
            if outcome is Outcome.UNKNOWN:
                raise
        else:
            self._record(name, place, invoked, wanted, value, Outcome.DONE)
            if value is not None:
                self._history.seen[place] = (value, answer["ETag"])

    def _record(
        self,
        name: str,
        place: Place,
        invoked: float,
        wanted: Value | Unset,
        value: Value | Unset,
        outcome: Outcome,
    ) -> None:
        returned = inf if outcome is Outcome.UNKNOWN else time.monotonic()
        operation = Operation(name, invoked, returned, wanted, value, outcome)
        self._history.operations[place].append(operation)
        self._history.counts[f"{name} {outcome.name.lower()}"] += 1

    def _new_value(self) -> str:
        self._values += 1
        return f"{self._number}-{self._values}"

    def _encryption(self) -> dict[str, str]:
        return self._random.choice(({}, {"ServerSideEncryption": "aws:kms"}))

    def _condition(self, place: Place) -> tuple[Value | Unset, dict[str, str]]:
        """What a copy or a completion wants to be there, and the header that says so."""
        known = self._history.seen.get(place)
        choices: list[tuple[Value | Unset, dict[str, str]]] = [
            (Unset.ANYTHING, {}),
            (None, {"IfNoneMatch": "*"}),
        ]
        if known is not None:
            choices.append((known[0], {"IfMatch": known[1]}))
        return self._random.choice(choices)


Sending = tuple[Value, Callable[[], Answer]]
"""The value that a key is to hold, and what sends the request that makes it so."""


def named(place: Place) -> dict[str, str]:
    return {"Bucket": place[0], "Key": place[1]}


def load(
    server: Server, clients: list[Client], operations: int, harm: Callable[[], None] | None
) -> None:
    """Let the clients do so many operations together, or work until the harm is done."""
    s3 = client(server.endpoint, "s3", connections=len(clients))
    stop = threading.Event()
    share = operations // len(clients) + 1
    threads = [threading.Thread(target=one.run, args=(s3, stop, share)) for one in clients]
    for thread in threads:
        thread.start()
    if harm is not None:
        harm()
        stop.set()
    for thread in threads:
        thread.join()
    s3.close()


class Run:
    """A store, those who work on it, and what they were answered."""

    def __init__(self, folder: Path, *, keys: int, clients: int, seed: int) -> None:
        self.history = History()
        self.kills = 0
        self._folder = folder
        self._chance = random.Random(seed)
        self._clients = [Client(number, keys, seed, self.history) for number in range(clients)]

    def start(self, **environment: str) -> Server:
        """Start a server; the first makes the buckets."""
        data = self._folder / "data"
        fresh = not data.exists()
        server = Server(data, WORKERS, environment=environment)
        if fresh:
            s3 = client(server.endpoint, "s3")
            for bucket in BUCKETS:
                s3.create_bucket(Bucket=bucket)
            versioning = {"Status": "Enabled"}
            s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration=versioning)
        return server

    def work(self, server: Server, operations: int) -> None:
        """Do so many operations on a server that nobody harms."""
        load(server, self._clients, operations, None)

    def work_and_kill(self, operations: int) -> None:
        """Work on a server, the last of whose processes die after a moment; some die before."""
        server = self.start()

        def harm() -> None:
            time.sleep(self._chance.uniform(0.3, ROUND_SECONDS_MAX) / 2)
            for worker in server.workers()[: self._chance.randrange(WORKERS)]:
                self._kill(worker)
            time.sleep(self._chance.uniform(0.3, ROUND_SECONDS_MAX) / 2)
            server.kill()
            self.kills += 1

        try:
            load(server, self._clients, operations, harm)
        finally:
            server.kill()
        self.history.died()

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.kills += 1

    def read_all(self, server: Server) -> None:
        self._clients[0].read_all(client(server.endpoint, "s3"))


def explain(history: History) -> tuple[int, int]:
    """How many keys have an answer that nothing explains, and how many could not be decided."""
    violations = undecided = 0
    for place, operations in sorted(history.operations.items()):
        try:
            broken = violation(operations)
        except Undecided:
            undecided += 1
            continue
        if broken is not None:
            violations += 1
            click.echo(f"{place}: {broken}", err=True)
    return violations, undecided


def mutant_is_caught(folder: Path, **sizes: int) -> bool:
    """Work on a server that judges conditions early only, until an answer cannot be explained."""
    run = Run(folder, **sizes)
    server = run.start(PYTHONPATH=str(MUTANT))
    try:
        for _ in range(MUTANT_ROUNDS_MAX):
            run.work(server, MUTANT_ROUND_OPERATIONS)
            if any(violation(operations) for operations in run.history.operations.values()):
                return True
    finally:
        server.stop()
    return False


@click.command()
@click.option("--operations", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--clients", type=click.IntRange(1, 64), default=16, show_default=True)
@click.option("--keys", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--kill/--no-kill", default=True, show_default=True, help="Kill processes.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is done.")
def main(operations: int, clients: int, keys: int, kill: bool, seed: int) -> None:
    """Exit 0 if a single copy of each key explains all answers, and not the broken server's."""
    sizes = {"keys": keys, "clients": clients, "seed": seed}
    with workplace("linearizability") as folder:
        run = Run(folder, **sizes)
        while kill and run.history.size < operations:
            run.work_and_kill(operations)
        server = run.start()
        try:
            if not kill:
                run.work(server, operations)
            run.read_all(server)
        finally:
            server.stop()
        (folder / "mutant").mkdir()
        caught = mutant_is_caught(folder / "mutant", **sizes)
    history = run.history
    violations, unknown = explain(history)
    for problem in history.problems:
        click.echo(problem, err=True)
    counts = sorted(history.counts.items())
    click.echo(", ".join(f"{name}: {count}" for name, count in counts), err=True)
    click.echo(
        f"LIN ops={history.size} keys={keys} kills={run.kills} violations={violations} "
        f"unknown={unknown} unanswered={history.unanswered} wrong={len(history.problems)} "
        f"mutant_caught={'yes' if caught else 'no'}"
    )
    sys.exit(1 if violations or unknown or history.problems or not caught else 0)


if __name__ == "__main__":
    main()
