from typing import Any
from urllib.parse import unquote

import pytest

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:policy/p"
EVERYTHING = "arn:aws:iam::aws:policy/AdministratorAccess"


async def make(world: Any, name: str = "p", **members: Any) -> dict[str, Any]:
    document = world.policy("s3:GetObject")
    made = await world.iam("CreatePolicy", policy_name=name, policy_document=document, **members)
    policy: dict[str, Any] = made["Policy"]
    return policy


async def test_a_policy_from_beginning_to_end(world: Any) -> None:
    made = await make(world, path="/a/", description="Reads.")
    arn = f"arn:aws:iam::{ACCOUNT}:policy/a/p"
    assert (made["Arn"], made["DefaultVersionId"], made["AttachmentCount"]) == (arn, "v1", 0)
    assert made["PolicyId"].startswith("ANPA")
    assert not {"Description", "Tags"} & set(made)
    shown = (await world.iam("GetPolicy", policy_arn=arn))["Policy"]
    assert shown == made | {"Description": "Reads.", "Tags": []}
    await world.iam("DeletePolicy", policy_arn=arn)
    assert await world.refused("GetPolicy", policy_arn=arn) == (
        "NoSuchEntity",
        f"Policy {arn} was not found.",
    )


async def test_the_default_version_is_the_one_that_counts(world: Any) -> None:
    await make(world)
    bob = await world.user("bob")
    await world.iam("AttachUserPolicy", user_name="bob", policy_arn=ARN)
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]

    def actions() -> list[str]:
        policies = world.find(key["AccessKeyId"]).principal.policies.identity
        return [action for policy in policies for action in policy.statements[0].actions]

    second = world.policy("s3:PutObject")
    made = await world.iam("CreatePolicyVersion", policy_arn=ARN, policy_document=second)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert not made["PolicyVersion"]["IsDefaultVersion"]
    assert actions() == ["s3:GetObject"]
    await world.iam("SetDefaultPolicyVersion", policy_arn=ARN, version_id="v2")
    assert actions() == ["s3:PutObject"]
    third = await world.iam(
        "CreatePolicyVersion", policy_arn=ARN, policy_document=second, set_as_default=True
    )
    assert third["PolicyVersion"]["IsDefaultVersion"]
    listed = (await world.iam("ListPolicyVersions", policy_arn=ARN))["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [
        ("v3", True),
        ("v2", False),
        ("v1", False),
    ]
    shown = await world.iam("GetPolicyVersion", policy_arn=ARN, version_id="v2")
    assert unquote(shown["PolicyVersion"]["Document"]) == second
    assert bob.policies.identity == ()


async def test_five_versions_at_most_and_numbers_are_never_used_twice(world: Any) -> None:
    await make(world)
    document = world.policy("s3:*")
    for _ in range(4):
        await world.iam("CreatePolicyVersion", policy_arn=ARN, policy_document=document)
    assert await world.refused("CreatePolicyVersion", policy_arn=ARN, policy_document=document) == (
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must "
        "delete an existing version.",
    )
    await world.iam("DeletePolicyVersion", policy_arn=ARN, version_id="v5")
    made = await world.iam("CreatePolicyVersion", policy_arn=ARN, policy_document=document)
    assert made["PolicyVersion"]["VersionId"] == "v6"


async def test_what_stops_a_deletion(world: Any) -> None:
    await make(world)
    document = world.policy("s3:*")
    await world.iam("CreatePolicyVersion", policy_arn=ARN, policy_document=document)
    assert await world.refused("DeletePolicyVersion", policy_arn=ARN, version_id="v1") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    code, message = await world.refused("DeletePolicy", policy_arn=ARN)
    assert (code, message[:38]) == ("DeleteConflict", "This policy has more than one version.")
    await world.iam("DeletePolicyVersion", policy_arn=ARN, version_id="v2")
    await world.iam("CreateUser", user_name="bob")
    for attach, detach, members in (
        ("AttachUserPolicy", "DetachUserPolicy", {"policy_arn": ARN}),
        (
            "PutUserPermissionsBoundary",
            "DeleteUserPermissionsBoundary",
            {"permissions_boundary": ARN},
        ),
    ):
        await world.iam(attach, user_name="bob", **members)
        assert await world.refused("DeletePolicy", policy_arn=ARN) == (
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        )
        await world.iam(detach, user_name="bob", **({} if "Delete" in detach else members))
    await world.iam("DeletePolicy", policy_arn=ARN)


