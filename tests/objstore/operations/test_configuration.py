"""The documents of a bucket: put, got, deleted; and what one of them needs of other buckets."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.errors import S3Error

ENFORCED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
WRITER = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
RULE = {
    "ID": "r",
    "Status": "Enabled",
    "Prefix": "",
    "Destination": {"Bucket": "arn:aws:s3:::target"},
}
REPLICATION = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [RULE]}
CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}}
EXPIRE = {"ID": "e", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 3}}


async def call(s3: Any, operation: str, **members: Any) -> Any:
    reply = await s3.call(operation, **members)
    s3.bucket = s3.store.bucket("bucket")
    return reply


ROUND_TRIPS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("PutBucketCors", "GetBucketCors", {"cors_configuration": CORS}, CORS),
    ("PutBucketWebsite", "GetBucketWebsite", {"website_configuration": WEBSITE}, WEBSITE),
    (
        "PutBucketRequestPayment",
        "GetBucketRequestPayment",
        {"request_payment_configuration": {"Payer": "Requester"}},
        {"Payer": "Requester"},
    ),
    (
        "PutBucketAccelerateConfiguration",
        "GetBucketAccelerateConfiguration",
        {"accelerate_configuration": {"Status": "Suspended"}},
        {"Status": "Suspended"},
    ),
    (
        "PutBucketLifecycleConfiguration",
        "GetBucketLifecycleConfiguration",
        {"lifecycle_configuration": {"Rules": [EXPIRE]}},
        {
            "Rules": [EXPIRE],
            "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
        },
    ),
    (
        "PutBucketOwnershipControls",
        "GetBucketOwnershipControls",
        {"ownership_controls": WRITER},
        {"OwnershipControls": WRITER},
    ),
    (
        "PutPublicAccessBlock",
        "GetPublicAccessBlock",
        {"public_access_block_configuration": {"BlockPublicPolicy": True}},
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": False,
                "IgnorePublicAcls": False,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": False,
            }
        },
    ),
    (
        "PutBucketNotificationConfiguration",
        "GetBucketNotificationConfiguration",
        {"notification_configuration": {}},
        {},
    ),
]


@pytest.mark.parametrize(
    ("put", "get", "members", "shown"), ROUND_TRIPS, ids=[row[0] for row in ROUND_TRIPS]
)
async def test_what_is_put_is_got(
    s3: Any, put: str, get: str, members: dict[str, Any], shown: dict[str, Any]
) -> None:
    await call(s3, put, **members)
    assert await call(s3, get) == shown


DELETIONS = [
    ("DeleteBucketCors", "GetBucketCors", "NoSuchCORSConfiguration"),
    ("DeleteBucketWebsite", "GetBucketWebsite", "NoSuchWebsiteConfiguration"),
    (
        "DeleteBucketLifecycle",
        "GetBucketLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
    ),
    (
        "DeleteBucketOwnershipControls",
        "GetBucketOwnershipControls",
        "OwnershipControlsNotFoundError",
    ),
    ("DeletePublicAccessBlock", "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
]


@pytest.mark.parametrize(("delete", "get", "code"), DELETIONS)
async def test_what_is_deleted_is_gone(s3: Any, delete: str, get: str, code: str) -> None:
    put = next(row for row in ROUND_TRIPS if row[1] == get)
    await call(s3, put[0], **put[2])
    await call(s3, delete)
    await call(s3, delete)
    with pytest.raises(AWSError) as caught:
        await call(s3, get)
    assert (caught.value.code, caught.value.status) == (code, 404)
    assert caught.value.fields == {"BucketName": "bucket"}


async def test_documents_do_not_touch_each_other(s3: Any) -> None:
    await call(s3, "PutBucketCors", cors_configuration=CORS)
    await call(
        s3, "PutBucketAccelerateConfiguration", accelerate_configuration={"Status": "Enabled"}
    )
    await call(s3, "DeleteBucketCors")
    assert await call(s3, "GetBucketAccelerateConfiguration") == {"Status": "Enabled"}


async def test_a_lifecycle_needs_a_document_and_keeps_the_minimum_size(s3: Any) -> None:
    with pytest.raises(AWSError, match="MissingRequestBodyError"):
        await call(s3, "PutBucketLifecycleConfiguration")
    reply = await call(
        s3,
        "PutBucketLifecycleConfiguration",
        lifecycle_configuration={"Rules": [EXPIRE]},
        transition_default_minimum_object_size="varies_by_storage_class",
    )
    assert reply == {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
    assert (await call(s3, "GetBucketLifecycleConfiguration")).items() >= reply.items()
    with pytest.raises(AWSError) as caught:
        await call(
            s3,
            "PutBucketLifecycleConfiguration",
            lifecycle_configuration={"Rules": [EXPIRE]},
            transition_default_minimum_object_size="small",
        )
    assert (caught.value.code, caught.value.fields) == ("InvalidRequest", {})
    assert caught.value.message == "Invalid TransitionDefaultMinimumObjectSize found: small"


async def test_accelerate_wants_a_name_without_dots(empty_s3: Any) -> None:
    empty_s3.bucket = await empty_s3.make_bucket("dotted.bucket")
    for status in ("Enabled", "random"):
        with pytest.raises(AWSError, match="periods"):
            await empty_s3.call(
                "PutBucketAccelerateConfiguration", accelerate_configuration={"Status": status}
            )
    empty_s3.bucket = await empty_s3.make_bucket("plain")
    no_status: dict[str, Any] = {}
    for document in (no_status, {"Status": "random"}):
        with pytest.raises(AWSError, match="MalformedXML"):
            await empty_s3.call(
                "PutBucketAccelerateConfiguration", accelerate_configuration=document
            )


async def test_logs_go_to_a_bucket_of_the_same_owner_and_region(s3: Any) -> None:
    def logging(target: str, **more: Any) -> dict[str, Any]:
        enabled = {"TargetBucket": target, "TargetPrefix": "", **more}
        return {"bucket_logging_status": {"LoggingEnabled": enabled}}

    with pytest.raises(AWSError, match="does not exist"):
        await call(s3, "PutBucketLogging", **logging("nowhere"))
    await s3.call(
        "CreateBucket",
        bucket="far-away",
        create_bucket_configuration={"LocationConstraint": "eu-central-1"},
    )
    with pytest.raises(AWSError) as caught:
        await call(s3, "PutBucketLogging", **logging("far-away"))
    assert caught.value.code == "CrossLocationLoggingProhibitted"
    assert caught.value.fields == {"TargetBucketLocation": "eu-central-1"}
    near, s3.bucket = s3.bucket, s3.store.bucket("far-away")
    with pytest.raises(AWSError) as caught:
        await call(s3, "PutBucketLogging", **logging(near.name))
    assert caught.value.fields == {
        "SourceBucketLocation": "eu-central-1",
        "TargetBucketLocation": "us-east-1",
    }
    s3.bucket = near
    await s3.make_bucket("logs")
    with pytest.raises(AWSError, match="ACLs are disabled"):
        await call(s3, "PutBucketLogging", **logging("logs", TargetGrants=[{}]))
    with pytest.raises(AWSError, match="MalformedXML"):
        await call(s3, "PutBucketLogging", **logging("logs", TargetGrants=[{"Permission": "ALL"}]))
    await call(s3, "PutBucketLogging", **logging("logs"))
    assert (await call(s3, "GetBucketLogging"))["LoggingEnabled"]["TargetBucket"] == "logs"
    await call(s3, "PutBucketLogging", bucket_logging_status={})
    assert await call(s3, "GetBucketLogging") == {}


async def test_replication_wants_versions_in_both_buckets(s3: Any) -> None:
    enabled = {"versioning_configuration": {"Status": "Enabled"}}
    with pytest.raises(AWSError, match="Versioning must be 'Enabled'"):
        await call(s3, "PutBucketReplication", replication_configuration=REPLICATION)
    await call(s3, "PutBucketVersioning", **enabled)
    await s3.make_bucket("target")
    with pytest.raises(AWSError, match="Destination bucket must have versioning"):
        await call(s3, "PutBucketReplication", replication_configuration=REPLICATION)
    source, s3.bucket = s3.bucket, s3.store.bucket("target")
    await s3.call("PutBucketVersioning", **enabled)
    s3.bucket = source
    s3.refuse = lambda action, _: S3Error("AccessDenied") if action == "iam:PassRole" else None
    with pytest.raises(AWSError, match="AccessDenied"):
        await call(s3, "PutBucketReplication", replication_configuration=REPLICATION)
    assert s3.authorized[-1] == ("iam:PassRole", "", REPLICATION["Role"])
    s3.refuse = lambda action, key: None
    await call(s3, "PutBucketReplication", replication_configuration=REPLICATION)
    assert await call(s3, "GetBucketReplication") == {"ReplicationConfiguration": REPLICATION}
    await call(s3, "DeleteBucketReplication")
    with pytest.raises(AWSError, match="ReplicationConfigurationNotFoundError"):
        await call(s3, "GetBucketReplication")


async def test_ownership_cannot_be_enforced_over_an_acl(s3: Any) -> None:
    await call(s3, "PutBucketOwnershipControls", ownership_controls=WRITER)
    await call(s3, "DeletePublicAccessBlock")
    await call(s3, "PutBucketAcl", acl="public-read")
    with pytest.raises(AWSError, match="InvalidBucketAclWithObjectOwnership"):
        await call(s3, "PutBucketOwnershipControls", ownership_controls=ENFORCED)
    await call(s3, "PutBucketAcl", acl="private")
    await call(s3, "PutBucketOwnershipControls", ownership_controls=ENFORCED)
