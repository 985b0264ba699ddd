"""A full disk: no acknowledged write is lost, nothing is half done, room that is made is enough.

The server's folder is on a small tmpfs. Writers change things of their own, of every kind: objects
in the index, in files, in parts, copies, tags, settings of buckets, KMS keys and aliases, IAM
policies. First they fill the disk down to the reserve that the server keeps; then something else
takes the last block, and the server is stopped and started; then that goes away. All the while
every answer must be a success or an error of the service's own, what was read before must be read
again, and deletes must succeed. After an error a thing is what it was or what it was to become.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from server import Server
from things import BUCKET, KINDS, OBJECTS, SETTINGS, Clients, Value, make_source
from workplace import workplace

from objstore.storage.sweep import check

WORKERS = 2
DISK_MIB = 304
"""The reserve of 256 MiB, and some room to fill."""
WRITERS = 4
BLOCK_BYTES = 4096
DELETED_SHARE = 0.8
DELETE_TRIES = 5
ROOM_SECONDS_MAX = 10
WORKER_SECONDS_MAX = 20
REFUSALS = {
    "s3": {(503, "ServiceUnavailable"), (503, "SlowDown")},
    "kms": {(500, "KMSInternalException")},
    "iam": {(503, "ServiceUnavailable")},
}
"""How each service says that it is not the client's fault."""

Place = tuple[str, str]
"""A kind and a name."""


@dataclass
class Tally:
    """What the answers came to, over all threads."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    deletes_ok: int = 0
    deletes_refused: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Answers that are neither a success nor a refusal, and connections that broke."""


class Writer:
    """One client, whose things nobody else changes: what they may hold is known."""

    def __init__(self, number: int, endpoint: str, tally: Tally, seed: int) -> None:
        self._number = number
        self._clients = Clients(endpoint)
        self._tally = tally
        self._random = random.Random(f"{seed} {number}")
        self._values = 0
        self._objects = 0
        self._possible: dict[Place, set[Value]] = {}
        for kind, about in SETTINGS.items():
            name = f"{kind}-{number}"
            about.prepare(self._clients, name)
            self._possible[kind, name] = {about.read(self._clients, name)}

    def fill(self) -> None:
        """Write new objects, and change everything else, until objects of all kinds are refused."""
        refused: set[str] = set()
        while len(refused) < len(OBJECTS):
            kind = self._random.choice([*OBJECTS])
            if not self.write_one(kind):
                refused.add(kind)
            self.change_settings(1)

    def change_settings(self, rounds: int) -> None:
        for _ in range(rounds):
            for kind in SETTINGS:
                self.write_one(kind)

    def write_one(self, kind: str) -> bool:
        """Write a new object, or change a setting; whether that was acknowledged."""
        name = self._new_name(kind) if kind in OBJECTS else f"{kind}-{self._number}"
        return self._write(kind, name)

    def overwrite(self, rounds: int) -> None:
        """Write each kind of object, new and over what is there."""
        for _ in range(rounds):
            for kind in OBJECTS:
                self.write_one(kind)
                known = [name for of, name in self._possible if of == kind]
                self._write(kind, self._random.choice(known))

    def delete(self) -> None:
        """Delete most objects, with another try for each that is refused."""
        held = [place for place in self._possible if place[0] in OBJECTS]
        for place in self._random.sample(held, int(len(held) * DELETED_SHARE)):
            for _ in range(DELETE_TRIES):
                if self._delete(place):
                    self._tally.deletes_ok += 1
                    break
                self._tally.deletes_refused += 1

    def verify(self) -> None:
        """Read everything. What is found once must stay, so it is all that may be there."""
        for place, values in self._possible.items():
            kind, name = place
            with self._judging(place, reading=True):
                found = KINDS[kind].read(self._clients, name)
                if found not in values:
                    self._tally.lost.append(f"{place}: {found} is none of {values}")
                self._possible[place] = {found}

    def _new_name(self, kind: str) -> str:
        self._objects += 1
        return f"{kind}-{self._number}-{self._objects}"

    def _write(self, kind: str, name: str) -> bool:
        """Write a new value; whether that was acknowledged."""
        self._values += 1
        value = f"{self._number}x{self._values}"
        place = (kind, name)
        values = self._possible.setdefault(place, {None})
        values.add(value)
        with self._judging(place):
            KINDS[kind].write(self._clients, name, value)
            self._possible[place] = {value}
            self._tally.done[kind] += 1
            return True
        return False

    def _delete(self, place: Place) -> bool:
        self._possible[place].add(None)
        with self._judging(place):
            self._clients.s3.delete_object(Bucket=BUCKET, Key=place[1])
            self._possible[place] = {None}
            return True
        return False

    @contextmanager
    def _judging(self, place: Place, *, reading: bool = False) -> Iterator[None]:
        """Note a refusal, or an answer that may not be: of a read, any but a success."""
        kind = place[0]
        try:
            yield
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answer = (status, error.response["Error"]["Code"])
            if not reading and answer in REFUSALS[KINDS[kind].service]:
                self._tally.refused[kind] += 1
            else:
                self._tally.wrong.append(f"{place}: {status} {error}")
        except ReadTimeoutError:
            self._tally.stuck.append(f"{place}: no answer")
        except (BotoCoreError, OSError, ValueError, AssertionError) as error:
            self._tally.wrong.append(f"{place}: {error!r}")


