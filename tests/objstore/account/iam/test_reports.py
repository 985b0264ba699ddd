from typing import Any
from urllib.parse import unquote

import pytest

ACCOUNT = "123456789012"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


async def populate(world: Any) -> None:
    for name in ("alice", "bob"):
        await world.user(name, world.policy("s3:GetObject"))
    await world.iam("CreateGroup", group_name="readers")
    await world.iam("AttachGroupPolicy", group_name="readers", policy_arn=S3_READ)
    await world.iam("AddUserToGroup", group_name="readers", user_name="bob")
    await world.role("deployer", tags=[{"Key": "a", "Value": "b"}])
    await world.iam("CreatePolicy", policy_name="own", policy_document=world.policy("kms:*"))


async def test_the_numbers_of_an_account(world: Any) -> None:
    await populate(world)
    await world.iam("CreateOpenIDConnectProvider", url="https://example.com")
    summary = (await world.iam("GetAccountSummary"))["SummaryMap"]
    found = {name: summary[name] for name in ("Users", "Groups", "Roles", "Policies", "Providers")}
    assert found == {"Users": 2, "Groups": 1, "Roles": 1, "Policies": 1, "Providers": 1}
    assert summary["PolicyVersionsInUse"] == 1
    assert summary["AccountAccessKeysPresent"] == 1
    assert all(isinstance(value, int) for value in summary.values())


async def test_everything_that_decides_who_may_do_what(world: Any) -> None:
    await populate(world)
    found = await world.iam("GetAccountAuthorizationDetails")
    alice, bob = found["UserDetailList"]
    assert (alice["UserName"], alice["GroupList"], bob["GroupList"]) == ("alice", [], ["readers"])
    [inline] = bob["UserPolicyList"]
    assert unquote(inline["PolicyDocument"]) == world.policy("s3:GetObject")
    [group] = found["GroupDetailList"]
    assert [one["PolicyArn"] for one in group["AttachedManagedPolicies"]] == [S3_READ]
    [role] = found["RoleDetailList"]
    assert (role["Tags"], role["InstanceProfileList"]) == ([{"Key": "a", "Value": "b"}], [])
    assert [policy["PolicyName"] for policy in found["Policies"]] == [
        "own",
        "AmazonS3ReadOnlyAccess",
    ]
    [version] = found["Policies"][0]["PolicyVersionList"]
    assert unquote(version["Document"]) == world.policy("kms:*")
    assert not found["IsTruncated"]


@pytest.mark.parametrize(
    ("wanted", "counts"),
    [
        (["User"], [2, 0, 0, 0]),
        (["Group", "Role"], [0, 1, 1, 0]),
        (["LocalManagedPolicy"], [0, 0, 0, 1]),
        (["AWSManagedPolicy"], [0, 0, 0, 1]),
    ],
)
async def test_only_some(world: Any, wanted: list[str], counts: list[int]) -> None:
    await populate(world)
    found = await world.iam("GetAccountAuthorizationDetails", filter=wanted)
    members = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    assert [len(found[member]) for member in members] == counts


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
async def test_pages_together_are_the_whole(world: Any, size: int) -> None:
    await populate(world)
    names, marker, pages = [], None, 0
    while True:
        page = await world.iam("GetAccountAuthorizationDetails", max_items=size, marker=marker)
        pages += 1
        for member, name in (
            ("UserDetailList", "UserName"),
            ("GroupDetailList", "GroupName"),
            ("RoleDetailList", "RoleName"),
            ("Policies", "PolicyName"),
        ):
            names += [one[name] for one in page[member]]
        if not page["IsTruncated"]:
            break
        marker = page["Marker"]
    assert names == ["alice", "bob", "readers", "deployer", "own", "AmazonS3ReadOnlyAccess"]
    assert pages == -(-6 // size)
