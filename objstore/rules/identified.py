"""Configurations that a bucket has many of, by id: inventory, analytics, metrics, tiering.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html
and its neighbours.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from objstore.errors import S3Error
from objstore.rules import inventory

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RULE_ID_BYTES = 36
_RULE_ID_CHARACTERS_MAX = 255
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::[A-Za-z0-9._-]{3,255}")
# The fewest days after which objects may move to each tier, and the most for all of them.
_TIER_DAYS_MIN = {"ARCHIVE_ACCESS": 90, "DEEP_ARCHIVE_ACCESS": 180}
_TIER_DAYS_MAX = 730


def check_id(identity: str, document: Mapping[str, Any], *, mismatch: str) -> None:
    """Return if the document is the one that the query parameter names.

    Raises InvalidConfigurationId for a name that no configuration can have, `mismatch` for
    another's document.
    """
    if document["Id"] != identity:
        raise S3Error(mismatch)
    if not _ID.fullmatch(identity):
        raise S3Error("InvalidConfigurationId")


def rule_id(given: str | None) -> str:
    """The id of a rule, made up if none was given. Raises InvalidArgument."""
    identity = given or secrets.token_urlsafe(_RULE_ID_BYTES)
    if len(identity) > _RULE_ID_CHARACTERS_MAX:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    return identity


def check_inventory(document: Mapping[str, Any]) -> None:
    """Raises InvalidS3DestinationBucket, MalformedXML, NotImplemented."""
    destination = document["Destination"]["S3BucketDestination"]
    _check_bucket(destination["Bucket"])
    if len(destination.get("Encryption") or {}) > 1:
        raise S3Error("MalformedXML")
    inventory.check_supported(document)


def check_analytics(document: Mapping[str, Any]) -> None:
    """Raises InvalidS3DestinationBucket, MalformedXML."""
    _check_filter(document.get("Filter"))
    export = document["StorageClassAnalysis"].get("DataExport")
    if export is not None:
        _check_bucket(export["Destination"]["S3BucketDestination"]["Bucket"])


def check_metrics(document: Mapping[str, Any]) -> None:
    """Raises MalformedXML."""
    _check_filter(document.get("Filter"))


def check_tiering(document: Mapping[str, Any]) -> None:
    """Raises MalformedXML, InvalidArgument for days that the tier cannot have."""
    _check_filter(document.get("Filter"))
    tiers = [tiering["AccessTier"] for tiering in document["Tierings"]]
    if not tiers or len(set(tiers)) != len(tiers):
        raise S3Error("MalformedXML")
    for tiering in document["Tierings"]:
        least = _TIER_DAYS_MIN[tiering["AccessTier"]]
        if not least <= tiering["Days"] <= _TIER_DAYS_MAX:
            raise S3Error(
                "InvalidArgument",
                f"'Days' for {tiering['AccessTier']} must be between {least} and {_TIER_DAYS_MAX}",
                ArgumentName="Days",
                ArgumentValue=str(tiering["Days"]),
            )


def _check_filter(wanted: Mapping[str, Any] | None) -> None:
    """One condition, or several in `And`."""
    if wanted is None:
        return
    if len(wanted) != 1:
        raise S3Error("MalformedXML")
    together = wanted.get("And")
    if together is not None:
        tags = together.get("Tags", ())
        others = sum(name != "Tags" for name in together)
        if len(tags) + others < 2:
            raise S3Error("MalformedXML")


def _check_bucket(arn: str) -> None:
    if not _BUCKET_ARN.fullmatch(arn):
        raise S3Error("InvalidS3DestinationBucket")
