"""What every sub-resource of a fresh bucket answers: what Terraform asks for on each refresh.

The table follows the API reference's page of each operation, its "Special errors" and its sample
responses. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "never-configured"

SHOWN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("get_bucket_accelerate_configuration", {}, {}),
    ("get_bucket_logging", {}, {}),
    ("get_bucket_notification_configuration", {}, {}),
    ("get_bucket_request_payment", {}, {"Payer": "BucketOwner"}),
    ("get_bucket_versioning", {}, {}),
    ("get_bucket_location", {}, {"LocationConstraint": None}),
    (
        "get_bucket_ownership_controls",
        {},
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
    ),
    (
        "get_public_access_block",
        {},
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            }
        },
    ),
    (
        "get_bucket_encryption",
        {},
        {
            "ServerSideEncryptionConfiguration": {
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                        "BucketKeyEnabled": False,
                        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
                    }
                ]
            }
        },
    ),
    ("list_bucket_analytics_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_intelligent_tiering_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_inventory_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_metrics_configurations", {}, {"IsTruncated": False}),
]

ABSENT: list[tuple[str, dict[str, Any], str, str]] = [
    ("get_bucket_cors", {}, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    (
        "get_bucket_lifecycle_configuration",
        {},
        "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist",
    ),
    ("get_bucket_policy", {}, "NoSuchBucketPolicy", "The bucket policy does not exist"),
    ("get_bucket_policy_status", {}, "NoSuchBucketPolicy", "The bucket policy does not exist"),
    ("get_bucket_tagging", {}, "NoSuchTagSet", "The TagSet does not exist"),
    (
        "get_object_lock_configuration",
        {},
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    (
        "get_bucket_replication",
        {},
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ),
    (
        "get_bucket_website",
        {},
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
    ),
    *(
        (
            f"get_bucket_{family}_configuration",
            {"Id": "none"},
            "NoSuchConfiguration",
            "The specified configuration does not exist.",
        )
        for family in ("analytics", "intelligent_tiering", "inventory", "metrics")
    ),
]

DELETED: list[tuple[str, dict[str, Any]]] = [
    ("delete_bucket_cors", {}),
    ("delete_bucket_encryption", {}),
    ("delete_bucket_lifecycle", {}),
    ("delete_bucket_policy", {}),
    ("delete_bucket_replication", {}),
    ("delete_bucket_tagging", {}),
    ("delete_bucket_website", {}),
]


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.mark.parametrize(("method", "members", "shown"), SHOWN, ids=[row[0] for row in SHOWN])
def test_it_is_shown(
    client: Any, method: str, members: dict[str, Any], shown: dict[str, Any]
) -> None:
    reply = getattr(client, method)(Bucket=BUCKET, **members)
    assert reply.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert reply == shown


@pytest.mark.parametrize(
    ("method", "members", "code", "message"), ABSENT, ids=[row[0] for row in ABSENT]
)
def test_it_is_absent(
    client: Any, method: str, members: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(Bucket=BUCKET, **members)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert (error["Error"]["Code"], error["Error"]["Message"]) == (code, message)
    if not members:
        assert error["Error"]["BucketName"] == BUCKET


@pytest.mark.parametrize(("method", "members"), DELETED, ids=[row[0] for row in DELETED])
def test_deleting_it_is_no_error(client: Any, method: str, members: dict[str, Any]) -> None:
    reply = getattr(client, method)(Bucket=BUCKET, **members)
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_the_acl_is_its_owners(client: Any) -> None:
    reply = client.get_bucket_acl(Bucket=BUCKET)
    owner = client.list_buckets()["Owner"]
    assert reply["Owner"] == owner
    assert owner["DisplayName"] == "123456789012"
    (grant,) = reply["Grants"]
    assert grant == {
        "Grantee": {"Type": "CanonicalUser", **owner},
        "Permission": "FULL_CONTROL",
    }


def test_lost_controls_are_not_found(client: Any) -> None:
    """What a new bucket has can be deleted, and is then absent and not the default again."""
    client.create_bucket(Bucket="lost-controls")
    for deletion, method, code in (
        (
            "delete_bucket_ownership_controls",
            "get_bucket_ownership_controls",
            "OwnershipControlsNotFoundError",
        ),
        (
            "delete_public_access_block",
            "get_public_access_block",
            "NoSuchPublicAccessBlockConfiguration",
        ),
    ):
        getattr(client, deletion)(Bucket="lost-controls")
        getattr(client, deletion)(Bucket="lost-controls")
        with pytest.raises(ClientError) as caught:
            getattr(client, method)(Bucket="lost-controls")
        assert caught.value.response["Error"]["Code"] == code
