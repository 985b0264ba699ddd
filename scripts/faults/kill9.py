"""Kill -9 under load: no acknowledged write may be lost, and none come back changed.

Clients put (inline, in a file, in parts), copy and delete objects under keys of their own, with
SSE-S3, SSE-KMS and bucket keys, and change the encryption of what is there. All processes of the
server are killed at a random moment. Before each restart the store is checked without keys; after
it, every object that was touched is read: an acknowledged write must be there, an interrupted one
may be there or not. Nothing else may.
"""

import hashlib
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from server import Server, client
from workplace import workplace

from objstore.storage.sweep import Problem, check

BUCKETS = ("plain", "versioned")
KEYS_OF_CLIENT = 24
PART_BYTES = 5 * 1024**2
SIZES = (0, 100, 12_000, 40_000, 300_000, 1_500_000)
STRAY = (Problem.STRAY, Problem.LEAKED)

Seen = str | None
"""The SHA-256 of what a key holds; None if it holds nothing."""


@dataclass
class Totals:
    """What the checks between the runs came to."""

    kills: int = 0
    orphans: int = 0
    damaged: int = 0


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Writer:
    """One client. Each of its keys is written by it alone, so what may be there is known.

    `possible` has, for each key, what a reader may find: one thing after an acknowledged write,
    two after an interrupted one.
    """

    def __init__(self, number: int, key_arn: str, seed: int) -> None:
        self.number = number
        self.possible: dict[tuple[str, str], set[Seen]] = {}
        self.touched: set[tuple[str, str]] = set()
        self.problems: list[str] = []
        self.acked: Counter[str] = Counter()
        self.lost = self.corrupt = 0
        self._key_arn = key_arn
        self._random = random.Random(f"{seed} {number}")
        self._s3: Any = None

    def run(self, endpoint: str, stop: threading.Event) -> None:
        """Write until the server is gone, or `stop` is set."""
        self._s3 = client(endpoint, "s3")
        operations = (
            *(self._put, self._put, self._put),
            *(self._copy, self._update, self._delete, self._parts),
        )
        while not stop.is_set():
            operation = self._random.choice(operations)
            key = f"{self.number}/{self._random.randrange(KEYS_OF_CLIENT)}"
            place = (self._random.choice(BUCKETS), key)
            try:
                operation(place)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    self.problems.append(f"{place}: {error}")
                return
            except (BotoCoreError, OSError):
                return

    def _write(self, name: str, place: tuple[str, str], new: Seen, send: Callable[[], Any]) -> None:
        """Run a write that makes `place` hold `new`; until it is acknowledged, it may not."""
        self.touched.add(place)
        self.possible.setdefault(place, {None}).add(new)
        send()
        self.possible[place] = {new}
        self.acked[name] += 1

    def _encryption(self) -> dict[str, Any]:
        if self._random.random() < 0.5:
            return {}
        return {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": self._key_arn,
            "BucketKeyEnabled": self._random.random() < 0.5,
        }

    def _named(self, place: tuple[str, str]) -> dict[str, str]:
        return {"Bucket": place[0], "Key": place[1]}

    def _put(self, place: tuple[str, str]) -> None:
        data = self._random.randbytes(self._random.choice(SIZES))
        more = self._encryption()
        self._write(
            "put",
            place,
            digest(data),
            lambda: self._s3.put_object(**self._named(place), Body=data, **more),
        )

    def _delete(self, place: tuple[str, str]) -> None:
        self._write("delete", place, None, lambda: self._s3.delete_object(**self._named(place)))

    def _copy(self, place: tuple[str, str]) -> None:
        known = [
            (other, next(iter(seen)))
            for other, seen in self.possible.items()
            if len(seen) == 1 and None not in seen and other != place
        ]
        if not known:
            return
        source, value = self._random.choice(known)
        more = self._encryption()
        self._write(
            "copy",
            place,
            value,
            lambda: self._s3.copy_object(
                **self._named(place), CopySource={"Bucket": source[0], "Key": source[1]}, **more
            ),
        )

    def _update(self, place: tuple[str, str]) -> None:
        seen = self.possible.get(place, {None})
        if len(seen) > 1 or None in seen:
            return
        wanted = {"KMSKeyArn": self._key_arn, "BucketKeyEnabled": self._random.random() < 0.5}
        self._write(
            "update",
            place,
            next(iter(seen)),
            lambda: self._s3.update_object_encryption(
                **self._named(place), ObjectEncryption={"SSEKMS": wanted}
            ),
        )

    def _parts(self, place: tuple[str, str]) -> None:
        named = self._named(place)
        upload = self._s3.create_multipart_upload(**named, **self._encryption())
        named["UploadId"] = upload["UploadId"]
        whole, parts = b"", []
        for number, size in ((1, PART_BYTES), (2, self._random.choice(SIZES[1:]))):
            data = self._random.randbytes(size)
            part = self._s3.upload_part(**named, PartNumber=number, Body=data)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
            whole += data
        if self._random.random() < 0.1:
            self._s3.abort_multipart_upload(**named)
            return
        self._write(
            "parts",
            place,
            digest(whole),
            lambda: self._s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts}),
        )

    def verify(self, endpoint: str, places: set[tuple[str, str]]) -> None:
        """Read what was touched. What is found once must stay, so it is all that may be there."""
        s3 = client(endpoint, "s3")
        for place in sorted(places):
            found: Seen
            try:
                found = digest(s3.get_object(**self._named(place))["Body"].read())
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    self.corrupt += 1
                    self.problems.append(f"{place}: {error}")
                    continue
                found = None
            if found not in self.possible[place]:
                self.lost += found is None
                self.corrupt += found is not None
                self.problems.append(f"{place}: {'lost' if found is None else 'corrupt'}")
            self.possible[place] = {found}


