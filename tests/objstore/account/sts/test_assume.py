from dataclasses import replace
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import Caller, PrincipalKind

ACCOUNT = "123456789012"
OTHER = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
ME = {"role_arn": ROLE, "role_session_name": "me"}


def denied(caller: Any, action: str = "AssumeRole", role: str = ROLE) -> tuple[str, str]:
    return (
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: sts:{action} on resource: {role}",
    )


async def session(world: Any, caller: Any, **members: Any) -> Any:
    """The principal of a role's new session."""
    reply = await world.sts("AssumeRole", caller=caller, **{**ME, **members})
    found = reply["Credentials"]
    return world.find(found["AccessKeyId"], found["SessionToken"]).principal


async def test_a_session_is_what_the_reply_says(world: Any) -> None:
    await world.role()
    bob = await world.user("bob", world.policy("sts:AssumeRole"))
    reply = await world.sts("AssumeRole", caller=bob, **ME)
    given = reply["Credentials"]
    role_id = world.store.identities.rows.get(ACCOUNT, "role", "reader").unique_id
    assert reply["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role_id}:me",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/me",
    }
    assert given["Expiration"].timestamp() == world.wall.now() + 3600
    assert set(reply) == {"Credentials", "AssumedRoleUser"}
    credential = world.find(given["AccessKeyId"], given["SessionToken"])
    assert credential.secret_access_key == given["SecretAccessKey"]
    assert credential.principal.kind is PrincipalKind.ASSUMED_ROLE
    identity = await world.sts("GetCallerIdentity", caller=credential.principal)
    assert identity["Arn"] == reply["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    ("trusted", "own", "allowed"),
    [
        # Naming the account leaves it to the account's policies; naming the user does not.
        ({"AWS": ACCOUNT}, "Allow", True),
        ({"AWS": ACCOUNT}, None, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, None, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}, None, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}, "Deny", False),
        ({"AWS": "*"}, None, True),
        ({"AWS": OTHER}, "Allow", False),
        ({"Service": "ec2.amazonaws.com"}, "Allow", False),
    ],
)
async def test_the_trust_policy_always_decides(
    world: Any, trusted: Any, own: str | None, allowed: bool
) -> None:
    policies = [] if own is None else [world.policy("sts:AssumeRole", effect=own)]
    bob = await world.user("bob", *policies)
    await world.role(assume_role_policy_document=world.trust(trusted))
    code, reply = await world.outcome_sts("AssumeRole", caller=bob, **ME)
    assert (code == "") == allowed
    if not allowed:
        assert (code, reply) == denied(bob)


@pytest.mark.parametrize(
    ("trusted", "own", "allowed"),
    [
        ({"AWS": OTHER}, True, True),
        ({"AWS": OTHER}, False, False),
        ({"AWS": f"arn:aws:iam::{OTHER}:user/eve"}, True, True),
        ({"AWS": f"arn:aws:iam::{OTHER}:user/eve"}, False, False),
        ({"AWS": ACCOUNT}, True, False),
    ],
)
async def test_across_accounts_both_sides_decide(
    world: Any, trusted: Any, own: bool, allowed: bool
) -> None:
    root = world.root(OTHER)
    await world.iam("CreateUser", caller=root, user_name="eve")
    if own:
        document = world.policy("sts:AssumeRole", ROLE)
        await world.iam(
            "PutUserPolicy",
            caller=root,
            user_name="eve",
            policy_name="p",
            policy_document=document,
        )
    key = (await world.iam("CreateAccessKey", caller=root, user_name="eve"))["AccessKey"]
    eve = world.find(key["AccessKeyId"]).principal
    await world.role(assume_role_policy_document=world.trust(trusted))
    code, reply = await world.outcome_sts("AssumeRole", caller=eve, **ME)
    assert (code == "") == allowed
    if allowed:
        assert reply["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:")
    else:
        assert (code, reply) == denied(eve)


async def test_what_does_not_exist_is_refused_like_what_is_not_allowed(world: Any) -> None:
    bob = await world.user("bob", world.policy("sts:AssumeRole"))
    await world.role("reader", path="/p/")
    for name in ("none", "reader", "p/Reader"):
        role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        refused = await world.refused_sts("AssumeRole", caller=bob, **{**ME, "role_arn": role})
        assert refused == denied(bob, role=role)
    assert await world.refused_sts(
        "AssumeRole", caller=bob, **{**ME, "role_arn": "nothing-valid-in-here"}
    ) == ("ValidationError", "nothing-valid-in-here is invalid")


async def test_roots_assume_no_roles_unless_nothing_is_checked(world: Any) -> None:
    await world.role()
    assert await world.refused_sts("AssumeRole", **ME) == (
        "AccessDenied",
        "Roles may not be assumed by root accounts.",
    )
    service = world.accounts.sts
    service._services = replace(service._services, permissive=True)
    assert (await world.sts("AssumeRole", **ME))["Credentials"]


@pytest.mark.parametrize(("given", "allowed"), [("secret", True), ("other", False), (None, False)])
async def test_the_external_id(world: Any, given: str | None, allowed: bool) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "secret"}}
    document = world.trust({"AWS": "*"}, Condition=condition)
    await world.role(assume_role_policy_document=document)
    code, _ = await world.outcome_sts(
        "AssumeRole", caller=await world.user(), external_id=given, **ME
    )
    assert (code == "") == allowed


