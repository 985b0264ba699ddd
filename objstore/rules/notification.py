"""Notification configurations: what may be put, and which destinations an event goes to.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from objstore.errors import S3Error
from objstore.rules.identified import rule_id

SETTING = "notification"
CONFIGURATIONS_MAX = 100
FILTER_CHARACTERS_MAX = 1024

# Each kind of destination: the member that lists it and the member that names it.
KINDS: Mapping[str, str] = {
    "TopicConfigurations": "TopicArn",
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_-]{1,80})")
_SERVICES = {"TopicArn": "sns", "QueueArn": "sqs", "LambdaFunctionArn": "lambda"}


Targets = Mapping[str, str]
"""The addresses of destinations by ARN, as the server's owner has named them."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The parts of an SQS queue's ARN."""

    region: str
    account: str
    name: str


def parse_targets(texts: Sequence[str]) -> dict[str, str]:
    """The addresses in `ARN=URL` texts. Raises ValueError, whose text names the ARN."""
    targets: dict[str, str] = {}
    for text in texts:
        arn, _, url = text.partition("=")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError(f"{arn} needs an http or https URL without credentials")
        targets[arn] = url
    return targets


def queue_of(arn: str) -> Queue | None:
    """The queue that an ARN names; None if it names none."""
    found = _QUEUE.fullmatch(arn)
    return None if found is None else Queue(*found.groups())


def reaches(targets: Targets, arn: str, *, region: str, account: str) -> bool:
    """Whether events of a bucket of this region and account can be delivered there."""
    if arn in targets:
        return True
    queue = queue_of(arn)
    return queue is not None and (queue.region, queue.account) == (region, account)


def check(document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration to store, each entry with an id. Raises InvalidArgument, MalformedXML."""
    kept: dict[str, Any] = {}
    names: set[str] = set()
    count = 0
    for kind, member in KINDS.items():
        entries = [_kept(entry, member) for entry in document.get(kind, ())]
        count += len(entries)
        names.update(entry["Id"] for entry in entries)
        if entries:
            kept[kind] = entries
    if count > CONFIGURATIONS_MAX:
        raise S3Error("InvalidArgument", "Too many notification configurations")
    if len(names) != count:
        raise S3Error(
            "InvalidArgument", "Same ID used for multiple configurations. IDs must be unique"
        )
    if "EventBridgeConfiguration" in document:
        kept["EventBridgeConfiguration"] = {}
    return kept


def destinations(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every entry of a configuration with its destination's ARN."""
    for kind, member in KINDS.items():
        for entry in document.get(kind, ()):
            yield entry, entry[member]


def matching(
    document: Mapping[str, Any], event: str, key: str
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The entries that want `event` ("s3:ObjectCreated:Put") of `key`, with their ARNs."""
    family = event.rpartition(":")[0] + ":*"
    for entry, arn in destinations(document):
        if (event in entry["Events"] or family in entry["Events"]) and _wants(entry, key):
            yield entry, arn


def _wants(entry: Mapping[str, Any], key: str) -> bool:
    for rule in entry.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
        fits = key.startswith if rule["Name"] == "Prefix" else key.endswith
        if not fits(rule["Value"]):
            return False
    return True


def _kept(entry: Mapping[str, Any], member: str) -> dict[str, Any]:
    identity = rule_id(entry.get("Id"))
    parts = entry[member].split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != _SERVICES[member]:
        raise S3Error(
            "InvalidArgument",
            "The ARN could not be parsed",
            ArgumentName=member,
            ArgumentValue=entry[member],
        )
    if not entry["Events"]:
        raise S3Error("MalformedXML")
    kept = {"Id": identity, member: entry[member], "Events": list(entry["Events"])}
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    if rules:
        kept["Filter"] = {"Key": {"FilterRules": _filter_rules(rules)}}
    return kept


def _filter_rules(rules: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A prefix and a suffix at most, under the names by which S3 shows them."""
    kept: dict[str, str] = {}
    for rule in rules:
        if "Name" not in rule or "Value" not in rule:
            raise S3Error("MalformedXML")
        name = rule["Name"].capitalize()
        if name not in ("Prefix", "Suffix"):
            raise _refused("filter rule name must be either prefix or suffix", "Name", rule)
        if name in kept:
            raise _refused(
                f"Cannot specify more than one {name.lower()} rule in a filter.", "Name", rule
            )
        if len(rule["Value"]) > FILTER_CHARACTERS_MAX:
            raise _refused("Size of filter rule value cannot exceed 1024 bytes", "Value", rule)
        kept[name] = rule["Value"]
    return [{"Name": name, "Value": value} for name, value in kept.items()]


def _refused(message: str, member: str, rule: Mapping[str, Any]) -> S3Error:
    return S3Error(
        "InvalidArgument",
        message,
        ArgumentName=f"FilterRule.{member}",
        ArgumentValue=rule[member],
    )
