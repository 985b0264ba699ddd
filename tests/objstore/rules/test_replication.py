"""Replication configurations: what may be put."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules.replication import (
    check,
    destination_bucket,
    matching,
    sends_kms,
    sends_markers,
)

ROLE = "arn:aws:iam::123456789012:role/r"
TAG = {"Key": "k", "Value": "v"}
TARGET = {"Bucket": "arn:aws:s3:::target"}


def rule(**members: Any) -> dict[str, Any]:
    base = {
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": TARGET,
    }
    return {name: value for name, value in {**base, **members}.items() if value is not None}


KMS = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
REFUSED: list[tuple[list[dict[str, Any]], str, str]] = [
    ([], "MalformedXML", ""),
    ([rule()] * 1001, "MalformedXML", ""),
    ([rule(ID="a"), rule(ID="a", Priority=2)], "InvalidRequest", "Rule Id must be unique"),
    ([rule(), rule()], "InvalidRequest", "duplicate priority"),
    ([rule(ID="x" * 256)], "InvalidArgument", "limit of 255"),
    ([rule(Prefix="a")], "MalformedXML", ""),
    ([rule(Filter=None)], "MalformedXML", ""),
    ([rule(Priority=None)], "InvalidRequest", "Priority must be specified"),
    ([rule(Priority=-1)], "InvalidArgument", "nonnegative"),
    (
        [rule(DeleteMarkerReplication=None)],
        "InvalidRequest",
        "DeleteMarkerReplication must be specified",
    ),
    ([rule(Filter={"Prefix": "a", "Tag": TAG})], "MalformedXML", ""),
    ([rule(Filter={"And": {"Tags": [TAG]}})], "MalformedXML", ""),
    ([rule(Filter={"And": {"Tags": [TAG, TAG]}})], "InvalidRequest", "Duplicate Tag Keys"),
    (
        [rule(Filter={"Tag": TAG}, DeleteMarkerReplication={"Status": "Enabled"})],
        "InvalidRequest",
        "Tag filter",
    ),
    ([rule(Destination={"Bucket": "target"})], "InvalidArgument", "ARN"),
    (
        [rule(Destination={**TARGET, "AccessControlTranslation": {"Owner": "Destination"}})],
        "InvalidArgument",
        "Account",
    ),
    ([rule(SourceSelectionCriteria=KMS)], "InvalidRequest", "ReplicaKmsKeyID must be specified"),
    (
        [rule(Destination={**TARGET, "EncryptionConfiguration": {"ReplicaKmsKeyID": "k"}})],
        "InvalidRequest",
        "SseKmsEncryptedObjects must be specified",
    ),
    (
        [
            rule(
                Destination={
                    **TARGET,
                    "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 16}},
                }
            )
        ],
        "InvalidArgument",
        "15 minutes",
    ),
]


@pytest.mark.parametrize(("rules", "code", "message"), REFUSED)
def test_refused(rules: list[dict[str, Any]], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        check({"Role": ROLE, "Rules": rules})
    assert caught.value.code == code
    assert message in caught.value.message


def test_what_is_kept() -> None:
    old = {"Status": "Enabled", "Prefix": "", "Destination": TARGET}
    kept = check({"Role": ROLE, "Rules": [rule(), old]})
    first, second = kept["Rules"]
    assert len(first["ID"]) == len(second["ID"]) == 48
    assert {**second, "ID": None} == {**old, "ID": None}
    assert destination_bucket(first) == "target"


def matched(key: str, *rules: dict[str, Any], **tags: str) -> list[str]:
    document = check({"Role": ROLE, "Rules": list(rules)})
    return [found["ID"] for found in matching(document, key, tags)]


def test_which_rules_send_a_version() -> None:
    other = {"Bucket": "arn:aws:s3:::other"}
    rules = [
        rule(ID="all", Priority=1),
        rule(ID="logs", Priority=2, Filter={"Prefix": "logs/"}),
        rule(ID="off", Priority=9, Status="Disabled"),
        rule(ID="tagged", Priority=3, Filter={"Tag": TAG}, Destination=other),
    ]
    assert matched("a", *rules) == ["all"]
    assert matched("logs/a", *rules) == ["logs"]
    assert matched("a", *rules, k="v") == ["all", "tagged"]
    old = {"ID": "old", "Status": "Enabled", "Prefix": "logs/", "Destination": TARGET}
    assert matched("logs/a", old) == ["old"]
    assert matched("a", old) == []


def test_markers_and_kms() -> None:
    old = {"Status": "Enabled", "Prefix": "", "Destination": TARGET}
    enabled = {"DeleteMarkerReplication": {"Status": "Enabled"}}
    assert sends_markers(old)
    assert not sends_markers(rule())
    assert sends_markers(rule(**enabled))
    assert not sends_kms(old)
    assert sends_kms(rule(SourceSelectionCriteria=KMS))


@pytest.mark.parametrize(
    "role", ["", "r", "arn:aws:iam::123456789012:user/r", "arn:aws:s3:::target", f"{ROLE} x"]
)
def test_the_role_is_one_by_its_arn(role: str) -> None:
    with pytest.raises(AWSError, match="Role"):
        check({"Role": role, "Rules": [rule()]})
