"""Evaluation against AWS's documented logic, which `documented` restates on its own terms."""

import itertools
import json
from typing import Any

import pytest

from kms.aws.context import Context, given
from kms.aws.identity import ANONYMOUS, Policies, Principal, PrincipalKind, Session
from kms.aws.policy import (
    Decision,
    Naming,
    Policy,
    PolicyKind,
    Question,
    Reason,
    evaluate,
    parse,
)

ACCOUNT, OTHER = "111122223333", "444455556666"
ACTION = "kms:Decrypt"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
ALLOW, DENY, SILENT = "Allow", "Deny", "Silent"


def policy(effect: str, principal: Any = None, **more: Any) -> Policy:
    """One statement about the action; SILENT is about another action."""
    statement: dict[str, Any] = {
        "Sid": "One",
        "Effect": "Allow" if effect == SILENT else effect,
        "Action": "kms:Sign" if effect == SILENT else ACTION,
        "Resource": "*",
        **more,
    }
    kind = PolicyKind.IDENTITY
    if principal is not None:
        statement["Principal"], kind = principal, PolicyKind.KEY
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return parse(text, kind=kind, name="P")


def principal_of(kind: PrincipalKind, account: str, policies: Policies) -> Principal:
    user = f"arn:aws:iam::{account}:user/bob"
    role = f"arn:aws:iam::{account}:role/R"
    match kind:
        case PrincipalKind.ROOT:
            return Principal(
                kind, account, f"arn:aws:iam::{account}:root", account, policies=policies
            )
        case PrincipalKind.USER:
            return Principal(kind, account, user, "AIDABOB", "bob", policies=policies)
        case PrincipalKind.ASSUMED_ROLE:
            return Principal(
                kind,
                account,
                f"arn:aws:sts::{account}:assumed-role/R/one",
                "AROAR:one",
                session=Session(role, "AROAR", "R", 0),
                policies=policies,
            )
        case _:
            return Principal(
                kind,
                account,
                f"arn:aws:sts::{account}:federated-user/guest",
                f"{account}:guest",
                session=Session(user, "AIDABOB", "bob", 0),
                policies=policies,
            )


def ask(principal: Principal, resource: Policy | None = None, **how: Any) -> Decision:
    question = Question(principal, ACTION, KEY_ARN, ACCOUNT, Context(given({})))
    return evaluate(question, resource=resource, **how)


KINDS = (
    PrincipalKind.ROOT,
    PrincipalKind.USER,
    PrincipalKind.ASSUMED_ROLE,
    PrincipalKind.FEDERATED,
)
SESSIONS = (PrincipalKind.ASSUMED_ROLE, PrincipalKind.FEDERATED)
# How the resource's policy concerns the principal: effect and name.
RESOURCES = (None, "self", "issuer", "account", "everybody", "another", "deny", "deny account")


def documented(
    kind: PrincipalKind,
    account: str,
    identity: str | None,
    boundary: str | None,
    session: str | None,
    resource: str | None,
    resource_decides: bool,
) -> bool:
    """AWS's documented answer."""
    # "An explicit deny in any of these policies overrides the allow."
    if DENY in (identity, boundary, session) or resource in ("deny", "deny account"):
        return False
    # "The identity's permissions are the intersection of all three."
    within_limits = boundary in (None, ALLOW) and session in (None, ALLOW)
    by_identity = (identity == ALLOW or kind is PrincipalKind.ROOT) and within_limits
    if resource == "issuer" and kind not in SESSIONS:
        resource = "another"
    # "… across accounts, both must allow."
    if account != ACCOUNT:
        return by_identity and resource in ("self", "issuer", "account", "everybody")
    match resource:
        # "… that grant permissions to an IAM user ARN / role session ARN are not limited by an
        # implicit deny in an identity-based policy, a permissions boundary, or session policy."
        case "self":
            return True
        # "… that grant permissions to an IAM role ARN are limited by an implicit deny in a
        # permissions boundary or session policy."
        case "issuer":
            return within_limits
        case "everybody":
            return within_limits if kind in SESSIONS else True
        # "… delegates authority to the account", which is the root itself.
        case "account":
            return True if kind is PrincipalKind.ROOT else by_identity
        case _:
            return by_identity and not resource_decides


def resource_policy(how: str | None, principal: Principal) -> Policy | None:
    names = {
        "self": principal.arn,
        "issuer": principal.session.issuer_arn if principal.session else "999999999999",
        "account": principal.account,
        "everybody": "*",
        "another": "999999999999",
        "deny": "*",
        "deny account": f"arn:aws:iam::{principal.account}:root",
    }
    if how is None:
        return None
    return policy(DENY if how.startswith("deny") else ALLOW, {"AWS": names[how]})


def test_the_generated_table() -> None:
    tried = allowed = 0
    effects = (None, ALLOW, SILENT, DENY)
    for kind, account, identity, boundary, session, resource, decides in itertools.product(
        KINDS, (ACCOUNT, OTHER), effects, effects, effects, RESOURCES, (False, True)
    ):
        policies = Policies(
            () if identity is None else (policy(identity),),
            None if boundary is None else policy(boundary),
            None if session is None else (policy(session),),
        )
        principal = principal_of(kind, account, policies)
        decision = ask(principal, resource_policy(resource, principal), resource_decides=decides)
        case = (kind, account, identity, boundary, session, resource, decides)
        assert decision.allowed is documented(*case), (case, decision)
        tried += 1
        allowed += decision.allowed
    assert tried == 8_192
    assert 0 < allowed < tried


