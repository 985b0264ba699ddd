from typing import Any

import pytest

from kms.aws.context import Context
from kms.aws.identity import Entity, Principal, PrincipalKind
from kms.aws.policy import Question, evaluate
from objstore.account.principals import EntityFinder, session_principal
from objstore.account.sessions import Grant, Ticket

ACCOUNT = "123456789012"
S3_FULL = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def may(principal: Principal, action: str, resource: str = "arn:aws:s3:::photos/cat") -> bool:
    return evaluate(Question(principal, action, resource, ACCOUNT, Context())).allowed


async def test_a_user_has_its_own_and_its_groups_policies_within_its_boundary(world: Any) -> None:
    bob = await world.user("bob", world.policy("s3:GetObject"))
    assert [may(bob, action) for action in ("s3:GetObject", "s3:PutObject")] == [True, False]
    await world.iam("CreateGroup", group_name="writers")
    await world.iam("AttachGroupPolicy", group_name="writers", policy_arn=S3_FULL)
    await world.iam("AddUserToGroup", group_name="writers", user_name="bob")
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    assert may(world.find(key["AccessKeyId"]).principal, "s3:PutObject")
    await world.iam("PutUserPermissionsBoundary", user_name="bob", permissions_boundary=S3_READ)
    bounded = world.find(key["AccessKeyId"]).principal
    assert [may(bounded, action) for action in ("s3:GetObject", "s3:PutObject")] == [True, False]


def ticket(**grant: Any) -> Ticket:
    values: dict[str, Any] = {
        "kind": PrincipalKind.ASSUMED_ROLE,
        "account": ACCOUNT,
        "name": "me",
        **grant,
    }
    return Ticket("ASIA", "secret", 1000, 2000, Grant(**values))


async def test_a_roles_session(world: Any) -> None:
    await world.role("reader", path="/p/", tags=[{"Key": "Team", "Value": "a"}])
    await world.iam("AttachRolePolicy", role_name="reader", policy_arn=S3_FULL)
    rows = world.store.identities.rows
    role_id = rows.get(ACCOUNT, "role", "reader").unique_id
    session = session_principal(
        rows,
        ticket(
            issuer_id=role_id,
            limited=True,
            policy_arns=(S3_READ,),
            tags={"team": "b", "cost": "c"},
            source_identity="alice",
        ),
    )
    assert session is not None
    assert session.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/me"
    assert session.user_id == f"{role_id}:me"
    assert session.tags == (("team", "b"), ("cost", "c"))
    assert session.session is not None
    assert session.session.issuer_arn == f"arn:aws:iam::{ACCOUNT}:role/p/reader"
    assert session.session.source_identity == "alice"
    assert [may(session, action) for action in ("s3:GetObject", "s3:PutObject")] == [True, False]
    free = session_principal(rows, ticket(issuer_id=role_id))
    assert free is not None
    assert may(free, "s3:PutObject")


async def test_session_policies_that_are_gone_allow_nothing(world: Any) -> None:
    await world.role()
    await world.iam("AttachRolePolicy", role_name="reader", policy_arn=S3_FULL)
    rows = world.store.identities.rows
    role_id = rows.get(ACCOUNT, "role", "reader").unique_id
    gone = f"arn:aws:iam::{ACCOUNT}:policy/gone"
    session = session_principal(rows, ticket(issuer_id=role_id, limited=True, policy_arns=(gone,)))
    assert session is not None
    assert not may(session, "s3:GetObject")


@pytest.mark.parametrize("limited", [True, False])
async def test_federated_users_have_what_both_their_issuer_and_their_policies_allow(
    world: Any, limited: bool
) -> None:
    bob = await world.user("bob", world.policy(["s3:GetObject", "s3:PutObject"]))
    texts = (world.policy(["s3:GetObject", "kms:Decrypt"]),) if limited else ()
    for issuer in (bob.user_id, ACCOUNT):
        federated = session_principal(
            world.store.identities.rows,
            ticket(
                kind=PrincipalKind.FEDERATED,
                issuer_id=issuer,
                name="carol",
                limited=True,
                policies=texts,
            ),
        )
        assert federated is not None
        assert federated.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/carol"
        assert federated.user_id == f"{ACCOUNT}:carol"
        assert may(federated, "s3:GetObject") == limited
        assert not may(federated, "s3:PutObject")
        assert may(federated, "kms:Decrypt") == (limited and issuer == ACCOUNT)


async def test_a_session_of_nobody_is_none(world: Any) -> None:
    rows = world.store.identities.rows
    assert session_principal(rows, ticket(issuer_id="AROAGONE")) is None
    root = session_principal(rows, ticket(kind=PrincipalKind.ROOT, issuer_id=ACCOUNT))
    assert root is not None
    assert (root.kind, root.session is not None) == (PrincipalKind.ROOT, True)


async def test_entities_are_found_as_they_are_now(world: Any) -> None:
    bob = await world.user()
    role = await world.role("reader")
    finder = EntityFinder(world.store.identities)
    assert finder.named(ACCOUNT, "user", "bob") == Entity(bob.user_id, bob.arn)
    found = finder.named(ACCOUNT, "role", "reader")
    assert found is not None
    assert (found.arn, finder.by_id(found.unique_id)) == (role, found)
    await world.iam("UpdateUser", user_name="bob", new_user_name="rob")
    renamed = finder.by_id(bob.user_id)
    assert renamed is not None
    assert renamed.arn == f"arn:aws:iam::{ACCOUNT}:user/rob"
    group = (await world.iam("CreateGroup", group_name="g"))["Group"]
    assert finder.by_id(group["GroupId"]) is None
    assert finder.by_id("AIDANOBODY") is None
    assert finder.named(ACCOUNT, "user", "bob") is None
