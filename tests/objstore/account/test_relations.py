from typing import Any

from objstore.account.relations import (
    ATTACHED,
    attached_to,
    bearers_of,
    boundary_keys,
    groups_of,
    members_of,
)

ACCOUNT = "123456789012"
S3_FULL = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


async def test_relations_are_told_in_the_order_of_names(world: Any) -> None:
    for name in ("b", "A", "c"):
        await world.iam("CreateUser", user_name=name)
        await world.iam("CreateGroup", group_name=f"g{name}")
    for user, group in (("b", "gc"), ("b", "gA"), ("c", "gA"), ("A", "gA")):
        await world.iam("AddUserToGroup", user_name=user, group_name=group)
    rows = world.store.identities.rows
    user, group = rows.get(ACCOUNT, "user", "b"), rows.get(ACCOUNT, "group", "gA")
    assert [one.name for one in groups_of(rows, user)] == ["gA", "gc"]
    assert [one.name for one in members_of(rows, group)] == ["A", "b", "c"]
    for arn in (S3_READ, S3_FULL):
        await world.iam("AttachUserPolicy", user_name="b", policy_arn=arn)
    await world.iam("AttachUserPolicy", user_name="A", policy_arn=S3_FULL)
    assert attached_to(rows, user) == [
        ("AmazonS3FullAccess", S3_FULL),
        ("AmazonS3ReadOnlyAccess", S3_READ),
    ]
    bearers = bearers_of(rows, ACCOUNT, ATTACHED, S3_FULL)
    assert [one.name for one in bearers] == ["A", "b"]


async def test_another_boundary_takes_the_place_of_the_first(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob", permissions_boundary=S3_READ)
    await world.iam("PutUserPermissionsBoundary", user_name="bob", permissions_boundary=S3_FULL)
    counts = [
        (await world.iam("GetPolicy", policy_arn=arn))["Policy"]["PermissionsBoundaryUsageCount"]
        for arn in (S3_READ, S3_FULL)
    ]
    assert counts == [0, 1]
    shown = (await world.iam("GetUser", user_name="bob"))["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == S3_FULL


def test_condition_keys_of_a_boundary() -> None:
    assert boundary_keys(None) == {}
    assert boundary_keys(S3_READ) == {"iam:PermissionsBoundary": S3_READ}
