from typing import Any

import pytest

from kms.aws.identity import PrincipalKind

ACCOUNT = "123456789012"


async def principal_of(world: Any, reply: Any) -> Any:
    given = reply["Credentials"]
    return world.find(given["AccessKeyId"], given["SessionToken"]).principal


@pytest.mark.parametrize(
    ("seconds", "root", "lasts"),
    [(None, False, 43_200), (129_600, False, 129_600), (None, True, 3600), (900, True, 900)],
)
async def test_a_session_of_oneself(
    world: Any, seconds: int | None, root: bool, lasts: int
) -> None:
    caller = world.caller if root else await world.user("bob", world.policy("*", effect="Deny"))
    reply = await world.sts("GetSessionToken", caller=caller, duration_seconds=seconds)
    assert reply["Credentials"]["Expiration"].timestamp() == world.wall.now() + lasts
    found = await principal_of(world, reply)
    assert (found.kind, found.arn, found.user_id) == (caller.kind, caller.arn, caller.user_id)
    assert found.session.created_at == world.wall.now()


@pytest.mark.parametrize("operation", ["GetSessionToken", "GetFederationToken"])
async def test_sessions_beget_no_sessions_of_this_kind(world: Any, operation: str) -> None:
    await world.role(assume_role_policy_document=world.trust({"AWS": "*"}))
    bob = await world.user("bob", world.policy("sts:*"))
    assumed = await world.sts(
        "AssumeRole",
        caller=bob,
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/reader",
        role_session_name="me",
    )
    members = {"name": "carol"} if operation == "GetFederationToken" else {}
    for reply in (await world.sts("GetSessionToken", caller=bob), assumed):
        caller = await principal_of(world, reply)
        assert await world.refused_sts(operation, caller=caller, **members) == (
            "AccessDenied",
            f"Cannot call {operation} with session credentials",
        )


async def test_somebody_whom_a_user_vouches_for(world: Any) -> None:
    bob = await world.user("bob", world.policy(["sts:*", "s3:*"]))
    reply = await world.sts(
        "GetFederationToken",
        caller=bob,
        name="carol",
        policy=world.policy("s3:GetObject"),
        tags=[{"Key": "team", "Value": "a"}],
    )
    assert reply["FederatedUser"] == {
        "FederatedUserId": f"{ACCOUNT}:carol",
        "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/carol",
    }
    assert reply["PackedPolicySize"] > 0
    carol = await principal_of(world, reply)
    assert carol.kind is PrincipalKind.FEDERATED
    assert carol.tags == (("team", "a"),)
    assert carol.session.issuer_arn == bob.arn


async def test_without_policies_a_federated_user_has_none(world: Any) -> None:
    bob = await world.user("bob", world.policy("*"))
    reply = await world.sts("GetFederationToken", caller=bob, name="carol")
    assert reply["PackedPolicySize"] == 0
    assert (await principal_of(world, reply)).policies.session == ()


@pytest.mark.parametrize(
    ("action", "tags", "refused"),
    [
        ("sts:GetFederationToken", [], ""),
        ("sts:GetFederationToken", [{"Key": "a", "Value": "b"}], "sts:TagSession"),
        ("sts:TagSession", [], "sts:GetFederationToken"),
    ],
)
async def test_vouching_needs_permission(
    world: Any, action: str, tags: list[dict[str, str]], refused: str
) -> None:
    bob = await world.user("bob", world.policy(action))
    code, reply = await world.outcome_sts("GetFederationToken", caller=bob, name="carol", tags=tags)
    assert (code == "AccessDenied") == bool(refused)
    if refused:
        arn = f"arn:aws:sts::{ACCOUNT}:federated-user/carol"
        assert reply.startswith(
            f"User: {bob.arn} is not authorized to perform: {refused} on resource: {arn}"
        )
