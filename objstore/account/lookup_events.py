"""LookupEvents: which records an attribute means, and how it shows a record. Pure.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kms.aws.audit_identity import user_name

Record = dict[str, Any]
Shape = dict[str, Any]

# The types of resources that IAM's records name in their parameters,
_NAMED_TYPES = {
    "userName": "AWS::IAM::User",
    "groupName": "AWS::IAM::Group",
    "roleName": "AWS::IAM::Role",
    "policyArn": "AWS::IAM::Policy",
    "accessKeyId": "AWS::IAM::AccessKey",
    "instanceProfileName": "AWS::IAM::InstanceProfile",
}
# and in their answers, by name, id and ARN.
_ANSWERED_TYPES = {
    "user": "AWS::IAM::User",
    "group": "AWS::IAM::Group",
    "role": "AWS::IAM::Role",
    "policy": "AWS::IAM::Policy",
    "accessKey": "AWS::IAM::AccessKey",
}
_S3_PREFIX = "arn:aws:s3:::"


def shape_of(record: Record) -> Shape:
    """An `Event` of the API."""
    shape = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": _read_only(record),
        "AccessKeyId": _access_key(record),
        "EventTime": datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ")
        .replace(tzinfo=UTC)
        .timestamp(),
        "EventSource": record["eventSource"],
        "Username": user_name(record["userIdentity"]),
        "Resources": [
            {"ResourceType": kind, "ResourceName": name} for kind, name in resources_of(record)
        ],
        "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
    }
    return {name: value for name, value in shape.items() if value != ""}


def resources_of(record: Record) -> Iterator[tuple[str, str]]:
    """The type and name of each resource; a bucket is called by its name, not its ARN."""
    for resource in record.get("resources", ()):
        yield resource.get("type", ""), resource["ARN"].removeprefix(_S3_PREFIX)
    if record["eventSource"] == "iam.amazonaws.com" and not record["readOnly"]:
        yield from sorted({*_named(record), *_answered(record)})


def _named(record: Record) -> Iterator[tuple[str, str]]:
    parameters = record.get("requestParameters") or {}
    for name, kind in _NAMED_TYPES.items():
        if name in parameters:
            yield kind, parameters[name]


def _answered(record: Record) -> Iterator[tuple[str, str]]:
    elements = record.get("responseElements") or {}
    for entity, kind in _ANSWERED_TYPES.items():
        shown = elements.get(entity, {})
        for name in ("arn", f"{entity}Id", f"{entity}Name"):
            if name in shown:
                yield kind, shown[name]


def _read_only(record: Record) -> str:
    return "true" if record["readOnly"] else "false"


def _access_key(record: Record) -> str:
    return str(record["userIdentity"].get("accessKeyId", ""))


def _types(record: Record) -> list[str]:
    return [kind for kind, _ in resources_of(record)]


def _names(record: Record) -> list[str]:
    names = [name for _, name in resources_of(record)]
    return names + [resource["ARN"] for resource in record.get("resources", ())]


MATCHES: Mapping[str, Callable[[Record, str], bool]] = {
    "EventId": lambda record, value: record["eventID"] == value,
    "EventName": lambda record, value: record["eventName"] == value,
    "ReadOnly": lambda record, value: _read_only(record) == value,
    "Username": lambda record, value: user_name(record["userIdentity"]) == value,
    "ResourceType": lambda record, value: value in _types(record),
    "ResourceName": lambda record, value: value in _names(record),
    "EventSource": lambda record, value: record["eventSource"] == value,
    "AccessKeyId": lambda record, value: _access_key(record) == value,
}
"""Whether a record has an attribute of this value."""

VALUES: Mapping[str, tuple[str, ...]] = {"ReadOnly": ("true", "false")}
"""The values that an attribute can have, of those that have few."""

_WORD_FOR_WORD = frozenset({"EventId", "EventName", "Username", "EventSource", "AccessKeyId"})


def text_of(key: str, value: str) -> str:
    """A text that every line with the attribute has in it."""
    return json.dumps(value)[1:-1] if key in _WORD_FOR_WORD else ""
