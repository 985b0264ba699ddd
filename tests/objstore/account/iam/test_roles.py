from typing import Any
from urllib.parse import unquote

import pytest

ACCOUNT = "123456789012"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


async def test_a_role_from_beginning_to_end(world: Any) -> None:
    trust = world.trust({"Service": "ec2.amazonaws.com"})
    made = await world.iam(
        "CreateRole",
        role_name="reader",
        path="/r/",
        assume_role_policy_document=trust,
        description="Reads.",
        max_session_duration=7200,
        tags=[{"Key": "team", "Value": "a"}],
        permissions_boundary=S3_READ,
    )
    shown = (await world.iam("GetRole", role_name="READER"))["Role"]
    assert shown == made["Role"] | {"RoleLastUsed": {}}
    assert shown["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/r/reader"
    assert shown["RoleId"].startswith("AROA")
    assert unquote(shown["AssumeRolePolicyDocument"]) == trust
    assert (shown["MaxSessionDuration"], shown["Description"]) == (7200, "Reads.")
    assert shown["Tags"] == [{"Key": "team", "Value": "a"}]
    [listed] = (await world.iam("ListRoles", path_prefix="/r/"))["Roles"]
    assert not {"Tags", "PermissionsBoundary"} & set(listed)
    await world.iam("DeleteRole", role_name="reader")
    assert await world.refused("GetRole", role_name="reader") == (
        "NoSuchEntity",
        "The role with name reader cannot be found.",
    )


async def test_what_is_given_of_a_role_is_changed(world: Any) -> None:
    await world.role()
    for members, expected in (
        ({"description": "a", "max_session_duration": 7200}, ("a", 7200)),
        ({"max_session_duration": 3600}, ("a", 3600)),
        ({}, ("a", 3600)),
    ):
        assert await world.iam("UpdateRole", role_name="reader", **members) == {}
        shown = (await world.iam("GetRole", role_name="reader"))["Role"]
        assert (shown["Description"], shown["MaxSessionDuration"]) == expected
    changed = await world.iam("UpdateRoleDescription", role_name="reader", description="b")
    assert changed["Role"]["Description"] == "b"
    trust = world.trust({"AWS": "111122223333"})
    await world.iam("UpdateAssumeRolePolicy", role_name="reader", policy_document=trust)
    shown = (await world.iam("GetRole", role_name="reader"))["Role"]
    assert unquote(shown["AssumeRolePolicyDocument"]) == trust


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "This policy contains invalid Json"),
        (None, "AssumeRole policy may only specify STS AssumeRole actions."),
    ],
)
async def test_trust_is_checked(world: Any, document: str | None, message: str) -> None:
    await world.role()
    document = document or world.trust({"AWS": ACCOUNT}, "s3:GetObject")
    expected = ("MalformedPolicyDocument", message)
    assert (
        await world.refused("UpdateAssumeRolePolicy", role_name="reader", policy_document=document)
        == expected
    )
    assert (
        await world.refused("CreateRole", role_name="r", assume_role_policy_document=document)
        == expected
    )


async def test_a_role_with_policies_stays(world: Any) -> None:
    await world.role()
    await world.iam("AttachRolePolicy", role_name="reader", policy_arn=S3_READ)
    refused = await world.refused("DeleteRole", role_name="reader")
    assert refused == ("DeleteConflict", "Cannot delete entity, must detach all policies first.")


async def test_names_are_taken_and_some_paths_reserved(world: Any) -> None:
    await world.role()
    trust = world.trust({"AWS": ACCOUNT})
    assert await world.refused(
        "CreateRole", role_name="Reader", assume_role_policy_document=trust
    ) == ("EntityAlreadyExists", "Role with name Reader already exists.")
    code, _ = await world.refused(
        "CreateRole",
        role_name="r",
        path="/aws-service-role/x/",
        assume_role_policy_document=trust,
    )
    assert code == "InvalidInput"
