"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html and its neighbours.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kms.aws.arn import s3_bucket
from objstore.call import Call, Reply
from objstore.crypt import sse
from objstore.errors import CATALOGUE, S3Error
from objstore.names import US_EAST_1, check_bucket_name, instant
from objstore.rules import access
from objstore.rules.acl import (
    NO_GRANT_HEADERS,
    SETTING,
    GrantHeaders,
    canned,
    is_only,
    is_public,
    of_headers,
)
from objstore.storage.records import (
    BUCKET_ID_LENGTH,
    Bucket,
    BucketExistsError,
    BucketMissingError,
    BucketNotEmptyError,
)
from objstore.transfer import locks, tags, versions

BUCKETS_MAX = 10_000  # of an account, as AWS's default quota
BUCKETS_LISTED_MAX = 10_000
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
OLD_LOCATION = "old_location"  # of a bucket's settings
_OLD_REGION_NAMES = {"EU": "eu-west-1"}


async def list_buckets(
    call: Call,
    *,
    prefix: str | None = None,
    max_buckets: int | None = None,
    continuation_token: str | None = None,
    bucket_region: str | None = None,
) -> Reply:
    if max_buckets is not None and not 1 <= max_buckets <= BUCKETS_LISTED_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Argument max-buckets must be an integer between 1 and {BUCKETS_LISTED_MAX}.",
            ArgumentName="max-buckets",
            ArgumentValue=str(max_buckets),
        )
    limit = max_buckets or BUCKETS_LISTED_MAX
    account, tokens = call.caller.account, call.services.tokens
    named = (account, prefix or "", bucket_region or "")
    listing = (b"ListBuckets", *map(str.encode, named))
    after = tokens.read(listing, continuation_token).decode() if continuation_token else ""
    found = call.services.store.buckets(
        account, prefix=prefix or "", after=after, region=bucket_region, limit=limit + 1
    )
    page = found[:limit]
    # Who asks for nothing in particular is not told where their buckets are.
    asked = any((prefix, max_buckets, continuation_token, bucket_region))
    return {
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": instant(bucket.created_ms),
                "BucketRegion": bucket.region if asked else None,
                "BucketArn": s3_bucket(bucket.name),
            }
            for bucket in page
        ],
        "Owner": call.owner(account),
        "Prefix": prefix,
        "ContinuationToken": (
            tokens.make(listing, page[-1].name.encode()) if len(found) > limit else None
        ),
    }


async def create_bucket(
    call: Call,
    *,
    bucket: str,
    acl: str | None = None,
    grants: GrantHeaders = NO_GRANT_HEADERS,
    create_bucket_configuration: Mapping[str, Any] | None = None,
    object_lock_enabled_for_bucket: bool | None = None,
    object_ownership: str | None = None,
) -> Reply:
    check_bucket_name(bucket)
    configuration = create_bucket_configuration or {}
    for name in configuration:
        if name not in ("LocationConstraint", "Tags"):
            raise S3Error("NotImplemented", f"CreateBucketConfiguration {name} is not implemented")
    settings = _settings(call, object_ownership, acl, grants)
    if object_lock_enabled_for_bucket:
        settings[versions.SETTING] = {"Status": versions.ENABLED}
        settings[locks.SETTING] = {"ObjectLockEnabled": locks.ENABLED}
    if configuration.get("Tags"):
        settings[tags.SETTING] = {"TagSet": configuration["Tags"]}
        tags.check_new_bucket(settings[tags.SETTING])
    if configuration.get("LocationConstraint") in _OLD_REGION_NAMES:
        settings[OLD_LOCATION] = configuration["LocationConstraint"]
    new = Bucket(
        name=bucket,
        bucket_id=os.urandom(BUCKET_ID_LENGTH),
        account=call.caller.account,
        region=_region(
            call.caller.region or call.services.settings.region,
            configuration.get("LocationConstraint"),
        ),
        created_ms=int(call.services.clock.now() * 1000),
        settings=settings,
    )
    for action in _further_actions(settings, ownership=object_ownership):
        call.authorize(action, new, "")
    if call.services.store.bucket_count(call.caller.account) >= BUCKETS_MAX:
        raise S3Error("TooManyBuckets")
    try:
        await call.services.store.create_bucket(new)
    except BucketExistsError as error:
        _check_recreation(error.bucket, new)
    return {"Location": f"/{bucket}", "BucketArn": s3_bucket(bucket)}


