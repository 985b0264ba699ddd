import pytest

from kms.authorize import authorize, authorize_account, denied_elsewhere, via_s3
from kms.aws.identity import Caller
from kms.errors import KMSError
from kms.key import AWS, Key

ACCOUNT = "111122223333"
OWN = Key(ACCOUNT, "us-east-1", "k", 0.0, "ab", "{}")
MANAGED = Key(ACCOUNT, "us-east-1", "m", 0.0, "ab", "{}", manager=AWS)
S3 = "s3.us-east-1.amazonaws.com"


def test_the_account_may_use_its_keys(caller: Caller) -> None:
    authorize(caller, "Encrypt", OWN)
    authorize(caller, "ScheduleKeyDeletion", OWN)
    authorize_account(caller, "ListKeys")


def test_others_may_not_and_learn_nothing(stranger: Caller, anonymous: Caller) -> None:
    for other in (stranger, anonymous):
        with pytest.raises(KMSError) as caught:
            authorize(other, "Encrypt", OWN)
        assert caught.value.code == "AccessDeniedException"
        assert OWN.arn not in caught.value.message
        assert caught.value.message == denied_elsewhere(other, "Encrypt").message
    with pytest.raises(KMSError, match="User: anonymous is not authorized"):
        authorize_account(anonymous, "ListKeys")


def test_managed_keys_work_only_for_their_service(caller: Caller, stranger: Caller) -> None:
    forwarded = caller.forwarded_by(S3)
    for action in ("Encrypt", "Decrypt", "GenerateDataKey", "ReEncryptFrom"):
        authorize(forwarded, action, MANAGED)
        with pytest.raises(KMSError) as caught:
            authorize(caller, action, MANAGED)
        assert caught.value.message == (
            f"User: {caller.principal.arn} is not authorized to perform: kms:{action} on "
            f"resource: {MANAGED.arn} because no resource-based policy allows the kms:{action} "
            "action"
        )
    with pytest.raises(KMSError):
        authorize(stranger.forwarded_by(S3), "Decrypt", MANAGED)


@pytest.mark.parametrize("action", ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "Sign"])
def test_nobody_manages_managed_keys(caller: Caller, action: str) -> None:
    for who in (caller, caller.forwarded_by(S3)):
        with pytest.raises(KMSError, match="AccessDeniedException"):
            authorize(who, action, MANAGED)


@pytest.mark.parametrize("action", ["DescribeKey", "GetKeyPolicy", "ListAliases"])
def test_metadata_of_managed_keys_is_shown(caller: Caller, action: str) -> None:
    authorize(caller, action, MANAGED)


def test_s3_of_another_region_is_another_service(caller: Caller) -> None:
    assert via_s3(caller.forwarded_by(S3))
    assert not via_s3(caller.forwarded_by("s3.eu-west-1.amazonaws.com"))
    assert not via_s3(caller)
