"""Who owns a new object and to whom its ACL gives access, where the bucket has ACLs.

An object's owner is kept when it is not the bucket's account, its grants when they say more than
that the owner has full control.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from objstore.call import Call
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
    of_headers,
    owner_grant,
)

PRIVATE, BUCKET_OWNER_FULL_CONTROL = "private", "bucket-owner-full-control"


class ACLHeaders(Protocol):
    """The members of a write that name an ACL."""

    @property
    def acl(self) -> str | None: ...
    @property
    def grant_full_control(self) -> str | None: ...
    @property
    def grant_read(self) -> str | None: ...
    @property
    def grant_read_acp(self) -> str | None: ...
    @property
    def grant_write_acp(self) -> str | None: ...


def asked(call: Call, headers: ACLHeaders) -> dict[str, Any]:
    """Owner and grants of an object that the caller writes, as attributes.

    Giving grants with the object needs no permission but that to put it, as AWS's walkthroughs
    have it; policies look at the headers.
    Raises AccessControlListNotSupported, InvalidRequest, InvalidArgument, AccessDenied.
    """
    ownership = access.object_ownership(call.bucket.settings)
    named = GrantHeaders(
        headers.grant_full_control,
        headers.grant_read,
        headers.grant_read_acp,
        None,
        headers.grant_write_acp,
    )
    silent = headers.acl is None and named == NO_GRANT_HEADERS
    if ownership == access.OWNER_ENFORCED:
        if not silent:
            _check_enforced(call, headers.acl, named)
        return {}
    account = _owner(call, ownership, headers.acl)
    grants = named_grants(call, account, headers.acl, named)
    return attributes_of(call, account, grants)


def _owner(call: Call, ownership: str, acl: str | None) -> str:
    """The account that owns what the caller writes; nobody known owns nothing."""
    preferred = ownership == access.OWNER_PREFERRED and acl == BUCKET_OWNER_FULL_CONTROL
    if preferred or not call.caller.account.isdigit():
        return call.bucket.account
    return call.caller.account


def _check_enforced(call: Call, acl: str | None, named: GrantHeaders) -> None:
    """Where ACLs are off, only the bucket owner's full control may be asked for.

    That is also what `private` means, if the bucket's own account writes: many clients send it.
    """
    owner = call.canonical_id(call.bucket.account)
    if acl is not None:
        canned(acl, owner=owner, bucket_owner=owner)
    if acl == PRIVATE and call.caller.account == call.bucket.account and named == NO_GRANT_HEADERS:
        return
    if not is_off(acl, [] if named == NO_GRANT_HEADERS else of_headers(named), owner):
        raise S3Error("AccessControlListNotSupported")


def is_off(acl: str | None, given: Sequence[Grant], owner: str) -> bool:
    """Whether an ACL is what holds anyway where ACLs are off: `bucket-owner-full-control`.

    `given` are the grants of headers or of a document, `owner` is the bucket's.
    """
    if acl is not None:
        return acl == BUCKET_OWNER_FULL_CONTROL and not given
    return bool(given) and is_only(given, owner)


def named_grants(call: Call, account: str, acl: str | None, named: GrantHeaders) -> list[Grant]:
    """The grants that headers name, the owner's own by default.

    Raises InvalidRequest for two ways at once, AccessDenied for public ones that are blocked.
    """
    owner = call.canonical_id(account)
    if acl is not None and named != NO_GRANT_HEADERS:
        raise S3Error(
            "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed"
        )
    if named != NO_GRANT_HEADERS:
        grants = of_headers(named)
    else:
        bucket_owner = call.canonical_id(call.bucket.account)
        grants = canned(acl or PRIVATE, owner=owner, bucket_owner=bucket_owner)
    check_public(call, grants)
    return grants


def check_public(call: Call, grants: list[Grant]) -> None:
    """Refuse what the bucket's public access block does not let in. Raises AccessDenied."""
    blocked = access.public_access_block(call.bucket.settings)["BlockPublicAcls"]
    if blocked and is_public(grants):
        raise S3Error("AccessDenied")


def attributes_of(call: Call, account: str, grants: list[Grant]) -> dict[str, Any]:
    """An owner and grants as a version keeps them."""
    kept: dict[str, Any] = {}
    if account != call.bucket.account:
        kept[OWNER] = account
    if not (grants and is_only(grants, call.canonical_id(account))):
        kept[SETTING] = grants
    return kept


def owner_of(call: Call, attributes: Mapping[str, Any]) -> str:
    """The account that owns a version."""
    account: str = attributes.get(OWNER, call.bucket.account)
    return account


def shown_owner_of(call: Call, attributes: Mapping[str, Any]) -> str:
    """The account that counts as a version's owner now: the bucket's, where ACLs are off."""
    if access.object_ownership(call.bucket.settings) == access.OWNER_ENFORCED:
        return call.bucket.account
    return owner_of(call, attributes)


def document(call: Call, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Owner and grants of a version as GetObjectAcl shows them."""
    account, grants = shown_owner_of(call, attributes), attributes.get(SETTING)
    enforced = access.object_ownership(call.bucket.settings) == access.OWNER_ENFORCED
    if enforced or grants is None:
        grants = [owner_grant(call.canonical_id(account))]
    return {"Owner": call.owner(account), "Grants": shown(call, grants)}


def shown(call: Call, grants: Sequence[Grant]) -> list[Grant]:
    """Grants as replies show them: groups first, and accounts with their names."""
    found: list[Grant] = []
    for grant in sorted(grants, key=lambda grant: "URI" not in grant["Grantee"]):
        grantee = grant["Grantee"]
        account = call.services.account_of(grantee.get("ID", ""))
        named = grantee if account is None else {**grantee, **call.owner(account)}
        found.append({**grant, "Grantee": named})
    return found
