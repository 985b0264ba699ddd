"""PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy and GetBucketPolicyStatus.

No policy lets another account see or change it: who may do that by one hears MethodNotAllowed. The
users and roles that a policy names must exist, and it means these ones for good: who is made again
under an old name is not let in.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from kms.aws import arn
from kms.aws.arn import ARN
from kms.aws.policy import Policy
from kms.aws.policy_principal import UNIQUE_ID_PREFIXES
from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import access, bucket_policy
from objstore.storage.records import Identity
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
    named = bucket_policy.of_text(text, account_of)
    bound = _bound(call, named)
    blocked = access.public_access_block(bucket.settings)["BlockPublicPolicy"]
    if blocked and bucket_policy.is_public(named):
        raise S3Error(
            "AccessDenied",
            f"User: {call.caller.principal.arn} is not authorized to perform: s3:PutBucketPolicy "
            f'on resource: "arn:aws:s3:::{bucket.name}" because public policies are prevented by '
            "the BlockPublicPolicy setting in S3 Block Public Access.",
        )
    kept = {bucket_policy.SETTING: text, bucket_policy.BOUND: bound}
    await subresources.change(call, lambda settings: {**settings, **kept})
    return {}


def _bound(call: Call, policy: Policy) -> dict[str, str]:
    """The unique ids of the users and roles that a policy names. Raises MalformedPolicy."""
    rows = call.services.store.identities.rows
    bound: dict[str, str] = {}
    for statement in policy.statements:
        for name in statement.principals.get("AWS", ()):
            if name.startswith(UNIQUE_ID_PREFIXES):
                raise _invalid_principal()
            if not name.startswith("arn:"):
                continue
            parsed = ARN.parse(name)
            kind, _, path = parsed.resource.partition("/")
            if parsed.service != "iam" or kind == "root":
                continue
            found = rows.get(parsed.account, kind, path.rpartition("/")[2])
            if found is None or _arn(found) != name:
                raise _invalid_principal()
            bound[name] = found.unique_id
    return bound


def _invalid_principal() -> S3Error:
    return S3Error("MalformedPolicy", "Invalid principal in policy")


def _arn(identity: Identity) -> str:
    return arn.iam_entity(identity.account, identity.kind, identity.path, identity.name)


async def get_bucket_policy(call: Call) -> Reply:
    """The text, with the unique ids of who is gone and the ARNs that others have now."""
    _check_own(call, "GET")
    text, rows = _text(call), call.services.store.identities.rows
    names: dict[str, str] = {}
    for name, unique_id in call.bucket.settings.get(bucket_policy.BOUND, {}).items():
        found = rows.by_id(unique_id)
        now = unique_id if found is None else _arn(found)
        if now != name:
            names[name] = now
    return {"Policy": bucket_policy.shown(text, names)}


async def get_bucket_policy_status(call: Call) -> Reply:
    """Whether the policy makes the bucket public; ACLs have no part in it."""
    policy = bucket_policy.of_text(_text(call), call.services.account_of)
    return {"PolicyStatus": {"IsPublic": bucket_policy.is_public(policy)}}


async def delete_bucket_policy(call: Call) -> Reply:
    _check_own(call, "DELETE")
    gone = (bucket_policy.SETTING, bucket_policy.BOUND)
    await subresources.change(call, lambda kept: {k: v for k, v in kept.items() if k not in gone})
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
