"""Inventory, analytics, metrics and tiering configurations."""

from collections.abc import Callable
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import identified

TAG = {"Key": "k", "Value": "v"}


def inventory(bucket: str, encryption: Any = None) -> dict[str, Any]:
    destination = {"Bucket": bucket, "Format": "CSV"}
    if encryption is not None:
        destination["Encryption"] = encryption
    return {"Id": "i", "Destination": {"S3BucketDestination": destination}}


def tiering(*tiers: tuple[int, str]) -> dict[str, Any]:
    return {"Tierings": [{"Days": days, "AccessTier": tier} for days, tier in tiers]}


ROWS: list[tuple[Callable[[Any], None], dict[str, Any], str | None]] = [
    (identified.check_inventory, inventory("arn:aws:s3:::reports"), None),
    (identified.check_inventory, inventory("reports"), "InvalidS3DestinationBucket"),
    (
        identified.check_inventory,
        inventory("arn:aws:s3:::reports", {"SSES3": {}, "SSEKMS": {"KeyId": "k"}}),
        "MalformedXML",
    ),
    (identified.check_metrics, {}, None),
    (identified.check_metrics, {"Filter": {"And": {"Prefix": "a", "Tags": [TAG]}}}, None),
    (identified.check_metrics, {"Filter": {}}, "MalformedXML"),
    (identified.check_metrics, {"Filter": {"Prefix": "a", "Tag": TAG}}, "MalformedXML"),
    (identified.check_metrics, {"Filter": {"And": {"Tags": [TAG]}}}, "MalformedXML"),
    (identified.check_analytics, {"StorageClassAnalysis": {}}, None),
    (
        identified.check_analytics,
        {
            "StorageClassAnalysis": {
                "DataExport": {"Destination": {"S3BucketDestination": {"Bucket": "no-arn"}}}
            }
        },
        "InvalidS3DestinationBucket",
    ),
    (identified.check_tiering, tiering((90, "ARCHIVE_ACCESS")), None),
    (identified.check_tiering, tiering(), "MalformedXML"),
    (
        identified.check_tiering,
        tiering((90, "ARCHIVE_ACCESS"), (91, "ARCHIVE_ACCESS")),
        "MalformedXML",
    ),
    (identified.check_tiering, tiering((89, "ARCHIVE_ACCESS")), "InvalidArgument"),
    (identified.check_tiering, tiering((731, "DEEP_ARCHIVE_ACCESS")), "InvalidArgument"),
]


@pytest.mark.parametrize(("check", "document", "code"), ROWS)
def test_checks(check: Callable[[Any], None], document: dict[str, Any], code: str | None) -> None:
    if code is None:
        check(document)
        return
    with pytest.raises(AWSError) as caught:
        check(document)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("identity", "named", "code"),
    [("a", "b", "IdMismatch"), ("a b", "a b", "InvalidConfigurationId"), ("a.B_1-2", "", None)],
)
def test_ids(identity: str, named: str, code: str | None) -> None:
    document = {"Id": named or identity}
    if code is None:
        identified.check_id(identity, document, mismatch="IdMismatch")
        return
    with pytest.raises(AWSError, match=code):
        identified.check_id(identity, document, mismatch="IdMismatch")


def test_a_rule_without_an_id_gets_one_of_its_own() -> None:
    assert identified.rule_id("a" * 255) == "a" * 255
    made = {identified.rule_id(given) for given in (None, "", None)}
    assert len(made) == 3
    with pytest.raises(AWSError, match="InvalidArgument"):
        identified.rule_id("a" * 256)
