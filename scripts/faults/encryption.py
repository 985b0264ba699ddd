"""Kills a process at every step on the disk of what gives an object another key or makes it whole.

For each scenario a folder is prepared, and the operation is run on copies of it by children that
die by SIGKILL: in the first write, in the second …, until one lives. A write to the database, its
log or a blob gets half of its bytes onto the disk; a flush, an allocation, a removal does not
happen. Then what a start does is done, and every version must be there as it was or as it was to
become, readable under its key; an acknowledged one only the latter. The operation, tried again,
must succeed. No file or row may be left that nothing refers to.

    scripts/faults/encryption [SCENARIO …]
"""

import asyncio
import itertools
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw

sys.path.insert(0, str(Path(__file__).parents[1] / "encryption_matrix"))

from house import House, Way, content
from workplace import workplace

from objstore.crypt.customer_keys import NO_CUSTOMER_KEY
from objstore.crypt.manifest import Mode, decode
from objstore.operations.copy import SourceNamed
from objstore.operations.read import Selection
from objstore.storage.records import StoredObject
from objstore.storage.sweep import Problem, boot_sweep, check

BUCKETS = ("plain", "versioned")
DATABASES = ("index.db", "keys.db")
INLINE_BYTES, FILE_BYTES, PART_BYTES = 4_000, 300_000, 5 << 20
KEYS_LISTED_MAX = 100
STRAY = (Problem.STRAY, Problem.LEAKED)
SSE_S3, SSE_KMS, BUCKET_KEY, DSSE_KMS, SSE_C = range(5)


