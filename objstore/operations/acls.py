"""GetBucketAcl, PutBucketAcl, GetObjectAcl and PutObjectAcl.

Stored are the grants alone; a bucket without any has its owner's full control. Where ACLs are
off, which is every bucket's default, a bucket's cannot be set, and an object's only to what it is.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import access
from objstore.rules.acl import (
    NO_GRANT_HEADERS,
    OWNER,
    SETTING,
    Grant,
    GrantHeaders,
    canned,
    is_only,
    is_public,
    of_document,
    of_headers,
    owner_grant,
)
from objstore.transfer import grants as object_grants
from objstore.transfer import subresources
from objstore.transfer.attributes import change
from objstore.transfer.source import find

ACL_PUT = "ObjectAcl:Put"


async def get_bucket_acl(call: Call) -> Reply:
    account = call.bucket.account
    stored = call.bucket.settings.get(SETTING)
    grants = [owner_grant(call.canonical_id(account))] if stored is None else stored["Grants"]
    return {"Owner": call.owner(account), "Grants": object_grants.shown(call, grants)}


async def put_bucket_acl(
    call: Call,
    *,
    acl: str | None = None,
    grants: GrantHeaders = NO_GRANT_HEADERS,
    access_control_policy: Mapping[str, Any] | None = None,
) -> Reply:
    """Raises AccessControlListNotSupported, AccessDenied for a public ACL that is blocked."""
    owner = call.services.account(call.bucket.account).canonical_id
    named = _grants(owner, acl, grants, access_control_policy)
    settings = call.bucket.settings
    if access.object_ownership(settings) == access.OWNER_ENFORCED:
        raise S3Error("AccessControlListNotSupported")
    if access.public_access_block(settings)["BlockPublicAcls"] and is_public(named):
        raise S3Error("AccessDenied")
    if is_only(named, owner) and named:
        await subresources.remove(call, SETTING)
    else:
        await subresources.put(call, SETTING, {"Grants": named})
    return {}


async def get_object_acl(call: Call, *, key: str, version_id: str | None = None) -> Reply:
    stored = find(call, call.bucket, key, version_id, inline=False)
    return object_grants.document(call, stored.attributes)


async def put_object_acl(
    call: Call,
    *,
    key: str,
    version_id: str | None = None,
    acl: str | None = None,
    grants: GrantHeaders = NO_GRANT_HEADERS,
    access_control_policy: Mapping[str, Any] | None = None,
) -> Reply:
    """An ACL that stays what it was is no event.

    Raises AccessControlListNotSupported, AccessDenied for a public ACL that is blocked, and
    OperationAborted if somebody else's object takes the place meanwhile.
    """
    stored = find(call, call.bucket, key, version_id, inline=False, method="PUT")
    enforced = access.object_ownership(call.bucket.settings) == access.OWNER_ENFORCED
    account = call.bucket.account if enforced else object_grants.owner_of(call, stored.attributes)
    bucket_owner = call.canonical_id(call.bucket.account)
    named = _grants(
        call.canonical_id(account), acl, grants, access_control_policy, bucket_owner=bucket_owner
    )
    if enforced:
        if not object_grants.is_off(acl, [] if acl is not None else named, bucket_owner):
            raise S3Error("AccessControlListNotSupported")
        return {}
    object_grants.check_public(call, named)
    kept = object_grants.attributes_of(call, account, named)

    def replaced(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        if object_grants.owner_of(call, attributes) != account:
            raise S3Error("OperationAborted")
        others = {n: value for n, value in attributes.items() if n not in (SETTING, OWNER)}
        return others | kept

    event = "" if replaced(stored.attributes) == stored.attributes else ACL_PUT
    await change(call, key, version_id, replaced, event=event)
    return {}


def _grants(
    owner: str,
    acl: str | None,
    headers: GrantHeaders,
    document: Mapping[str, Any] | None,
    *,
    bucket_owner: str = "",
) -> list[Grant]:
    """The grants of a request, which must name them in exactly one way."""
    by_header = headers != NO_GRANT_HEADERS
    if acl is not None and by_header:
        raise S3Error(
            "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed"
        )
    if document is not None:
        if acl is not None or by_header:
            raise S3Error("UnexpectedContent")
        return of_document(document, owner=owner)
    if by_header:
        return of_headers(headers)
    if acl is None:
        raise S3Error("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    return canned(acl, owner=owner, bucket_owner=bucket_owner or owner)
