import json
from typing import Any

import pytest

from kms.aws.context import Context
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller
from objstore.account.authorize import MESSAGE_HEADER, MESSAGE_PURPOSE, Request, resource_tags

ACCOUNT = "123456789012"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


def authorizer(world: Any) -> Any:
    return world.accounts.iam._services.authorizer


def refusal(world: Any, caller: Caller, request: Request) -> AWSError:
    with pytest.raises(AWSError) as caught:
        authorizer(world).allow(caller, request)
    return caught.value


async def test_a_root_may_and_a_user_without_policies_may_not(world: Any) -> None:
    request = Request("iam:GetUser", ALICE, ACCOUNT)
    authorizer(world).allow(Caller(world.caller, "AKIA", "us-east-1", "R"), request)
    bob = Caller(await world.user(), "AKIA", "us-east-1", "R")
    error = refusal(world, bob, request)
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized to perform: iam:GetUser on "
        f"resource: {ALICE} because no identity-based policy allows the iam:GetUser action"
    )


async def test_conditions_see_the_request_and_the_resource(world: Any) -> None:
    own = world.policy(
        "iam:*",
        Condition={
            "StringEquals": {
                "aws:ResourceTag/team": "a",
                "iam:ResourceTag/Team": "a",
                "aws:RequestTag/cost": "c",
                "aws:PrincipalAccount": ACCOUNT,
                "aws:ResourceAccount": ACCOUNT,
                "aws:username": "bob",
            },
            "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
        },
    )
    bob = Caller(await world.user("bob", own), "AKIA", "us-east-1", "R", "192.0.2.1")
    fits = Request("iam:TagUser", ALICE, ACCOUNT, {"Team": "a"}, {"aws:RequestTag/cost": "c"})
    authorizer(world).allow(bob, fits)
    for other in (
        Request("iam:TagUser", ALICE, ACCOUNT, {"Team": "b"}, {"aws:RequestTag/cost": "c"}),
        Request("iam:TagUser", ALICE, ACCOUNT, {"Team": "a"}),
    ):
        refusal(world, bob, other)


async def test_the_header_of_a_denial_tells_only_who_may_open_it(world: Any) -> None:
    own = world.policy("iam:*", effect="Deny", Sid="Never")
    bob = Caller(await world.user("bob", own), "AKIA", "us-east-1", "R")
    keys: dict[str, str | tuple[str, ...]] = {
        "aws:TagKeys": ("a", "b"),
        "iam:PolicyARN": "arn:p",
    }
    error = refusal(world, bob, Request("iam:GetUser", ALICE, ACCOUNT, keys=keys))
    assert error.message.endswith("with an explicit deny in an identity-based policy")
    assert "Never" not in error.message
    sealed = error.headers[MESSAGE_HEADER]
    account, shown = json.loads(world.secrets.sealing.open(MESSAGE_PURPOSE, sealed))
    assert account == ACCOUNT
    assert (shown["allowed"], shown["explicitDeny"]) == (False, True)
    [matched] = shown["matchedStatements"]["items"]
    assert (matched["statementId"], matched["effect"]) == ("Never", "DENY")
    assert matched["policy"] == f"inline policy p0 of arn:aws:iam::{ACCOUNT}:user/bob"
    assert shown["context"]["action"] == "iam:GetUser"
    assert shown["context"]["conditions"]["items"] == [
        {"key": "aws:TagKeys", "values": {"items": [{"value": "a"}, {"value": "b"}]}},
        {"key": "iam:PolicyARN", "values": {"items": [{"value": "arn:p"}]}},
    ]


async def test_nobody_is_called_anonymous(world: Any) -> None:
    error = refusal(world, Caller(ANONYMOUS, "", "us-east-1", "R"), Request("sts:X", "*", ACCOUNT))
    assert error.message.startswith("User: anonymous is not authorized to perform: sts:X")


def test_resource_tags_are_found_whatever_their_case() -> None:
    context = Context(resource_tags({"Team": "a"}))
    assert context.get("aws:resourcetag/team") == "a" == context.get("iam:resourcetag/team")
    assert context.get("aws:resourcetag/other") is None
    assert context.get("aws:principaltag/team") is None
