"""What a bucket's settings, ACLs and owners add to policies, and how refusals read.

The matrix of who may do what is tests/matrices/test_authorization.py. The expectations follow
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-alternatives-guidelines.html
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import ANONYMOUS, Caller, Policies, Principal, PrincipalKind
from kms.aws.policy import Policy, PolicyKind, parse
from objstore.account.directory import Directory, root_principal
from objstore.authorize import Authorizer, refusal
from objstore.condition_keys import Asked, Facts
from objstore.errors import S3Error
from objstore.rules import acl
from objstore.rules.access import ownership_document
from objstore.storage.records import Bucket, StoredObject

OWN, OTHER = "111111111111", "222222222222"
CLOCK = FixedClock(1_700_000_000)
FACTS = Facts({}, {}, CLOCK)
PUBLIC = {"public_access_block": None}
WITH_ACLS = {**PUBLIC, "ownership": ownership_document("ObjectWriter")}
DIRECTORY = Directory()


def policy(effect: str = "Allow", action: str = "s3:*", **more: Any) -> Policy:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return parse(text, kind=PolicyKind.IDENTITY)


ALLOW, DENY, ELSEWHERE = policy(), policy("Deny"), policy(action="s3:ListAllMyBuckets")


def user(account: str, identity: str = "", boundary: str = "") -> Principal:
    policies = Policies(
        {"": (), "allow": (ALLOW,), "deny": (ALLOW, DENY)}[identity],
        {"": None, "allow": ALLOW, "elsewhere": ELSEWHERE}[boundary],
    )
    arn = f"arn:aws:iam::{account}:user/bob"
    return Principal(PrincipalKind.USER, account, arn, f"AIDA{account}", "bob", policies=policies)


class Store:
    """One object in every bucket; the real store's look-up."""

    def __init__(self, **attributes: Any) -> None:
        self.attributes = attributes

    def object(self, bucket_id: bytes, key: bytes, version: str | None, *, inline: bool) -> Any:
        del version, inline
        if key == b"missing":
            return None
        return StoredObject(
            bucket_id, key, "null", 0, "", 0, "STANDARD", "", "", b"", b"", (), self.attributes
        )

    def upload(self, upload_id: str) -> None:
        """There is none."""


def authorizer(**attributes: Any) -> Authorizer:
    store: Any = Store(**attributes)
    return Authorizer(store, CLOCK, account=DIRECTORY.account, account_of=DIRECTORY.account_of)


def bucket(*statements: dict[str, Any], **settings: Any) -> Bucket:
    if statements:
        settings["policy"] = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return Bucket("photos", bytes(16), OWN, "us-east-1", 0, settings)


def statement(effect: str, principal: Any, action: str = "s3:*", **more: Any) -> dict[str, Any]:
    resources = ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]
    return {
        "Effect": effect, "Principal": principal, "Action": action, "Resource": resources, **more
    }  # fmt: skip


def asked(principal: Principal, target: Bucket | None, action: str = "s3:GetObject") -> Asked:
    caller = Caller(principal, "AKIA", "us-east-1", "REQUEST", "192.0.2.1")
    key = "k" if action.endswith(("Object", "ObjectAcl")) else ""
    return Asked(caller, action, target, key, FACTS)


def allowed(principal: Principal, target: Bucket | None, action: str = "s3:GetObject") -> bool:
    return authorizer().may(asked(principal, target, action))


def test_the_root_can_always_replace_the_policy() -> None:
    locked = bucket(statement("Deny", "*"))
    assert not allowed(root_principal(OWN), locked)
    for action in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        assert allowed(root_principal(OWN), locked, action)
        assert not allowed(user(OWN, "allow"), locked, action)


def test_restricted_buckets_give_a_public_policy_to_their_account_only() -> None:
    everybody = statement("Allow", "*")
    for settings, found in (({}, False), (PUBLIC, True)):
        target = bucket(everybody, **settings)
        assert allowed(ANONYMOUS, target) is found
        assert allowed(root_principal(OTHER), target) is found
        assert allowed(user(OWN), target)


