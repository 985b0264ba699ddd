from dataclasses import replace

import pytest

from kms.aws.identity import ANONYMOUS, Policies, Principal, PrincipalKind, Session
from kms.aws.policy_document import PolicyKind, parse
from kms.aws.policy_principal import Naming, compile_exceptions, compile_principals

ACCOUNT = "111122223333"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
BOB_ARN = f"arn:aws:iam::{ACCOUNT}:user/team/bob"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/R"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/one"
FEDERATED_ARN = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.org"

ROOT = Principal(PrincipalKind.ROOT, ACCOUNT, ROOT_ARN, ACCOUNT)
BOB = Principal(PrincipalKind.USER, ACCOUNT, BOB_ARN, "AIDABOB", "bob")
BOBS_SESSION = Principal(
    PrincipalKind.USER, ACCOUNT, BOB_ARN, "AIDABOB", "bob", (), Session(BOB_ARN, "AIDABOB", "", 0)
)
ROLE = Principal(
    PrincipalKind.ASSUMED_ROLE,
    ACCOUNT,
    SESSION_ARN,
    "AROAR:one",
    session=Session(ROLE_ARN, "AROAR", "R", 0),
)
GUEST = Principal(
    PrincipalKind.FEDERATED,
    ACCOUNT,
    FEDERATED_ARN,
    f"{ACCOUNT}:guest",
    session=Session(BOB_ARN, "AIDABOB", "bob", 0),
)
S3 = Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com", "", "s3.amazonaws.com")
WEB = Principal(PrincipalKind.WEB_IDENTITY, "", PROVIDER_ARN, "subject")

NOT, BY_ACCOUNT, BY_ROLE, SELF = Naming


@pytest.mark.parametrize(
    ("element", "name", "principal", "expected"),
    [
        ("AWS", ACCOUNT, ROOT, SELF),
        ("AWS", ROOT_ARN, ROOT, SELF),
        ("AWS", ACCOUNT, BOB, BY_ACCOUNT),
        ("AWS", ROOT_ARN, BOB, BY_ACCOUNT),
        ("AWS", ROOT_ARN, ROLE, BY_ACCOUNT),
        ("AWS", "444455556666", BOB, NOT),
        ("AWS", BOB_ARN, BOB, SELF),
        ("AWS", "AIDABOB", BOB, SELF),
        ("AWS", BOB_ARN, BOBS_SESSION, SELF),
        ("AWS", BOB_ARN.upper(), BOB, None),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:user/bob", BOB, NOT),
        ("AWS", BOB_ARN, GUEST, BY_ROLE),
        ("AWS", FEDERATED_ARN, GUEST, SELF),
        ("AWS", ROLE_ARN, ROLE, BY_ROLE),
        ("AWS", "AROAR", ROLE, BY_ROLE),
        ("AWS", SESSION_ARN, ROLE, SELF),
        ("AWS", f"arn:aws:sts::{ACCOUNT}:assumed-role/R/two", ROLE, NOT),
        ("AWS", "*", ROOT, SELF),
        ("AWS", "*", BOB, SELF),
        ("AWS", "*", BOBS_SESSION, SELF),
        ("AWS", "*", ROLE, BY_ROLE),
        ("AWS", "*", GUEST, BY_ROLE),
        ("AWS", "*", ANONYMOUS, SELF),
        ("AWS", "*", S3, SELF),
        ("AWS", ROOT_ARN, ANONYMOUS, NOT),
        ("Service", "s3.amazonaws.com", S3, SELF),
        ("Service", "kms.amazonaws.com", S3, NOT),
        ("Service", "s3.amazonaws.com", BOB, NOT),
        ("Federated", PROVIDER_ARN, WEB, SELF),
        ("Federated", "accounts.google.com", WEB, NOT),
        # A name of one element says nothing about another's principals.
        ("Federated", BOB_ARN, BOB, NOT),
        ("Federated", "*", WEB, None),
        ("Service", "*", S3, None),
        ("AWS", "s3.amazonaws.com", S3, None),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:user/*", BOB, None),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:group/g", BOB, None),
        ("AWS", f"arn:aws:sts::{ACCOUNT}:root", BOB, None),
        ("AWS", "arn:aws:iam::1:user/bob", BOB, None),
        ("AWS", "arn:aws:s3:::bucket", BOB, None),
        ("AWS", "AIDA*", BOB, None),
        ("AWS", "", BOB, None),
        ("Everyone", "*", BOB, None),
    ],
)
def test_how_principals_are_named(
    element: str, name: str, principal: Principal, expected: Naming | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=element):
            compile_principals({element: [name]})
    else:
        assert compile_principals({element: [name]})(principal) is expected


def test_the_strongest_naming_counts() -> None:
    naming = compile_principals({"AWS": [ROOT_ARN, ROLE_ARN], "Service": ["s3.amazonaws.com"]})
    assert naming(ROLE) is BY_ROLE
    assert naming(S3) is SELF


@pytest.mark.parametrize(
    ("names", "principal", "expected"),
    [
        ([ROOT_ARN], ROOT, NOT),
        ([ROOT_ARN], BOB, SELF),
        ([BOB_ARN], BOB, SELF),
        ([BOB_ARN, ROOT_ARN], BOB, NOT),
        ([BOB_ARN, ACCOUNT], BOB, NOT),
        ([BOB_ARN, ROOT_ARN], ROLE, BY_ROLE),
        ([SESSION_ARN, ROOT_ARN], ROLE, BY_ROLE),
        ([SESSION_ARN, ROLE_ARN, ROOT_ARN], ROLE, NOT),
        (["*"], BOB, NOT),
        ([BOB_ARN, ROOT_ARN], ANONYMOUS, SELF),
        ([BOB_ARN, ROOT_ARN], S3, SELF),
    ],
)
def test_exceptions_must_name_a_principal_entirely(
    names: list[str], principal: Principal, expected: Naming
) -> None:
    assert compile_exceptions({"AWS": names})(principal) is expected


def test_who_has_a_boundary_is_never_excepted() -> None:
    statement = '{"Effect": "Allow", "Action": "*", "Resource": "*"}'
    text = f'{{"Version": "2012-10-17", "Statement": {statement}}}'
    boundary = parse(text, kind=PolicyKind.IDENTITY)
    bounded = replace(BOB, policies=Policies(boundary=boundary))
    for names in ([BOB_ARN, ROOT_ARN], ["*"]):
        assert compile_exceptions({"AWS": names})(bounded) is SELF


def test_a_service_is_excepted_by_its_name() -> None:
    assert compile_exceptions({"Service": ["s3.amazonaws.com"]})(S3) is NOT
