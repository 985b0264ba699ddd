"""Access control lists: canned, by header or by document, all turned into one list of grants.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kms.aws.values import value_class
from objstore.errors import S3Error

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})
PUBLIC_GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS})
SETTING = "acl"
OWNER = "owner"
GRANTS_MAX = 100
FULL_CONTROL = "FULL_CONTROL"

# What a canned ACL grants to whom besides the owner's full control.
_CANNED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
    "aws-exec-read": (),
}
_CANONICAL_ID = re.compile("[0-9a-f]{64}")
_GRANTEE = re.compile(r'\s*(\w+)\s*=\s*"?([^",]*)"?\s*')

Grant = Mapping[str, Any]


@value_class(frozen=True, slots=True)
class GrantHeaders:
    """The `x-amz-grant-*` headers of a request."""

    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write: str | None = None
    grant_write_acp: str | None = None


NO_GRANT_HEADERS = GrantHeaders()
PERMISSIONS = frozenset({FULL_CONTROL, "READ", "READ_ACP", "WRITE", "WRITE_ACP"})
_HEADERS = (
    ("grant_full_control", "x-amz-grant-full-control", FULL_CONTROL),
    ("grant_read", "x-amz-grant-read", "READ"),
    ("grant_read_acp", "x-amz-grant-read-acp", "READ_ACP"),
    ("grant_write", "x-amz-grant-write", "WRITE"),
    ("grant_write_acp", "x-amz-grant-write-acp", "WRITE_ACP"),
)


def owner_grant(owner: str) -> Grant:
    """Full control for a canonical user."""
    return {"Grantee": {"Type": "CanonicalUser", "ID": owner}, "Permission": FULL_CONTROL}


def canned(name: str, *, owner: str, bucket_owner: str) -> list[Grant]:
    """The grants of a canned ACL; `owner` and `bucket_owner` are canonical ids.

    Raises InvalidArgument for a name that S3 does not have.
    """
    if name not in _CANNED:
        raise S3Error("InvalidArgument", "", ArgumentName="x-amz-acl", ArgumentValue=name)
    grants = [owner_grant(owner)]
    for uri, permission in _CANNED[name]:
        grants.append({"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission})
    if owner != bucket_owner and name.startswith("bucket-owner-"):
        permission = "READ" if name == "bucket-owner-read" else FULL_CONTROL
        grants.append({**owner_grant(bucket_owner), "Permission": permission})
    return grants


def of_headers(headers: GrantHeaders) -> list[Grant]:
    """The grants that headers name (`id="…", uri="…"`). Raises InvalidArgument."""
    grants: list[Grant] = []
    for field, name, permission in _HEADERS:
        text = getattr(headers, field)
        if text is None:
            continue
        grants += (
            {"Grantee": _grantee(name, text, item), "Permission": permission}
            for item in text.split(",")
        )
    if len(grants) > GRANTS_MAX:
        raise S3Error("MalformedACLError")
    return grants


def of_document(document: Mapping[str, Any], *, owner: str) -> list[Grant]:
    """The grants of an AccessControlPolicy, which must name the owner.

    Raises MalformedACLError, InvalidArgument, AccessDenied for another owner.
    """
    named = document.get("Owner")
    if named is None or "ID" not in named or "Grants" not in document:
        raise S3Error("MalformedACLError")
    if len(document["Grants"]) > GRANTS_MAX:
        raise S3Error("MalformedACLError")
    grants = [_checked(grant) for grant in document["Grants"]]
    if _CANONICAL_ID.fullmatch(named["ID"]) is None:
        raise _invalid("CanonicalUser/ID", named["ID"], "Invalid id")
    if named["ID"] != owner:
        raise S3Error("AccessDenied")
    return grants


def is_public(grants: Sequence[Grant]) -> bool:
    """Whether anybody gets something."""
    return any(grant["Grantee"].get("URI") in PUBLIC_GROUPS for grant in grants)


def is_only(grants: Sequence[Grant], owner: str) -> bool:
    """Whether the grants say no more than that the owner has full control."""
    return all(grant == owner_grant(owner) for grant in grants)


def _grantee(header: str, text: str, item: str) -> dict[str, str]:
    found = _GRANTEE.fullmatch(item)
    kind = "" if found is None else found[1].lower()
    if found is None or kind not in ("id", "uri", "emailaddress"):
        raise _invalid(header, text, "Argument format not recognized")
    if kind == "emailaddress":
        raise _by_email()
    if kind == "id":
        _check_id("id", found[2])
        return {"Type": "CanonicalUser", "ID": found[2]}
    _check_group("uri", found[2])
    return {"Type": "Group", "URI": found[2]}


def _checked(grant: Mapping[str, Any]) -> Grant:
    grantee = grant.get("Grantee")
    if grantee is None or grant.get("Permission") not in PERMISSIONS:
        raise S3Error("MalformedACLError")
    kind = grantee["Type"]
    if kind == "AmazonCustomerByEmail":
        raise _by_email()
    name = "ID" if kind == "CanonicalUser" else "URI"
    if name not in grantee:
        raise S3Error("MalformedACLError")
    if kind == "CanonicalUser":
        _check_id("CanonicalUser/ID", grantee["ID"])
    else:
        _check_group("Group/URI", grantee["URI"])
    return {"Grantee": {"Type": kind, name: grantee[name]}, "Permission": grant["Permission"]}


def _check_id(where: str, identity: str) -> None:
    if _CANONICAL_ID.fullmatch(identity) is None:
        raise _invalid(where, identity, "Invalid id")


def _check_group(where: str, uri: str) -> None:
    if uri not in GROUPS:
        raise _invalid(where, uri, "Invalid group uri")


def _invalid(where: str, value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=where, ArgumentValue=value)


def _by_email() -> S3Error:
    """Since October 2025 S3 finds no grantees by e-mail address any more."""
    return S3Error("UnresolvableGrantByEmailAddress")
