"""S3 Inventory: what a configuration asks for, when, and what the files of a report are called.

Pure: knows neither objects nor how reports are delivered.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
and https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from objstore.errors import S3Error

SETTING = "inventory"
DONE = "inventory_done"  # of Bucket.settings: the day of the last report, by configuration
ALL_VERSIONS, DAILY = "All", "Daily"
FORMAT = "CSV"
BASIC_FIELDS = ("Bucket", "Key")
VERSION_FIELDS = ("VersionId", "IsLatest", "IsDeleteMarker")
OPTIONAL_FIELDS = (
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
    "IsMultipartUploaded",
    "ReplicationStatus",
    "EncryptionStatus",
    "ObjectLockRetainUntilDate",
    "ObjectLockMode",
    "ObjectLockLegalHoldStatus",
    "IntelligentTieringAccessTier",
    "BucketKeyStatus",
    "ChecksumAlgorithm",
    "ObjectAccessControlList",
    "ObjectOwner",
    "LifecycleExpirationDate",
)
"""In the order of the columns."""
_MANIFEST_VERSION = "2016-11-30"
_FIRST_SUNDAY = 3  # Day 0, 1970-01-01, was a Thursday.

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a report, as its manifest names it."""

    key: str
    size: int
    md5: str


def check_supported(document: Document) -> None:
    """Raises NotImplemented for a format or a field that no report here has."""
    wanted = document["Destination"]["S3BucketDestination"]["Format"]
    if wanted != FORMAT:
        raise S3Error("NotImplemented", f"Inventory format {wanted} is not implemented.")
    for field in document.get("OptionalFields", ()):
        if field not in OPTIONAL_FIELDS:
            raise S3Error("NotImplemented", f"Inventory field {field} is not implemented.")


def is_due(document: Document, done: int | None, day: int) -> bool:
    """Whether a report is to be made on `day`, when the last was made on day `done`.

    The first comes at once, later ones each day or each Sunday.
    """
    if not document["IsEnabled"]:
        return False
    if done is None:
        return True
    if document["Schedule"]["Frequency"] == DAILY:
        return done < day
    return _week(done) < _week(day)


def _week(day: int) -> int:
    return (day - _FIRST_SUNDAY) // 7


def fields_of(document: Document) -> tuple[str, ...]:
    """The columns of a report."""
    of_versions = VERSION_FIELDS if document["IncludedObjectVersions"] == ALL_VERSIONS else ()
    wanted = document.get("OptionalFields", ())
    optional = (field for field in OPTIONAL_FIELDS if field in wanted)
    return (*BASIC_FIELDS, *of_versions, *optional)


def folder(document: Document, source: str) -> str:
    """Where the reports of a configuration go, without a slash at the end."""
    prefix = document["Destination"]["S3BucketDestination"].get("Prefix")
    return "/".join((*((prefix,) if prefix else ()), source, document["Id"]))


def manifest_folder(base: str, started: datetime) -> str:
    """Where the manifest of the report goes that was begun then."""
    return f"{base}/{started:%Y-%m-%dT%H-%MZ}"


def symlink_key(base: str, started: datetime) -> str:
    """The name of the list of data files that Apache Hive reads."""
    return f"{base}/hive/dt={started:%Y-%m-%d-%H-%M}/symlink.txt"


def line(values: Iterable[str]) -> str:
    """A row of CSV: each value quoted."""
    return ",".join('"' + value.replace('"', '""') + '"' for value in values) + "\n"


def manifest(document: Document, source: str, started_ms: int, files: Sequence[DataFile]) -> bytes:
    """The text of manifest.json."""
    described = {
        "sourceBucket": source,
        "destinationBucket": document["Destination"]["S3BucketDestination"]["Bucket"],
        "version": _MANIFEST_VERSION,
        "creationTimestamp": str(started_ms),
        "fileFormat": FORMAT,
        "fileSchema": ", ".join(fields_of(document)),
        "files": [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in files],
    }
    return json.dumps(described, indent=2).encode()


def symlink(target: str, files: Sequence[DataFile]) -> bytes:
    """The text of symlink.txt."""
    return "\n".join(f"s3://{target}/{file.key}" for file in files).encode()
