import json
from typing import Any

import pytest

from kms.aws.identity import Caller, Entity
from kms.errors import KMSError
from kms.key import Key
from kms.policy_check import with_policy
from kms.policy_text import default_policy
from kms.principals import Principals
from kms.request import Request
from kms.service import Service

ACCOUNT = "111122223333"
KEY = Key(ACCOUNT, "us-east-1", "k", 0.0, "ab", default_policy(ACCOUNT))
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


class Directory:
    def named(self, account: str, kind: str, name: str) -> Entity | None:
        return Entity("AIDABOB", BOB) if name == "bob" else None

    def by_id(self, unique_id: str) -> Entity | None:
        raise AssertionError(unique_id)


def policy(principal: Any, **more: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "kms:*",
        "Resource": "*",
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def request_(service: Service, caller: Caller) -> Request:
    service.authorizer.principals = Principals(Directory())
    return Request("PutKeyPolicy", caller, service.store, service.clock, service.authorizer)


@pytest.mark.parametrize(
    "principal",
    [{"AWS": ACCOUNT}, {"AWS": [BOB, ACCOUNT]}, {"AWS": ["AIDAGONE", ACCOUNT]}, "*"],
)
def test_accepted(request_: Request, principal: Any) -> None:
    text = policy(principal)
    changed = with_policy(request_, KEY, text, bypass=False)
    named = BOB in text
    assert (changed.policy, changed.bound) == (text, ((BOB, "AIDABOB"),) if named else ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (policy({"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"}), "one or more invalid principals."),
        (policy({"AWS": "eve"}), "one or more invalid principals."),
        (policy({"AWS": BOB}), "will not allow you to update the key policy in the future."),
        (policy("*", Effect="Deny"), "will not allow you to update the key policy in the future."),
        (
            policy("*", Condition={"StringEquals": {"kms:ViaService": "s3"}}),
            "will not allow you to update the key policy in the future.",
        ),
    ],
)
def test_refused(request_: Request, text: str, message: str) -> None:
    with pytest.raises(KMSError) as caught:
        with_policy(request_, KEY, text, bypass=False)
    assert caught.value.code == "MalformedPolicyDocumentException"
    assert message in caught.value.message


def test_only_the_lockout_check_can_be_bypassed(request_: Request) -> None:
    with_policy(request_, KEY, policy({"AWS": BOB}), bypass=True)
    with pytest.raises(KMSError, match="invalid principals"):
        with_policy(request_, KEY, policy({"AWS": "eve"}), bypass=True)
