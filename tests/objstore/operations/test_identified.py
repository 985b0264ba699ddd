"""Configurations by id: put, got, listed page by page, deleted."""

from typing import Any

import pytest

from kms.aws.errors import AWSError

FAMILIES: dict[str, dict[str, Any]] = {
    "Metrics": {"Filter": {"Prefix": "logs/"}},
    "Analytics": {"StorageClassAnalysis": {}},
    "Inventory": {
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::reports", "Format": "CSV"}},
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
    },
    "IntelligentTiering": {
        "Status": "Enabled",
        "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}],
    },
}
ARGUMENTS = {
    "Metrics": "metrics_configuration",
    "Analytics": "analytics_configuration",
    "Inventory": "inventory_configuration",
    "IntelligentTiering": "intelligent_tiering_configuration",
}


async def put(s3: Any, family: str, identity: str) -> dict[str, Any]:
    document = {**FAMILIES[family], "Id": identity}
    members = {"id": identity, ARGUMENTS[family]: document}
    await s3.call(f"PutBucket{family}Configuration", **members)
    s3.bucket = s3.store.bucket("bucket")
    return document


@pytest.mark.parametrize("family", FAMILIES)
async def test_one(s3: Any, family: str) -> None:
    document = await put(s3, family, "a")
    reply = await s3.call(f"GetBucket{family}Configuration", id="a")
    assert reply == {f"{family}Configuration": document}
    await s3.call(f"DeleteBucket{family}Configuration", id="a")
    s3.bucket = s3.store.bucket("bucket")
    for operation in ("Get", "Delete"):
        with pytest.raises(AWSError, match="NoSuchConfiguration"):
            await s3.call(f"{operation}Bucket{family}Configuration", id="a")


@pytest.mark.parametrize("family", FAMILIES)
async def test_many_are_listed_by_id_in_pages(s3: Any, family: str) -> None:
    documents = {
        f"{number:04}": {**FAMILIES[family], "Id": f"{number:04}"} for number in range(250)
    }
    setting = {"IntelligentTiering": "intelligent_tiering"}.get(family, family.lower())
    await s3.store.update_bucket("bucket", lambda settings: {**settings, setting: documents})
    s3.bucket = s3.store.bucket("bucket")
    seen: list[str] = []
    token = None
    for truncated in (True, True, False):
        reply = await s3.call(f"ListBucket{family}Configurations", continuation_token=token)
        assert reply["IsTruncated"] is truncated
        seen += [entry["Id"] for entry in reply[f"{family}ConfigurationList"]]
        token = reply["NextContinuationToken"]
    assert seen == sorted(documents)
    with pytest.raises(AWSError, match="continuation token"):
        await s3.call(f"ListBucket{family}Configurations", continuation_token="?")


async def test_a_bucket_has_at_most_a_thousand(s3: Any) -> None:
    documents = {str(number): {"Id": str(number)} for number in range(1000)}
    await s3.store.update_bucket("bucket", lambda settings: {**settings, "metrics": documents})
    await put(s3, "Metrics", "999")
    with pytest.raises(AWSError, match="TooManyConfigurations"):
        await put(s3, "Metrics", "one-more")


async def test_the_document_has_the_id_of_the_request(s3: Any) -> None:
    with pytest.raises(AWSError, match="IdMismatch"):
        await s3.call("PutBucketMetricsConfiguration", id="a", metrics_configuration={"Id": "b"})
