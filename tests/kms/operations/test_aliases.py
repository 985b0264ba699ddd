from dataclasses import replace
from typing import Any

import pytest

from kms import quotas
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.errors import KMSError
from kms.request import S3_ALIAS


def refused(code: str, message: str, call: Any, *arguments: Any, **named: Any) -> None:
    with pytest.raises(KMSError) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    assert message in caught.value.message


def names(reply: dict[str, Any]) -> list[str]:
    return [entry["AliasName"] for entry in reply["Aliases"]]


def test_an_alias_follows_its_target(client: Any, clock: FixedClock) -> None:
    first, second = client.key(), client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=first)
    sealed = client("Encrypt", key_id="alias/a", plaintext=b"x")
    assert sealed["KeyId"] == first
    clock.advance(5)
    client("UpdateAlias", alias_name="alias/a", target_key_id=second)
    assert client("Encrypt", key_id="alias/a", plaintext=b"x")["KeyId"] == second
    assert client("Decrypt", ciphertext_blob=sealed["CiphertextBlob"])["KeyId"] == first
    [entry] = client("ListAliases", key_id=second)["Aliases"]
    assert entry["LastUpdatedDate"] == entry["CreationDate"] + 5
    client("DeleteAlias", alias_name="alias/a")
    refused(
        "NotFoundException",
        "Alias arn:aws:kms:us-east-1:111122223333:alias/a is not found.",
        client,
        "DeleteAlias",
        alias_name="alias/a",
    )
    refused(
        "NotFoundException",
        "is not found.",
        client,
        "UpdateAlias",
        alias_name="alias/a",
        target_key_id=first,
    )


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("a", "ValidationException", 'Alias must start with the prefix "alias/". Please see'),
        (
            "alias/",
            "ValidationException",
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ),
        ("alias/aws/s3", "InvalidAliasNameException", "reserved"),
        ("alias/aws/mine", "InvalidAliasNameException", "reserved"),
    ],
)
def test_names(client: Any, name: str, code: str, message: str) -> None:
    arn = client.key()
    for operation in ("CreateAlias", "UpdateAlias"):
        refused(code, message, client, operation, alias_name=name, target_key_id=arn)
    refused(code, message, client, "DeleteAlias", alias_name=name)


def test_targets_are_keys(client: Any) -> None:
    client("CreateAlias", alias_name="alias/a", target_key_id=client.key())
    refused(
        "ValidationException",
        "Aliases must refer to keys",
        client,
        "CreateAlias",
        alias_name="alias/b",
        target_key_id="alias/a",
    )


def test_names_are_taken_and_limited(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    refused(
        "AlreadyExistsException",
        "alias/a already exists",
        client,
        "CreateAlias",
        alias_name="alias/a",
        target_key_id=client.key(),
    )
    monkeypatch.setattr(quotas, "ALIASES_PER_KEY_MAX", 1)
    refused(
        "LimitExceededException",
        "Aliases per key quota for this account in this region is 1, current usage is 1.",
        client,
        "CreateAlias",
        alias_name="alias/b",
        target_key_id=arn,
    )


def test_listing(client: Any, caller: Caller) -> None:
    arn = client.key()
    for name in ("alias/z", "alias/a"):
        client("CreateAlias", alias_name=name, target_key_id=arn)
    listed = client("ListAliases")
    assert names(listed) == ["alias/a", S3_ALIAS, "alias/z"]
    assert "TargetKeyId" not in listed["Aliases"][1]
    first = client("ListAliases", limit=2)
    assert (first["Truncated"], names(first)) == (True, ["alias/a", S3_ALIAS])
    assert names(client("ListAliases", limit=2, marker=first["NextMarker"])) == ["alias/z"]
    assert names(client("ListAliases", key_id=arn)) == ["alias/a", "alias/z"]
    assert client.refused("ListAliases", key_id="alias/a")[0] == "InvalidArnException"
    assert names(client.as_(replace(caller, region="eu-west-1"))("ListAliases")) == [S3_ALIAS]
    made = client("DescribeKey", key_id=S3_ALIAS)["KeyMetadata"]["KeyId"]
    assert client("ListAliases")["Aliases"][1]["TargetKeyId"] == made


def test_pending_keys_get_no_aliases(client: Any, clock: FixedClock) -> None:
    pending, kept = client.key(), client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=pending)
    client("ScheduleKeyDeletion", key_id=pending, pending_window_in_days=7)
    for operation, name in (("CreateAlias", "alias/b"), ("UpdateAlias", "alias/a")):
        refused(
            "KMSInvalidStateException",
            "is pending deletion.",
            client,
            operation,
            alias_name=name,
            target_key_id=pending,
        )
    clock.advance(7 * 86_400)
    client("CreateAlias", alias_name="alias/a", target_key_id=kept)
    assert names(client("ListAliases", key_id=kept)) == ["alias/a"]


