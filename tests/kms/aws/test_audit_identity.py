from dataclasses import replace
from typing import Any

import pytest

from kms.aws.audit_identity import foreign_identity, user_identity, user_name, web_identity
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind, Session

ACCOUNT = "111122223333"
ISSUER = f"arn:aws:iam::{ACCOUNT}:role/R"
CREATED = {"creationDate": "2023-11-14T22:13:20Z", "mfaAuthenticated": "false"}


def principal(kind: PrincipalKind, arn: str, user_id: str, **more: Any) -> Principal:
    return Principal(kind, ACCOUNT, arn, user_id, **more)


def caller(who: Principal, access_key_id: str = "AKIA1") -> Caller:
    return Caller(who, access_key_id, "us-east-1", "request-1")


SESSION = Session(ISSUER, "AROA1", "R", 1_700_000_000.0)
ROOT = principal(PrincipalKind.ROOT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
USER = principal(PrincipalKind.USER, f"arn:aws:iam::{ACCOUNT}:user/bob", "AIDA1", name="bob")
ROLE = principal(PrincipalKind.ASSUMED_ROLE, "arn:role-session", "AROA1:sess", session=SESSION)
FEDERATED = principal(
    PrincipalKind.FEDERATED,
    "arn:federated",
    f"{ACCOUNT}:sally",
    session=Session(ROOT.arn, ACCOUNT, "root", 1_700_000_000.0),
)
COMMON = {"accountId": ACCOUNT, "accessKeyId": "AKIA1"}


@pytest.mark.parametrize(
    ("who", "expected", "name"),
    [
        (ROOT, {"type": "Root", "principalId": ACCOUNT, "arn": ROOT.arn, **COMMON}, "root"),
        (
            USER,
            {"type": "IAMUser", "principalId": "AIDA1", "arn": USER.arn, **COMMON}
            | {"userName": "bob"},
            "bob",
        ),
        (
            replace(USER, session=SESSION),
            {"type": "IAMUser", "principalId": "AIDA1", "arn": USER.arn, **COMMON}
            | {"userName": "bob", "sessionContext": {"attributes": CREATED}},
            "bob",
        ),
        (
            ROLE,
            {"type": "AssumedRole", "principalId": "AROA1:sess", "arn": ROLE.arn, **COMMON}
            | {
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROA1",
                        "arn": ISSUER,
                        "accountId": ACCOUNT,
                        "userName": "R",
                    },
                    "attributes": CREATED,
                }
            },
            "sess",
        ),
        (
            FEDERATED,
            {"type": "FederatedUser", "principalId": f"{ACCOUNT}:sally", "arn": "arn:federated"}
            | COMMON
            | {
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Root",
                        "principalId": ACCOUNT,
                        "arn": ROOT.arn,
                        "accountId": ACCOUNT,
                        "userName": "root",
                    },
                    "attributes": CREATED,
                }
            },
            "sally",
        ),
        (
            principal(PrincipalKind.SERVICE, "", "", name="s3.amazonaws.com"),
            {"type": "AWSService", "invokedBy": "s3.amazonaws.com"},
            "",
        ),
        (
            ANONYMOUS,
            {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"},
            "",
        ),
    ],
)
def test_kinds_of_principals(who: Principal, expected: dict[str, Any], name: str) -> None:
    identity = user_identity(caller(who))
    assert identity == expected
    assert user_name(identity) == name


def test_what_a_session_brings_along() -> None:
    session = replace(
        SESSION, source_identity="alice", federated_provider="arn:provider", mfa_at=1.0
    )
    context = user_identity(caller(replace(ROLE, session=session)))["sessionContext"]
    assert context["sourceIdentity"] == "alice"
    assert context["webIdFederationData"]["federatedProvider"] == "arn:provider"
    assert context["attributes"]["mfaAuthenticated"] == "true"


def test_who_forwards_is_named_and_strangers_are_accounts() -> None:
    forwarded = caller(USER).forwarded_by("s3.eu-west-1.amazonaws.com")
    assert user_identity(forwarded)["invokedBy"] == "fas.s3.amazonaws.com"
    assert foreign_identity(forwarded) == {
        "type": "AWSAccount",
        "principalId": "AIDA1",
        "accountId": ACCOUNT,
        "invokedBy": "fas.s3.amazonaws.com",
    }


def test_web_identities() -> None:
    identity = web_identity("arn:provider", "client", "subject")
    assert identity["principalId"] == "arn:provider:client:subject"
    assert user_name(identity) == "subject"
