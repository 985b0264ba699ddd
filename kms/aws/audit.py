"""Where services report each call that they answered.

An event is a flat record of what happened, cheap to make: names, ARNs, ids and codes, the caller
and the decision as they are; never key material, plaintexts, ciphertexts, tokens or signatures.
Turning events into CloudTrail records is `audit_record`'s work, and writing them `audit_log`'s.

| member | meaning |
| --- | --- |
| eventSource, eventName | the service's host, the operation |
| eventTime, eventID | seconds since 1970, a UUID |
| caller | the `Caller`; absent for what a service did by itself |
| account, region | of an event without a caller |
| readOnly | whether the operation changes nothing |
| parameters | the input's members to show, in snake_case; nested names are the API's |
| requestParameters | the same in the names of the record |
| response | the output's members to show; None for operations that read |
| keyArn, otherArn, aliasArn | the KMS key, the other one of ReEncrypt, the alias |
| resources | the ARNs of other resources |
| owner | the account of the resources, if it is not in their ARN |
| keyMaterialId, additional | for additionalEventData |
| errorCode, errorMessage | "" if all went well |
| action, decided | the permission that was asked for last, and the `Decision` about it |
| eventType, category, identity | where they are not those of a management API call |
| serviceEventDetails | what else a service tells of what it did by itself |
"""

import os
import random
from collections import deque
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Protocol

Event = Mapping[str, Any]
_IDS = random.Random(os.urandom(32))
_VERSION_AND_VARIANT = 4 << 76 | 8 << 60
_UUID_FIELDS = itemgetter(slice(0, 8), slice(8, 12), slice(12, 16), slice(16, 20), slice(20, 32))
_RANDOM_BITS = ~(0xF << 76 | 0xC << 60)


def new_event_id() -> str:
    """A random UUID (version 4); by hand, because every call makes one. No secret."""
    number = _IDS.getrandbits(128) & _RANDOM_BITS | _VERSION_AND_VARIANT
    return "-".join(_UUID_FIELDS(f"{number:032x}"))


class AuditSink(Protocol):
    """Takes the events of a service, in the order of the calls. It must not raise."""

    def record(self, event: Event) -> None: ...


class NullSink:
    """Forgets every event."""

    def record(self, event: Event) -> None:
        del event


class MemorySink:
    """Keeps the newest `events_max` events."""

    def __init__(self, events_max: int = 10_000) -> None:
        self.events: deque[Event] = deque(maxlen=events_max)

    def record(self, event: Event) -> None:
        self.events.append(event)