USER = principal_of(PrincipalKind.USER, ACCOUNT, Policies())


@pytest.mark.parametrize(
    ("policies", "resource", "reason"),
    [
        (Policies(), None, Reason.NO_IDENTITY),
        (Policies((policy(SILENT),)), None, Reason.NO_IDENTITY),
        (Policies((policy(ALLOW),)), None, Reason.IDENTITY),
        (Policies((policy(ALLOW), policy(DENY))), None, Reason.DENIED_BY_IDENTITY),
        (Policies((policy(ALLOW),), policy(SILENT)), None, Reason.NO_BOUNDARY),
        (Policies((policy(ALLOW),), policy(DENY)), None, Reason.DENIED_BY_BOUNDARY),
        (Policies((policy(ALLOW),), None, (policy(SILENT),)), None, Reason.NO_SESSION),
        (Policies((policy(ALLOW),), None, ()), None, Reason.NO_SESSION),
        (Policies((policy(ALLOW),), None, (policy(DENY),)), None, Reason.DENIED_BY_SESSION),
        (Policies(), policy(ALLOW, "*"), Reason.RESOURCE),
        (Policies((policy(ALLOW),)), policy(DENY, "*"), Reason.DENIED_BY_RESOURCE),
        (Policies((policy(ALLOW),)), policy(SILENT, "*"), Reason.NO_RESOURCE),
    ],
)
def test_reasons(policies: Policies, resource: Policy | None, reason: Reason) -> None:
    principal = principal_of(PrincipalKind.USER, ACCOUNT, policies)
    decision = ask(principal, resource, resource_decides=resource is not None)
    assert decision.reason is reason
    assert decision.explicit is reason.name.startswith("DENIED_BY")


@pytest.mark.parametrize(
    ("decision", "because", "explanation"),
    [
        (
            ask(USER),
            f"because no identity-based policy allows the {ACTION} action",
            f"denied because no identity-based policy allows the {ACTION} action",
        ),
        (
            ask(USER, policy(DENY, "*")),
            "with an explicit deny in a resource-based policy",
            "denied with an explicit deny in a resource-based policy (One of P)",
        ),
        (
            ask(USER, policy(ALLOW, "*")),
            "by a resource-based policy",
            "allowed by a resource-based policy (One of P)",
        ),
    ],
)
def test_words(decision: Decision, because: str, explanation: str) -> None:
    assert decision.because(ACTION) == because
    assert decision.explain(ACTION) == explanation


def test_the_anonymous_and_services_have_only_the_resource_policy() -> None:
    s3 = Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com", "", "s3.amazonaws.com")
    for_s3 = policy(ALLOW, {"Service": "s3.amazonaws.com"})
    assert ask(s3, for_s3).allowed
    assert not ask(ANONYMOUS, for_s3).allowed
    assert ask(ANONYMOUS, policy(ALLOW, "*")).allowed
    assert not ask(ANONYMOUS, policy(ALLOW, {"AWS": ACCOUNT})).allowed
    assert ask(ANONYMOUS).reason is Reason.NO_RESOURCE
    assert ask(s3, policy(DENY, "*")).reason is Reason.DENIED_BY_RESOURCE


def test_a_grant_is_like_an_allow_of_the_resource_policy() -> None:
    limited = Policies((policy(ALLOW),), None, (policy(SILENT),))
    session = principal_of(PrincipalKind.ASSUMED_ROLE, ACCOUNT, limited)
    silent = policy(SILENT, "*")
    assert ask(session, silent, granted=Naming.SELF).reason is Reason.GRANT
    assert ask(session, silent, granted=Naming.ROLE).reason is Reason.NO_SESSION
    denied = principal_of(PrincipalKind.USER, ACCOUNT, Policies((policy(DENY),)))
    assert ask(denied, silent, granted=Naming.SELF).reason is Reason.DENIED_BY_IDENTITY
    stranger = principal_of(PrincipalKind.USER, OTHER, Policies())
    assert ask(stranger, silent, granted=Naming.SELF).reason is Reason.NO_IDENTITY


def test_a_statement_of_another_resource_or_condition_does_not_apply() -> None:
    elsewhere = policy(ALLOW, "*", Resource="arn:aws:kms:us-east-1:111122223333:key/2")
    assert not ask(USER, elsewhere).allowed
    condition = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    assert not ask(USER, policy(ALLOW, "*", Condition=condition)).allowed
    question = Question(
        USER,
        ACTION,
        KEY_ARN,
        ACCOUNT,
        Context(given({"kms:ViaService": "s3.us-east-1.amazonaws.com"})),
    )
    assert evaluate(question, resource=policy(ALLOW, "*", Condition=condition)).allowed


def test_a_policy_that_says_more_than_is_asked_for() -> None:
    """Each kind of policy is searched past the statements that do not apply."""
    elsewhere = {"Resource": "arn:aws:kms:us-east-1:111122223333:key/2"}
    first = [policy(ALLOW, **elsewhere), policy(ALLOW)]
    user = principal_of(PrincipalKind.USER, ACCOUNT, Policies(tuple(first)))
    assert ask(user, policy(ALLOW, {"AWS": ACCOUNT})).allowed
    denying = principal_of(PrincipalKind.USER, ACCOUNT, Policies((policy(DENY, **elsewhere),)))
    assert ask(denying, policy(ALLOW, "*")).allowed
    assert ask(USER, policy(DENY, {"AWS": OTHER})).reason is not Reason.DENIED_BY_RESOURCE
    assert not ask(USER, policy(ALLOW, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"})).allowed
