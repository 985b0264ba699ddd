"""The authorization matrix of KMS: who, under which policies and grants, may do what.

`documented` restates AWS's documented logic on its own terms: every way in which AWS lets a
request in is one line, and a request is allowed if no explicit deny stands against it and one way
is open. Every cell is a real call of the service.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kms.aws.audit import NullSink
from kms.aws.clock import FixedClock
from kms.aws.identity import ANONYMOUS, Caller, Policies, Principal, PrincipalKind, Session
from kms.aws.policy import Policy, PolicyKind, parse
from kms.errors import KMSError
from kms.key import KeyState
from kms.root import KeyFile
from kms.service import Service
from kms.store import Store

ACCOUNT, OTHER = "111122223333", "444455556666"
OPERATIONS = ("Encrypt", "Decrypt", "GenerateDataKey", "CreateGrant", "ScheduleKeyDeletion")
ALLOW, DENY, SILENT = "Allow", "Deny", "Silent"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield Service(store, clock=FixedClock(1_700_000_000.0), audit=NullSink())
    store.close()


def identity_policy(effect: str, action: str | list[str] = "kms:*", **more: Any) -> Policy:
    """One statement; SILENT is about something else."""
    statement = {
        "Effect": "Deny" if effect == DENY else "Allow",
        "Action": "s3:*" if effect == SILENT else action,
        "Resource": "*",
        **more,
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return parse(json.dumps(document), kind=PolicyKind.IDENTITY, name="identity")


def key_policy(principal: Any, effect: str = ALLOW, action: Any = "kms:*", **more: Any) -> str:
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": "*",
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(account: str = ACCOUNT, *policies: Policy, name: str = "bob", **more: Any) -> Principal:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Principal(
        PrincipalKind.USER, account, arn, arn, name, policies=Policies(policies, **more)
    )


def role(account: str = ACCOUNT, *policies: Policy, **more: Any) -> Principal:
    issuer = f"arn:aws:iam::{account}:role/R"
    arn = f"arn:aws:sts::{account}:assumed-role/R/one"
    return Principal(
        PrincipalKind.ASSUMED_ROLE,
        account,
        arn,
        "AROAR:one",
        session=Session(issuer, "AROAR", "R", 0),
        policies=Policies(policies, **more),
    )


def root(account: str = ACCOUNT) -> Principal:
    return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", account)


def caller_of(principal: Principal) -> Caller:
    return Caller(principal, "AKIA", "us-east-1", "request")


PEOPLE = ("root", "user", "session", "other user", "other session", "other root", "anonymous")
KEY_POLICIES = ("account", "principal", "role", "everybody", "nobody", "deny")
GRANTS = (None, "principal", "role", "account")


@dataclass(frozen=True)
class Case:
    """One cell: who, under which policies, asks for what of which key."""

    who: str
    identity: str | None
    boundary: str | None
    session: str | None
    key_policy: str
    grant: str | None
    operation: str


def principal_of(case: Case) -> Principal:
    account = OTHER if case.who.startswith("other") else ACCOUNT
    policies = () if case.identity is None else (POLICIES[case.identity],)
    limits: dict[str, Any] = {
        "boundary": None if case.boundary is None else POLICIES[case.boundary],
        "session": None if case.session is None else (POLICIES[case.session],),
    }
    match case.who.removeprefix("other "):
        case "root":
            return root(account)
        case "user":
            return user(account, *policies, **limits)
        case "session":
            return role(account, *policies, **limits)
    return ANONYMOUS


POLICIES = {effect: identity_policy(effect) for effect in (ALLOW, DENY, SILENT)}


def named(principal: Principal, how: str) -> str:
    """The ARN by which a key policy or a grant names a principal; nothing names the anonymous."""
    if principal is ANONYMOUS:
        return f"arn:aws:iam::{ACCOUNT}:root"
    if how == "account":
        return f"arn:aws:iam::{principal.account}:root"
    if how == "role" and principal.session is not None:
        return principal.session.issuer_arn
    return principal.arn


def cases() -> Iterator[Case]:
    for who, policy, grant, operation in itertools.product(
        PEOPLE, KEY_POLICIES, GRANTS, OPERATIONS
    ):
        plain = who.endswith("root") or who == "anonymous"
        own = ((None,),) * 3 if plain else ((None, ALLOW, DENY), *((None, ALLOW, SILENT),) * 2)
        for identity, boundary, session in itertools.product(*own):
            yield Case(who, identity, boundary, session, policy, grant, operation)


def documented(case: Case) -> bool:
    """AWS's documented answer."""
    # "AWS KMS does not accept anonymous requests."
    if case.who == "anonymous":
        return False
    # "An explicit deny in any of these policies overrides the allow."
    if DENY in (case.identity, case.key_policy.title()):
        return False
    cross = case.who.startswith("other")
    in_session = case.who.endswith("session")
    is_root = case.who.endswith("root")
    # "ScheduleKeyDeletion: Cross-account use: No."
    if cross and case.operation == "ScheduleKeyDeletion":
        return False
    # "… the intersection of the identity-based policy, the boundary and the session policy."
    within = SILENT not in (case.boundary, case.session)
    by_identity = (is_root or case.identity == ALLOW) and within
    # "You can create a grant that allows these operations": deletion is not among them.
    granted = None if case.operation == "ScheduleKeyDeletion" else case.grant
    ways = [case.key_policy if case.key_policy != "nobody" else None, granted]

    def lets_in(way: str | None) -> bool:
        # "Key policies are the primary way"; "IAM policies by themselves are not sufficient".
        if way is None:
            return False
        # "… both the key policy and an IAM policy in the external account".
        if cross:
            return by_identity
        # "Giving the account full access enables IAM policies."
        if way == "account":
            return by_identity or is_root
        # "Permissions granted to a role ARN are limited by boundary and session policy", and a
        # session is what a role's requests are made in; nothing limits a user's or session's own.
        if in_session and way in ("role", "everybody"):
            return within
        return True

    return any(lets_in(way) for way in ways)


