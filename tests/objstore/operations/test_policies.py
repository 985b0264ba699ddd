"""Bucket policies as documents; what they allow is tested where it is decided."""

import json
from dataclasses import replace
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import bucket_policy
from objstore.storage.records import Identity


def policy(principal: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bucket/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


async def call(s3: Any, operation: str, **members: Any) -> Any:
    reply = await s3.call(operation, **members)
    s3.bucket = s3.store.bucket("bucket")
    return reply


async def test_a_policy_comes_and_goes(s3: Any) -> None:
    text = policy({"AWS": "111122223333"})
    await call(s3, "PutBucketPolicy", policy=text, confirm_remove_self_bucket_access=True)
    assert await call(s3, "GetBucketPolicy") == {"Policy": text}
    assert await call(s3, "GetBucketPolicyStatus") == {"PolicyStatus": {"IsPublic": False}}
    await call(s3, "DeleteBucketPolicy")
    await call(s3, "DeleteBucketPolicy")
    for operation in ("GetBucketPolicy", "GetBucketPolicyStatus"):
        with pytest.raises(AWSError) as caught:
            await call(s3, operation)
        assert (caught.value.code, caught.value.status) == ("NoSuchBucketPolicy", 404)
        assert caught.value.fields == {"BucketName": "bucket"}


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("PutBucketPolicy", {"policy": policy({"AWS": "111122223333"})}),
        ("GetBucketPolicy", {}),
        ("DeleteBucketPolicy", {}),
    ],
)
async def test_a_policy_is_its_accounts_alone(
    s3: Any, operation: str, members: dict[str, Any]
) -> None:
    s3.speak_for("111122223333")
    with pytest.raises(AWSError) as caught:
        await s3.call(operation, **members)
    assert (caught.value.code, caught.value.status) == ("MethodNotAllowed", 405)
    assert caught.value.fields["ResourceType"] == "BUCKETPOLICY"


async def test_public_policies_are_blocked_until_the_bucket_lets_them_in(s3: Any) -> None:
    with pytest.raises(AWSError, match="BlockPublicPolicy") as caught:
        await call(s3, "PutBucketPolicy", policy=policy("*"))
    assert caught.value.status == 403
    await call(s3, "DeletePublicAccessBlock")
    await call(s3, "PutBucketPolicy", policy=policy("*"))
    assert await call(s3, "GetBucketPolicyStatus") == {"PolicyStatus": {"IsPublic": True}}


async def test_a_policy_is_checked(s3: Any) -> None:
    with pytest.raises(AWSError, match="MalformedPolicy"):
        await call(s3, "PutBucketPolicy", policy="{}")


BOB = Identity("123456789012", "user", "Bob", "AIDABOB", "/team/", 0)
BOB_ARN = "arn:aws:iam::123456789012:user/team/Bob"


async def change(s3: Any, function: Any) -> None:
    await s3.store.identities.change(function)


async def test_a_policy_means_the_users_of_its_time(s3: Any) -> None:
    await change(s3, lambda rows: rows.add(BOB))
    text = policy({"AWS": [BOB_ARN, "111122223333"]})
    await call(s3, "PutBucketPolicy", policy=text)
    assert await call(s3, "GetBucketPolicy") == {"Policy": text}
    kept = bucket_policy.of(s3.bucket.settings, lambda canonical_id: None)
    assert kept is not None
    assert [one.principals["AWS"] for one in kept.statements] == [("AIDABOB", "111122223333")]
    for new, shown in (
        (replace(BOB, name="rob"), BOB_ARN.replace("Bob", "rob")),
        (None, "AIDABOB"),
    ):
        await change(s3, lambda rows, new=new: rows.update(new) if new else rows.remove(BOB))
        found = json.loads((await call(s3, "GetBucketPolicy"))["Policy"])
        assert found["Statement"]["Principal"] == {"AWS": [shown, "111122223333"]}
    await call(s3, "DeleteBucketPolicy")
    assert bucket_policy.BOUND not in s3.bucket.settings


@pytest.mark.parametrize(
    "name",
    [
        BOB_ARN.replace("/team", ""),
        BOB_ARN.replace("Bob", "bob"),
        BOB_ARN.replace("user", "role"),
        BOB_ARN.replace("arn:aws", "arn:aws-cn"),
        "AIDABOB",
    ],
)
async def test_a_policy_names_users_that_exist(s3: Any, name: str) -> None:
    await change(s3, lambda rows: rows.add(BOB))
    with pytest.raises(AWSError) as caught:
        await call(s3, "PutBucketPolicy", policy=policy({"AWS": ["111122223333", name]}))
    assert (caught.value.code, caught.value.message) == (
        "MalformedPolicy",
        "Invalid principal in policy",
    )
