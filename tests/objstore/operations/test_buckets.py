from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.errors import S3Error
from objstore.names import owner_id
from objstore.operations import buckets
from objstore.rules.acl import GrantHeaders

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "111122223333"
READER = GrantHeaders(grant_read=f"id={'b' * 64}")


def names(reply: dict[str, Any]) -> list[str]:
    return [bucket["Name"] for bucket in reply["Buckets"]]


async def test_buckets_are_listed_by_name(empty_s3: Any) -> None:
    for name in ("photos", "albums", "photos-2024"):
        await empty_s3.make_bucket(name)
    reply = await empty_s3.call("ListBuckets")
    assert names(reply) == ["albums", "photos", "photos-2024"]
    assert reply["Owner"] == {"ID": owner_id(ACCOUNT), "DisplayName": ACCOUNT}
    assert reply["Buckets"][0] == {
        "Name": "albums",
        "CreationDate": datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC),
        "BucketRegion": None,
        "BucketArn": "arn:aws:s3:::albums",
    }
    for asked in ({"prefix": "a"}, {"max_buckets": 1}, {"bucket_region": "us-east-1"}):
        page = await empty_s3.call("ListBuckets", **asked)
        assert page["Buckets"][0]["BucketRegion"] == "us-east-1"


async def test_buckets_are_listed_page_by_page(empty_s3: Any) -> None:
    made = [f"bucket-{number}" for number in range(5)]
    for name in made:
        await empty_s3.make_bucket(name)
    seen: list[str] = []
    token = None
    for _ in range(3):
        reply = await empty_s3.call("ListBuckets", max_buckets=2, continuation_token=token)
        seen += names(reply)
        token = reply["ContinuationToken"]
    assert (seen, token) == (made, None)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"prefix": "a"}, ["alpha", "alpine"]),
        ({"prefix": "alp%"}, []),
        ({"bucket_region": "eu-west-1"}, ["elsewhere"]),
        ({"bucket_region": "eu-west-1", "prefix": "a"}, []),
    ],
)
async def test_listings_are_narrowed(
    empty_s3: Any, members: dict[str, Any], found: list[str]
) -> None:
    await empty_s3.make_bucket("alpha")
    await empty_s3.make_bucket("alpine")
    place = {"LocationConstraint": "eu-west-1"}
    await empty_s3.call("CreateBucket", bucket="elsewhere", create_bucket_configuration=place)
    reply = await empty_s3.call("ListBuckets", **members)
    assert names(reply) == found
    assert reply["Prefix"] == members.get("prefix")


@pytest.mark.parametrize(
    "members", [{"max_buckets": 0}, {"max_buckets": 10_001}, {"continuation_token": "nonsense"}]
)
async def test_listings_refuse_bad_arguments(empty_s3: Any, members: dict[str, Any]) -> None:
    with pytest.raises(AWSError) as caught:
        await empty_s3.call("ListBuckets", **members)
    assert (caught.value.code, caught.value.status) == ("InvalidArgument", 400)


async def test_accounts_see_their_own_buckets(empty_s3: Any) -> None:
    await empty_s3.make_bucket("mine")
    empty_s3.speak_for(OTHER_ACCOUNT)
    assert names(await empty_s3.call("ListBuckets")) == []


@pytest.mark.parametrize(
    ("region", "constraint", "placed"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "eu-west-1", "eu-west-1"),
        ("us-east-1", "EU", "eu-west-1"),
        ("eu-west-1", "EU", "eu-west-1"),
        ("ap-southeast-2", "ap-southeast-2", "ap-southeast-2"),
    ],
)
async def test_where_a_bucket_goes(
    empty_s3: Any, region: str, constraint: str | None, placed: str
) -> None:
    empty_s3.speak_for(ACCOUNT, region)
    configuration = None if constraint is None else {"LocationConstraint": constraint}
    reply = await empty_s3.call(
        "CreateBucket", bucket="new-bucket", create_bucket_configuration=configuration
    )
    assert reply == {"Location": "/new-bucket", "BucketArn": "arn:aws:s3:::new-bucket"}
    empty_s3.bucket = empty_s3.store.bucket("new-bucket")
    assert (await empty_s3.call("HeadBucket"))["BucketRegion"] == placed
    location = (await empty_s3.call("GetBucketLocation"))["LocationConstraint"]
    assert location == ("EU" if constraint == "EU" else None if placed == "us-east-1" else placed)


