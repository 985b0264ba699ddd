from typing import Any

import pytest

ACCOUNT = "123456789012"


async def test_a_group_from_beginning_to_end(world: Any) -> None:
    made = (await world.iam("CreateGroup", group_name="devs", path="/eng/"))["Group"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/eng/devs"
    assert made["GroupId"].startswith("AGPA")
    empty = {"Group": made, "Users": [], "IsTruncated": False}
    assert await world.iam("GetGroup", group_name="devs") == empty
    assert (await world.iam("ListGroups"))["Groups"] == [made]
    await world.iam("UpdateGroup", group_name="devs", new_group_name="ops", new_path="/")
    renamed = (await world.iam("GetGroup", group_name="ops"))["Group"]
    assert (renamed["GroupId"], renamed["Path"]) == (made["GroupId"], "/")
    await world.iam("DeleteGroup", group_name="ops")
    assert (await world.iam("ListGroups"))["Groups"] == []


async def test_members(world: Any) -> None:
    await world.iam("CreateGroup", group_name="devs")
    user = (await world.iam("CreateUser", user_name="bob"))["User"]
    for _ in range(2):
        await world.iam("AddUserToGroup", group_name="devs", user_name="bob")
    assert (await world.iam("GetGroup", group_name="devs"))["Users"] == [user]
    [group] = (await world.iam("ListGroupsForUser", user_name="bob"))["Groups"]
    assert group["GroupName"] == "devs"
    assert await world.refused("DeleteGroup", group_name="devs") == (
        "DeleteConflict",
        "Cannot delete entity, must remove users from group first.",
    )
    for _ in range(2):
        await world.iam("RemoveUserFromGroup", group_name="devs", user_name="bob")
        assert (await world.iam("ListGroupsForUser", user_name="bob"))["Groups"] == []


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("GetGroup", {"group_name": "x"}, "The group with name x cannot be found."),
        ("DeleteGroup", {"group_name": "x"}, "The group with name x cannot be found."),
        (
            "AddUserToGroup",
            {"group_name": "x", "user_name": "bob"},
            "The group with name x cannot be found.",
        ),
        (
            "AddUserToGroup",
            {"group_name": "devs", "user_name": "x"},
            "The user with name x cannot be found.",
        ),
    ],
)
async def test_what_is_missing_is_named(
    world: Any, operation: str, members: dict[str, str], message: str
) -> None:
    await world.iam("CreateGroup", group_name="devs")
    await world.iam("CreateUser", user_name="bob")
    assert await world.refused(operation, **members) == ("NoSuchEntity", message)


async def test_a_user_is_in_ten_groups_at_most(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    for number in range(11):
        await world.iam("CreateGroup", group_name=f"g{number}")
    for number in range(10):
        await world.iam("AddUserToGroup", group_name=f"g{number}", user_name="bob")
    await world.iam("AddUserToGroup", group_name="g9", user_name="bob")
    assert await world.refused("AddUserToGroup", group_name="g10", user_name="bob") == (
        "LimitExceeded",
        "Cannot exceed quota for GroupsPerUser: 10",
    )
