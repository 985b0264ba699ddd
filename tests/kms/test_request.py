import math
from dataclasses import replace
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.errors import KMSError
from kms.key import AWS
from kms.request import S3_ALIAS, S3_DESCRIPTION, Request
from kms.service import Service

ABSENT = "00000000-0000-4000-8000-000000000000"
HOME = "arn:aws:kms:us-east-1:111122223333:"
S3 = "s3.us-east-1.amazonaws.com"


@pytest.fixture
def request_(service: Service, caller: Caller, clock: FixedClock) -> Request:
    return Request("DescribeKey", caller, service.store, clock, service.authorizer)


@pytest.mark.parametrize("form", ["id", "arn", "alias", "alias arn"])
def test_four_ways_to_name_a_key(request_: Request, client: Any, form: str) -> None:
    arn = client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    name = {
        "id": arn.rpartition("/")[2],
        "arn": arn,
        "alias": "alias/a",
        "alias arn": HOME + "alias/a",
    }[form]
    assert request_.use(name).arn == arn
    assert request_.key_arn == arn


@pytest.mark.parametrize(
    ("key_id", "code", "message"),
    [
        ("fake-key-id", "NotFoundException", "Invalid keyId 'fake-key-id'"),
        ("mrk-fake-key-id", "NotFoundException", "Invalid keyId 'mrk-fake-key-id'"),
        (ABSENT.replace("-", ""), "NotFoundException", f"Invalid keyId '{'0' * 12}4"),
        (ABSENT, "NotFoundException", f"Key '{HOME}key/{ABSENT}' does not exist"),
        (f"{HOME}key/{ABSENT}", "NotFoundException", f"Key '{HOME}key/{ABSENT}' does not exist"),
        (
            f"arn:aws:kms:eu-west-1:111122223333:key/{ABSENT}",
            "NotFoundException",
            "Invalid arn eu-west-1",
        ),
        ("alias/no", "NotFoundException", f"Alias {HOME}alias/no is not found."),
        ("arn:aws:kms", "InvalidArnException", "Invalid ARN arn:aws:kms"),
        (f"arn:aws:s3:us-east-1:1:key/{ABSENT}", "InvalidArnException", "Invalid ARN"),
        (f"{HOME}thing/{ABSENT}", "InvalidArnException", "Invalid ARN"),
        (f"{HOME}key/alias/a", "InvalidArnException", "Invalid ARN"),
        (f"{HOME.replace('aws', 'aws-cn')}key/{ABSENT}", "InvalidArnException", "Invalid ARN"),
        (
            f"arn:aws:kms:us-east-1:444455556666:key/{ABSENT}",
            "AccessDeniedException",
            "on this resource because the resource does not exist in this Region",
        ),
        (
            "arn:aws:kms:us-east-1:444455556666:alias/a",
            "AccessDeniedException",
            "on this resource because the resource does not exist in this Region",
        ),
    ],
)
def test_names_of_nothing(request_: Request, key_id: str, code: str, message: str) -> None:
    with pytest.raises(KMSError) as caught:
        request_.use(key_id)
    assert caught.value.code == code
    assert message in caught.value.message


def test_another_accounts_key_looks_like_one_that_is_absent(client: Any, stranger: Caller) -> None:
    arn = client.key()
    messages = []
    for name in (arn, arn.rpartition("/")[0] + "/" + ABSENT):
        with pytest.raises(KMSError) as caught:
            client.as_(stranger)("Encrypt", key_id=name, plaintext=b"x")
        messages.append((caught.value.code, caught.value.message))
    assert messages[0] == messages[1]


def test_the_s3_key_is_made_once_per_region(client: Any, caller: Caller) -> None:
    with pytest.raises(KMSError, match="is not found"):
        client("Encrypt", key_id=S3_ALIAS, plaintext=b"x")
    forwarded = client.as_(caller.forwarded_by(S3))
    made = forwarded("GenerateDataKey", key_id=S3_ALIAS, key_spec="AES_256")["KeyId"]
    described = client("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]
    assert (described["Arn"], described["KeyManager"]) == (made, AWS)
    assert described["Description"] == S3_DESCRIPTION
    west = client.as_(replace(caller, region="eu-west-1"))
    assert west("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]["Arn"] != made


def test_who_may_not_use_the_s3_key_does_not_make_it(
    client: Any, caller: Caller, anonymous: Caller
) -> None:
    bob = Principal(PrincipalKind.USER, caller.account, "arn:aws:iam::1:user/b", "AIDABOB", "b")
    user = client.as_(replace(caller, principal=bob))
    code, message = user.refused("DescribeKey", key_id=S3_ALIAS)
    assert code == "AccessDeniedException"
    assert f"on resource: {HOME}{S3_ALIAS} because" in message
    nobody = client.as_(anonymous.forwarded_by(S3))
    code, _ = nobody.refused("GenerateDataKey", key_id=S3_ALIAS, key_spec="AES_256")
    assert code == "AccessDeniedException"
    assert client.service.store.next_due_at == math.inf


def test_overdue_keys_are_gone_when_they_are_met(client: Any, clock: FixedClock) -> None:
    arn = client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    clock.advance(7 * 86_400 - 1)
    assert client("DescribeKey", key_id=arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    clock.advance(1)
    with pytest.raises(KMSError, match="does not exist"):
        client("DescribeKey", key_id=arn)
    with pytest.raises(KMSError, match="is not found"):
        client("DescribeKey", key_id="alias/a")