def test_conditions_look_at_the_request() -> None:
    target = bucket(
        statement("Deny", "*", "s3:PutObject",
                  Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}})
    )  # fmt: skip
    question = asked(user(OWN, "allow"), target, "s3:PutObject")
    assert not authorizer().may(question)
    sealed = Facts({"x-amz-server-side-encryption": "aws:kms"}, {}, CLOCK)
    assert authorizer().may(replace(question, facts=sealed))


def test_conditions_look_at_the_object() -> None:
    condition = {"StringEquals": {"s3:ExistingObjectTag/team": "red"}}
    target = bucket(statement("Allow", {"AWS": OTHER}, Condition=condition))
    question = asked(root_principal(OTHER), target)
    assert authorizer(tags={"team": "red"}).may(question)
    assert not authorizer(tags={"team": "blue"}).may(question)
    assert not authorizer(tags={"team": "red"}).may(replace(question, key="missing"))


def grant(permission: str, *, account: str = "", uri: str = "") -> dict[str, Any]:
    if uri:
        return {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}
    identity = DIRECTORY.account(account).canonical_id
    return {**acl.owner_grant(identity), "Permission": permission}


@pytest.mark.parametrize(
    ("granted", "principal", "action", "found"),
    [
        (grant("READ", account=OTHER), root_principal(OTHER), "s3:GetObject", True),
        (grant("READ", account=OTHER), user(OTHER), "s3:GetObject", False),
        (grant("READ", account=OTHER), user(OTHER, "allow"), "s3:GetObject", True),
        (grant("READ", account=OTHER), root_principal(OTHER), "s3:GetObjectAcl", False),
        (grant("READ", account=OTHER), ANONYMOUS, "s3:GetObject", False),
        (grant("FULL_CONTROL", account=OTHER), root_principal(OTHER), "s3:PutObjectAcl", True),
        (grant("READ", uri=acl.ALL_USERS), ANONYMOUS, "s3:GetObject", True),
        (grant("READ", uri=acl.ALL_USERS), user(OWN), "s3:GetObject", True),
        (grant("WRITE_ACP", uri=acl.ALL_USERS), ANONYMOUS, "s3:GetObject", False),
        (grant("READ", uri=acl.AUTHENTICATED_USERS), ANONYMOUS, "s3:GetObject", False),
        (grant("READ", uri=acl.AUTHENTICATED_USERS), root_principal(OTHER), "s3:GetObject", True),
        (grant("READ", uri=acl.LOG_DELIVERY), root_principal(OTHER), "s3:GetObject", False),
    ],
)
def test_object_acls(
    granted: dict[str, Any], principal: Principal, action: str, found: bool
) -> None:
    question = asked(principal, bucket(**WITH_ACLS), action)
    assert authorizer(acl=[granted]).may(question) is found
    # Where ACLs are off, one that was set before says nothing.
    enforced = replace(question, bucket=bucket(**PUBLIC))
    assert authorizer(acl=[granted]).may(enforced) is False


def test_bucket_acls() -> None:
    grants = [grant("READ", uri=acl.ALL_USERS), grant("WRITE", account=OTHER)]
    target = bucket(**WITH_ACLS, acl={"Grants": grants})
    assert allowed(ANONYMOUS, target, "s3:ListBucket")
    assert not allowed(ANONYMOUS, target, "s3:PutObject")
    assert allowed(root_principal(OTHER), target, "s3:PutObject")
    assert not allowed(root_principal(OTHER), target, "s3:GetObject")
    assert not allowed(root_principal(OTHER), target, "s3:PutBucketAcl")


def test_who_may_list_may_know_that_an_object_is_missing() -> None:
    grants = [grant("READ", uri=acl.ALL_USERS)]
    question = asked(ANONYMOUS, bucket(**WITH_ACLS, acl={"Grants": grants}))
    missing = replace(question, key="missing")
    assert not authorizer().may(question)
    assert authorizer().may(missing)
    assert not authorizer().may(replace(missing, bucket=bucket(**WITH_ACLS)))


def test_public_acls_can_be_ignored() -> None:
    settings = {**WITH_ACLS, "public_access_block": {
        "BlockPublicAcls": False, "IgnorePublicAcls": True,
        "BlockPublicPolicy": False, "RestrictPublicBuckets": False,
    }}  # fmt: skip
    question = asked(ANONYMOUS, bucket(**settings))
    assert not authorizer(acl=[grant("READ", uri=acl.ALL_USERS)]).may(question)
    other = replace(question, caller=replace(question.caller, principal=root_principal(OTHER)))
    assert authorizer(acl=[grant("READ", account=OTHER)]).may(other)