def test_a_pending_keys_alias_can_move_away_or_go(client: Any) -> None:
    pending, kept = client.key(), client.key()
    for name in ("alias/a", "alias/b"):
        client("CreateAlias", alias_name=name, target_key_id=pending)
    client("ScheduleKeyDeletion", key_id=pending)
    client("UpdateAlias", alias_name="alias/a", target_key_id=kept)
    client("DeleteAlias", alias_name="alias/b")
    assert names(client("ListAliases", key_id=kept)) == ["alias/a"]
    assert names(client("ListAliases", key_id=pending)) == []


SIGNING = {"key_usage": "SIGN_VERIFY"}


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ({}, {}, True),
        ({}, {"origin": "EXTERNAL"}, True),
        ({"key_spec": "ECC_NIST_P256", **SIGNING}, {"key_spec": "ECC_NIST_P384", **SIGNING}, True),
        (
            {"key_spec": "HMAC_256", "key_usage": "GENERATE_VERIFY_MAC"},
            {"key_spec": "HMAC_512", "key_usage": "GENERATE_VERIFY_MAC"},
            True,
        ),
        ({}, {"key_spec": "HMAC_256", "key_usage": "GENERATE_VERIFY_MAC"}, False),
        (
            {"key_spec": "ECC_NIST_P256", **SIGNING},
            {"key_spec": "ECC_NIST_P256", "key_usage": "KEY_AGREEMENT"},
            False,
        ),
    ],
)
def test_an_alias_moves_between_keys_of_a_kind(
    client: Any, old: dict[str, str], new: dict[str, str], fits: bool
) -> None:
    client("CreateAlias", alias_name="alias/a", target_key_id=client.key(**old))
    target = client.key(**new)
    if fits:
        client("UpdateAlias", alias_name="alias/a", target_key_id=target)
        assert client.metadata("alias/a")["Arn"] == target
        return
    code, message = client.refused("UpdateAlias", alias_name="alias/a", target_key_id=target)
    assert code == "ValidationException"
    assert "another type or usage" in message


@pytest.mark.parametrize("operation", ["UpdateAlias", "DeleteAlias"])
def test_an_alias_whose_key_is_deleted_meanwhile(
    client: Any, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Another process deletes both, between the look at the alias and the look at its key."""
    more = {"target_key_id": client.key()} if operation == "UpdateAlias" else {}
    client("CreateAlias", alias_name="alias/a", target_key_id=client.key())
    store = client.service.store
    alias = store.alias(client.caller.account, client.caller.region, "alias/a")
    stale = replace(alias, key_id="00000000-0000-4000-8000-000000000000")
    monkeypatch.setattr(store, "alias", lambda *name: stale)
    code, message = client.refused(operation, alias_name="alias/a", **more)
    assert (code, "alias/a is not found" in message) == ("NotFoundException", True)


def test_a_full_key_takes_no_alias_over(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = client.key(), client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=first)
    client("CreateAlias", alias_name="alias/b", target_key_id=second)
    monkeypatch.setattr(quotas, "ALIASES_PER_KEY_MAX", 1)
    refusal = client.refused("UpdateAlias", alias_name="alias/b", target_key_id=first)
    assert refusal[0] == "LimitExceededException"
    assert client("UpdateAlias", alias_name="alias/a", target_key_id=first) == {}
