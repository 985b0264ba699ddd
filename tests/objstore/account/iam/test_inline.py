from typing import Any
from urllib.parse import unquote

import pytest

BEARERS = [("User", "user_name"), ("Group", "group_name"), ("Role", "role_name")]


async def bearer(world: Any, kind: str) -> dict[str, str]:
    """A new entity of a kind, as the member that names it."""
    member = dict(BEARERS)[kind]
    if kind == "Role":
        await world.role("x")
    else:
        await world.iam(f"Create{kind}", **{member: "x"})
    return {member: "x"}


@pytest.mark.parametrize("kind", [kind for kind, _ in BEARERS])
async def test_inline_policies(world: Any, kind: str) -> None:
    named = await bearer(world, kind)
    text = world.policy("s3:GetObject")
    for policy_name in ("b", "a"):
        await world.iam(f"Put{kind}Policy", policy_name=policy_name, policy_document=text, **named)
    assert await world.iam(f"List{kind}Policies", **named) == {
        "PolicyNames": ["a", "b"],
        "IsTruncated": False,
    }
    shown = await world.iam(f"Get{kind}Policy", policy_name="a", **named)
    assert shown.pop("PolicyName") == "a"
    assert unquote(shown.pop("PolicyDocument")) == text
    assert list(shown.values()) == ["x"]
    await world.iam(f"Delete{kind}Policy", policy_name="a", **named)
    missing = (
        "NoSuchEntity",
        f"The {kind.lower()} policy with name a cannot be found.",
    )
    assert await world.refused(f"Delete{kind}Policy", policy_name="a", **named) == missing
    assert await world.refused(f"Get{kind}Policy", policy_name="a", **named) == missing


@pytest.mark.parametrize("kind", [kind for kind, _ in BEARERS])
async def test_names_are_one_whatever_their_case(world: Any, kind: str) -> None:
    named = await bearer(world, kind)
    for name, action in (("Mixed", "s3:GetObject"), ("MIXED", "s3:PutObject")):
        text = world.policy(action)
        await world.iam(f"Put{kind}Policy", policy_name=name, policy_document=text, **named)
    assert (await world.iam(f"List{kind}Policies", **named))["PolicyNames"] == ["Mixed"]
    shown = await world.iam(f"Get{kind}Policy", policy_name="mixed", **named)
    assert (shown["PolicyName"], unquote(shown["PolicyDocument"])) == ("mixed", text)
    await world.iam(f"Delete{kind}Policy", policy_name="mixeD", **named)
    assert (await world.iam(f"List{kind}Policies", **named))["PolicyNames"] == []


@pytest.mark.parametrize(("kind", "most"), [("User", 2048), ("Group", 5120), ("Role", 10240)])
async def test_all_together_have_a_limit(world: Any, kind: str, most: int) -> None:
    named = await bearer(world, kind)
    half = world.policy(["s3:" + "A" * (most // 2)])
    await world.iam(f"Put{kind}Policy", policy_name="a", policy_document=half, **named)
    await world.iam(f"Put{kind}Policy", policy_name="a", policy_document=half, **named)
    assert await world.refused(
        f"Put{kind}Policy", policy_name="b", policy_document=half, **named
    ) == (
        "LimitExceeded",
        f"Maximum policy size of {most} bytes exceeded for {kind.lower()} x",
    )


async def test_what_is_no_policy_is_refused(world: Any) -> None:
    named = await bearer(world, "User")
    assert await world.refused("PutUserPolicy", policy_name="p", policy_document="{}", **named) == (
        "MalformedPolicyDocument",
        "Policy document must be version 2012-10-17 or greater.",
    )
