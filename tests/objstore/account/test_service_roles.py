"""Roles that a service takes on: only those that trust it, for whom they say."""

from typing import Any

import pytest

from kms.aws.identity import PrincipalKind
from objstore.account.service_roles import ServiceRoles

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/replication"
BUCKET = "arn:aws:s3:::bucket"
S3 = {"Service": "s3.amazonaws.com"}


def session(
    world: Any, role_arn: str = ROLE, *, account: str = ACCOUNT, bucket: str = BUCKET
) -> Any:
    roles = ServiceRoles(world.store.identities, world.clock, service="s3.amazonaws.com")
    return roles.session(role_arn, "s3", source_arn=bucket, source_account=account)


async def make(world: Any, trust: str) -> None:
    await world.iam("CreateRole", role_name="replication", assume_role_policy_document=trust)


async def test_a_role_that_trusts_the_service(world: Any) -> None:
    await make(world, world.trust(S3))
    policy = world.policy("s3:GetObject")
    await world.iam(
        "PutRolePolicy", role_name="replication", policy_name="p", policy_document=policy
    )
    principal = session(world)
    assert principal.kind is PrincipalKind.ASSUMED_ROLE
    assert principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/replication/s3"
    assert principal.session.issuer_arn == ROLE
    assert len(principal.policies.identity) == 1


@pytest.mark.parametrize(
    ("trust", "bucket", "trusted"),
    [
        ({"principal": {"Service": "ec2.amazonaws.com"}}, BUCKET, False),
        ({"principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, BUCKET, False),
        ({"principal": S3, "action": "sts:TagSession"}, BUCKET, False),
        (
            {"principal": S3, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}},
            BUCKET,
            True,
        ),
        (
            {"principal": S3, "Condition": {"ArnLike": {"aws:SourceArn": BUCKET}}},
            "arn:aws:s3:::other",
            False,
        ),
    ],
)
async def test_trust_decides(world: Any, trust: dict[str, Any], bucket: str, trusted: bool) -> None:
    await make(world, world.trust(**trust))
    assert (session(world, bucket=bucket) is not None) is trusted


@pytest.mark.parametrize(
    "role_arn",
    [
        "replication",
        f"arn:aws:iam::{ACCOUNT}:role/nobody",
        f"arn:aws:iam::{ACCOUNT}:role/path/replication",
        "arn:aws:iam::111122223333:role/replication",
    ],
)
async def test_no_such_role(world: Any, role_arn: str) -> None:
    await make(world, world.trust(S3))
    assert session(world, role_arn) is None


async def test_a_role_of_another_account_is_not_taken_on(world: Any) -> None:
    await make(world, world.trust(S3))
    assert session(world, account="111122223333") is None