def _further_actions(settings: Mapping[str, Any], *, ownership: str | None) -> Iterator[str]:
    """The permissions that a bucket of these settings needs besides that to create it."""
    if SETTING in settings:
        yield "s3:PutBucketAcl"
    if locks.SETTING in settings:
        yield "s3:PutBucketObjectLockConfiguration"
        yield "s3:PutBucketVersioning"
    if ownership is not None:
        yield "s3:PutBucketOwnershipControls"
    if tags.SETTING in settings:
        yield "s3:TagResource"


def _settings(
    call: Call, ownership: str | None, acl: str | None, headers: GrantHeaders
) -> dict[str, Any]:
    """The new bucket's settings, with its ACL if it has one that says anything.

    Raises InvalidBucketAclWithObjectOwnership, InvalidBucketAclWithBlockPublicAccessError.
    """
    server = call.services.settings
    settings = access.new_bucket_settings(
        ownership=ownership or server.object_ownership,
        allow_public_access=server.allow_public_access,
        encryption=sse.ACCEPTING_SSE_C if server.allow_sse_c else None,
    )
    if acl is None and headers == NO_GRANT_HEADERS:
        return settings
    owner = call.services.account(call.caller.account).canonical_id
    if acl is not None and headers != NO_GRANT_HEADERS:
        raise S3Error(
            "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed"
        )
    grants = of_headers(headers) if acl is None else canned(acl, owner=owner, bucket_owner=owner)
    if is_only(grants, owner):
        return settings
    if access.object_ownership(settings) == access.OWNER_ENFORCED:
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    if is_public(grants) and access.public_access_block(settings)["BlockPublicAcls"]:
        raise S3Error("InvalidBucketAclWithBlockPublicAccessError")
    return {**settings, SETTING: {"Grants": grants}}


def _region(signing_region: str, constraint: str | None) -> str:
    """Where the bucket goes, by the endpoint that was asked and the constraint in the body."""
    wanted = _OLD_REGION_NAMES.get(constraint, constraint) if constraint else None
    if _REGION.fullmatch(signing_region) is None:
        raise S3Error(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; the region '{signing_region}' is wrong; "
            f"expecting '{US_EAST_1}'",
            Region=US_EAST_1,
        )
    if signing_region == US_EAST_1:
        if wanted is None:
            return US_EAST_1
        if wanted == US_EAST_1 or _REGION.fullmatch(wanted) is None:
            raise S3Error("InvalidLocationConstraint", LocationConstraint=str(constraint))
        return wanted
    if wanted != signing_region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {constraint or 'unspecified'} location constraint is incompatible for the "
            "region specific endpoint this request was sent to.",
        )
    return wanted


def _check_recreation(existing: Bucket, new: Bucket) -> None:
    """Return if creating an existing bucket again is harmless, as it always was in us-east-1.

    It is not if the bucket would get another ACL, or is asked to have tags.
    """
    enforced = access.object_ownership(existing.settings) == access.OWNER_ENFORCED
    kept, wanted = (bucket.settings.get(SETTING) for bucket in (existing, new))
    if existing.account != new.account or not (enforced or kept == wanted):
        raise S3Error("BucketAlreadyExists", BucketName=new.name)
    elsewhere = existing.region != US_EAST_1 or new.region != US_EAST_1
    if elsewhere or tags.SETTING in new.settings:
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=new.name)


async def head_bucket(call: Call) -> Reply:
    return {
        "BucketRegion": call.bucket.region,
        "BucketArn": s3_bucket(call.bucket.name),
        "AccessPointAlias": False,
    }


async def delete_bucket(call: Call) -> Reply:
    try:
        await call.services.store.delete_bucket(call.bucket)
    except BucketMissingError:
        raise S3Error("NoSuchBucket", BucketName=call.bucket.name) from None
    except BucketNotEmptyError:
        message = None
        if versions.status(call.bucket) is not None:
            message = (
                f"{CATALOGUE['BucketNotEmpty'][1]}. You must delete all versions in the bucket."
            )
        raise S3Error("BucketNotEmpty", message, BucketName=call.bucket.name) from None
    return {}


async def get_bucket_location(call: Call) -> Reply:
    """The region, by the old name that the bucket was created with if it was."""
    region = call.bucket.settings.get(OLD_LOCATION, call.bucket.region)
    return {"LocationConstraint": None if region == US_EAST_1 else region}
