"""Notification configurations: what may be put, and who hears of an event."""

from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.rules.notification import check, matching, parse_targets, reaches

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
PUT = "s3:ObjectCreated:Put"


def queue(*events: str, arn: str = QUEUE, **more: Any) -> dict[str, Any]:
    return {"QueueConfigurations": [{"QueueArn": arn, "Events": list(events), **more}]}


def filtered(*rules: dict[str, str]) -> dict[str, Any]:
    return queue(PUT, Filter={"Key": {"FilterRules": list(rules)}})


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (queue(), "MalformedXML", ""),
    (queue(PUT, arn="queue"), "InvalidArgument", "could not be parsed"),
    (queue(PUT, arn=TOPIC), "InvalidArgument", "could not be parsed"),
    (queue(PUT, Id="x" * 256), "InvalidArgument", "limit of 255"),
    (filtered({"Name": "prefix"}), "MalformedXML", ""),
    (filtered({"Value": "a"}), "MalformedXML", ""),
    (filtered({"Name": "INVALID", "Value": "a"}), "InvalidArgument", "either prefix or suffix"),
    (
        filtered({"Name": "prefix", "Value": "a"}, {"Name": "Prefix", "Value": "b"}),
        "InvalidArgument",
        "more than one prefix rule",
    ),
    (filtered({"Name": "suffix", "Value": "a" * 1025}), "InvalidArgument", "1024 bytes"),
    (
        {"QueueConfigurations": queue(PUT)["QueueConfigurations"] * 101},
        "InvalidArgument",
        "Too many",
    ),
    (
        {"QueueConfigurations": queue(PUT, Id="a")["QueueConfigurations"] * 2},
        "InvalidArgument",
        "Same ID",
    ),
]


@pytest.mark.parametrize(("document", "code", "message"), REFUSED)
def test_refused(document: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        check(document)
    assert caught.value.code == code
    assert message in caught.value.message


def test_what_is_kept() -> None:
    rules = ({"Name": "suffix", "Value": ".jpg"}, {"Name": "PREFIX", "Value": "in/"})
    kept = check({**filtered(*rules), "EventBridgeConfiguration": {}})
    (entry,) = kept["QueueConfigurations"]
    assert len(entry["Id"]) == 48
    assert entry["Filter"] == {
        "Key": {
            "FilterRules": [
                {"Name": "Suffix", "Value": ".jpg"},
                {"Name": "Prefix", "Value": "in/"},
            ]
        }
    }
    assert kept["EventBridgeConfiguration"] == {}
    assert check({}) == {}


MATCHES = [
    ([PUT], PUT, "in/a.jpg", True),
    (["s3:ObjectCreated:*"], PUT, "in/a.jpg", True),
    (["s3:ObjectRemoved:*"], PUT, "in/a.jpg", False),
    (["s3:ObjectCreated:Copy"], PUT, "in/a.jpg", False),
    ([PUT], PUT, "out/a.jpg", False),
    ([PUT], PUT, "in/a.png", False),
    (["s3:LifecycleTransition"], "s3:LifecycleTransition", "in/a.jpg", True),
]


@pytest.mark.parametrize(("events", "event", "key", "wanted"), MATCHES)
def test_matching(events: list[str], event: str, key: str, wanted: bool) -> None:
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    document = check(queue(*events, Id="q", Filter={"Key": {"FilterRules": rules}}))
    found = [(entry["Id"], arn) for entry, arn in matching(document, event, key)]
    assert found == ([("q", QUEUE)] if wanted else [])


@pytest.mark.parametrize(
    ("arn", "reached"),
    [
        (QUEUE, True),
        (TOPIC, True),
        ("arn:aws:sns:us-east-1:123456789012:other", False),
        ("arn:aws:sqs:eu-west-1:123456789012:queue", False),
        ("arn:aws:sqs:us-east-1:999999999999:queue", False),
        ("arn:aws:sqs:us-east-1:123456789012:queue.fifo", False),
        ("arn:aws:sqs:us-east-1:123456789012:../../etc", False),
    ],
)
def test_which_destinations_are_reached(arn: str, reached: bool) -> None:
    targets = parse_targets([f"{TOPIC}=https://example.com/hook?a=b"])
    assert targets == {TOPIC: "https://example.com/hook?a=b"}
    assert reaches(targets, arn, region="us-east-1", account="123456789012") is reached


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "https://", "https://u:p@example.com/"])
def test_addresses_are_web_addresses(url: str) -> None:
    with pytest.raises(ValueError, match=TOPIC):
        parse_targets([f"{TOPIC}={url}"])
