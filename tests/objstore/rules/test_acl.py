"""Access control lists: three ways to name grants, one list."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import acl
from objstore.rules.acl import GrantHeaders

OWNER, OTHER = "a" * 64, "b" * 64
FULL = acl.owner_grant(OWNER)


def group(uri: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}


CANNED = [
    ("private", [FULL]),
    ("public-read", [FULL, group(acl.ALL_USERS, "READ")]),
    (
        "public-read-write",
        [FULL, group(acl.ALL_USERS, "READ"), group(acl.ALL_USERS, "WRITE")],
    ),
    ("authenticated-read", [FULL, group(acl.AUTHENTICATED_USERS, "READ")]),
    (
        "log-delivery-write",
        [FULL, group(acl.LOG_DELIVERY, "WRITE"), group(acl.LOG_DELIVERY, "READ_ACP")],
    ),
    ("bucket-owner-read", [FULL, {**acl.owner_grant(OTHER), "Permission": "READ"}]),
    ("bucket-owner-full-control", [FULL, acl.owner_grant(OTHER)]),
]


@pytest.mark.parametrize(("name", "grants"), CANNED)
def test_canned(name: str, grants: list[Any]) -> None:
    assert acl.canned(name, owner=OWNER, bucket_owner=OTHER) == grants


def test_headers() -> None:
    headers = GrantHeaders(
        grant_read=f'uri="{acl.ALL_USERS}", id="{OTHER}"', grant_full_control=f"id={OWNER}"
    )
    assert acl.of_headers(headers) == [
        FULL,
        group(acl.ALL_USERS, "READ"),
        {**acl.owner_grant(OTHER), "Permission": "READ"},
    ]


REFUSED_HEADERS = [
    ("uri=http://acs.amazonaws.com/groups/s3/FakeGroup", "InvalidArgument", "Invalid group uri"),
    ('fakekey="1234"', "InvalidArgument", "Argument format not recognized"),
    ("nothing", "InvalidArgument", "Argument format not recognized"),
    ("id=wrong-id", "InvalidArgument", "Invalid id"),
    ('emailAddress="a@example.com"', "UnresolvableGrantByEmailAddress", "any account"),
    (",".join([f"id={OTHER}"] * 101), "MalformedACLError", ""),
]


@pytest.mark.parametrize(("text", "code", "message"), REFUSED_HEADERS)
def test_refused_headers(text: str, code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        acl.of_headers(GrantHeaders(grant_write=text))
    assert caught.value.code == code
    assert message in caught.value.message


def document(*grants: Any, owner: Any = None) -> dict[str, Any]:
    return {"Owner": {"ID": OWNER} if owner is None else owner, "Grants": list(grants)}


REFUSED_DOCUMENTS: list[tuple[dict[str, Any], str]] = [
    ({}, "MalformedACLError"),
    ({"Grants": [FULL]}, "MalformedACLError"),
    ({"Owner": {"ID": OWNER}}, "MalformedACLError"),
    (document({"Grantee": FULL["Grantee"]}), "MalformedACLError"),
    (document({"Permission": "READ"}), "MalformedACLError"),
    (document({**FULL, "Permission": "ALL"}), "MalformedACLError"),
    (document({"Grantee": {"Type": "Group"}, "Permission": "READ"}), "MalformedACLError"),
    (document(group("http://nowhere", "READ")), "InvalidArgument"),
    (document(acl.owner_grant("wrong-id")), "InvalidArgument"),
    (document(FULL, owner={"ID": "wrong-id"}), "InvalidArgument"),
    (document(FULL, owner={"ID": OTHER}), "AccessDenied"),
    (document(*[FULL] * 101), "MalformedACLError"),
    (
        document({"Grantee": {"Type": "AmazonCustomerByEmail"}, "Permission": "READ"}),
        "UnresolvableGrantByEmailAddress",
    ),
]


@pytest.mark.parametrize(("named", "code"), REFUSED_DOCUMENTS)
def test_refused_documents(named: dict[str, Any], code: str) -> None:
    with pytest.raises(AWSError, match=code):
        acl.of_document(named, owner=OWNER)


def test_documents_keep_what_names_the_grantee() -> None:
    named = {**FULL, "Grantee": {**FULL["Grantee"], "DisplayName": "anything"}}
    assert acl.of_document(document(named), owner=OWNER) == [FULL]


def test_questions() -> None:
    public = acl.canned("public-read", owner=OWNER, bucket_owner=OWNER)
    assert (acl.is_public(public), acl.is_only(public, OWNER)) == (True, False)
    assert (acl.is_public([FULL]), acl.is_only([FULL], OWNER)) == (False, True)
    assert not acl.is_only([FULL], OTHER)
