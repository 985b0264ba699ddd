from typing import Any

import pytest

ACCOUNT = "123456789012"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/p/own"
BEARERS = {"User": "user_name", "Group": "group_name", "Role": "role_name"}


async def bearer(world: Any, kind: str) -> dict[str, str]:
    """A new entity of a kind, as the member that names it."""
    if kind == "Role":
        await world.role("x")
    else:
        await world.iam(f"Create{kind}", **{BEARERS[kind]: "x"})
    return {BEARERS[kind]: "x"}


async def own_policy(world: Any) -> None:
    document = world.policy("s3:*")
    await world.iam("CreatePolicy", policy_name="own", path="/p/", policy_document=document)


@pytest.mark.parametrize("kind", BEARERS)
async def test_attached_policies(world: Any, kind: str) -> None:
    named = await bearer(world, kind)
    await own_policy(world)
    for arn in (OWN, S3_READ, OWN):
        await world.iam(f"Attach{kind}Policy", policy_arn=arn, **named)
    listed = await world.iam(f"ListAttached{kind}Policies", **named)
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": S3_READ},
        {"PolicyName": "own", "PolicyArn": OWN},
    ]
    listed = await world.iam(f"ListAttached{kind}Policies", path_prefix="/p/", **named)
    assert [one["PolicyArn"] for one in listed["AttachedPolicies"]] == [OWN]
    entities = await world.iam("ListEntitiesForPolicy", policy_arn=OWN)
    [found] = entities.pop(f"Policy{kind}s")
    assert found[f"{kind}Name"] == "x"
    assert sorted(map(str, entities.values())) == ["False", "[]", "[]"]
    await world.iam(f"Detach{kind}Policy", policy_arn=OWN, **named)
    assert await world.refused(f"Detach{kind}Policy", policy_arn=OWN, **named) == (
        "NoSuchEntity",
        f"Policy {OWN} was not found.",
    )


async def test_what_cannot_be_attached(world: Any) -> None:
    named = await bearer(world, "User")
    missing = f"arn:aws:iam::{ACCOUNT}:policy/missing"
    for arn, expected in (
        (missing, ("NoSuchEntity", f"Policy {missing} does not exist or is not attachable.")),
        (
            "arn:aws:iam::1:user/x-y-z",
            ("InvalidInput", "ARN arn:aws:iam::1:user/x-y-z is not valid."),
        ),
    ):
        assert await world.refused("AttachUserPolicy", policy_arn=arn, **named) == expected
    code, _ = await world.refused("DetachUserPolicy", policy_arn="arn:x", **named)
    assert code == "InvalidInput"


async def test_ten_policies_at_most(world: Any) -> None:
    named = await bearer(world, "User")
    for number in range(11):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/p{number}"
        document = world.policy("s3:*")
        await world.iam("CreatePolicy", policy_name=f"p{number}", policy_document=document)
        if number < 10:
            await world.iam("AttachUserPolicy", policy_arn=arn, **named)
    assert await world.refused("AttachUserPolicy", policy_arn=arn, **named) == (
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerUser: 10",
    )


async def test_the_policy_is_a_condition_key(world: Any) -> None:
    await bearer(world, "Group")
    only = world.policy("iam:*", Condition={"ArnEquals": {"iam:PolicyARN": S3_READ}})
    bob = await world.user("bob", only)
    attach = {"caller": bob, "group_name": "x"}
    await world.iam("AttachGroupPolicy", policy_arn=S3_READ, **attach)
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    code, _ = await world.refused("AttachGroupPolicy", policy_arn=everything, **attach)
    assert code == "AccessDenied"


@pytest.mark.parametrize(
    ("usage", "names"),
    [(None, ["bounded", "x"]), ("PermissionsPolicy", ["x"]), ("PermissionsBoundary", ["bounded"])],
)
async def test_entities_by_use(world: Any, usage: str | None, names: list[str]) -> None:
    await own_policy(world)
    named = await bearer(world, "User")
    await world.iam("AttachUserPolicy", policy_arn=OWN, **named)
    await world.iam("CreateUser", user_name="bounded", permissions_boundary=OWN)
    found = await world.iam("ListEntitiesForPolicy", policy_arn=OWN, policy_usage_filter=usage)
    assert sorted(user["UserName"] for user in found["PolicyUsers"]) == names
    roles = await world.iam("ListEntitiesForPolicy", policy_arn=OWN, entity_filter="Role")
    assert roles["PolicyUsers"] == []
