from dataclasses import replace

import pytest

from kms.aws.clock import FixedClock
from kms.aws.global_keys import KEYS, caller_keys
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind, Session

ACCOUNT = "111122223333"
CLOCK = FixedClock(1_767_225_600.5)
USER = Principal(
    PrincipalKind.USER,
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:user/bob",
    "AIDABOB",
    "bob",
    (("Team", "Red"),),
)
ROLE = Principal(
    PrincipalKind.ASSUMED_ROLE,
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/R/one",
    "AROAR:one",
    session=Session(
        f"arn:aws:iam::{ACCOUNT}:role/R",
        "AROAR",
        "R",
        1_767_225_000,
        source_identity="alice",
        federated_provider="example.org",
        mfa_at=1_767_225_500,
    ),
)
S3 = Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com", "", "s3.amazonaws.com")
DIRECT = Caller(USER, "AKIA", "eu-west-1", "r", "203.0.113.9", "tool/1", secure=False)
BY_ROLE = replace(DIRECT, principal=ROLE, secure=True)
BY_SERVICE = Caller(S3, "", "eu-west-1", "r", source_arn="arn:aws:s3:::b", source_account=ACCOUNT)
NOBODY = Caller(ANONYMOUS, "", "eu-west-1", "r")
FORWARDED = DIRECT.forwarded_by("s3.eu-west-1.amazonaws.com")

# Key, caller, value.
CASES: list[tuple[str, Caller, str | tuple[str, ...] | None]] = [
    ("aws:principalarn", DIRECT, USER.arn),
    ("aws:principalarn", BY_ROLE, f"arn:aws:iam::{ACCOUNT}:role/R"),
    ("aws:principalarn", NOBODY, None),
    ("aws:principalaccount", DIRECT, ACCOUNT),
    ("aws:principalaccount", NOBODY, None),
    ("aws:principaltag/team", DIRECT, "Red"),
    ("aws:principaltag/color", DIRECT, None),
    ("aws:principaltype", DIRECT, "User"),
    ("aws:principaltype", BY_ROLE, "AssumedRole"),
    ("aws:principaltype", NOBODY, "Anonymous"),
    ("aws:principalisawsservice", DIRECT, "false"),
    ("aws:principalisawsservice", BY_SERVICE, "true"),
    ("aws:principalservicename", BY_SERVICE, "s3.amazonaws.com"),
    ("aws:principalservicename", DIRECT, None),
    ("aws:userid", DIRECT, "AIDABOB"),
    ("aws:userid", BY_ROLE, "AROAR:one"),
    ("aws:userid", NOBODY, "anonymous"),
    ("aws:userid", BY_SERVICE, None),
    ("aws:username", DIRECT, "bob"),
    ("aws:username", BY_ROLE, None),
    ("aws:sourceip", DIRECT, "203.0.113.9"),
    ("aws:sourceip", FORWARDED, None),
    ("aws:sourcearn", BY_SERVICE, "arn:aws:s3:::b"),
    ("aws:sourcearn", DIRECT, None),
    ("aws:sourceaccount", BY_SERVICE, ACCOUNT),
    ("aws:securetransport", DIRECT, "false"),
    ("aws:securetransport", BY_ROLE, "true"),
    ("aws:securetransport", FORWARDED, "true"),
    ("aws:useragent", DIRECT, "tool/1"),
    ("aws:useragent", NOBODY, None),
    ("aws:requestedregion", DIRECT, "eu-west-1"),
    ("aws:viaawsservice", DIRECT, "false"),
    ("aws:viaawsservice", FORWARDED, "true"),
    ("aws:calledvia", FORWARDED, None),
    ("aws:calledvia", DIRECT.forwarded_by("dynamodb.x.amazonaws.com"), ("dynamodb.amazonaws.com",)),
    ("aws:calledviafirst", DIRECT.forwarded_by("kms.x.amazonaws.com"), "kms.amazonaws.com"),
    ("aws:calledvialast", DIRECT, None),
    ("aws:currenttime", DIRECT, "2026-01-01T00:00:00Z"),
    ("aws:epochtime", DIRECT, "1767225600"),
    ("aws:tokenissuetime", BY_ROLE, "2025-12-31T23:50:00Z"),
    ("aws:tokenissuetime", DIRECT, None),
    ("aws:multifactorauthpresent", BY_ROLE, "true"),
    ("aws:multifactorauthpresent", DIRECT, None),
    ("aws:multifactorauthage", BY_ROLE, "100"),
    ("aws:multifactorauthage", DIRECT, None),
    ("aws:sourceidentity", BY_ROLE, "alice"),
    ("aws:sourceidentity", DIRECT, None),
    ("aws:federatedprovider", BY_ROLE, "example.org"),
    ("aws:federatedprovider", DIRECT, None),
    ("aws:principalorgid", DIRECT, None),
]


@pytest.mark.parametrize(("key", "caller", "expected"), CASES)
def test_keys(key: str, caller: Caller, expected: str | tuple[str, ...] | None) -> None:
    assert caller_keys(caller, CLOCK)(key) == expected


def test_every_key_has_a_case() -> None:
    assert set(KEYS) <= {key for key, _, _ in CASES}
