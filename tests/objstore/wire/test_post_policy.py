"""Policies of forms: AWS's refusals, in AWS's words where they were recorded."""

import base64
import json
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.wire.post_policy import CONDITIONS_MAX, parse_policy

EXPIRATION = "2030-01-01T00:00:00Z"
NOW = 1_800_000_000.0


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def policy(*conditions: Any, expiration: Any = EXPIRATION) -> str:
    return encoded({"expiration": expiration, "conditions": list(conditions)})


INVALID = [
    ("?", "Invalid JSON"),
    (base64.b64encode(b"{").decode(), "Invalid JSON"),
    (base64.b64encode(b"[" * 100_000).decode(), "Invalid JSON"),
    (encoded([]), "Invalid JSON"),
    (encoded({"conditions": []}), "missing expiration"),
    (encoded({"expiration": EXPIRATION}), "missing conditions"),
    (encoded({"EXPIRATION": EXPIRATION, "conditions": []}), "missing expiration"),
    (encoded({"expiration": EXPIRATION, "conditions": {}}), "'conditions'"),
    (policy(*[{"a": "b"}] * (CONDITIONS_MAX + 1)), "'conditions'"),
    (policy(expiration="soon"), "'expiration'"),
    (policy(expiration="soonZ"), "'expiration'"),
    (policy(expiration="2030-01-01T00:00:00"), "'expiration'"),
    (policy(expiration=5), "'expiration'"),
    (policy({}), "exactly one property"),
    (policy({"a": "b", "c": "d"}), "exactly one property"),
    (policy({"a": 5}), "must be a string"),
    (policy("a"), "Invalid Condition"),
    (policy(["eq", "$a"]), "wrong number"),
    (policy(["ends-with", "$a", "b"]), "no operator"),
    (policy(["eq", "$a", 5]), "Invalid Condition"),
    (policy(["content-length-range", 0]), "wrong number"),
    (policy(["content-length-range", -1, 0]), "content-length-range"),
    (policy(["content-length-range", 5, 4]), "content-length-range"),
]


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_invalid(text: str, message: str) -> None:
    with pytest.raises(AWSError, match=message) as caught:
        parse_policy(text)
    assert caught.value.code == "InvalidPolicyDocument"


FIELDS = {"key": "user/a", "bucket": "b"}
COVERED: tuple[Any, ...] = (["starts-with", "$key", "user/"], {"bucket": "b"})
REFUSED: list[tuple[tuple[Any, ...], dict[str, str], str]] = [
    ((), {}, "Extra input fields: key, bucket"),
    (COVERED[:1], {}, "Extra input fields: bucket"),
    (COVERED, {"acl": "private"}, "Extra input fields: acl"),
    (COVERED, {"key": "other"}, 'Policy Condition failed: ["starts-with", "$key", "user/"]'),
    (COVERED, {"bucket": "other"}, 'Policy Condition failed: ["eq", "$bucket", "b"]'),
    ((*COVERED, {"acl": "private"}), {}, 'Condition failed: ["eq", "$acl", "private"]'),
    ((*COVERED, ["eq", "$acl", "private"]), {"acl": "PRIVATE"}, "Policy Condition failed"),
    ((*COVERED, ["starts-with", "$acl", ""]), {}, "Policy Condition failed"),
    (
        (*COVERED, ["starts-with", "$Content-Type", "image/"]),
        {"content-type": "image/png, text/html"},
        "Policy Condition failed",
    ),
]


@pytest.mark.parametrize(("conditions", "fields", "message"), REFUSED)
def test_refused(conditions: tuple[Any, ...], fields: dict[str, str], message: str) -> None:
    parsed = parse_policy(policy(*conditions))
    with pytest.raises(AWSError) as caught:
        parsed.check({**FIELDS, **fields}, now=NOW)
    assert caught.value.code == "AccessDenied"
    assert message in caught.value.message


ALLOWED: list[tuple[tuple[Any, ...], dict[str, str]]] = [
    (COVERED, {}),
    (COVERED, {"policy": "x", "x-amz-signature": "x", "signature": "x", "awsaccesskeyid": "x"}),
    (COVERED, {"x-ignore-this": "anything", "x-amz-checksum-crc32": "anything"}),
    ((*COVERED, ["STARTS-WITH", "$ACL", ""]), {"acl": "anything"}),
    ((*COVERED, {"X-Amz-Meta-A": "v"}), {"x-amz-meta-a": "v"}),
    (
        (*COVERED, ["starts-with", "$Content-Type", "image/"]),
        {"content-type": "image/png, image/gif"},
    ),
]


@pytest.mark.parametrize(("conditions", "fields"), ALLOWED)
def test_allowed(conditions: tuple[Any, ...], fields: dict[str, str]) -> None:
    parse_policy(policy(*conditions)).check({**FIELDS, **fields}, now=NOW)


def test_an_expired_policy() -> None:
    with pytest.raises(AWSError, match="Policy expired"):
        parse_policy(policy(*COVERED, expiration="2026-01-01T00:00:00.000Z")).check(FIELDS, now=NOW)


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        (["eq", "key", "a"], '["eq", "key", "a"]'),
        (["content-length-range", "test", 10], '["content-length-range", "test", "10"]'),
    ],
)
def test_conditions_that_can_never_hold(condition: list[Any], shown: str) -> None:
    with pytest.raises(AWSError) as caught:
        parse_policy(policy(condition))
    assert caught.value.code == "AccessDenied"
    assert shown in caught.value.message


def test_size_ranges_narrow_each_other() -> None:
    assert parse_policy(policy()).sizes is None
    ranges = (["content-length-range", 1, "10"], ["content-length-range", 0, 5])
    assert parse_policy(policy(*ranges)).sizes == (1, 5)
