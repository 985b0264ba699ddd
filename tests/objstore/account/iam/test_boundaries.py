from typing import Any

import pytest

S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.mark.parametrize(("kind", "member"), [("User", "user_name"), ("Role", "role_name")])
async def test_boundaries_are_set_and_taken_away(world: Any, kind: str, member: str) -> None:
    await world.iam("CreateUser", user_name="x")
    await world.role("x")
    named = {member: "x"}
    await world.iam(f"Put{kind}PermissionsBoundary", permissions_boundary=S3_READ, **named)
    shown = (await world.iam(f"Get{kind}", **named))[kind]
    assert shown["PermissionsBoundary"]["PermissionsBoundaryArn"] == S3_READ
    await world.iam(f"Delete{kind}PermissionsBoundary", **named)
    assert "PermissionsBoundary" not in (await world.iam(f"Get{kind}", **named))[kind]
    code, _ = await world.refused(f"Delete{kind}PermissionsBoundary", **named)
    assert code == "NoSuchEntity"


async def test_a_boundary_must_exist(world: Any) -> None:
    await world.iam("CreateUser", user_name="x")
    missing = "arn:aws:iam::123456789012:policy/missing"
    assert await world.refused(
        "PutUserPermissionsBoundary", user_name="x", permissions_boundary=missing
    ) == ("NoSuchEntity", f"Policy {missing} does not exist or is not attachable.")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("Attach{}Policy", {"policy_arn": S3_READ}),
        ("Detach{}Policy", {"policy_arn": S3_READ}),
        ("Put{}Policy", {"policy_name": "p", "policy_document": None}),
        ("Delete{}Policy", {"policy_name": "p"}),
    ],
)
@pytest.mark.parametrize(("kind", "member"), [("User", "user_name"), ("Role", "role_name")])
async def test_policies_can_be_delegated_for_bounded_entities_alone(
    world: Any, kind: str, member: str, operation: str, members: dict[str, Any]
) -> None:
    """AWS's example goes on: the administrator gives them policies, and nobody else."""
    only = world.policy("iam:*", Condition={"StringEquals": {"iam:PermissionsBoundary": S3_READ}})
    admin = await world.user("admin", only)
    text = world.policy("s3:*")
    members = {name: text if value is None else value for name, value in members.items()}
    outcomes = {}
    for name, boundary in (("bounded", {"permissions_boundary": S3_READ}), ("free", {})):
        named = {member: name}
        if kind == "User":
            await world.iam("CreateUser", **named, **boundary)
        else:
            await world.role(name, **boundary)
        await world.iam(f"Attach{kind}Policy", **named, policy_arn=S3_READ)
        await world.iam(f"Put{kind}Policy", **named, policy_name="p", policy_document=text)
        outcomes[name], _ = await world.outcome(
            operation.format(kind), caller=admin, **named, **members
        )
    assert outcomes == {"bounded": "", "free": "AccessDenied"}


async def test_a_delegated_administrator_gives_only_bounded_users(world: Any) -> None:
    """AWS's own example of delegation: users can be made only under a boundary."""
    only = world.policy(
        ["iam:CreateUser", "iam:DeleteUserPermissionsBoundary"],
        Condition={"StringEquals": {"iam:PermissionsBoundary": S3_READ}},
    )
    admin = await world.user("admin", only)
    await world.iam("CreateUser", caller=admin, user_name="a", permissions_boundary=S3_READ)
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    for members in ({}, {"permissions_boundary": everything}):
        code, _ = await world.refused("CreateUser", caller=admin, user_name="b", **members)
        assert code == "AccessDenied"
