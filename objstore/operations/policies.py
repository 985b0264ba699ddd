"""PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy and GetBucketPolicyStatus.

No policy lets another account see or change it: who may do that by one hears MethodNotAllowed.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
"""

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import access, bucket_policy
from objstore.transfer import subresources


async def put_bucket_policy(
    call: Call, *, policy: str, confirm_remove_self_bucket_access: bool | None = None
) -> Reply:
    """Raises MalformedPolicy, PolicyTooLarge, AccessDenied for a public policy that is blocked.

    Nobody is locked out for good: the root of the bucket's account may always replace the policy,
    so there is nothing to confirm.
    """
    del confirm_remove_self_bucket_access
    _check_own(call, "PUT")
    bucket, account_of = call.bucket, call.services.account_of
    text = bucket_policy.check(policy, bucket.name, account_of)
    blocked = access.public_access_block(bucket.settings)["BlockPublicPolicy"]
    if blocked and bucket_policy.is_public(bucket_policy.of_text(text, account_of)):
        raise S3Error(
            "AccessDenied",
            f"User: {call.caller.principal.arn} is not authorized to perform: s3:PutBucketPolicy "
            f'on resource: "arn:aws:s3:::{bucket.name}" because public policies are prevented by '
            "the BlockPublicPolicy setting in S3 Block Public Access.",
        )
    await subresources.put(call, bucket_policy.SETTING, text)
    return {}


async def get_bucket_policy(call: Call) -> Reply:
    _check_own(call, "GET")
    return {"Policy": _text(call)}


async def get_bucket_policy_status(call: Call) -> Reply:
    """Whether the policy makes the bucket public; ACLs have no part in it."""
    policy = bucket_policy.of_text(_text(call), call.services.account_of)
    return {"PolicyStatus": {"IsPublic": bucket_policy.is_public(policy)}}


async def delete_bucket_policy(call: Call) -> Reply:
    _check_own(call, "DELETE")
    await subresources.remove(call, bucket_policy.SETTING)
    return {}


def _check_own(call: Call, method: str) -> None:
    if call.caller.account != call.bucket.account:
        raise S3Error("MethodNotAllowed", Method=method, ResourceType="BUCKETPOLICY")


def _text(call: Call) -> str:
    """Raises NoSuchBucketPolicy."""
    text: str | None = call.bucket.settings.get(bucket_policy.SETTING)
    if text is None:
        raise S3Error("NoSuchBucketPolicy", BucketName=call.bucket.name)
    return text