@pytest.mark.parametrize(
    "operation", ["GetPolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion"]
)
async def test_versions_that_are_missing(world: Any, operation: str) -> None:
    missing = f"Policy {ARN} version v9 does not exist or is not attachable."
    for _ in range(2):
        refused = await world.refused(operation, policy_arn=ARN, version_id="v9")
        assert refused == ("NoSuchEntity", missing)
        if not (await world.iam("ListPolicies", scope="Local"))["Policies"]:
            await make(world)


async def test_names_are_taken_whatever_their_path(world: Any) -> None:
    await make(world)
    document = world.policy("s3:*")
    assert await world.refused(
        "CreatePolicy", policy_name="P", path="/x/", policy_document=document
    ) == (
        "EntityAlreadyExists",
        "A policy called P already exists. Duplicate names are not allowed.",
    )


async def test_a_policy_has_a_limit(world: Any) -> None:
    document = world.policy(["s3:" + "A" * 6144])
    expected = ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    assert (
        await world.refused("CreatePolicy", policy_name="p", policy_document=document) == expected
    )


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"scope": "Local"}, ["p", "q"]),
        ({"scope": "Local", "only_attached": True}, ["p", "q"]),
        ({"scope": "Local", "path_prefix": "/q/"}, ["q"]),
        ({"scope": "Local", "policy_usage_filter": "PermissionsBoundary"}, ["p", "q"]),
        ({"only_attached": True, "policy_usage_filter": "PermissionsBoundary"}, ["q"]),
        (
            {"only_attached": True, "policy_usage_filter": "PermissionsPolicy"},
            ["AdministratorAccess", "p"],
        ),
        ({"only_attached": True, "scope": "AWS"}, ["AdministratorAccess"]),
    ],
)
async def test_listings(world: Any, members: dict[str, Any], names: list[str]) -> None:
    await make(world)
    await make(world, "q", path="/q/")
    await world.iam(
        "CreateUser", user_name="bob", permissions_boundary=f"arn:aws:iam::{ACCOUNT}:policy/q/q"
    )
    for arn in (ARN, EVERYTHING):
        await world.iam("AttachUserPolicy", user_name="bob", policy_arn=arn)
    listed = (await world.iam("ListPolicies", **members))["Policies"]
    assert [one["PolicyName"] for one in listed] == names


async def test_pages_of_policies(world: Any) -> None:
    await make(world)
    found, marker = [], None
    while True:
        page = await world.iam("ListPolicies", max_items=2, marker=marker)
        found += [one["PolicyName"] for one in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = page["Marker"]
    assert found == sorted(found, key=str.lower)
    assert {"p", "AdministratorAccess", "PowerUserAccess"} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DeletePolicy", {}),
        ("CreatePolicyVersion", {"policy_document": "{}"}),
        ("SetDefaultPolicyVersion", {"version_id": "v1"}),
    ],
)
async def test_policies_of_aws_cannot_be_changed(
    world: Any, operation: str, members: dict[str, str]
) -> None:
    code, _ = await world.refused(operation, policy_arn=EVERYTHING, **members)
    assert code == "AccessDenied"
    shown = await world.iam("GetPolicyVersion", policy_arn=EVERYTHING, version_id="v1")
    assert '"Action": "*"' in unquote(shown["PolicyVersion"]["Document"])


async def test_an_arn_that_is_none(world: Any) -> None:
    assert await world.refused("GetPolicy", policy_arn="arn:aws:s3:::bucket-name") == (
        "InvalidInput",
        "ARN arn:aws:s3:::bucket-name is not valid.",
    )