async def test_a_bucket_that_is_there_gets_no_tags_by_being_created(empty_s3: Any) -> None:
    tagged = {"Tags": [{"Key": "a", "Value": "b"}]}
    await empty_s3.call("CreateBucket", bucket="made", create_bucket_configuration=tagged)
    with pytest.raises(AWSError, match="BucketAlreadyOwnedByYou"):
        await empty_s3.call("CreateBucket", bucket="made", create_bucket_configuration=tagged)
    no_tags: dict[str, Any] = {"Tags": []}
    for nothing in (None, no_tags):
        await empty_s3.call("CreateBucket", bucket="made", create_bucket_configuration=nothing)
    assert empty_s3.store.bucket("made").settings["tagging"] == {
        "TagSet": [{"Key": "a", "Value": "b"}]
    }


@pytest.mark.parametrize(
    ("region", "configuration", "code"),
    [
        ("us-east-1", {"LocationConstraint": "us-east-1"}, "InvalidLocationConstraint"),
        ("us-east-1", {"LocationConstraint": "moon"}, "InvalidLocationConstraint"),
        ("aws-global", None, "AuthorizationHeaderMalformed"),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        (
            "eu-west-1",
            {"LocationConstraint": "us-west-2"},
            "IllegalLocationConstraintException",
        ),
        ("us-east-1", {"Location": {"Type": "AvailabilityZone"}}, "NotImplemented"),
    ],
)
async def test_places_that_do_not_fit(
    empty_s3: Any, region: str, configuration: dict[str, Any] | None, code: str
) -> None:
    empty_s3.speak_for(ACCOUNT, region)
    with pytest.raises(AWSError) as caught:
        await empty_s3.call("CreateBucket", bucket="new", create_bucket_configuration=configuration)
    assert caught.value.code == code
    assert empty_s3.store.bucket("new") is None


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"bucket": "No"}, "InvalidBucketName"),
        ({"acl": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
        ({"acl": "private"}, None),
    ],
)
async def test_what_a_bucket_may_not_be(
    empty_s3: Any, members: dict[str, Any], code: str | None
) -> None:
    members = {"bucket": "new-bucket", **members}
    if code is None:
        await empty_s3.call("CreateBucket", **members)
        return
    with pytest.raises(AWSError) as caught:
        await empty_s3.call("CreateBucket", **members)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("region", "account", "code"),
    [
        ("us-east-1", ACCOUNT, None),
        ("eu-west-1", ACCOUNT, "BucketAlreadyOwnedByYou"),
        ("us-east-1", OTHER_ACCOUNT, "BucketAlreadyExists"),
        ("eu-west-1", OTHER_ACCOUNT, "BucketAlreadyExists"),
    ],
)
async def test_creating_a_bucket_again(
    empty_s3: Any, region: str, account: str, code: str | None
) -> None:
    place = None if region == "us-east-1" else {"LocationConstraint": region}
    await empty_s3.call("CreateBucket", bucket="twice", create_bucket_configuration=place)
    before = empty_s3.store.bucket("twice")
    empty_s3.speak_for(account)
    if code is None:
        await empty_s3.call("CreateBucket", bucket="twice", create_bucket_configuration=place)
    else:
        with pytest.raises(AWSError) as caught:
            await empty_s3.call("CreateBucket", bucket="twice", create_bucket_configuration=place)
        assert (caught.value.code, caught.value.status) == (code, 409)
    assert empty_s3.store.bucket("twice") == before


