"""Bucket policies: S3's words for what is wrong with one, and what makes one public."""

import json
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules import bucket_policy

CANONICAL = "c" * 64
ALLOW = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::photos/*",
}


def account_of(canonical_id: str) -> str | None:
    return "444455556666" if canonical_id == CANONICAL else None


def text_of(**changes: Any) -> str:
    statement = {name: value for name, value in {**ALLOW, **changes}.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


REFUSED = [
    ("", "Policies must be valid JSON"),
    ('["a"]', "Policies must be valid JSON"),
    (' {"Statement": [1]}', "Policies must be valid JSON"),
    ('{"Statement": ', "invalid Json"),
    ('{"Statement": ' + "[" * 20_000, "invalid Json"),
    ("{}", "Missing required field Statement"),
    (text_of(Effect=None), "Missing required field Effect"),
    (text_of(Effect="Perhaps"), "Invalid effect: Perhaps"),
    (text_of(Principal=None), "Missing required field Principal"),
    (text_of(Principal={"AWS": "bob"}), "Invalid principal in policy"),
    (text_of(Principal={"CanonicalUser": "d" * 64}), "Invalid principal in policy"),
    (text_of(Action="kms:Decrypt"), "Policy has invalid action"),
    (text_of(Resource="arn:aws:s3:::other/*"), "Policy has invalid resource"),
    (text_of(Resource="photos"), "Policy has invalid resource"),
    (text_of(Resource="arn:aws:s3:::photos"), "Action does not apply to any resource"),
    (text_of(Action="s3:ListBucket"), "Action does not apply to any resource"),
    (text_of(Colour="red"), "Unknown field Colour"),
    (text_of(Principal=None, NotPrincipal=ALLOW["Principal"]), "Invalid policy syntax"),
    (text_of(Condition={"Sounds": {"s3:prefix": "a"}}), "Invalid Condition type"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused_policies(text: str, message: str) -> None:
    with pytest.raises(AWSError, match=message) as caught:
        bucket_policy.check(text, "photos", account_of)
    assert (caught.value.code, caught.value.status) == ("MalformedPolicy", 400)


def test_a_policy_may_be_too_long() -> None:
    with pytest.raises(AWSError, match="maximum allowed document size"):
        bucket_policy.check(text_of(Sid="x" * 20_480), "photos", account_of)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/a"], "Action": "s3:*"},
        {"Resource": "arn:aws:s3:::pho*"},
        {"Action": "s3:GetBucketObjectLockConfiguration", "Resource": "arn:aws:s3:::photos"},
        {"Principal": {"CanonicalUser": CANONICAL}},
    ],
)
def test_a_policy_is_kept_as_its_text(changes: dict[str, Any]) -> None:
    text = text_of(**changes)
    assert bucket_policy.check(text, "photos", account_of) is text


def test_canonical_users_are_their_accounts() -> None:
    text = text_of(Principal={"CanonicalUser": [CANONICAL], "AWS": "111122223333"})
    (statement,) = bucket_policy.of_text(text, account_of).statements
    assert statement.principals["AWS"] == ("111122223333", "arn:aws:iam::444455556666:root")


EVERYBODY: dict[str, Any] = {"Principal": "*"}
NARROWED = {"StringEquals": {"aws:SourceAccount": "111122223333"}}


@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({}, False),
        (EVERYBODY, True),
        ({"Principal": {"AWS": ["111122223333", "*"]}}, True),
        ({**EVERYBODY, "Effect": "Deny"}, False),
        ({**EVERYBODY, "Condition": NARROWED}, False),
        ({**EVERYBODY, "Condition": {"StringLike": {"aws:SourceAccount": "1*"}}}, True),
        ({**EVERYBODY, "Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}, True),
        ({**EVERYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({**EVERYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({**EVERYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/+0"}}}, True),
        ({**EVERYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0.0.0.0"}}}, True),
        ({**EVERYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}}, True),
        ({**EVERYBODY, "Condition": {"StringEquals": {"aws:SourceIp": "192.0.2.1"}}}, False),
        ({**EVERYBODY, "Condition": {"StringLike": {"aws:SourceIp": "*"}}}, True),
        # Who does not have the key is let in by these.
        ({**EVERYBODY, "Condition": {"StringEqualsIfExists": NARROWED["StringEquals"]}}, True),
        ({**EVERYBODY, "Condition": {"ForAllValues:StringEquals": NARROWED["StringEquals"]}}, True),
        ({**EVERYBODY, "Condition": {"ForAnyValue:StringEquals": NARROWED["StringEquals"]}}, False),
        ({**EVERYBODY, "Condition": {"StringEquals": {"s3:prefix": "a"}}}, True),
        ({**EVERYBODY, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3::1?:x"}}}, True),
        ({**EVERYBODY, "Condition": {"StringLike": {"aws:SourceArn": "arn:*:s3::1:x"}}}, True),
        ({**EVERYBODY, "Condition": {"StringLike": {"aws:SourceArn": "arn:aws:s3::1:*"}}}, False),
        ({**EVERYBODY, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:1:x*"}}}, False),
        ({**EVERYBODY, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:x"}}}, True),
    ],
)
def test_what_is_public(changes: dict[str, Any], public: bool) -> None:
    policy = bucket_policy.of_text(text_of(**changes), account_of)
    assert bucket_policy.is_public(policy) is public


def test_denials_are_kept_alone() -> None:
    allowing = json.loads(text_of())["Statement"]
    denying = json.loads(text_of(Effect="Deny", Sid="no"))["Statement"]
    text = json.dumps({"Version": "2012-10-17", "Statement": [*allowing, *denying]})
    kept = bucket_policy.denials(bucket_policy.of_text(text, account_of))
    assert [statement.sid for statement in kept.statements] == ["no"]
