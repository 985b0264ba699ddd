"""Owners and grants of new objects, with each object ownership."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller
from objstore.call import Call
from objstore.names import owner_id
from objstore.rules.acl import ALL_USERS, owner_grant
from objstore.transfer import grants
from objstore.transfer.attributes import AttributeHeaders

OTHER = "444455556666"


async def call_of(s3: Any, ownership: str, account: str | None = None) -> Call:
    document = {"Rules": [{"ObjectOwnership": ownership}]}
    await s3.call("PutBucketOwnershipControls", ownership_controls=document)
    await s3.call("DeletePublicAccessBlock")
    s3.bucket = s3.store.bucket("bucket")
    caller = s3.caller if account is None else type(s3).caller_of(account)
    return Call(caller, s3.services, s3._authorize, s3.bucket, s3.trace)


PUBLIC = {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}


@pytest.mark.parametrize(
    ("ownership", "account", "headers", "owner", "acl"),
    [
        ("BucketOwnerEnforced", None, {}, None, None),
        ("BucketOwnerEnforced", None, {"acl": "private"}, None, None),
        ("BucketOwnerEnforced", OTHER, {"acl": "bucket-owner-full-control"}, None, None),
        (
            "BucketOwnerEnforced",
            OTHER,
            {"grant_full_control": f"id={owner_id('123456789012')}"},
            None,
            None,
        ),
        ("ObjectWriter", None, {}, None, None),
        ("ObjectWriter", OTHER, {}, OTHER, None),
        ("ObjectWriter", None, {"acl": "public-read"}, None, [owner_grant("own"), PUBLIC]),
        ("BucketOwnerPreferred", OTHER, {}, OTHER, None),
        ("BucketOwnerPreferred", OTHER, {"acl": "bucket-owner-full-control"}, None, None),
        (
            "ObjectWriter",
            OTHER,
            {"acl": "bucket-owner-full-control"},
            OTHER,
            [owner_grant("other"), owner_grant("own")],
        ),
    ],
)
async def test_what_a_version_keeps(
    s3: Any, ownership: str, account: str | None, headers: Any, owner: str | None, acl: Any
) -> None:
    call = await call_of(s3, ownership, account)
    kept = grants.asked(call, AttributeHeaders(**headers))
    ids = {"own": owner_id("123456789012"), "other": owner_id(OTHER)}
    wanted = acl and [
        {**one, "Grantee": {**one["Grantee"], "ID": ids[one["Grantee"]["ID"]]}}
        if "ID" in one["Grantee"]
        else one
        for one in acl
    ]
    assert kept == {
        name: value for name, value in (("owner", owner), ("acl", wanted)) if value is not None
    }


@pytest.mark.parametrize(
    ("ownership", "headers", "code"),
    [
        ("BucketOwnerEnforced", {"acl": "bucket-owner-read"}, "AccessControlListNotSupported"),
        ("BucketOwnerEnforced", {"acl": "public-read"}, "AccessControlListNotSupported"),
        ("BucketOwnerEnforced", {"acl": "everybody"}, "InvalidArgument"),
        ("BucketOwnerEnforced", {"grant_read": f"id={'b' * 64}"}, "AccessControlListNotSupported"),
        ("ObjectWriter", {"acl": "everybody"}, "InvalidArgument"),
        ("ObjectWriter", {"acl": "private", "grant_read": "id=b"}, "InvalidRequest"),
    ],
)
async def test_refused_headers(s3: Any, ownership: str, headers: Any, code: str) -> None:
    call = await call_of(s3, ownership)
    with pytest.raises(AWSError) as caught:
        grants.asked(call, AttributeHeaders(**headers))
    assert caught.value.code == code


async def test_private_objects_of_others_are_refused_where_acls_are_off(s3: Any) -> None:
    call = await call_of(s3, "BucketOwnerEnforced", OTHER)
    with pytest.raises(AWSError, match="AccessControlListNotSupported"):
        grants.asked(call, AttributeHeaders(acl="private"))


async def test_public_acls_are_blocked_by_default(s3: Any) -> None:
    call = await call_of(s3, "ObjectWriter")
    block = {"BlockPublicAcls": True}
    await s3.call("PutPublicAccessBlock", public_access_block_configuration=block)
    call.target = s3.store.bucket("bucket")
    with pytest.raises(AWSError, match="AccessDenied"):
        grants.asked(call, AttributeHeaders(acl="public-read"))


async def test_what_nobody_known_writes_belongs_to_the_bucket(s3: Any) -> None:
    call = await call_of(s3, "ObjectWriter")
    call.caller = Caller(ANONYMOUS, "", "us-east-1", "R")
    assert grants.asked(call, AttributeHeaders()) == {}


async def test_object_acls_are_put_and_shown(s3: Any) -> None:
    await call_of(s3, "ObjectWriter")
    await s3.put("k", b"x", attributes=AttributeHeaders(acl="public-read"))
    own = owner_grant(owner_id("123456789012"))
    named = {"ID": owner_id("123456789012"), "DisplayName": "123456789012"}
    own = {**own, "Grantee": {**own["Grantee"], **named}}
    shown = await s3.call("GetObjectAcl", key="k")
    assert shown == {"Owner": named, "Grants": [PUBLIC, own]}
    await s3.call("PutObjectAcl", key="k", acl="private")
    assert (await s3.call("GetObjectAcl", key="k"))["Grants"] == [own]
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.call("GetObjectAcl", key="absent")
