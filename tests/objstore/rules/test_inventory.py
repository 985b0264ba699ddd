"""What a configuration of S3 Inventory asks for, and when."""

import json
from typing import Any

import pytest

from kms.aws.clock import utc
from kms.aws.errors import AWSError
from objstore.rules import inventory
from objstore.rules.inventory import DataFile

STARTED_MS = 1_478_468_052_345  # 2016-11-06T21:34:12Z


def document(**more: Any) -> dict[str, Any]:
    destination = {"Bucket": "arn:aws:s3:::reports", "Format": "CSV"}
    return {
        "Id": "list",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {**destination, **more.pop("destination", {})}},
        **more,
    }


# Day 0 is a Thursday: 3 and 10 are Sundays.
@pytest.mark.parametrize(
    ("frequency", "done", "day", "due"),
    [
        ("Daily", None, 100, True),
        ("Daily", 100, 100, False),
        ("Daily", 100, 101, True),
        ("Daily", 100, 99, False),
        ("Weekly", None, 5, True),
        ("Weekly", 3, 9, False),
        ("Weekly", 9, 10, True),
        ("Weekly", 10, 10, False),
        ("Weekly", 2, 3, True),
    ],
)
def test_when_a_report_is_due(frequency: str, done: int | None, day: int, due: bool) -> None:
    wanted = document(Schedule={"Frequency": frequency})
    assert inventory.is_due(wanted, done, day) == due
    assert not inventory.is_due({**wanted, "IsEnabled": False}, done, day)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"destination": {"Format": "ORC"}}, "format ORC"),
        ({"destination": {"Format": "Parquet"}}, "format Parquet"),
        ({"OptionalFields": ["Size", "ObjectLockEventHoldStatus"]}, "ObjectLockEventHoldStatus"),
    ],
)
def test_what_no_report_has_is_refused_by_name(more: dict[str, Any], named: str) -> None:
    with pytest.raises(AWSError, match=named) as refused:
        inventory.check_supported(document(**more))
    assert refused.value.code == "NotImplemented"


def test_columns_have_their_own_order() -> None:
    wanted = document(OptionalFields=["StorageClass", "Size"])
    assert inventory.fields_of(wanted) == ("Bucket", "Key", "Size", "StorageClass")
    wanted["IncludedObjectVersions"] = "All"
    expected = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "StorageClass")
    assert inventory.fields_of(wanted) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"), [({}, "source/list"), ({"Prefix": "a/b"}, "a/b/source/list")]
)
def test_where_the_files_are(prefix: dict[str, str], expected: str) -> None:
    base = inventory.folder(document(destination=prefix), "source")
    assert base == expected
    started = utc(STARTED_MS / 1000)
    assert inventory.manifest_folder(base, started) == f"{expected}/2016-11-06T21-34Z"
    symlink = f"{expected}/hive/dt=2016-11-06-21-34/symlink.txt"
    assert inventory.symlink_key(base, started) == symlink


def test_a_line_quotes_each_value() -> None:
    assert inventory.line(["a", "", 'say "b", c']) == '"a","","say ""b"", c"\n'


def test_the_manifest_and_the_list_for_hive() -> None:
    files = [DataFile("d/1.csv.gz", 7, "0" * 32), DataFile("d/2.csv.gz", 8, "1" * 32)]
    assert json.loads(inventory.manifest(document(), "source", STARTED_MS, files)) == {
        "sourceBucket": "source",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": str(STARTED_MS),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [
            {"key": "d/1.csv.gz", "size": 7, "MD5checksum": "0" * 32},
            {"key": "d/2.csv.gz", "size": 8, "MD5checksum": "1" * 32},
        ],
    }
    assert inventory.symlink("t", files) == b"s3://t/d/1.csv.gz\ns3://t/d/2.csv.gz"
