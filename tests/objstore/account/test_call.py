from typing import Any

import pytest

ACCOUNT = "123456789012"
MISSING = f"arn:aws:iam::{ACCOUNT}:user/nobody"


async def test_only_who_may_ask_learns_whether_something_exists(world: Any) -> None:
    await world.iam("CreateUser", user_name="alice")
    bob = await world.user("bob", world.policy("iam:GetUser", MISSING))
    assert await world.refused("GetUser", caller=bob, user_name="nobody") == (
        "NoSuchEntity",
        "The user with name nobody cannot be found.",
    )
    for name in ("alice", "somebody"):
        code, _ = await world.refused("GetUser", caller=bob, user_name=name)
        assert code == "AccessDenied"


async def test_a_path_is_part_of_what_is_asked_for(world: Any) -> None:
    await world.iam("CreateUser", user_name="alice", path="/eng/")
    allowed = f"arn:aws:iam::{ACCOUNT}:user/eng/*"
    bob = await world.user("bob", world.policy(["iam:GetUser", "iam:CreateUser"], allowed))
    shown = await world.iam("GetUser", caller=bob, user_name="ALICE")
    assert shown["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/eng/alice"
    await world.iam("CreateUser", caller=bob, user_name="carol", path="/eng/")
    assert (await world.refused("CreateUser", caller=bob, user_name="dave"))[0] == "AccessDenied"


async def test_renaming_needs_permission_on_both_names(world: Any) -> None:
    await world.iam("CreateUser", user_name="alice", path="/eng/")
    allowed = f"arn:aws:iam::{ACCOUNT}:user/eng/*"
    bob = await world.user("bob", world.policy("iam:UpdateUser", allowed))
    code, _ = await world.refused("UpdateUser", caller=bob, user_name="alice", new_path="/")
    assert code == "AccessDenied"
    await world.iam("UpdateUser", caller=bob, user_name="alice", new_path="/eng/b/")


@pytest.mark.parametrize(
    ("operation", "members"), [("GetUser", {}), ("CreateAccessKey", {}), ("ListAccessKeys", {})]
)
async def test_a_user_may_leave_out_its_own_name(
    world: Any, operation: str, members: dict[str, Any]
) -> None:
    own = world.policy("iam:*", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
    bob = await world.user("bob", own)
    reply = await world.iam(operation, caller=bob, **members)
    assert "bob" in str(reply)


async def test_accounts_do_not_see_each_other(world: Any) -> None:
    await world.iam("CreateUser", user_name="alice")
    other = world.root("111122223333")
    assert (await world.refused("GetUser", caller=other, user_name="alice"))[0] == "NoSuchEntity"
    await world.iam("CreateUser", caller=other, user_name="alice")
    [mine] = (await world.iam("ListUsers"))["Users"]
    [theirs] = (await world.iam("ListUsers", caller=other))["Users"]
    assert mine["UserId"] != theirs["UserId"]
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    await world.iam("CreatePolicy", policy_name="p", policy_document=world.policy("s3:*"))
    assert (await world.refused("GetPolicy", caller=other, policy_arn=arn))[0] == "NoSuchEntity"