class Fuse:
    """Counts steps on the disk, of any thread; kills the process in the fatal one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = 0
        self._fatal = 0

    def arm(self, fatal: int) -> None:
        """Count from here on; 0 never comes."""
        with self._lock:
            self._steps, self._fatal = 0, fatal

    def burns(self) -> bool:
        """Count a step; whether it is the one to die in."""
        with self._lock:
            self._steps += 1
            return self._steps == self._fatal

    def step(self) -> None:
        """A step that is not taken if it is the fatal one."""
        if self.burns():
            die()


FUSE = Fuse()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class File(apsw.VFSFile):
    """A file of SQLite's whose writes, flushes and cuts burn the fuse."""

    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        path = name if isinstance(name, str) else name.filename()
        self._counts = any(database in path for database in DATABASES)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._counts and FUSE.burns():
            super().xWrite(data[: len(data) // 2], offset)
            die()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self._counts:
            FUSE.step()
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        if self._counts:
            FUSE.step()
        super().xTruncate(size)


class Files(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("fuse", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> File:
        return File(name, flags)


def wire_the_fuse() -> None:
    """Have this process's own steps on the disk burn the fuse, too."""
    write = os.write

    def half(descriptor: int, data: Any) -> int:
        if FUSE.burns():
            write(descriptor, bytes(data)[: len(data) // 2])
            die()
        return write(descriptor, data)

    os.write = half
    for name in ("fsync", "mkdir", "unlink", "posix_fallocate"):
        setattr(os, name, _fused(getattr(os, name)))


def _fused(call: Callable[..., Any]) -> Callable[..., Any]:
    def fused(*arguments: Any, **named: Any) -> Any:
        FUSE.step()
        return call(*arguments, **named)

    return fused


# Scenarios.

Operation = Callable[[House], Awaitable[object]]
Prepare = Callable[[House, list[Way]], Awaitable[Operation]]


def copying(source: int, target: int, *, to: str, bucket: str, size: int) -> Prepare:
    """CopyObject of `a` to itself, to `b`, which is there, or to `c`, which is not."""

    async def prepare(house: House, ways: list[Way]) -> Operation:
        await house.put(bucket, "a", content(size, "a"), ways[source])
        await house.put(bucket, "b", content(size, "b"), ways[source])
        return lambda copied: copied.call(
            "CopyObject",
            bucket,
            key=to,
            named=SourceNamed(f"{bucket}/a"),
            encryption=ways[target].write,
            source_key=ways[source].source,
        )

    return prepare


def completing(way: int, *, bucket: str, algorithm: str | None = None) -> Prepare:
    """CompleteMultipartUpload of `a`, which is there; one part that was sent is not named."""

    async def prepare(house: House, ways: list[Way]) -> Operation:
        await house.put(bucket, "a", content(FILE_BYTES, "a"), ways[way])
        upload = await house.begin(bucket, "a", ways[way], algorithm)
        for size in (PART_BYTES, FILE_BYTES, FILE_BYTES):
            await upload.add(content(size, f"part of {size}"))
        upload.parts.pop()
        return lambda opened: replace(upload, house=opened).complete()

    return prepare


def updating(source: int, *, bucket_key: bool, bucket: str, in_parts: bool = False) -> Prepare:
    """UpdateObjectEncryption of `a`, to a key that it does not have."""

    async def prepare(house: House, ways: list[Way]) -> Operation:
        if in_parts:
            upload = await house.begin(bucket, "a", ways[source], None)
            await upload.add(content(PART_BYTES, "first"))
            await upload.add(content(INLINE_BYTES, "second"))
            await upload.complete()
        else:
            await house.put(bucket, "a", content(INLINE_BYTES, "a"), ways[source])
        version_id = house.row(bucket, "a").version_id
        if bucket == "versioned":
            await house.put(bucket, "a", content(INLINE_BYTES, "newer"), ways[source])
        wanted = {"KMSKeyArn": house.make_key(), "BucketKeyEnabled": bucket_key}
        return lambda opened: opened.call(
            "UpdateObjectEncryption",
            bucket,
            key="a",
            version_id=version_id,
            object_encryption={"SSEKMS": wanted},
        )

    return prepare


PLAIN, VERSIONED = BUCKETS
SCENARIOS: dict[str, Prepare] = {
    "copy": copying(SSE_S3, SSE_KMS, to="c", bucket=PLAIN, size=FILE_BYTES),
    "copy over another": copying(SSE_C, BUCKET_KEY, to="b", bucket=PLAIN, size=FILE_BYTES),
    "copy in place": copying(SSE_KMS, DSSE_KMS, to="a", bucket=PLAIN, size=FILE_BYTES),
    "copy in place, small": copying(SSE_S3, BUCKET_KEY, to="a", bucket=PLAIN, size=INLINE_BYTES),
    "copy to a version": copying(DSSE_KMS, SSE_C, to="a", bucket=VERSIONED, size=FILE_BYTES),
    "complete": completing(SSE_KMS, bucket=PLAIN),
    "complete, SSE-S3": completing(SSE_S3, bucket=PLAIN),
    "complete, bucket key": completing(BUCKET_KEY, bucket=PLAIN, algorithm="CRC32"),
    "complete, DSSE-KMS": completing(DSSE_KMS, bucket=PLAIN, algorithm="SHA256"),
    "complete a version, SSE-C": completing(SSE_C, bucket=VERSIONED),
    "update SSE-S3": updating(SSE_S3, bucket_key=False, bucket=PLAIN),
    "update SSE-KMS": updating(SSE_KMS, bucket_key=False, bucket=PLAIN),
    "update to a bucket key": updating(SSE_KMS, bucket_key=True, bucket=VERSIONED),
    "update a bucket key": updating(BUCKET_KEY, bucket_key=False, bucket=VERSIONED),
    "update in parts": updating(SSE_KMS, bucket_key=False, bucket=PLAIN, in_parts=True),
}


# What is there.


@dataclass(frozen=True, slots=True)
class State:
    """Every version and every upload; ids and ETags that are new are all called "new"."""

    versions: tuple[tuple[Any, ...], ...]
    uploads: tuple[tuple[Any, ...], ...]


async def state_of(house: House, known: frozenset[str], ways: list[Way]) -> State:
    """Reads every byte of every version. Raises what reading raises."""
    versions: list[tuple[Any, ...]] = []
    uploads: list[tuple[Any, ...]] = []
    for name in BUCKETS:
        bucket_id = house.bucket(name).bucket_id
        everything = {"prefix": b"", "after_key": b"", "delimiter": b"", "limit": KEYS_LISTED_MAX}
        listed = house.store.list_versions(bucket_id, after_version="", **everything)
        for listed_row in listed.versions:
            row = house.row(name, listed_row.key.decode(), listed_row.version_id)
            versions.append((name, *await _shown(house, name, row, known, ways)))
        begun = house.store.uploads(bucket_id, after_upload="", **everything)
        for upload in begun.uploads:
            parts = house.store.parts(upload.upload_id, after=0, limit=KEYS_LISTED_MAX)
            uploads.append((name, upload.key, *((part.number, part.etag) for part in parts)))
    return State(tuple(versions), tuple(uploads))


async def _shown(
    house: House, bucket: str, row: StoredObject, known: frozenset[str], ways: list[Way]
) -> tuple[Any, ...]:
    manifest = decode(row.manifest)
    reply = await house.call(
        "GetObject",
        bucket,
        key=row.key.decode(),
        selection=Selection(version_id=row.version_id),
        customer=ways[SSE_C].read if manifest.mode is Mode.SSE_C else NO_CUSTOMER_KEY,
    )
    body = reply["Body"]
    data = body if isinstance(body, bytes) else b"".join([bytes(part) async for part in body])
    names = [name if name in known else "new" for name in (row.version_id, row.etag)]
    encryption = (manifest.mode.name, manifest.kms_key_arn, manifest.flags)
    return row.key, *names, *encryption, len(data), sha256(data).hexdigest()


def names_of(house: House) -> frozenset[str]:
    """The ids and ETags that are there."""
    rows = house.index().execute("SELECT version_id, etag FROM objects").fetchall()
    return frozenset(itertools.chain.from_iterable(rows))


# Deaths.


@dataclass(slots=True)
class Totals:
    deaths: int = 0
    old: int = 0
    new: int = 0
    neither: int = 0
    orphans: int = 0
    left: int = 0

    def __str__(self) -> str:
        return (
            f"deaths={self.deaths} old={self.old} new={self.new} neither={self.neither} "
            f"orphans={self.orphans} left={self.left}"
        )

    @property
    def clean(self) -> bool:
        return bool(self.deaths) and not (self.neither or self.left)


def run_child(folder: Path, operation: Operation, fatal: int) -> tuple[bool, bool]:
    """Run an operation in a child; whether it died in the step `fatal`, and was acknowledged."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            wire_the_fuse()
            asyncio.run(_operate(folder, operation, fatal, writer))
        except Exception:
            traceback.print_exc()
            os._exit(1)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        acknowledged = bool(answer.read())
    _, status = os.waitpid(child, 0)
    died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not died and status != 0:
        raise RuntimeError("the operation itself failed")
    return died, acknowledged


async def _operate(folder: Path, operation: Operation, fatal: int, acknowledge: int) -> None:
    """The steps that count are those from the operation's start to the end of the closing."""
    house = House(folder)
    house.open()
    FUSE.arm(fatal)
    await operation(house)
    # Not by os.write, which burns the fuse.
    with os.fdopen(acknowledge, "w") as pipe:
        pipe.write("done")
    await house.close()


class Scenario:
    """A prepared folder, the operation, and the two states that a death may leave."""

    def __init__(self, name: str, base: Path, totals: Totals) -> None:
        self._name = name
        self._base = base
        self._totals = totals
        self._operation: Operation
        self._ways: list[Way]
        self._known: frozenset[str]
        self._old: State
        self._new: State

    def run(self) -> int:
        """How many deaths it took."""
        prepared, done = self._base / "prepared", self._base / "done"
        asyncio.run(self._prepare(prepared))
        shutil.copytree(prepared, done)
        assert run_child(done, self._operation, 0) == (False, True)
        self._new = asyncio.run(self._state(done))
        assert self._new != self._old, "nothing changed"
        for fatal in itertools.count(1):
            victim = self._base / "victim"
            shutil.copytree(prepared, victim)
            died, acknowledged = run_child(victim, self._operation, fatal)
            if not died:
                return fatal - 1
            self._totals.deaths += 1
            self._judge(victim, fatal, acknowledged)
            shutil.rmtree(victim)
        raise AssertionError("the loop returns")

    async def _prepare(self, folder: Path) -> None:
        house = House(folder)
        house.open()
        for bucket in BUCKETS:
            await house.make_bucket(bucket, versioned=bucket == VERSIONED)
        self._ways = house.ways()
        self._operation = await SCENARIOS[self._name](house, self._ways)
        self._known = names_of(house)
        self._old = await state_of(house, self._known, self._ways)
        await house.close()

    async def _state(self, folder: Path, operation: Operation | None = None) -> State:
        """The state of a folder, after the operation if that is given."""
        house = House(folder)
        house.open()
        try:
            if operation is not None:
                await operation(house)
            return await state_of(house, self._known, self._ways)
        finally:
            await house.close()

    def _judge(self, victim: Path, fatal: int, acknowledged: bool) -> None:
        for finding in check(victim):
            if finding.problem not in STRAY:
                self._wrong(fatal, f"{finding.subject}: {finding.problem.value}")
        self._totals.orphans += boot_sweep(victim).files_removed
        self._left(victim, fatal)
        try:
            state = asyncio.run(self._state(victim))
        except Exception as error:
            self._wrong(fatal, f"unreadable: {error!r}")
            return
        if state == self._new:
            self._totals.new += 1
        elif state == self._old and not acknowledged:
            self._totals.old += 1
            self._again(victim, fatal)
        else:
            self._wrong(fatal, f"acknowledged={acknowledged} {state}")

    def _again(self, victim: Path, fatal: int) -> None:
        if asyncio.run(self._state(victim, self._operation)) != self._new:
            self._wrong(fatal, "cannot be done again")
        self._left(victim, fatal)

    def _left(self, victim: Path, fatal: int) -> None:
        for finding in check(victim):
            self._totals.left += 1
            self._say(fatal, f"left: {finding.subject}: {finding.problem.value}")

    def _wrong(self, fatal: int, what: str) -> None:
        self._totals.neither += 1
        self._say(fatal, what)

    def _say(self, fatal: int, what: str) -> None:
        print(f"{self._name}, step {fatal}: {what}", file=sys.stderr)  # noqa: T201


def main(names: list[str]) -> None:
    files = Files()
    totals = Totals()
    for name in names or SCENARIOS:
        with workplace("encryption-faults") as base:
            deaths = Scenario(name, base, totals).run()
        print(f"{name}: {deaths} deaths", flush=True)  # noqa: T201
    files.unregister()
    print(f"ENCRYPTION-FAULTS {totals}")  # noqa: T201
    sys.exit(0 if totals.clean else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
