from hashlib import sha512
from typing import Any

import pytest

from kms.aws.identity import PrincipalKind
from objstore.account.errors import IAMError
from objstore.account.sessions import Grant, Ticket
from objstore.account.sts.passing import packed_percent, session_tags

ACCOUNT = "123456789012"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def calling(*transitive: str, **tags: str) -> Ticket:
    """A session that assumes a role."""
    grant = Grant(
        PrincipalKind.ASSUMED_ROLE, ACCOUNT, "AROA", "me", tags=tags, transitive=transitive
    )
    return Ticket("ASIA", "s", 0, 1, grant)


def listed(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_transitive_tags_go_on_and_others_do_not() -> None:
    found = session_tags(listed(c="3", d="4"), ["c"], calling("A", a="1", b="2"))
    assert found.passed == {"c": "3", "d": "4"}
    assert found.all == {"a": "1", "c": "3", "d": "4"}
    assert found.transitive == ("a", "c")


@pytest.mark.parametrize(
    ("tags", "transitive", "ticket", "message"),
    [
        (listed(a="1"), ["b"], None, "must be included in the requested tags"),
        (listed(a="1", A="2"), [], None, "Duplicate tag keys found"),
        (listed(A="1"), [], calling("a", a="1"), "conflicts with a transitive tag key"),
    ],
)
def test_tags_that_cannot_be(tags: Any, transitive: Any, ticket: Any, message: str) -> None:
    with pytest.raises(IAMError, match=message) as caught:
        session_tags(tags, transitive, ticket)
    assert caught.value.code == "InvalidParameterValue"


def test_there_is_so_much_room_and_no_more() -> None:
    grant = Grant(PrincipalKind.ASSUMED_ROLE, ACCOUNT, "AROA", "me", tags={"a": "b"})
    assert 0 < packed_percent(grant) < 10
    tags = {f"key{number}": sha512(b"%d" % number).hexdigest() for number in range(50)}
    with pytest.raises(IAMError, match=r"Packed policy consumes \d+% of allotted space") as caught:
        packed_percent(Grant(PrincipalKind.ASSUMED_ROLE, ACCOUNT, "AROA", "me", tags=tags))
    assert caught.value.code == "PackedPolicyTooLarge"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"policy": "{"}, "MalformedPolicyDocument"),
        ({"policy_arns": [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}]}, "ValidationError"),
        ({"policy_arns": [{"arn": S3_READ}] * 11}, "ValidationError"),
        ({"policy": None}, "ValidationError"),
    ],
)
async def test_session_policies_are_checked(world: Any, members: Any, code: str) -> None:
    if "policy" in members and members["policy"] is None:
        members = {"policy": world.policy(["s3:" + "A" * 2048])}
    bob = await world.user("bob", world.policy("sts:*"))
    refused = await world.refused_sts("GetFederationToken", caller=bob, name="carol", **members)
    assert refused[0] == code
