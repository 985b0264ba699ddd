import json
from typing import Any
from urllib.parse import unquote

import pytest

ACCOUNT = "123456789012"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


async def shown(world: Any) -> Any:
    role = (await world.iam("GetRole", role_name="reader"))["Role"]
    return json.loads(unquote(role["AssumeRolePolicyDocument"]))["Statement"][0]["Principal"]


async def may_assume(world: Any, caller: Any) -> bool:
    role = f"arn:aws:iam::{ACCOUNT}:role/reader"
    members = {"role_arn": role, "role_session_name": "me"}
    code, _ = await world.outcome_sts("AssumeRole", caller=caller, **members)
    return bool(code == "")


@pytest.mark.parametrize("listed", [True, False])
async def test_a_name_means_who_had_it_when_it_was_said(world: Any, listed: bool) -> None:
    bob = await world.user()
    named = {"AWS": [BOB, "111122223333"] if listed else BOB}
    await world.role(assume_role_policy_document=world.trust(named))
    assert await shown(world) == named
    assert await may_assume(world, bob)
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    await world.iam("DeleteAccessKey", user_name="bob", access_key_id=key["AccessKeyId"])
    await world.iam("DeleteUser", user_name="bob")
    another = await world.user()
    assert another.arn == bob.arn
    assert not await may_assume(world, another)
    told = await shown(world)
    assert told == {"AWS": [bob.user_id, "111122223333"] if listed else bob.user_id}


async def test_a_renamed_user_is_still_meant(world: Any) -> None:
    bob = await world.user()
    await world.role(assume_role_policy_document=world.trust({"AWS": BOB}))
    await world.iam("UpdateUser", user_name="bob", new_user_name="rob")
    [key] = (await world.iam("ListAccessKeys", user_name="rob"))["AccessKeyMetadata"]
    assert await may_assume(world, world.find(key["AccessKeyId"]).principal)
    assert await shown(world) == {"AWS": f"arn:aws:iam::{ACCOUNT}:user/rob"}
    assert bob.user_id


@pytest.mark.parametrize(
    "name", [BOB, f"arn:aws:iam::{ACCOUNT}:role/x/other", "arn:aws:iam::111122223333:user/eve"]
)
async def test_who_does_not_exist_cannot_be_trusted(world: Any, name: str) -> None:
    await world.role("other")
    document = world.trust({"AWS": name})
    assert await world.refused(
        "CreateRole", role_name="reader", assume_role_policy_document=document
    ) == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{name}"')


async def test_a_new_policy_forgets_the_old_names(world: Any) -> None:
    await world.user()
    await world.role(assume_role_policy_document=world.trust({"AWS": BOB}))
    everybody = world.trust({"AWS": ACCOUNT})
    await world.iam("UpdateAssumeRolePolicy", role_name="reader", policy_document=everybody)
    assert await shown(world) == {"AWS": ACCOUNT}
    kept = world.store.identities.rows.get(ACCOUNT, "role", "reader").attributes
    assert kept == {"trust": everybody, "max_session_seconds": 3600}
