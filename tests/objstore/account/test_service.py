from dataclasses import replace
from typing import Any

import pytest

from kms.aws.identity import Principal, PrincipalKind, Session

SESSION = Session("arn", "id", "name", 0.0)


def in_session(principal: Principal, kind: PrincipalKind) -> Principal:
    return replace(principal, kind=kind, session=SESSION)


async def test_every_call_is_recorded_without_secrets(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    key = (await world.iam("CreateAccessKey", user_name="bob"))["AccessKey"]
    await world.refused("DeleteUser", user_name="bob")
    await world.sts("GetCallerIdentity")
    events = [
        (event["eventSource"], event["eventName"], event["errorCode"])
        for event in world.audit.events
    ]
    assert events == [
        ("iam.amazonaws.com", "CreateUser", ""),
        ("iam.amazonaws.com", "CreateAccessKey", ""),
        ("iam.amazonaws.com", "DeleteUser", "DeleteConflictException"),
        ("sts.amazonaws.com", "GetCallerIdentity", ""),
    ]
    assert key["SecretAccessKey"] not in str(list(world.audit.events))


async def test_a_refused_write_leaves_nothing(world: Any) -> None:
    missing = "arn:aws:iam::123456789012:policy/none"
    code, _ = await world.refused("CreateUser", user_name="bob", permissions_boundary=missing)
    assert code == "NoSuchEntity"
    assert (await world.iam("ListUsers"))["Users"] == []


@pytest.mark.parametrize(
    ("kind", "service", "operation", "code"),
    [
        (PrincipalKind.USER, "iam", "ListUsers", "InvalidClientTokenId"),
        (PrincipalKind.ROOT, "iam", "ListUsers", "InvalidClientTokenId"),
        (PrincipalKind.FEDERATED, "iam", "ListUsers", "InvalidClientTokenId"),
        (PrincipalKind.USER, "sts", "GetAccessKeyInfo", "AccessDenied"),
        (PrincipalKind.FEDERATED, "sts", "AssumeRole", "AccessDenied"),
        (PrincipalKind.USER, "sts", "GetCallerIdentity", ""),
        (PrincipalKind.FEDERATED, "sts", "GetCallerIdentity", ""),
        (PrincipalKind.ASSUMED_ROLE, "sts", "GetCallerIdentity", ""),
    ],
)
async def test_sessions_may_not_call_everything(
    world: Any, kind: PrincipalKind, service: str, operation: str, code: str
) -> None:
    caller = in_session(world.caller, kind)
    refused = world.refused if service == "iam" else world.refused_sts
    if code:
        assert (await refused(operation, caller=caller))[0] == code
    else:
        assert await world.sts(operation, caller=caller)


@pytest.mark.parametrize(("session_policy", "allowed"), [("s3:*", False), ("iam:*", True)])
async def test_a_session_makes_no_credentials_past_its_policies(
    world: Any, session_policy: str, allowed: bool
) -> None:
    """MinIO skipped session policies when somebody made a service account (CVE-2025-62506)."""
    bob = await world.user("bob")
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    arn = await world.role(assume_role_policy_document=world.trust({"AWS": bob.arn}))
    await world.iam("AttachRolePolicy", role_name="reader", policy_arn=everything)
    policy = world.policy(session_policy)
    members = {"role_arn": arn, "role_session_name": "me", "policy": policy}
    given = (await world.sts("AssumeRole", caller=bob, **members))["Credentials"]
    session = world.find(given["AccessKeyId"], given["SessionToken"]).principal
    code, message = await world.outcome("CreateAccessKey", caller=session, user_name="bob")
    assert (code == "") == allowed
    if not allowed:
        assert message.endswith("because no session policy allows the iam:CreateAccessKey action")


async def test_what_is_not_there_is_refused_by_name(world: Any) -> None:
    assert await world.refused("CreateLoginProfile") == (
        "NotImplemented",
        "CreateLoginProfile is not implemented",
    )
