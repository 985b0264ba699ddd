"""The Security Token Service."""

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.account import sts

ALICE = Principal(PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/a", "AIDA1")


def test_get_caller_identity() -> None:
    caller = Caller(ALICE, "AKIA", "us-east-1", "R")
    assert sts.handler("GetCallerIdentity")(caller) == {
        "UserId": "AIDA1",
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:user/a",
    }


def test_others_are_refused_by_name() -> None:
    with pytest.raises(AWSError, match="AssumeRole") as caught:
        sts.handler("AssumeRole")
    assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)