@pytest.mark.parametrize(
    ("first", "again", "refused"),
    [
        ({}, {}, False),
        ({"grants": READER}, {"grants": READER}, False),
        ({"grants": READER}, {}, True),
        ({}, {"grants": READER}, True),
    ],
)
async def test_creating_a_bucket_again_leaves_its_acl(
    empty_s3: Any, first: dict[str, Any], again: dict[str, Any], refused: bool
) -> None:
    of_writers = {"bucket": "twice", "object_ownership": "ObjectWriter"}
    await empty_s3.call("CreateBucket", **of_writers, **first)
    before = empty_s3.store.bucket("twice")
    if refused:
        with pytest.raises(AWSError, match="BucketAlreadyExists"):
            await empty_s3.call("CreateBucket", **of_writers, **again)
    else:
        await empty_s3.call("CreateBucket", **of_writers, **again)
    assert empty_s3.store.bucket("twice") == before


async def test_an_account_has_so_many_buckets(
    empty_s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "BUCKETS_MAX", 2)
    await empty_s3.make_bucket("one-bucket")
    await empty_s3.make_bucket("another-bucket")
    with pytest.raises(AWSError) as caught:
        await empty_s3.call("CreateBucket", bucket="too-many")
    assert (caught.value.code, caught.value.status) == ("TooManyBuckets", 400)
    empty_s3.speak_for(OTHER_ACCOUNT)
    await empty_s3.make_bucket("too-many")


async def test_only_empty_buckets_are_deleted(s3: Any) -> None:
    await s3.put("k", b"")
    with pytest.raises(AWSError) as caught:
        await s3.call("DeleteBucket")
    assert (caught.value.code, caught.value.status) == ("BucketNotEmpty", 409)
    await s3.call("DeleteObject", key="k")
    assert await s3.call("DeleteBucket") == {}
    assert s3.store.bucket("bucket") is None
    with pytest.raises(AWSError) as caught:
        await s3.call("DeleteBucket")
    assert (caught.value.code, caught.value.status) == ("NoSuchBucket", 404)


async def test_a_new_bucket_of_the_same_name_is_another(s3: Any) -> None:
    old = s3.bucket
    upload_id = await s3.begin("k")
    await s3.call("DeleteBucket")
    s3.bucket = await s3.make_bucket("bucket")
    assert s3.bucket.bucket_id != old.bucket_id
    with pytest.raises(AWSError, match="NoSuchUpload"):
        await s3.part("k", upload_id, 1, b"x")


@pytest.mark.parametrize(
    ("members", "further"),
    [
        ({"acl": "private"}, []),
        ({"acl": "authenticated-read", "object_ownership": "ObjectWriter"},
         ["s3:PutBucketAcl", "s3:PutBucketOwnershipControls"]),
        ({"object_ownership": "BucketOwnerEnforced"}, ["s3:PutBucketOwnershipControls"]),
        ({"object_lock_enabled_for_bucket": True},
         ["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"]),
        ({"create_bucket_configuration": {"Tags": [{"Key": "a", "Value": "b"}]}},
         ["s3:TagResource"]),
    ],
)  # fmt: skip
async def test_what_a_new_bucket_has_needs_permissions_of_its_own(
    empty_s3: Any, members: dict[str, Any], further: list[str]
) -> None:
    empty_s3.services = replace(
        empty_s3.services,
        settings=replace(empty_s3.services.settings, allow_public_access=True),
    )
    await empty_s3.call("CreateBucket", bucket="made", **members)
    assert empty_s3.authorized == [(action, "made", "") for action in further]
    empty_s3.refuse = lambda action, key: S3Error("AccessDenied")
    if further:
        with pytest.raises(S3Error, match="AccessDenied"):
            await empty_s3.call("CreateBucket", bucket="refused", **members)
        assert empty_s3.store.bucket("refused") is None
