import pytest

from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from objstore.account.directory import root_principal
from objstore.authorize import action_of, authorize
from objstore.errors import S3Error
from objstore.storage.records import Bucket

BOB = Principal(
    PrincipalKind.USER, "111111111111", "arn:aws:iam::111111111111:user/bob", "AIDABOB", "bob"
)
BUCKET = Bucket("photos", bytes(16), "111111111111", "us-east-1", 0)


def caller(principal: Principal) -> Caller:
    return Caller(principal, "AKIA", "us-east-1", "REQUEST")


@pytest.mark.parametrize("principal", [root_principal("111111111111"), BOB])
def test_the_buckets_account_may(principal: Principal) -> None:
    authorize(caller(principal), "s3:GetObject", BUCKET, "cat.jpg")
    authorize(caller(principal), "s3:ListAllMyBuckets", None, "")


@pytest.mark.parametrize("principal", [root_principal("222222222222"), ANONYMOUS])
def test_nobody_else_may(principal: Principal) -> None:
    with pytest.raises(S3Error) as caught:
        authorize(caller(principal), "s3:GetObject", BUCKET, "cat.jpg")
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)


def test_anonymous_has_no_account() -> None:
    with pytest.raises(S3Error, match="AccessDenied"):
        authorize(caller(ANONYMOUS), "s3:ListAllMyBuckets", None, "")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("PutObject", "s3:PutObject"),
        ("HeadObject", "s3:GetObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("ListBuckets", "s3:ListAllMyBuckets"),
    ],
)
def test_actions_are_those_of_policies(operation: str, action: str) -> None:
    assert action_of(operation) == action
