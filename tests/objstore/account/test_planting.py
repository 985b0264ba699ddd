from dataclasses import replace
from typing import Any

import pytest

from objstore.account.planting import plant
from objstore.account.seed import SeedError, parse_seed

SEED = """
[[policies]]
name = "reading"
document = '''{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'''

[[groups]]
name = "readers"
policies = ["reading"]

[[users]]
name = "bob"
groups = ["readers"]
access_key_id = "AKIABOB"
secret_access_key = "bob-secret"
boundary = "reading"
"""


async def planted(world: Any, text: str = SEED) -> None:
    seed = parse_seed(text, account="123456789012", region="us-east-1")
    await world.store.identities.change(
        lambda rows: plant(rows, seed.identities, seal=world.kms.seal_secret, now_ms=5)
    )


async def test_what_is_planted_works(world: Any) -> None:
    await planted(world)
    bob = world.find("AKIABOB")
    assert bob.secret_access_key == "bob-secret"
    assert bob.principal.arn == "arn:aws:iam::123456789012:user/bob"
    reading = "arn:aws:iam::123456789012:policy/reading"
    assert [policy.name for policy in bob.principal.policies.identity] == [reading]
    assert bob.principal.policies.boundary.name == reading
    shown = (await world.iam("GetPolicy", policy_arn=reading))["Policy"]
    assert (shown["AttachmentCount"], shown["PermissionsBoundaryUsageCount"]) == (1, 1)


async def test_what_exists_stays_as_it_is(world: Any) -> None:
    await planted(world)
    before = world.find("AKIABOB").principal.user_id
    await world.iam("RemoveUserFromGroup", user_name="bob", group_name="readers")
    await planted(world, SEED.replace("bob-secret", "another"))
    again = world.find("AKIABOB")
    assert (again.secret_access_key, again.principal.user_id) == ("bob-secret", before)
    assert again.principal.policies.identity == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('groups = ["readers"]', 'groups = ["writers"]', "group/writers, which is missing"),
        ('policies = ["reading"]', 'policies = ["r"]', "needs arn:aws:iam::123456789012:policy/r"),
        ('boundary = "reading"', 'boundary = "b"', "needs arn:aws:iam::123456789012:policy/b"),
    ],
)
async def test_names_of_nothing_are_refused_and_nothing_is_planted(
    world: Any, old: str, new: str, message: str
) -> None:
    with pytest.raises(SeedError, match=message):
        await planted(world, SEED.replace(old, new))
    assert (await world.iam("ListUsers"))["Users"] == []


async def test_unique_ids_are_the_same_after_a_reset(world: Any) -> None:
    await planted(world)
    before = world.find("AKIABOB")
    await world.store.reset()
    assert world.accounts.credentials.find("AKIABOB") is None
    await planted(world)
    after = world.find("AKIABOB")
    assert after is not before
    assert replace(after.principal, policies=before.principal.policies) == before.principal


async def test_roles_trust_the_very_ones_that_are_planted_after_them(world: Any) -> None:
    later = "arn:aws:iam::123456789012:role/later"
    trust = world.trust({"AWS": later})
    roles = [f"[[roles]]\nname = '{name}'\ntrust = '''{trust}'''\n" for name in ("a", "later")]
    await planted(world, "".join(roles))
    await world.iam("DeleteRole", role_name="later")
    await world.role("later")
    shown = (await world.iam("GetRole", role_name="a"))["Role"]["AssumeRolePolicyDocument"]
    assert "AROA" in shown
    assert "later" not in shown
