"""Requester pays: who must agree to pay, and who is told of it."""

from typing import Any

import pytest

from kms.aws.arn import account_root
from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from objstore.condition_keys import Asked, Facts
from objstore.payment import is_charged
from objstore.storage.records import Bucket

OWNER, OTHER = "123456789012", "999999999999"
AGREED = {"x-amz-request-payer": "requester"}


def asked(account: str | None, payer: str | None, headers: dict[str, str]) -> Asked:
    if account is None:
        principal = ANONYMOUS
    else:
        principal = Principal(PrincipalKind.ROOT, account, account_root(account), account)
    caller = Caller(principal, "" if account is None else "AKIA", "us-east-1", "id")
    settings: dict[str, Any] = {} if payer is None else {"request_payment": {"Payer": payer}}
    bucket = Bucket("bucket", b"0" * 16, OWNER, "us-east-1", 0, settings)
    return Asked(caller, "s3:GetObject", bucket, "key", Facts(headers, {}, FixedClock(0)))


@pytest.mark.parametrize(
    ("account", "payer", "headers", "charged"),
    [
        (OWNER, None, {}, False),
        (OTHER, None, {}, False),
        (OTHER, "BucketOwner", {}, False),
        (OWNER, "Requester", {}, False),
        (OWNER, "Requester", AGREED, False),
        (OTHER, "Requester", AGREED, True),
        (OTHER, "Requester", {"x-amz-request-payer": "Requester"}, True),
    ],
)
def test_who_pays(
    account: str | None, payer: str | None, headers: dict[str, str], charged: bool
) -> None:
    assert is_charged(asked(account, payer, headers)) is charged


@pytest.mark.parametrize(
    ("account", "headers"),
    [(OTHER, {}), (OTHER, {"x-amz-request-payer": "owner"}), (None, {}), (None, AGREED)],
)
def test_who_has_not_agreed_is_refused(account: str | None, headers: dict[str, str]) -> None:
    with pytest.raises(AWSError, match="AccessDenied"):
        is_charged(asked(account, "Requester", headers))


def test_requests_without_a_bucket_cost_nothing() -> None:
    nowhere = Asked(
        asked(OTHER, None, {}).caller, "s3:ListAllMyBuckets", None, "", Facts({}, {}, FixedClock(0))
    )
    assert not is_charged(nowhere)
