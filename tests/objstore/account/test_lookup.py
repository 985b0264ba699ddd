from typing import Any

import pytest

from kms.aws.identity import PrincipalKind
from objstore.account.lookup import principal_named

ACCOUNT = "123456789012"
IAM, STS = f"arn:aws:iam::{ACCOUNT}:", f"arn:aws:sts::{ACCOUNT}:"


@pytest.mark.parametrize(
    ("name", "kind", "arn"),
    [
        (f"{IAM}root", PrincipalKind.ROOT, f"{IAM}root"),
        (f"{IAM}user/bob", PrincipalKind.USER, f"{IAM}user/bob"),
        (f"{IAM}role/p/reader", PrincipalKind.ASSUMED_ROLE, f"{STS}assumed-role/reader/explain"),
        (
            f"{STS}assumed-role/reader/me",
            PrincipalKind.ASSUMED_ROLE,
            f"{STS}assumed-role/reader/me",
        ),
        ("s3.amazonaws.com", PrincipalKind.SERVICE, "s3.amazonaws.com"),
        ("anonymous", PrincipalKind.ANONYMOUS, "*"),
    ],
)
async def test_principals_by_their_names(
    world: Any, name: str, kind: PrincipalKind, arn: str
) -> None:
    await world.user("bob", world.policy("s3:GetObject"))
    await world.role("reader", path="/p/")
    found = principal_named(world.store.identities.rows, name)
    assert found is not None
    assert (found.kind, found.arn) == (kind, arn)
    if kind is PrincipalKind.USER:
        assert [policy.kind.value for policy in found.policies.identity] == ["identity-based"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bob",
        f"{IAM}user/eve",
        f"{IAM}user/p/bob",
        f"{IAM}role/reader",
        f"{STS}assumed-role/other/me",
        f"{STS}assumed-role/reader",
        f"{STS}federated-user/guest",
        f"{IAM}group/g",
        "arn:aws:s3:::b",
    ],
)
async def test_names_of_nobody(world: Any, name: str) -> None:
    await world.user("bob", world.policy("s3:GetObject"))
    await world.role("reader", path="/p/")
    assert principal_named(world.store.identities.rows, name) is None
