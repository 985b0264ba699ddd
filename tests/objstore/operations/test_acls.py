"""A bucket's ACL, with ACLs off and on."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.names import owner_id
from objstore.operations import acls
from objstore.rules.acl import ALL_USERS, GrantHeaders, owner_grant
from objstore.transfer.events import KIND

ACCOUNT = "123456789012"
OWNER = owner_id(ACCOUNT)
NAMED = {
    "Grantee": {"Type": "CanonicalUser", "ID": OWNER, "DisplayName": ACCOUNT},
    "Permission": "FULL_CONTROL",
}
PUBLIC = {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}
READER = GrantHeaders(grant_read=f"id={'b' * 64}")
WRITER = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}


async def put(s3: Any, **members: Any) -> Any:
    await s3.call("PutBucketAcl", **members)
    s3.bucket = s3.store.bucket("bucket")
    return (await s3.call("GetBucketAcl"))["Grants"]


async def test_listings_show_who_wrote_an_object_where_acls_are_on(with_acls: Any) -> None:
    other = "999999999999"
    await with_acls.put("ours", b"")
    with_acls.speak_for(other)
    await with_acls.put("theirs", b"")
    listings = {
        "ListObjects": ("Contents", {}),
        "ListObjectsV2": ("Contents", {"fetch_owner": True}),
        "ListObjectVersions": ("Versions", {}),
    }

    async def owners() -> list[list[str]]:
        replies = [
            (await with_acls.call(operation, **members))[listed]
            for operation, (listed, members) in listings.items()
        ]
        return [[entry["Owner"]["ID"] for entry in entries] for entries in replies]

    assert await owners() == 3 * [[OWNER, owner_id(other)]]
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    with_acls.speak_for("123456789012")
    await with_acls.call("PutBucketOwnershipControls", ownership_controls=enforced)
    with_acls.bucket = with_acls.store.bucket("bucket")
    assert await owners() == 3 * [[OWNER, OWNER]]


@pytest.fixture
async def with_acls(s3: Any) -> Any:
    """A bucket whose objects belong to their writers and that blocks nothing."""
    await s3.call("PutBucketOwnershipControls", ownership_controls=WRITER)
    await s3.call("DeletePublicAccessBlock")
    s3.bucket = s3.store.bucket("bucket")
    return s3


async def test_acls_that_are_off_cannot_be_set(s3: Any) -> None:
    document = {"Owner": {"ID": OWNER}, "Grants": [owner_grant(OWNER)]}
    refused: list[dict[str, Any]] = [
        {"acl": "private"},
        {"acl": "public-read"},
        {"grants": READER},
        {"access_control_policy": document},
    ]
    for members in refused:
        with pytest.raises(AWSError, match="AccessControlListNotSupported"):
            await put(s3, **members)
    assert (await s3.call("GetBucketAcl"))["Grants"] == [NAMED]


async def test_an_object_may_ask_for_what_holds_anyway(s3: Any) -> None:
    await s3.put("k", b"x")
    document = {"Owner": {"ID": OWNER}, "Grants": [owner_grant(OWNER)]}
    await s3.call("PutObjectAcl", key="k", acl="bucket-owner-full-control")
    await s3.call("PutObjectAcl", key="k", access_control_policy=document)
    for members in ({"acl": "private"}, {"grants": READER}):
        with pytest.raises(AWSError, match="AccessControlListNotSupported"):
            await s3.call("PutObjectAcl", key="k", **members)
    assert (await s3.call("GetObjectAcl", key="k"))["Grants"] == [NAMED]


async def test_acls_that_are_on_are_kept(with_acls: Any) -> None:
    assert await put(with_acls, acl="public-read") == [PUBLIC, NAMED]
    (grant,) = await put(with_acls, grants=READER)
    assert (grant["Grantee"]["ID"], grant["Permission"]) == ("b" * 64, "READ")
    assert await put(with_acls, acl="private") == [NAMED]
    nothing = {"Owner": {"ID": OWNER}, "Grants": []}
    assert await put(with_acls, access_control_policy=nothing) == []


async def test_public_acls_can_be_blocked(with_acls: Any) -> None:
    await with_acls.call(
        "PutPublicAccessBlock", public_access_block_configuration={"BlockPublicAcls": True}
    )
    with_acls.bucket = with_acls.store.bucket("bucket")
    with pytest.raises(AWSError, match="AccessDenied"):
        await put(with_acls, acl="public-read")
    await put(with_acls, grants=READER)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "MissingSecurityHeader"),
        ({"acl": "private", "grants": READER}, "InvalidRequest"),
        ({"acl": "private", "access_control_policy": {}}, "UnexpectedContent"),
        ({"access_control_policy": {}}, "MalformedACLError"),
    ],
)
async def test_grants_are_named_in_one_way(
    with_acls: Any, members: dict[str, Any], code: str
) -> None:
    with pytest.raises(AWSError, match=code):
        await put(with_acls, **members)


CREATIONS: list[tuple[dict[str, Any], str]] = [
    ({"acl": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
    (
        {"acl": "public-read", "object_ownership": "ObjectWriter"},
        "InvalidBucketAclWithBlockPublicAccessError",
    ),
    ({"acl": "private", "grants": READER}, "InvalidRequest"),
]


@pytest.mark.parametrize(("members", "code"), CREATIONS)
async def test_buckets_that_cannot_be_made(
    empty_s3: Any, members: dict[str, Any], code: str
) -> None:
    with pytest.raises(AWSError, match=code):
        await empty_s3.call("CreateBucket", bucket="new", **members)
    assert empty_s3.store.bucket("new") is None


async def test_a_bucket_can_be_made_with_acls(empty_s3: Any) -> None:
    await empty_s3.call(
        "CreateBucket", bucket="new", object_ownership="BucketOwnerPreferred", grants=READER
    )
    empty_s3.bucket = empty_s3.store.bucket("new")
    controls = (await empty_s3.call("GetBucketOwnershipControls"))["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    (grant,) = (await empty_s3.call("GetBucketAcl"))["Grants"]
    assert grant["Permission"] == "READ"


async def test_an_acl_that_changes_is_an_event(with_acls: Any) -> None:
    entry = {
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:heard",
        "Events": ["s3:ObjectAcl:Put"],
    }
    await with_acls.call(
        "PutBucketNotificationConfiguration",
        notification_configuration={"QueueConfigurations": [entry]},
    )
    with_acls.bucket = with_acls.store.bucket("bucket")
    await with_acls.put("k", b"data")
    for acl in ("private", "public-read", "public-read"):
        await with_acls.call("PutObjectAcl", key="k", acl=acl)
    queued = with_acls.store.outbox.due(KIND, now_ms=0, limit=10)
    records = [one.message.body["record"] for one in queued if "record" in one.message.body]
    assert [(record["eventName"], record["eventVersion"]) for record in records] == [
        ("ObjectAcl:Put", "2.3")
    ]
    assert records[0]["s3"]["object"]["key"] == "k"


async def test_an_acl_is_not_put_on_what_another_account_wrote_meanwhile(
    with_acls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "999999999999"
    await with_acls.put("k", b"ours")
    ours = with_acls.store.object(with_acls.bucket.bucket_id, b"k")
    with_acls.speak_for(other)
    await with_acls.put("k", b"theirs")
    monkeypatch.setattr(acls, "find", lambda *_args, **_options: ours)
    with pytest.raises(AWSError, match="OperationAborted"):
        await with_acls.call("PutObjectAcl", key="k", acl="public-read")
    monkeypatch.undo()
    owner = (await with_acls.call("GetObjectAcl", key="k"))["Owner"]["ID"]
    assert owner == owner_id(other)