def test_an_object_belongs_to_who_wrote_it() -> None:
    everything = statement("Allow", {"AWS": OWN})
    theirs = authorizer(owner=OTHER)
    target = bucket(everything, **WITH_ACLS)
    assert not theirs.may(asked(root_principal(OWN), target))
    assert theirs.may(asked(root_principal(OWN), target, "s3:DeleteObject"))
    assert theirs.may(asked(root_principal(OTHER), target))
    denied = bucket(statement("Deny", {"AWS": OTHER}), **WITH_ACLS)
    assert not theirs.may(asked(root_principal(OTHER), denied))
    enforced = bucket(everything, **PUBLIC)
    assert theirs.may(asked(root_principal(OWN), enforced))


@pytest.mark.parametrize(
    ("account", "to", "found"),
    [
        (OWN, "s3.amazonaws.com", True),
        (OWN, "lambda.amazonaws.com", False),
        (OTHER, "s3.amazonaws.com", False),
    ],
)
def test_a_role_is_passed_within_its_account(account: str, to: str, found: bool) -> None:
    passing = policy(action="iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": to}})
    bob = replace(user(OWN), policies=Policies((passing,)))
    role = f"arn:aws:iam::{account}:role/r"
    question = replace(asked(bob, None, "iam:PassRole"), key=role)
    assert authorizer().may(question) is found
    assert authorizer().may(
        replace(question, caller=replace(question.caller, principal=root_principal(OWN)))
    ) is (account == OWN)
    refused = replace(question, caller=replace(question.caller, principal=user(OWN)))
    error = refusal(refused, authorizer().decide(refused))
    assert f'perform: iam:PassRole on resource: "{role}" because' in error.message


def test_accounts_decide_about_new_buckets() -> None:
    assert allowed(root_principal(OWN), None, "s3:CreateBucket")
    # A name may look like an ARN until somebody sees that it cannot be a bucket's.
    for name in ("arn:foo", f"arn:aws:s3::{OTHER}:bucket"):
        question = replace(asked(root_principal(OWN), None, "s3:CreateBucket"), key=name)
        assert authorizer().decide(question).allowed
    assert allowed(user(OWN, "allow"), None, "s3:ListAllMyBuckets")
    assert not allowed(user(OWN), None, "s3:ListAllMyBuckets")
    assert not allowed(ANONYMOUS, None, "s3:ListAllMyBuckets")


def message(principal: Principal, target: Bucket | None, action: str = "s3:GetObject") -> str:
    question = asked(principal, target, action)
    error = refusal(question, authorizer().decide(question))
    assert isinstance(error, S3Error)
    assert (error.code, error.status) == ("AccessDenied", 403)
    return error.message


def test_refusals_say_why_to_the_account_alone() -> None:
    prefix = (
        f"User: arn:aws:iam::{OWN}:user/bob is not authorized to perform: s3:GetObject on "
        'resource: "arn:aws:s3:::photos/k" '
    )
    assert message(user(OWN), bucket()) == (
        prefix + "because no identity-based policy allows the s3:GetObject action"
    )
    assert message(user(OWN, "deny"), bucket()) == (
        prefix + "with an explicit deny in an identity-based policy"
    )
    assert message(user(OWN, "allow", "elsewhere"), bucket()) == (
        prefix + "because no permissions boundary allows the s3:GetObject action"
    )
    denied = bucket(statement("Deny", "*"))
    assert message(user(OWN, "allow"), denied) == (
        prefix + "with an explicit deny in a resource-based policy"
    )
    assert message(user(OTHER, "allow"), denied) == "Access Denied"
    assert message(ANONYMOUS, bucket()) == "Access Denied"
    assert "because no identity-based policy allows the s3:ListAllMyBuckets action" in message(
        user(OWN), None, "s3:ListAllMyBuckets"
    )


def test_check_raises_the_refusal() -> None:
    authorizer().check(asked(root_principal(OWN), bucket()))
    with pytest.raises(S3Error, match="AccessDenied"):
        authorizer().check(asked(root_principal(OTHER), bucket()))