@contextmanager
def running(targets: list[Callable[[], None]]) -> Iterator[None]:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def judge(data: Path, totals: Totals) -> None:
    """Check the store while nothing runs: what a kill leaves may be strays, never damage."""
    for finding in check(data):
        if finding.problem in STRAY:
            totals.orphans += 1
        else:
            totals.damaged += 1
            click.echo(f"{finding.subject}: {finding.problem.value}", err=True)


def prepare(data: Path, workers: int) -> str:
    """Make the buckets and the KMS key; returns its ARN."""
    server = Server(data, workers)
    s3 = client(server.endpoint, "s3")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    made = client(server.endpoint, "kms").create_key()
    server.stop()
    return str(made["KeyMetadata"]["Arn"])


@click.command()
@click.option("--kills", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--clients", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--seconds", type=float, default=1.5, show_default=True, help="Longest load.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is written.")
@click.option("--data", type=click.Path(path_type=Path), help="Keep the store in this folder.")
def main(
    kills: int, workers: int, clients: int, seconds: float, seed: int, data: Path | None
) -> None:
    """Kill a server under load KILLS times; exit 0 if nothing acknowledged was lost or changed."""
    with workplace("kill9") as folder:
        store = data or folder / "data"
        totals = Totals()
        chance = random.Random(seed)
        key_arn = prepare(store, workers)
        writers = [Writer(number, key_arn, seed) for number in range(clients)]
        for _ in range(kills):
            attack(store, workers, writers, chance.uniform(0.1, seconds))
            totals.kills += 1
            judge(store, totals)
        server = Server(store, workers)
        with running([lambda w=w: w.verify(server.endpoint, {*w.possible}) for w in writers]):  # type: ignore[misc]
            pass
        server.stop()
        leftover = sum(1 for _ in check(store))
    problems = [problem for writer in writers for problem in writer.problems]
    for problem in problems:
        click.echo(problem, err=True)
    acked = sum((writer.acked for writer in writers), Counter[str]())
    click.echo(" ".join(f"{name}={count}" for name, count in sorted(acked.items())), err=True)
    click.echo(
        f"KILL9 kills={totals.kills} acked={acked.total()} "
        f"lost={sum(writer.lost for writer in writers)} "
        f"corrupt={sum(writer.corrupt for writer in writers)} "
        f"orphans={totals.orphans} damaged={totals.damaged} left={leftover}"
    )
    sys.exit(1 if problems or totals.damaged or leftover else 0)


def attack(store: Path, workers: int, writers: list[Writer], seconds: float) -> None:
    """Verify what the last kill may have hurt, then load the server and kill it."""
    server = Server(store, workers)
    stop = threading.Event()

    def work(writer: Writer) -> None:
        touched, writer.touched = writer.touched, set()
        writer.verify(server.endpoint, touched)
        ready.wait()
        writer.run(server.endpoint, stop)

    ready = threading.Barrier(len(writers) + 1)
    with running([lambda w=w: work(w) for w in writers]):  # type: ignore[misc]
        ready.wait()
        time.sleep(seconds)
        server.kill()
        stop.set()


if __name__ == "__main__":
    main()
