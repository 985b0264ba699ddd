import json
from typing import Any

import pytest

from kms.aws.policy import PolicyKind, parse
from objstore.account.managed import AWS_POLICIES, find_policy, version_of, versions_of

ACCOUNT = "123456789012"


@pytest.mark.parametrize("arn", AWS_POLICIES)
async def test_policies_of_aws_are_there_for_every_account(world: Any, arn: str) -> None:
    rows = world.store.identities.rows
    policy = find_policy(rows, ACCOUNT, arn)
    assert policy is not None
    [version] = versions_of(rows, policy)
    assert version == version_of(rows, policy, policy.attributes["default_version"])
    assert version_of(rows, policy, "v99") is None
    assert parse(version.text, kind=PolicyKind.IDENTITY).statements
    assert json.loads(version.text)["Version"] == "2012-10-17"


async def test_a_policy_is_named_by_its_whole_arn(world: Any) -> None:
    document = world.policy("s3:*")
    await world.iam("CreatePolicy", policy_name="P", path="/a/", policy_document=document)
    rows = world.store.identities.rows
    assert find_policy(rows, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:policy/a/P") is not None
    for other in (
        f"arn:aws:iam::{ACCOUNT}:policy/P",
        f"arn:aws:iam::{ACCOUNT}:policy/a/p",
        "arn:aws:iam::111122223333:policy/a/P",
        "arn:aws:iam::aws:policy/P",
        f"arn:aws:iam::{ACCOUNT}:user/a/P",
    ):
        assert find_policy(rows, ACCOUNT, other) is None


async def test_versions_are_in_the_order_of_their_numbers(world: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    document = world.policy("s3:*")
    await world.iam("CreatePolicy", policy_name="p", policy_document=document)
    for number in range(2, 12):
        await world.iam("CreatePolicyVersion", policy_arn=arn, policy_document=document)
        if number < 11:
            await world.iam("DeletePolicyVersion", policy_arn=arn, version_id=f"v{number}")
    await world.iam("CreatePolicyVersion", policy_arn=arn, policy_document=document)
    rows = world.store.identities.rows
    policy = find_policy(rows, ACCOUNT, arn)
    assert policy is not None
    assert [version.name for version in versions_of(rows, policy)] == ["v12", "v11", "v1"]
