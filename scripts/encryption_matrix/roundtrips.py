"""What goes in comes out: by size, way in and mode, copied between modes, after a restart."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from house import House, Way, content

from objstore.operations.copy import SourceNamed
from objstore.operations.multipart import CopiedPart
from objstore.operations.read import EVERYTHING, Selection

CHUNK = 1 << 17
PART = 5 << 20
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 << 20, 8 << 20, (16 << 20) + 1)
QUICK_SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1)
BUCKET = "round-trips"


@dataclass(slots=True)
class Tally:
    """The counts that the matrix ends in."""

    cases: int = 0
    wrong_bytes: int = 0
    undetected: int = 0
    plaintext_on_disk: int = 0
    complaints: list[str] = field(default_factory=list)

    def same(self, what: str, found: bytes, expected: bytes) -> None:
        self.cases += 1
        if found != expected:
            self.wrong_bytes += 1
            self.complaints.append(f"wrong bytes: {what}")

    def __str__(self) -> str:
        return (
            f"cases={self.cases} wrong_bytes={self.wrong_bytes} undetected={self.undetected} "
            f"plaintext_on_disk={self.plaintext_on_disk}"
        )

    @property
    def clean(self) -> bool:
        return not (self.wrong_bytes or self.undetected or self.plaintext_on_disk)


class RoundTrips:
    """Writes, reads back, and remembers what is there for the reading after the restart."""

    def __init__(self, house: House, ways: Sequence[Way], tally: Tally) -> None:
        self._house = house
        self._ways = ways
        self._tally = tally
        self._stored: list[tuple[str, Way, int]] = []

    async def run(self, sizes: Sequence[int]) -> None:
        await self._house.make_bucket(BUCKET, versioned=False)
        for way in self._ways:
            for size in sizes:
                await self._put(way, size)
                await self._multipart(way, size)
        for number, way in enumerate(self._ways):
            for size in sizes:
                await self._copy(self._ways[number - 1], way, size)
        for source in self._ways:
            for target in self._ways:
                await self._copy(source, target, CHUNK + 1)
                await self._copy_part(source, target, CHUNK + 1)

    async def read_again(self) -> None:
        """Read everything once more; after a restart nothing but the disk is left."""
        for key, way, size in self._stored:
            await self._check(key, way, size, "again")

    async def _check(self, key: str, way: Way, size: int, how: str) -> None:
        found = await self._house.get(BUCKET, key, way)
        self._tally.same(f"{how} {key}", found, content(size, key.partition(" as ")[0]))

    async def _keep(self, key: str, way: Way, size: int, how: str) -> None:
        self._stored.append((key, way, size))
        await self._check(key, way, size, how)

    async def _put(self, way: Way, size: int) -> None:
        key = f"{way.name}/{size}"
        data = content(size, key)
        await self._house.put(BUCKET, key, data, way)
        await self._keep(key, way, size, "put")
        for start, stop in spans(size):
            selection = Selection(range=f"bytes={start}-{stop - 1}")
            found = await self._house.get(BUCKET, key, way, selection)
            self._tally.same(f"range {start}-{stop} of {key}", found, data[start:stop])

    async def _multipart(self, way: Way, size: int) -> None:
        """One upload without and one with a checksum algorithm of its own."""
        for algorithm in (None, "SHA256"):
            key = f"{way.name}/{size}/multipart/{algorithm}"
            data = content(size, key)
            pieces = [data[at : at + PART] for at in range(0, size, PART)] or [b""]
            upload = await self._house.begin(BUCKET, key, way, algorithm)
            for piece in pieces:
                await upload.add(piece)
            await upload.complete()
            await self._keep(key, way, size, "multipart")
            for number, piece in enumerate(pieces, 1):
                selection = Selection(part_number=number) if size else EVERYTHING
                found = await self._house.get(BUCKET, key, way, selection)
                self._tally.same(f"part {number} of {key}", found, piece)

    async def _copy(self, source: Way, target: Way, size: int) -> None:
        """From the object of that size that `_put` made."""
        name = f"{source.name}/{size}"
        key = f"{name} as {target.name}"
        await self._house.call(
            "CopyObject",
            BUCKET,
            key=key,
            named=SourceNamed(f"{BUCKET}/{name}".replace(" ", "%20")),
            encryption=target.write,
            source_key=source.source,
        )
        await self._keep(key, target, size, "copy")

    async def _copy_part(self, source: Way, target: Way, size: int) -> None:
        name = f"{source.name}/{size}"
        key = f"{name} as part of {target.name}"
        upload = await self._house.begin(BUCKET, key, target, None)
        reply = await self._house.call(
            "UploadPartCopy",
            BUCKET,
            key=key,
            upload_id=upload.upload_id,
            part_number=1,
            copied=CopiedPart(f"{BUCKET}/{name}".replace(" ", "%20")),
            customer=target.read,
            source_key=source.source,
        )
        upload.took(reply["CopyPartResult"])
        await upload.complete()
        await self._keep(key, target, size, "part copy")


def spans(size: int) -> list[tuple[int, int]]:
    """Ranges around every boundary of an object of `size` bytes."""
    edges = sorted({0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20, size // 2, size - 1})
    starts = [edge for edge in edges if 0 <= edge < size]
    return [(start, min(start + length, size)) for start in starts for length in (1, CHUNK + 2)]
