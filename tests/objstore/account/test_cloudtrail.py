import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kms.aws.audit_log import AuditLog
from kms.aws.audit_search import Search
from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.account.cloudtrail import RETENTION_SECONDS, CloudTrail
from objstore.account.trail import event_of
from objstore.tokens import TOKEN_KEY_BYTES, Tokens

PREFIX = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
NOBODY = Principal(PrincipalKind.USER, "123456789012", "arn:nobody", "AIDA1", "nobody")


class Door:
    """CloudTrail over a trail of its own, with a few events of IAM in it."""

    def __init__(self, world: Any, folder: Path) -> None:
        self.clock = world.clock
        self.log = AuditLog(folder, self.clock)
        self.caller = Caller(world.caller, "AKIATEST", "us-east-1", "R")
        self.trail = CloudTrail(
            Search(folder),
            audit=self.log,
            flush=self.log.flush,
            clock=self.clock,
            authorizer=world.accounts.authorizer,
            tokens=Tokens(bytes(TOKEN_KEY_BYTES)),
        )

    def happen(self, operation: str, caller: Caller | None = None) -> None:
        event = event_of("iam", operation, {}, caller or self.caller, at=self.clock.now())
        self.log.record(event)
        self.clock.advance(1)

    async def ask(
        self, operation: str = "LookupEvents", caller: Caller | None = None, **members: Any
    ) -> tuple[int, dict[str, Any]]:
        body = json.dumps(members).encode()
        status, answer = await self.trail.handle(PREFIX + operation, body, caller or self.caller)
        return status, json.loads(answer)

    async def names(self, **members: Any) -> list[str]:
        status, answer = await self.ask(**members)
        assert status == 200
        return [event["EventName"] for event in answer["Events"]]


@pytest.fixture
async def door(world: Any, tmp_path: Path) -> AsyncIterator[Door]:
    door = Door(world, tmp_path / "trail")
    for operation in ("CreateUser", "CreateGroup", "ListUsers"):
        door.happen(operation)
    yield door
    door.log.close()


async def test_the_newest_first_and_looking_is_an_event_too(door: Door) -> None:
    assert await door.names() == ["ListUsers", "CreateGroup", "CreateUser"]
    assert (await door.names())[0] == "LookupEvents"


async def test_attributes_and_times(door: Door) -> None:
    now = door.clock.now()
    writes = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    assert await door.names(LookupAttributes=writes) == ["CreateGroup", "CreateUser"]
    assert await door.names(StartTime=now - 2, EndTime=now - 2) == ["CreateGroup"]
    assert await door.names(EventCategory="insight") == []


async def test_only_ones_own_account_and_region(door: Door, world: Any) -> None:
    elsewhere = Caller(world.caller, "AKIATEST", "eu-west-1", "R")
    assert (await door.ask(caller=elsewhere))[1]["Events"] == []


async def test_what_is_older_than_ninety_days_is_gone(door: Door) -> None:
    door.clock.advance(RETENTION_SECONDS)
    assert await door.names() == []


async def test_pages(door: Door) -> None:
    _, first = await door.ask(MaxResults=2)
    assert [event["EventName"] for event in first["Events"]] == ["ListUsers", "CreateGroup"]
    _, second = await door.ask(MaxResults=2, NextToken=first["NextToken"])
    assert [event["EventName"] for event in second["Events"]] == ["CreateUser"]
    assert "NextToken" not in second
    status, refused = await door.ask(EndTime=1, NextToken=first["NextToken"])
    assert (status, refused["__type"]) == (400, "InvalidNextTokenException")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"StartTime": 2_100_000_000}, "InvalidTimeRangeException"),
        ({"EndTime": 1e300}, "InvalidTimeRangeException"),
        (
            {"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "True"}]},
            "InvalidLookupAttributesException",
        ),
        ({"EventCategory": "data"}, "InvalidEventCategoryException"),
        ({"NextToken": "made up"}, "InvalidNextTokenException"),
        (
            {"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "red"}]},
            "InvalidLookupAttributesException",
        ),
        (
            {"LookupAttributes": [{"AttributeKey": "EventId", "AttributeValue": "1"}] * 2},
            "InvalidLookupAttributesException",
        ),
        (
            {"LookupAttributes": [{"AttributeKey": "EventId", "AttributeValue": ""}]},
            "InvalidLookupAttributesException",
        ),
        ({"MaxResults": "1"}, "SerializationException"),
    ],
)
async def test_refusals(door: Door, members: dict[str, Any], code: str) -> None:
    status, answer = await door.ask(**members)
    assert (status, answer["__type"]) == (400, code)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateTrail", "UnsupportedOperationException"),
        ("Nothing", "UnknownOperationException"),
    ],
)
async def test_other_operations(door: Door, operation: str, code: str) -> None:
    assert (await door.ask(operation))[1]["__type"] == code


async def test_the_trail_tells_of_what_cloudtrail_was_asked(door: Door) -> None:
    stranger = Caller(NOBODY, "AKIANOBODY", "us-east-1", "R")
    for operation, caller in (
        ("CreateTrail", None),
        ("Nothing", None),
        ("LookupEvents", stranger),
        ("LookupEvents", None),
    ):
        await door.ask(operation, caller)
    _, answer = await door.ask()
    told = [json.loads(event["CloudTrailEvent"]) for event in answer["Events"]][:3]
    assert [(one["eventName"], one.get("errorCode"), one["readOnly"]) for one in told] == [
        ("LookupEvents", None, True),
        ("LookupEvents", "AccessDenied", True),
        ("CreateTrail", "UnsupportedOperationException", False),
    ]


async def test_the_short_target_and_none(door: Door) -> None:
    status, _ = await door.trail.handle("CloudTrail_20131101.LookupEvents", b"{}", door.caller)
    assert status == 200
    status, _ = await door.trail.handle("LookupEvents", b"{}", door.caller)
    assert status == 400


async def test_who_may_not(door: Door) -> None:
    nobody = Caller(NOBODY, "AKIA2", "us-east-1", "R")
    status, answer = await door.ask(caller=nobody)
    assert (status, answer["__type"]) == (400, "AccessDeniedException")
    assert answer["Message"] == (
        "User: arn:nobody is not authorized to perform: cloudtrail:LookupEvents because no "
        "identity-based policy allows the cloudtrail:LookupEvents action"
    )
    assert await door.names(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "nobody"}]
    ) == ["LookupEvents"]