class Keys:
    """One key for each key policy, principal and grant of the matrix, made when needed.

    Deletion is asked of a twin that is pending deletion already: who is allowed learns that.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[str, str, str | None], str] = {}

    def arn(self, case: Case, principal: Principal) -> str:
        name = (case.key_policy, principal.arn, case.grant)
        if name not in self._made:
            self._made[name] = self._make(case, principal)
        return self._made[name]

    def _make(self, case: Case, principal: Principal) -> str:
        owner = caller_of(root())
        policy = {
            "account": key_policy({"AWS": named(principal, "account")}),
            "principal": key_policy({"AWS": named(principal, "principal")}),
            "role": key_policy({"AWS": named(principal, "role")}),
            "everybody": key_policy("*"),
            "nobody": key_policy({"AWS": "arn:aws:iam::999999999999:user/nobody"}),
            "deny": key_policy("*", DENY),
        }[case.key_policy]
        arn: str = self._service.call("CreateKey", {}, owner)["KeyMetadata"]["Arn"]
        arguments: dict[str, Any]
        if case.grant is not None:
            arguments = {
                "key_id": arn,
                "grantee_principal": named(principal, case.grant),
                "operations": ["Encrypt", "Decrypt", "GenerateDataKey", "CreateGrant"],
            }
            self._service.call("CreateGrant", arguments, owner)
        arguments = {
            "key_id": arn,
            "policy": policy,
            "bypass_policy_lockout_safety_check": True,
        }
        self._service.call("PutKeyPolicy", arguments, owner)
        return arn


def ask(service: Service, arn: str, principal: Principal, operation: str, twin: str) -> bool:
    """Whether the call was allowed; nothing is changed by it."""
    arguments: dict[str, Any] = {"key_id": arn, "dry_run": True}
    match operation:
        case "Encrypt":
            arguments |= {"plaintext": b"p"}
        case "Decrypt":
            arguments |= {"dry_run_modifiers": ["IGNORE_CIPHERTEXT"]}
        case "GenerateDataKey":
            arguments |= {"key_spec": "AES_256"}
        case "CreateGrant":
            arguments |= {"operations": ["Encrypt"], "grantee_principal": root().arn}
        case _:
            arguments = {"key_id": twin}
    with pytest.raises(KMSError) as caught:
        service.call(operation, arguments, caller_of(principal))
    code = caught.value.code
    assert code in ("AccessDeniedException", "DryRunOperationException", "KMSInvalidStateException")
    return code != "AccessDeniedException"


def test_the_authorization_matrix(service: Service) -> None:
    keys = Keys(service)
    twins: dict[str, str] = {}
    tried = allowed = 0
    for case in cases():
        principal = principal_of(case)
        arn = keys.arn(case, principal)
        if arn not in twins and case.operation == "ScheduleKeyDeletion":
            twins[arn] = pending_twin(service, arn)
        answer = ask(service, arn, principal, case.operation, twins.get(arn, ""))
        assert answer is documented(case), case
        tried += 1
        allowed += answer
    assert tried == 13_320
    assert 0 < allowed < tried


def pending_twin(service: Service, arn: str) -> str:
    """A key with the policy of another, pending deletion."""
    account, region, key_id = ACCOUNT, "us-east-1", arn.rpartition("/")[2]
    key = service.store.key(account, region, key_id)
    assert key is not None
    made = service.call("CreateKey", {}, caller_of(root()))["KeyMetadata"]
    twin = service.store.key(account, region, made["KeyId"])
    assert twin is not None
    service.store.update_key(
        twin,
        lambda stored: replace(
            stored, policy=key.policy, state=KeyState.PENDING_DELETION, deletion_at=2e9
        ),
    )
    return twin.arn
