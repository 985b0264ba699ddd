"""What whoever can write the disk may try, one change at a time: every read must refuse.

Each change is made below the store, tried, and undone. A read that answers, whatever it answers,
has not noticed. HEAD and listings do not read the bytes and are not asked.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
from house import House, Upload, Way, content
from roundtrips import CHUNK, Tally

from objstore.crypt.frames import HEADER_LENGTH, TAG_LENGTH, TamperedError
from objstore.crypt.manifest import decode, encode
from objstore.errors import AWSError
from objstore.operations.read import EVERYTHING, Selection
from objstore.storage.blobs import blob_path
from objstore.storage.index import pack_refs
from objstore.storage.records import StoredObject, StoreError

SMALL_BYTES = 40
NUMBER_BITS = 42  # a later time than these can say has no date
LARGE_BYTES = 3 * CHUNK + 100
NOTICED = (TamperedError, StoreError, AWSError)
BUCKETS = ("tampered", "tampered-too")

# The columns that the manifest answers for, and how to damage a value of each.
TEXTS = ("version_id", "etag", "checksum_algorithm", "checksum_type")
NUMBERS = ("size", "modified_ms")
BYTES = ("manifest", "mac")


class Tampering:
    """Damages objects of one mode after another."""

    def __init__(self, house: House, ways: Sequence[Way], tally: Tally, *, every: int) -> None:
        """`every` is how many bits of long values are passed over between two that are flipped."""
        self._house = house
        self._ways = ways
        self._tally = tally
        self._every = every
        self._index: apsw.Connection

    async def run(self) -> None:
        self._index = self._house.index()
        for name in BUCKETS:
            await self._house.make_bucket(name, versioned=True)
        for way in self._ways:
            for bucket in BUCKETS:
                for key in (f"{way.name} small", f"{way.name} other"):
                    for version in range(2):
                        data = content(SMALL_BYTES, f"{bucket}/{key}/{version}")
                        await self._house.put(bucket, key, data, way)
                await self._house.put(
                    bucket, f"{way.name} large", content(LARGE_BYTES, bucket), way
                )
            await self._bits(way)
            await self._chunks(way)
            await self._swaps(way)
            await self._parts(way)
        self._index.close()

    async def _refused(self, what: str, read: Callable[[], Awaitable[Any]]) -> None:
        self._tally.cases += 1
        try:
            await read()
        except NOTICED:
            return
        self._tally.undetected += 1
        self._tally.complaints.append(f"undetected: {what}")

    def _reading(
        self, way: Way, name: str, selection: Selection = EVERYTHING
    ) -> Callable[[], Awaitable[Any]]:
        return lambda: self._house.get(BUCKETS[0], f"{way.name} {name}", way, selection)

    # Every bit of a small object: its blob and the columns of its row.

    async def _bits(self, way: Way) -> None:
        row = self._house.row(BUCKETS[0], f"{way.name} small")
        read = self._reading(way, "small")
        assert row.inline is not None
        for changed in flips(row.inline, self._every):
            with self._changed("inline", {"data": changed}, row.blobs[0].blob_id):
                await self._refused(f"{way.name}: a bit of the blob", read)
        for column in BYTES:
            for changed in flips(getattr(row, column), self._every):
                with self._column(row, {column: changed}):
                    await self._refused(f"{way.name}: a bit of {column}", read)
        for column in TEXTS:
            for changed in flips(getattr(row, column).encode(), 1):
                with self._column(row, {column: changed.decode("latin-1")}):
                    await self._refused(f"{way.name}: a bit of {column}", read)
        for column in NUMBERS:
            for bit in range(NUMBER_BITS):
                with self._column(row, {column: getattr(row, column) ^ 1 << bit}):
                    await self._refused(f"{way.name}: a bit of {column}", read)

    # The file of a large object, chunk by chunk. With two layers the chunks are the outer ones.

    async def _chunks(self, way: Way) -> None:
        row = self._house.row(BUCKETS[0], f"{way.name} large")
        (ref,) = row.blobs
        path = Path(blob_path(self._house.folder, ref.directory, ref.blob_id))
        whole = contents(path)
        header, body = whole[:HEADER_LENGTH], whole[HEADER_LENGTH:]
        step = CHUNK + TAG_LENGTH
        a, b, *rest = (body[at : at + step] for at in range(0, len(body), step))
        tail = b"".join(rest)
        changes = {
            "truncated by a byte": whole[:-1],
            "truncated by a chunk": header + a + b + b"".join(rest[:-1]),
            "empty": b"",
            "header only": header,
            "extended by a byte": whole + b"\0",
            "extended by a chunk": whole + a,
            "reordered": header + b + a + tail,
            "a chunk twice": header + a + a + tail,
            "the last chunk twice": whole + rest[-1],
            "without its first chunk": header + b + tail,
            "of another object": self._other_blob(way),
        }
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            changes[f"bit of byte {at}"] = whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]
        reads = {
            "whole": self._reading(way, "large"),
            "first byte": self._reading(way, "large", Selection(range="bytes=0-0")),
            "last byte": self._reading(way, "large", Selection(range="bytes=-1")),
        }
        for name, changed in changes.items():
            with replaced_file(path, changed):
                wanted = reads if len(changed) != len(whole) else {"whole": reads["whole"]}
                for how, read in wanted.items():
                    await self._refused(f"{way.name}: a blob {name}, {how}", read)

    def _other_blob(self, way: Way) -> bytes:
        (ref,) = self._house.row(BUCKETS[1], f"{way.name} large").blobs
        return contents(Path(blob_path(self._house.folder, ref.directory, ref.blob_id)))

    # Genuine things in the wrong places.

    async def _swaps(self, way: Way) -> None:
        """Between two objects, two versions of one, and two buckets."""
        here = self._house.row(BUCKETS[0], f"{way.name} small")
        older = next(
            version
            for version in self._versions(BUCKETS[0], f"{way.name} small")
            if version.version_id != here.version_id
        )
        read = self._reading(way, "small")
        for relation, there in (
            ("another object", self._house.row(BUCKETS[0], f"{way.name} other")),
            ("another version", older),
            ("another bucket", self._house.row(BUCKETS[1], f"{way.name} small")),
        ):
            name = f"{way.name}: the %s of {relation}"
            with self._changed("inline", {"data": there.inline}, here.blobs[0].blob_id):
                await self._refused(name % "blob", read)
            with self._column(here, {"inline_id": there.blobs[0].blob_id}):
                await self._refused(name % "reference to the blob", read)
            for columns in (("manifest",), ("mac",), ("manifest", "mac")):
                with self._column(here, {column: getattr(there, column) for column in columns}):
                    await self._refused(name % " and ".join(columns), read)
            ours, theirs = decode(here.manifest), decode(there.manifest)
            for field in ("wrapped_key", "context", "parts", "kms_key_arn"):
                if getattr(ours, field) == getattr(theirs, field):
                    continue
                stolen = encode(replace(ours, **{field: getattr(theirs, field)}))
                with self._column(here, {"manifest": stolen}):
                    await self._refused(name % field, read)
            row = {column: getattr(there, column) for column in (*BYTES, *NUMBERS, *TEXTS[1:])} | {
                "inline_id": there.blobs[0].blob_id
            }
            with self._column(here, row):
                await self._refused(name % "row", read)

    def _versions(self, bucket: str, key: str) -> Iterator[StoredObject]:
        bucket_id = self._house.bucket(bucket).bucket_id
        sql = "SELECT version_id FROM objects WHERE bucket_id = ? AND key = ?"
        for (version_id,) in self._index.execute(sql, (bucket_id, key.encode())).fetchall():
            yield self._house.row(bucket, key, version_id)

    # Parts, of a complete object and of an upload in progress.

    async def _parts(self, way: Way) -> None:
        for algorithm in (None, "CRC32"):
            upload = await self._upload(way, algorithm)
            end = upload.complete
            first, second = self._part_rows(upload.upload_id)
            for columns in (
                ("blob", "sealed"),
                ("blob",),
                ("sealed",),
                ("blob", "sealed", "size"),
                ("blob", "sealed", "size", "etag"),
            ):
                with self._parts_exchanged(first, second, columns):
                    await self._refused(f"{way.name}: {columns} of two parts exchanged", end)
            other = await self._upload(way, algorithm)
            with self._recipe_of(upload.upload_id, other.upload_id):
                await self._refused(f"{way.name}: the recipe of another upload", end)
            await end()
            row = self._house.row(BUCKETS[0], f"{way.name} parts")
            read = self._reading(way, "parts")
            await read()
            exchanged = pack_refs(tuple(reversed(row.blobs)))
            for what, blobs in (("exchanged", exchanged), ("missing", pack_refs(row.blobs[:1]))):
                with self._column(row, {"blobs": blobs}):
                    await self._refused(f"{way.name}: parts {what}", read)

    async def _upload(self, way: Way, algorithm: str | None) -> Upload:
        upload = await self._house.begin(BUCKETS[0], f"{way.name} parts", way, algorithm)
        for number in (1, 2):
            await upload.add(content(5 << 20, f"part {number}"))
        return upload

    # Writing the disk.

    @contextmanager
    def _column(self, row: StoredObject, values: dict[str, Any]) -> Iterator[None]:
        """Other values in a row of `objects`."""
        where = "bucket_id = ? AND key = ? AND sequence = ?"
        place = (row.bucket_id, row.key, row.sequence)
        with self._update("objects", values, where, place):
            yield

    @contextmanager
    def _changed(self, table: str, values: dict[str, Any], blob_id: bytes) -> Iterator[None]:
        with self._update(table, values, "blob_id = ?", (blob_id,)):
            yield

    @contextmanager
    def _update(
        self, table: str, values: dict[str, Any], where: str, place: tuple[Any, ...]
    ) -> Iterator[None]:
        columns = ", ".join(values)
        marks = ", ".join(f"{column} = ?" for column in values)
        select = f"SELECT {columns} FROM {table} WHERE {where}"
        update = f"UPDATE {table} SET {marks} WHERE {where}"
        (before,) = self._index.execute(select, place).fetchall()
        self._index.execute(update, (*values.values(), *place)).fetchall()
        try:
            yield
        finally:
            self._index.execute(update, (*before, *place)).fetchall()

    def _part_rows(self, upload_id: str) -> list[dict[str, Any]]:
        sql = "SELECT number, blob, sealed, size, etag FROM parts WHERE upload_id = ?"
        names = ("number", "blob", "sealed", "size", "etag")
        return [
            {**dict(zip(names, row, strict=True)), "upload_id": upload_id}
            for row in self._index.execute(sql, (upload_id,)).fetchall()
        ]

    @contextmanager
    def _parts_exchanged(
        self, first: dict[str, Any], second: dict[str, Any], columns: Sequence[str]
    ) -> Iterator[None]:
        where = "upload_id = ? AND number = ?"
        taken = [{column: row[column] for column in columns} for row in (second, first)]
        places = [(row["upload_id"], row["number"]) for row in (first, second)]
        with (
            self._update("parts", taken[0], where, places[0]),
            self._update("parts", taken[1], where, places[1]),
        ):
            yield

    @contextmanager
    def _recipe_of(self, upload_id: str, other: str) -> Iterator[None]:
        (found,) = self._index.execute(
            "SELECT recipe FROM uploads WHERE upload_id = ?", (other,)
        ).fetchall()
        with self._update("uploads", {"recipe": found[0]}, "upload_id = ?", (upload_id,)):
            yield


def flips(data: bytes, every: int) -> Iterator[bytes]:
    """`data` with one bit of it flipped, for every `every`th bit."""
    for position in range(0, len(data) * 8, every):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        yield bytes(changed)


def contents(path: Path) -> bytes:
    return path.read_bytes()


@contextmanager
def replaced_file(path: Path, data: bytes) -> Iterator[None]:
    before = contents(path)
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(before)
