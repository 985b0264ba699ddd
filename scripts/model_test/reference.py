"""What S3 does, said once more and as plainly as possible: dictionaries in one process.

Nothing here knows how objstore works. A write is told to the model after it was answered, with the
version id and ETag that only the server can choose; whether it is refused, and what every read
answers, the model says alone.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html, object-lock.html,
mpuoverview.html and conditional-requests.html there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5

PART_BYTES_MIN = 5 * 1024**2
NULL = "null"


@dataclass
class Version:
    """A version of an object, or a delete marker, which has an id only."""

    version_id: str
    marker: bool = False
    data: bytes = b""
    etag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    sse: str = ""
    customer: str = ""
    """Whose key opens it, if a customer's does."""
    mode: str = ""
    hold: str = "OFF"
    parts: tuple[int, ...] = ()
    """The sizes of its parts; none if it was put whole."""

    def part(self, number: int) -> bytes | None:
        """The data of a part; what was put whole is one part."""
        sizes = self.parts or (len(self.data),)
        if number > len(sizes):
            return None
        start = sum(sizes[: number - 1])
        return self.data[start : start + sizes[number - 1]]

    def locked(self, *, bypass: bool) -> bool:
        governed = self.mode == "GOVERNANCE" and not bypass
        return self.hold == "ON" or self.mode == "COMPLIANCE" or governed


@dataclass
class Upload:
    key: str
    new: Version
    """What it will be, without data."""
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


@dataclass
class Bucket:
    """A bucket. `status` is that of its versioning, "" if it never had one."""

    name: str
    status: str = ""
    lock: bool = False
    gone: str = ""
    """The id of a version that was deleted."""
    keys: dict[str, list[Version]] = field(default_factory=dict)
    """The versions of each key, the newest first."""
    uploads: dict[str, Upload] = field(default_factory=dict)

    # Reads.

    def newest(self, key: str) -> Version | None:
        """The newest version, unless it is a delete marker."""
        versions = self.keys.get(key, [])
        return versions[0] if versions and not versions[0].marker else None

    def version(self, key: str, version_id: str | None) -> Version | None:
        """The version of that id, or the newest; delete markers too."""
        versions = self.keys.get(key, [])
        if version_id is None:
            return versions[0] if versions else None
        return next((one for one in versions if one.version_id == version_id), None)

    def read_refusal(self, key: str, version_id: str | None) -> str:
        """Why a read of a version is refused, "" if it is not."""
        found = self.version(key, version_id)
        if found is None:
            return "NoSuchKey" if version_id is None else "NoSuchVersion"
        if found.marker:
            return "NoSuchKey" if version_id is None else "MethodNotAllowed"
        return ""

    def shown(self, version: Version) -> str | None:
        """The version id that a read tells of."""
        return version.version_id if self.status else None

    def objects(self) -> list[str]:
        """The keys that a listing shows, in its order."""
        return sorted((key for key in self.keys if self.newest(key)), key=str.encode)

    def all_versions(self) -> Iterator[tuple[str, Version, bool]]:
        """Key, version and whether it is the latest, in the order of a listing."""
        for key in sorted(self.keys, key=str.encode):
            for version in self.keys[key]:
                yield key, version, version is self.keys[key][0]

    # Writes.

    def write_refusal(self, key: str, *, if_match: str | None, if_none: bool) -> str:
        current = self.newest(key)
        if if_none and current is not None:
            return "PreconditionFailed"
        if if_match is not None:
            if current is None:
                return "NoSuchKey"
            if current.etag != if_match:
                return "PreconditionFailed"
        return ""

    def put(self, key: str, new: Version, version_id: str | None) -> None:
        """A new version, of the id that the answer tells; not all tell of a null version's."""
        assert (version_id not in (None, NULL)) == (self.status == "Enabled")
        new.version_id = version_id or NULL
        self._insert(key, new)

    def delete(self, key: str, marker_id: str | None) -> None:
        """A delete without a version id; `marker_id` is that of the marker in the answer."""
        assert (marker_id is not None) == bool(self.status)
        if marker_id is None:
            self.keys.pop(key, None)
            return
        assert (marker_id == NULL) == (self.status == "Suspended")
        self._insert(key, Version(marker_id, marker=True))

    def delete_version(self, key: str, version_id: str) -> None:
        kept = [one for one in self.keys.get(key, []) if one.version_id != version_id]
        self.keys[key] = kept
        self.gone = version_id
        if not kept:
            del self.keys[key]

    def _insert(self, key: str, new: Version) -> None:
        kept = self.keys.get(key, [])
        if new.version_id == NULL:
            kept = [one for one in kept if one.version_id != NULL]
        else:
            assert new.version_id not in [one.version_id for one in kept]
        self.keys[key] = [new, *kept]

    def completion_refusal(self, upload_id: str, numbers: list[int]) -> str:
        upload = self.uploads.get(upload_id)
        if upload is None:
            return "NoSuchUpload"
        if numbers != sorted(set(numbers)):
            return "InvalidPartOrder"
        if not set(numbers) <= set(upload.parts):
            return "InvalidPart"
        if any(len(upload.parts[number][0]) < PART_BYTES_MIN for number in numbers[:-1]):
            return "EntityTooSmall"
        return ""

    def complete(
        self, upload_id: str, numbers: list[int], etag: str, version_id: str | None
    ) -> None:
        upload = self.uploads.pop(upload_id)
        parts = [upload.parts[number] for number in numbers]
        upload.new.data = b"".join(data for data, _ in parts)
        digests = b"".join(bytes.fromhex(part_etag.strip('"')) for _, part_etag in parts)
        if upload.new.sse == "AES256":
            assert etag == f'"{md5(digests).hexdigest()}-{len(parts)}"'
        upload.new.etag = etag
        upload.new.parts = tuple(len(data) for data, _ in parts)
        self.put(upload.key, upload.new, version_id)


def grouped(keys: list[str], prefix: str, delimiter: str, after: str) -> list[tuple[str, str]]:
    """What a listing shows: ("key", …) and ("prefix", …) in their order."""
    entries: list[tuple[str, str]] = []
    for key in keys:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        entry = ("prefix", prefix + head + found) if found else ("key", key)
        if entry not in entries and not (entry[0] == "prefix" and after.startswith(entry[1])):
            entries.append(entry)
    return entries


def selected(data: bytes, start: int | None, stop: int | None) -> bytes | None:
    """The bytes of a range (start None: the last `stop`); None if there are none."""
    if start is None:
        return data[-stop:] if stop and data else None
    if start >= len(data):
        return None
    return data[start : None if stop is None else stop + 1]