async def test_session_policies_limit_a_session(world: Any) -> None:
    await world.role(assume_role_policy_document=world.trust({"AWS": "*"}))
    bob = await world.user()
    reply = await world.sts(
        "AssumeRole",
        caller=bob,
        policy=world.policy("s3:GetObject"),
        policy_arns=[{"arn": S3_READ}],
        **ME,
    )
    assert 0 < reply["PackedPolicySize"] < 100
    given = reply["Credentials"]
    policies = world.find(given["AccessKeyId"], given["SessionToken"]).principal.policies
    assert [policy.name for policy in policies.session] == ["session policy", S3_READ]


@pytest.mark.parametrize(
    ("tags", "action"), [([{"Key": "cost", "Value": "1"}], "TagSession"), ([], "")]
)
async def test_tagging_a_session_needs_its_own_permission(
    world: Any, tags: list[dict[str, str]], action: str
) -> None:
    await world.role(assume_role_policy_document=world.trust({"AWS": "*"}))
    bob = await world.user()
    code, reply = await world.outcome_sts("AssumeRole", caller=bob, tags=tags, **ME)
    assert ((code, reply) == denied(bob, "TagSession")) == bool(action)


async def test_tags_of_role_and_session_and_chains(world: Any) -> None:
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    trust = world.trust({"AWS": "*"}, actions)
    await world.role(assume_role_policy_document=trust, tags=[{"Key": "team", "Value": "r"}])
    first = await session(
        world,
        await world.user(),
        tags=[{"Key": "Team", "Value": "s"}, {"Key": "cost", "Value": "1"}],
        transitive_tag_keys=["cost"],
        source_identity="bob",
    )
    assert first.tags == (("Team", "s"), ("cost", "1"))
    assert first.session.source_identity == "bob"
    access_key_id = next(iter(world.accounts.credentials._tickets))
    caller = Caller(first, access_key_id, "us-east-1", "R")
    chained = await world.accounts.sts.call("AssumeRole", ME, caller)
    given = chained["Credentials"]
    second = world.find(given["AccessKeyId"], given["SessionToken"]).principal
    assert second.tags == (("team", "r"), ("cost", "1"))
    assert chained["SourceIdentity"] == "bob"
    for members, refusal in (
        ({"tags": [{"Key": "COST", "Value": "2"}]}, "transitive tag key from the calling session"),
        ({"source_identity": "eve"}, "sts:SetSourceIdentity"),
        ({"duration_seconds": 3601}, "1 hour session limit for roles assumed by role chaining"),
    ):
        with pytest.raises(Exception, match=refusal):
            await world.accounts.sts.call("AssumeRole", {**ME, **members}, caller)


@pytest.mark.parametrize("trusted", ["bob", "eve", ""])
async def test_a_chain_needs_the_permission_to_hand_its_source_identity_on(
    world: Any, trusted: str
) -> None:
    actions = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    first_trust = world.trust({"AWS": "*"}, actions)
    await world.role(assume_role_policy_document=first_trust)
    first = await session(world, await world.user(), source_identity="bob")
    access_key_id = next(iter(world.accounts.credentials._tickets))
    condition = {"StringEquals": {"sts:SourceIdentity": trusted}}
    trust = world.trust({"AWS": "*"}, actions, Condition=condition) if trusted else None
    await world.iam(
        "UpdateAssumeRolePolicy",
        role_name="reader",
        policy_document=trust or world.trust({"AWS": "*"}),
    )
    caller = Caller(first, access_key_id, "us-east-1", "R")
    call = world.accounts.sts.call("AssumeRole", ME, caller)
    if trusted == "bob":
        assert (await call)["SourceIdentity"] == "bob"
    else:
        with pytest.raises(AWSError, match="SetSourceIdentity" if not trusted else "AssumeRole"):
            await call


@pytest.mark.parametrize(("seconds", "fits"), [(900, True), (7200, True), (7201, False)])
async def test_sessions_last_as_long_as_the_role_lets_them(
    world: Any, seconds: int, fits: bool
) -> None:
    trust = world.trust({"AWS": "*"})
    await world.role(assume_role_policy_document=trust, max_session_duration=7200)
    bob = await world.user()
    code, reply = await world.outcome_sts("AssumeRole", caller=bob, duration_seconds=seconds, **ME)
    if fits:
        assert reply["Credentials"]["Expiration"].timestamp() == world.wall.now() + seconds
    else:
        assert (code, reply) == (
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )


async def test_a_roles_last_use_is_that_of_its_sessions(world: Any) -> None:
    await world.role(assume_role_policy_document=world.trust({"AWS": "*"}))
    reply = await world.sts("AssumeRole", caller=await world.user(), **ME)
    given = reply["Credentials"]
    credential = world.find(given["AccessKeyId"], given["SessionToken"])
    assert (await world.iam("GetRole", role_name="reader"))["Role"]["RoleLastUsed"] == {}
    world.accounts.credentials.note_use(credential, "s3", "eu-west-1")
    await world.store.identities.change(lambda rows: None)
    used = (await world.iam("GetRole", role_name="reader"))["Role"]["RoleLastUsed"]
    assert (used["Region"], used["LastUsedDate"].timestamp()) == ("eu-west-1", world.wall.now())
