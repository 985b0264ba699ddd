"""GetBucketAcl and PutBucketAcl.

Stored are the grants alone; a bucket without any has its owner's full control. Where ACLs are
off, which is every bucket's default, they can only be set to what they are anyway.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import access
from objstore.rules.acl import (
    NO_GRANT_HEADERS,
    Grant,
    GrantHeaders,
    canned,
    is_only,
    is_public,
    of_document,
    of_headers,
    owner_grant,
)
from objstore.transfer import subresources

SETTING = "acl"


async def get_bucket_acl(call: Call) -> Reply:
    owner = call.services.account(call.bucket.account).canonical_id
    stored = call.bucket.settings.get(SETTING)
    grants = [owner_grant(owner)] if stored is None else stored["Grants"]
    return {"Owner": {"ID": owner}, "Grants": grants}


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
        if not is_only(named, owner):
            raise S3Error("AccessControlListNotSupported")
        return {}
    if access.public_access_block(settings)["BlockPublicAcls"] and is_public(named):
        raise S3Error("AccessDenied")
    if is_only(named, owner) and named:
        await subresources.remove(call, SETTING)
    else:
        await subresources.put(call, SETTING, {"Grants": named})
    return {}


def _grants(
    owner: str,
    acl: str | None,
    headers: GrantHeaders,
    document: Mapping[str, Any] | None,
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
    return canned(acl, owner=owner, bucket_owner=owner)
