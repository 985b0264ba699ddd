"""Lifecycle configurations: AWS's refusals, ids, and dates that survive being stored."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules.lifecycle import check, shown

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
TAG = {"Key": "k", "Value": "v"}
IA = "STANDARD_IA"


def rule(**members: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"ID": "id", "Status": "Enabled", "Filter": {}}
    if "Prefix" in members:
        del base["Filter"]
    return {**base, **(members or {"Expiration": {"Days": 1}})}


def transitions(*pairs: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"Days": days, "StorageClass": storage_class} for days, storage_class in pairs]


REFUSED: list[tuple[list[dict[str, Any]], str, str]] = [
    ([], "MalformedXML", ""),
    ([rule(ID=str(number), Expiration={"Days": 1}) for number in range(1001)], "MalformedXML", ""),
    ([rule(), rule()], "InvalidArgument", "Rule ID must be unique"),
    ([rule(ID="x" * 256, Expiration={"Days": 1})], "InvalidArgument", "limit of 255"),
    ([{"Status": "Enabled", "Expiration": {"Days": 1}}], "MalformedXML", ""),
    ([rule() | {"Prefix": ""}], "MalformedXML", ""),
    ([rule(Status="Enabled")], "InvalidRequest", "At least one action"),
    ([rule(Filter={"Prefix": "a", "Tag": TAG}, Expiration={"Days": 1})], "MalformedXML", ""),
    ([rule(Filter={"And": {"Prefix": "a"}}, Expiration={"Days": 1})], "MalformedXML", ""),
    (
        [rule(Filter={"And": {"Tags": [TAG, TAG]}}, Expiration={"Days": 1})],
        "InvalidRequest",
        "Duplicate Tag Keys are not allowed.",
    ),
    (
        [
            rule(
                Filter={"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}},
                Expiration={"Days": 1},
            )
        ],
        "InvalidRequest",
        "must be less than",
    ),
    ([rule(Expiration={})], "MalformedXML", ""),
    ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], "MalformedXML", ""),
    ([rule(Expiration={"Days": 0})], "InvalidArgument", "must be a positive integer"),
    (
        [rule(Expiration={"Date": NEW_YEAR + timedelta(hours=1)})],
        "InvalidArgument",
        "'Date' must be at midnight GMT",
    ),
    (
        [rule(Filter={"Tag": TAG}, Expiration={"ExpiredObjectDeleteMarker": True})],
        "InvalidRequest",
        "cannot be specified with Tags",
    ),
    ([rule(Transitions=[{"Days": 1}])], "MalformedXML", ""),
    ([rule(Transitions=[{"StorageClass": IA}])], "MalformedXML", ""),
    ([rule(Transitions=transitions((-1, "GLACIER_IR")))], "InvalidArgument", "nonnegative"),
    ([rule(Transitions=transitions((29, IA)))], "InvalidArgument", "greater than or equal to 30"),
    ([rule(Transitions=transitions((30, IA), (60, IA)))], "InvalidRequest", "must be different"),
    (
        [rule(Transitions=transitions((30, IA)), Expiration={"Days": 30})],
        "InvalidArgument",
        "'(prefix=)' must be greater than",
    ),
    (
        [rule(Transitions=transitions((30, IA)), Expiration={"Date": NEW_YEAR})],
        "InvalidRequest",
        "Found mixed 'Date' and 'Days'",
    ),
    ([rule(NoncurrentVersionExpiration={})], "MalformedXML", ""),
    (
        [rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})],
        "InvalidArgument",
        "positive integer",
    ),
    (
        [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})],
        "InvalidArgument",
        "between 1 and 100",
    ),
    (
        [
            rule(
                Prefix="",
                NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1},
            )
        ],
        "InvalidRequest",
        "requires a Filter",
    ),
    (
        [rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 3, "StorageClass": IA}])],
        "InvalidArgument",
        "greater than or equal to 30",
    ),
    ([rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 3}])], "MalformedXML", ""),
    ([rule(AbortIncompleteMultipartUpload={})], "MalformedXML", ""),
    (
        [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})],
        "InvalidArgument",
        "positive integer",
    ),
    (
        [rule(Filter={"Tag": TAG}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})],
        "InvalidRequest",
        "with Tags",
    ),
]


@pytest.mark.parametrize(("rules", "code", "message"), REFUSED)
def test_refused(rules: list[dict[str, Any]], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        check({"Rules": rules})
    assert caught.value.code == code
    assert message in caught.value.message


def test_rules_without_an_id_get_one_each() -> None:
    unnamed = {"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}
    first, second = check({"Rules": [unnamed, unnamed]})["Rules"]
    assert len(first["ID"]) == 48
    assert first["ID"] != second["ID"]
    assert {**first, "ID": ""} == {**unnamed, "ID": ""}


def test_dates_survive_being_json() -> None:
    kept = check(
        {
            "Rules": [
                rule(
                    Transitions=[{"Date": NEW_YEAR, "StorageClass": IA}],
                    Expiration={"Date": NEW_YEAR + timedelta(days=40)},
                )
            ]
        }
    )
    reply = shown(json.loads(json.dumps(kept)))
    assert reply["Rules"][0]["Transitions"] == [{"Date": NEW_YEAR, "StorageClass": IA}]
    assert reply["Rules"][0]["Expiration"] == {"Date": NEW_YEAR + timedelta(days=40)}
