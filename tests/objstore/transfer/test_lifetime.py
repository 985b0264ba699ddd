"""What replies say about the end of objects and uploads."""

from typing import Any

RULES = [
    {
        "ID": "a b",
        "Status": "Enabled",
        "Prefix": "logs/",
        "Expiration": {"Days": 1},
    },
    {
        "ID": "abort",
        "Status": "Enabled",
        "Prefix": "",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
    },
]
EXPIRES = 'expiry-date="Thu, 16 Nov 2023 00:00:00 GMT", rule-id="a%20b"'


async def with_rules(s3: Any) -> None:
    await s3.call("PutBucketLifecycleConfiguration", lifecycle_configuration={"Rules": RULES})
    s3.bucket = s3.store.bucket("bucket")


async def test_a_bucket_without_rules_says_nothing(s3: Any) -> None:
    assert "Expiration" not in await s3.put("logs/a", b"x")
    assert "AbortDate" not in await s3.call("CreateMultipartUpload", key="k")


async def test_objects_that_expire(s3: Any) -> None:
    await with_rules(s3)
    assert (await s3.put("logs/a", b"x"))["Expiration"] == EXPIRES
    assert (await s3.get("logs/a"))[0]["Expiration"] == EXPIRES
    assert (await s3.call("HeadObject", key="logs/a"))["Expiration"] == EXPIRES
    assert "Expiration" not in await s3.put("other", b"x")
    assert "Expiration" not in (await s3.get("other"))[0]


async def test_uploads_that_are_aborted(s3: Any) -> None:
    await with_rules(s3)
    upload = await s3.call("CreateMultipartUpload", key="k")
    assert upload["AbortRuleId"] == "abort"
    assert upload["AbortDate"].isoformat() == "2023-11-17T00:00:00+00:00"
    parts = await s3.call("ListParts", key="k", upload_id=upload["UploadId"])
    assert parts["AbortDate"] == upload["AbortDate"]