def together(writers: list[Writer], work: Callable[[Writer], object]) -> None:
    threads = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Disk:
    """A small tmpfs at `folder`. Needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def __enter__(self) -> "Disk":
        self.folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(self.folder)]
        done = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise click.ClickException(f"needs root, to mount a tmpfs: {done.stderr.strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)

    def take_all(self) -> None:
        """Leave no block."""
        with self._ballast.open("ab") as file:
            size = 1 << 30
            while size >= BLOCK_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError:
                    size //= 2

    def give_back(self) -> None:
        self._ballast.unlink()


class Run:
    """A server on a small disk, and those who fill it."""

    def __init__(self, disk: Disk, server: Server, seed: int) -> None:
        self.disk = disk
        self.server = server
        self.tally = Tally()
        clients = Clients(self.server.endpoint)
        make_source(clients)
        self.writers = [
            Writer(number, self.server.endpoint, self.tally, seed) for number in range(WRITERS)
        ]

    def fill(self) -> None:
        """Down to the reserve: objects are refused, the rest goes on."""
        together(self.writers, Writer.fill)
        before = sum(self.tally.refused[kind] for kind in SETTINGS)
        together(self.writers, lambda writer: writer.change_settings(2))
        if sum(self.tally.refused[kind] for kind in SETTINGS) > before:
            self.tally.wrong.append("settings were refused above the reserve")

    def overfill(self) -> None:
        """Down to the last block."""
        self.disk.take_all()
        together(self.writers, lambda writer: writer.overwrite(3))
        together(self.writers, lambda writer: writer.change_settings(15))

    def replace_a_worker(self) -> None:
        """Another worker must be able to start on the full disk."""
        lost, *_ = self.server.workers()
        os.kill(lost, signal.SIGKILL)
        until = time.monotonic() + WORKER_SECONDS_MAX
        while lost in self.server.workers() or len(self.server.workers()) < WORKERS:
            if time.monotonic() > until:
                self.tally.stuck.append("no worker takes the place of one that died")
                return
            time.sleep(0.1)

    def restart(self) -> None:
        """A server must stop, and start again, on the full disk."""
        self.server.stop()
        self.disk.take_all()
        port = str(urlsplit(self.server.endpoint).port)
        self.server = Server(self.disk.folder, WORKERS, flags=("--port", port))

    def refuse_to_start(self) -> None:
        """Without any room left to start in, a start says so in one line and changes nothing."""
        self.server.stop()
        self.disk.take_all()
        before = contents_of(self.disk.folder)
        command = [sys.executable, "-m", "objstore", "serve", "--dev", "--port", "0"]
        done = subprocess.run(
            [*command, "--data", str(self.disk.folder)],
            check=False,
            capture_output=True,
            text=True,
            timeout=WORKER_SECONDS_MAX,
        )
        if done.returncode == 0 or not re.fullmatch("Error: the disk .* is full.*\n", done.stderr):
            self.tally.wrong.append(f"a start without room: {done.returncode} {done.stderr}")
        if contents_of(self.disk.folder) != before:
            self.tally.wrong.append("a start without room changed the folder")

    def verify(self) -> None:
        together(self.writers, Writer.verify)

    def delete(self) -> None:
        together(self.writers, lambda writer: writer.delete())

    def write_again(self) -> None:
        """Whether all kinds of writes succeed, soon, with no more than room."""
        until = time.monotonic() + ROOM_SECONDS_MAX
        for kind in KINDS:
            while not self.writers[0].write_one(kind):
                if time.monotonic() > until:
                    self.tally.stuck.append(f"{kind}: still refused when there is room")
                    return
                time.sleep(0.1)

    def audit(self) -> None:
        """Each change of a description must be in the trail once, soon, and no line torn."""
        expected = self.tally.done["description"]
        until = time.monotonic() + ROOM_SECONDS_MAX
        while (found := changes_in(self.disk.folder / "audit")) != (expected, expected):
            if time.monotonic() > until:
                self.tally.lost.append(f"records, changes in the trail: {found}, not {expected}")
                return
            time.sleep(0.1)


def contents_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """The files of a folder, with their sizes and when they were written."""
    found = ((path, path.stat()) for path in folder.rglob("*"))
    return {path: (one.st_size, one.st_mtime_ns) for path, one in found}


def changes_in(trail: Path) -> tuple[int, int]:
    """How many records of successful changes of descriptions a trail has, and of how many.

    (-1, -1) if a line is torn.
    """
    ids = []
    for path in trail.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                return -1, -1
            if event["eventName"] == "UpdateKeyDescription" and "errorCode" not in event:
                ids.append(event["eventID"])
    return len(ids), len(set(ids))


def harm(run: Run) -> Tally:
    """Everything there is to do to a server on a small disk, and what came of it."""
    run.fill()
    run.verify()
    run.delete()
    run.write_again()
    run.fill()
    run.overfill()
    run.verify()
    run.delete()
    run.disk.give_back()
    run.write_again()
    run.audit()
    run.disk.take_all()
    run.replace_a_worker()
    run.verify()
    run.restart()
    run.verify()
    run.delete()
    run.disk.give_back()
    run.write_again()
    run.verify()
    run.refuse_to_start()
    run.disk.give_back()
    run.tally.wrong += [f"{one.subject}: {one.problem.value}" for one in check(run.disk.folder)]
    return run.tally


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is written.")
def main(seed: int) -> None:
    """Exit 0 if nothing acknowledged was lost, and nothing is stuck when there is room again."""
    with workplace("disk-full") as folder:
        with Disk(folder / "data") as disk:
            run = Run(disk, Server(disk.folder, WORKERS), seed)
            try:
                tally = harm(run)
            finally:
                run.server.kill()
        log = (folder / "data.log").read_text()
    click.echo(log, err=True)
    for problem in (*tally.lost, *tally.wrong, *tally.stuck):
        click.echo(problem, err=True)
    for name, counts in (("done", tally.done), ("refused", tally.refused)):
        shown = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
        click.echo(f"{name}: {shown}", err=True)
    click.echo(
        f"ENOSPC done={tally.done.total()} refused={tally.refused.total()} "
        f"acked_lost={len(tally.lost)} wrong={len(tally.wrong)} stuck={len(tally.stuck)} "
        f"deletes_ok={tally.deletes_ok} deletes_refused={tally.deletes_refused}"
    )
    sys.exit(1 if tally.lost or tally.wrong or tally.stuck or tally.deletes_refused else 0)


if __name__ == "__main__":
    main()
