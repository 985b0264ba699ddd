from typing import Any

import pytest

ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/x"
KINDS = {
    "User": {"user_name": "x"},
    "Role": {"role_name": "x"},
    "Policy": {"policy_arn": POLICY},
    "OpenIDConnectProvider": {"open_id_connect_provider_arn": PROVIDER},
}


async def make_all(world: Any) -> None:
    await world.iam("CreateUser", user_name="x")
    await world.role("x")
    await world.iam("CreatePolicy", policy_name="x", policy_document=world.policy("s3:*"))
    await world.iam("CreateOpenIDConnectProvider", url="https://example.com")


@pytest.mark.parametrize("kind", KINDS)
async def test_tags_are_added_replaced_and_removed(world: Any, kind: str) -> None:
    await make_all(world)
    named = KINDS[kind]
    for operation, members, tags in (
        ("Tag{}", {"tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}, "a=1 b=2"),
        ("Tag{}", {"tags": [{"Key": "a", "Value": "3"}]}, "b=2 a=3"),
        ("Untag{}", {"tag_keys": ["b", "c"]}, "a=3"),
        ("Untag{}", {"tag_keys": []}, "a=3"),
        ("Untag{}", {"tag_keys": ["a"]}, ""),
    ):
        assert await world.iam(operation.format(kind), **named, **members) == {}
        listed = (await world.iam(f"List{kind}Tags", **named))["Tags"]
        assert " ".join(f"{tag['Key']}={tag['Value']}" for tag in listed) == tags


@pytest.mark.parametrize("kind", KINDS)
async def test_case_counts_only_in_keys_of_policies_and_providers(world: Any, kind: str) -> None:
    await make_all(world)
    named = KINDS[kind]
    for key in ("a", "A"):
        await world.iam(f"Tag{kind}", **named, tags=[{"Key": key, "Value": key}])
    listed = (await world.iam(f"List{kind}Tags", **named))["Tags"]
    apart = kind in ("Policy", "OpenIDConnectProvider")
    assert sorted(tag["Key"] for tag in listed) == (["A", "a"] if apart else ["A"])
    await world.iam(f"Untag{kind}", **named, tag_keys=["a"])
    listed = (await world.iam(f"List{kind}Tags", **named))["Tags"]
    assert [tag["Key"] for tag in listed] == (["A"] if apart else [])


@pytest.mark.parametrize("kind", KINDS)
async def test_tags_that_cannot_be_given(world: Any, kind: str) -> None:
    await make_all(world)
    assert (await world.refused(f"Tag{kind}", **KINDS[kind], tags=[]))[0] == "InvalidInput"
    reserved = [{"Key": "AWS:a", "Value": ""}]
    assert await world.refused(f"Tag{kind}", **KINDS[kind], tags=reserved) == (
        "InvalidInput",
        "Tag keys beginning with aws: are reserved for system use.",
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_missing_has_no_tags(world: Any, kind: str) -> None:
    code, _ = await world.refused(f"List{kind}Tags", **KINDS[kind])
    assert code == "NoSuchEntity"


async def test_tags_of_the_request_and_the_resource_decide(world: Any) -> None:
    await make_all(world)
    await world.iam("TagRole", role_name="x", tags=[{"Key": "team", "Value": "a"}])
    mine = world.policy(
        ["iam:TagRole", "iam:UntagRole"],
        Condition={
            "StringEquals": {"aws:ResourceTag/team": "a"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["cost"]},
        },
    )
    bob = await world.user("bob", mine)
    cost = [{"Key": "cost", "Value": "1"}]
    await world.iam("TagRole", caller=bob, role_name="x", tags=cost)
    await world.iam("UntagRole", caller=bob, role_name="x", tag_keys=["cost"])
    for operation, members in (
        ("TagRole", {"tags": [*cost, {"Key": "team", "Value": "b"}]}),
        ("UntagRole", {"tag_keys": ["team"]}),
    ):
        code, _ = await world.refused(operation, caller=bob, role_name="x", **members)
        assert code == "AccessDenied"


async def test_policies_of_aws_cannot_be_tagged(world: Any) -> None:
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    code, _ = await world.refused("TagPolicy", policy_arn=arn, tags=[{"Key": "a", "Value": "b"}])
    assert code == "AccessDenied"
    assert (await world.iam("ListPolicyTags", policy_arn=arn))["Tags"] == []
