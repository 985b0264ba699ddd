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
