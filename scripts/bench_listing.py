"""What a page of a listing costs, by the size of the bucket: rows, handler and XML, in process.

The index is filled directly, one transaction a batch, with rows as PutObject makes them. Each time
is the median of `--rounds`, taken on one core without a network. Nothing here asserts.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).with_name("faults")))

from workplace import workplace

from kms.aws.arn import account_root
from kms.aws.clock import SystemClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.aws.model import load
from objstore.account.directory import unnamed_account
from objstore.call import Call, Services
from objstore.operations import OPERATIONS
from objstore.settings import Settings
from objstore.storage.index import connect
from objstore.storage.index_writes import Freed, put_object
from objstore.storage.records import BlobRef, Bucket, StoredObject
from objstore.storage.store import Store
from objstore.tokens import TOKEN_KEY_BYTES, Tokens
from objstore.wire.render import compile_output

ACCOUNT = "123456789012"
BUCKET = Bucket("bench", b"b" * 16, ACCOUNT, "us-east-1", 0)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
BATCH_ROWS = 10_000
PER_FOLDER = 1_000
MANIFEST_BYTES = 420  # of an SSE-KMS object


def key_of(number: int) -> bytes:
    return b"photos/%07d/%04d.jpg" % (number // PER_FOLDER, number % PER_FOLDER)


def row_of(number: int) -> StoredObject:
    blob = BlobRef(number.to_bytes(16, "big"), 1, 4096, number)
    return StoredObject(
        bucket_id=BUCKET.bucket_id,
        key=key_of(number),
        version_id="null",
        size=4096,
        etag=os.urandom(16).hex(),
        modified_ms=1_700_000_000_000 + number,
        storage_class="STANDARD",
        checksum_algorithm="CRC64NVME",
        checksum_type="FULL_OBJECT",
        manifest=bytes(MANIFEST_BYTES),
        mac=bytes(32),
        blobs=(blob,),
    )


def fill(folder: Path, start: int, stop: int) -> None:
    """Add the rows `start` to `stop`."""
    connection = connect(folder)
    for first in range(start, stop, BATCH_ROWS):
        with connection:
            for number in range(first, min(first + BATCH_ROWS, stop)):
                put_object(connection, row_of(number), None, Freed())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def questions(rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pages to ask for, in a bucket of so many rows."""
    middle, end = key_of(rows // 2).decode(), key_of(rows - 2).decode()
    yield "first page", {}
    yield "middle page", {"start_after": middle}
    yield "last page", {"start_after": end}
    yield "folders, delimiter /", {"prefix": "photos/", "delimiter": "/"}
    yield "one folder, delimiter /", {"prefix": middle.rpartition("/")[0] + "/", "delimiter": "/"}
    yield "delimiter .jpg (each key its own)", {"delimiter": ".jpg"}


def milliseconds(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append((time.process_time() - began) * 1000)
    return statistics.median(times)


def call_on(store: Store) -> Call:
    principal = Principal(PrincipalKind.ROOT, ACCOUNT, account_root(ACCOUNT), ACCOUNT)
    caller = Caller(principal, "AKIABENCH", "us-east-1", "0123456789ABCDEF")
    services = Services(
        store=store,
        data_keys=None,  # type: ignore[arg-type]  # a listing opens no key
        clock=SystemClock(),
        settings=Settings(data=store.folder),
        account=unnamed_account,
        tokens=Tokens(bytes(TOKEN_KEY_BYTES)),
    )
    return Call(caller, services, lambda *_: None, BUCKET)


async def measure(store: Store, rows: int, rounds: int) -> None:
    loop = asyncio.get_running_loop()
    call, model = call_on(store), load("s3")
    render = compile_output(model, model.operations["ListObjectsV2"])
    handler = OPERATIONS["ListObjectsV2"]

    def page(members: dict[str, Any]) -> int:
        steps = handler(call, encoding_type="url", **members)
        try:
            steps.send(None)  # type: ignore[attr-defined]
        except StopIteration as done:
            return len(render(done.value)[2])
        raise AssertionError("a listing waits for nothing")

    for name, members in questions(rows):
        size = page(members)
        spent = milliseconds(lambda members=members: page(members), rounds)
        click.echo(f"{rows:>9,}  {name:<34} {spent:7.2f} ms  {size:>9,} bytes of XML")
    assert loop is asyncio.get_running_loop()


async def run(folder: Path, rounds: int, most: int) -> None:
    store = Store.open(folder, wall=SystemClock(), space_reserve_bytes=0)
    await store.create_bucket(BUCKET)
    await store.close()
    filled = 0
    for rows in (size for size in SIZES if size <= most):
        fill(folder, filled, rows)
        filled = rows
        store = Store.open(folder, wall=SystemClock(), space_reserve_bytes=0)
        try:
            await measure(store, rows, rounds)
        finally:
            await store.close()


@click.command()
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1, 1000))
@click.option("--rows", default=SIZES[-1], show_default=True, help="The largest bucket.")
def main(rounds: int, rows: int) -> None:
    """Print the cost of pages of buckets of growing size."""
    with workplace("listing") as folder:
        asyncio.run(run(folder, rounds, rows))


if __name__ == "__main__":
    main()
