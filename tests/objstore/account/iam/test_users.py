from typing import Any

import pytest

ACCOUNT = "123456789012"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


async def test_a_user_from_beginning_to_end(world: Any) -> None:
    made = await world.iam("CreateUser", user_name="Bob", path="/eng/")
    shown = await world.iam("GetUser", user_name="bob")
    assert made == shown
    assert shown["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/eng/Bob"
    assert set(shown["User"]) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert (await world.iam("ListUsers"))["Users"] == [shown["User"]]
    assert (await world.iam("ListUsers", path_prefix="/e"))["Users"] == [shown["User"]]
    assert (await world.iam("ListUsers", path_prefix="/x/"))["Users"] == []
    assert await world.iam("DeleteUser", user_name="Bob") == {}
    assert await world.refused("GetUser", user_name="Bob") == (
        "NoSuchEntity",
        "The user with name Bob cannot be found.",
    )


async def test_details_are_shown_but_not_listed(world: Any) -> None:
    tags = [{"Key": "team", "Value": "a"}]
    made = await world.iam("CreateUser", user_name="bob", tags=tags, permissions_boundary=S3_READ)
    assert made == await world.iam("GetUser", user_name="bob")
    assert made["User"]["Tags"] == tags
    assert made["User"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": S3_READ,
    }
    [listed] = (await world.iam("ListUsers"))["Users"]
    assert not {"Tags", "PermissionsBoundary"} & set(listed)


async def test_a_user_keeps_its_id_and_what_it_may_under_another_name(world: Any) -> None:
    bob = await world.user("bob", world.policy("s3:*"))
    await world.iam("UpdateUser", user_name="bob", new_user_name="rob", new_path="/r/")
    shown = (await world.iam("GetUser", user_name="rob"))["User"]
    assert (shown["UserId"], shown["Arn"]) == (bob.user_id, f"arn:aws:iam::{ACCOUNT}:user/r/rob")
    [key] = (await world.iam("ListAccessKeys", user_name="rob"))["AccessKeyMetadata"]
    renamed = world.find(key["AccessKeyId"]).principal
    assert renamed.arn == shown["Arn"]
    assert renamed.policies.identity[0].text == bob.policies.identity[0].text
    await world.iam("CreateUser", user_name="bob")
    assert await world.refused("UpdateUser", user_name="bob", new_user_name="ROB") == (
        "EntityAlreadyExists",
        "User with name ROB already exists.",
    )
    await world.iam("UpdateUser", user_name="rob", new_user_name="Rob")


async def test_names_are_taken_whatever_their_case(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    assert await world.refused("CreateUser", user_name="BOB") == (
        "EntityAlreadyExists",
        "User with name BOB already exists.",
    )


async def test_the_root_shows_itself(world: Any) -> None:
    shown = (await world.iam("GetUser"))["User"]
    assert shown["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert shown["UserId"] == ACCOUNT


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            ("CreateAccessKey", {}),
            None,
            "Cannot delete entity, must delete access keys first.",
        ),
        (
            ("AddUserToGroup", {"group_name": "g"}),
            ("RemoveUserFromGroup", {"group_name": "g"}),
            "Cannot delete entity, must remove user from all groups first.",
        ),
        (
            ("AttachUserPolicy", {"policy_arn": S3_READ}),
            ("DetachUserPolicy", {"policy_arn": S3_READ}),
            "Cannot delete entity, must detach all policies first.",
        ),
        (
            ("PutUserPolicy", {"policy_name": "p", "policy_document": None}),
            ("DeleteUserPolicy", {"policy_name": "p"}),
            "Cannot delete entity, must delete policies first.",
        ),
    ],
)
async def test_what_depends_on_a_user_stops_its_deletion(
    world: Any, before: Any, after: Any, message: str
) -> None:
    await world.iam("CreateGroup", group_name="g")
    await world.iam("CreateUser", user_name="bob")
    operation, members = before
    if "policy_document" in members:
        members = {**members, "policy_document": world.policy("s3:*")}
    await world.iam(operation, user_name="bob", **members)
    assert await world.refused("DeleteUser", user_name="bob") == ("DeleteConflict", message)
    if after is not None:
        await world.iam(after[0], user_name="bob", **after[1])
        await world.iam("DeleteUser", user_name="bob")


async def test_pages_of_users(world: Any) -> None:
    for number in range(5):
        await world.iam("CreateUser", user_name=f"u{number}")
    first = await world.iam("ListUsers", max_items=3)
    assert first["IsTruncated"]
    second = await world.iam("ListUsers", max_items=3, marker=first["Marker"])
    names = [user["UserName"] for user in (*first["Users"], *second["Users"])]
    assert names == [f"u{number}" for number in range(5)]
    assert not second["IsTruncated"]


async def test_an_account_has_a_quota_of_users(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = type(world.store.identities.rows)
    monkeypatch.setattr(rows, "count", lambda self, account, kind: 5_000)
    assert await world.refused("CreateUser", user_name="bob") == (
        "LimitExceeded",
        "Cannot exceed quota for UsersPerAccount: 5000",
    )
