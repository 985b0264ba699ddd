"""CloudTrail records: what an audit event looks like once it is written down. Pure.

A call that uses another account's resource gives a record to each account, the two tied by a
`sharedEventID`; one that was refused there is no business of the resource's account, and its record
does not tell the caller which resource it was. Whatever is bytes is left out, always.

What many records have in common (a spelling, a second, a resource) is worked out once.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Any, TypeVar

import orjson

from kms.aws.audit import Event, new_event_id
from kms.aws.audit_identity import (
    INTERNAL,
    Identity,
    foreign_identity,
    forwarder,
    user_identity,
)
from kms.aws.clock import utc
from kms.aws.identity import Caller, PrincipalKind
from kms.aws.policy import Decision
from kms.aws.wiping import WipingBytes

EVENT_VERSION = "1.11"
PARAMETERS_BYTES_MAX = 100 * 1024
ADDITIONAL_BYTES_MAX = 28 * 1024
TEXT_LENGTH_MAX = 1_024
COMMON_MAX = 4_096
AUTHORIZATION = "authorization"
"""Our own member of a line in the trail's files: what decided. No caller gets to see it."""

# Members whose names are the caller's, not the API's.
_MAPS = frozenset(
    {
        "destinationEncryptionContext",
        "encryptionContext",
        "encryptionContextEquals",
        "encryptionContextSubset",
        "sourceEncryptionContext",
    }
)
_TYPES = {
    ("kms", "key"): "AWS::KMS::Key",
    ("kms", "alias"): "AWS::KMS::Alias",
    ("iam", "role"): "AWS::IAM::Role",
}
_DENIALS = {"AccessDeniedException": "AccessDenied"}
_PLAIN = frozenset({str, bool, NoneType})
_BYTES = frozenset({bytes, bytearray, memoryview, WipingBytes})
_WITHOUT_TRAIL = (PrincipalKind.ANONYMOUS, PrincipalKind.SERVICE)

Record = dict[str, Any]
Names = tuple[str | None, ...]
T = TypeVar("T")
_Known = dict[tuple[object, ...], tuple[object, T]]
_EXPLAINED: _Known[str] = {}
_IDENTITIES: _Known[Identity] = {}


def lines_of(event: Event) -> list[bytes]:
    """The lines of an event in the trail's files: its records, with what decided."""
    authorization = explained(event)
    lines = []
    for record in records_of(event):
        if authorization:
            record[AUTHORIZATION] = authorization
        line = _encode(record)
        if len(line) > ADDITIONAL_BYTES_MAX:
            line = _encode(_bounded(record))
        lines.append(line)
    return lines


def _encode(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # Text that is no Unicode, or a number of more than 64 bits: it is to be on record as well.
        return json.dumps(value, separators=(",", ":")).encode()


def explained(event: Event) -> str:
    """What decided whether the caller may do this, as one line for operators; "" if nothing did."""
    decided: Decision | None = event.get("decided")
    if decided is None:
        return ""
    action = event["action"]
    return _remembered(_EXPLAINED, decided, (action,), lambda: decided.explain(action))


def _remembered(known: _Known[T], subject: object, more: Names, work_out: Callable[[], T]) -> T:
    """What follows from `subject`, an object of many events, and a few names; not to be changed.

    It is found by the identity of the subject, which its entry keeps alive.
    """
    name = (id(subject), *more)
    entry = known.get(name)
    if entry is None:
        if len(known) >= COMMON_MAX:
            known.clear()
        entry = known[name] = (subject, work_out())
    return entry[1]


def records_of(event: Event) -> list[Record]:
    """One record for each account that an event concerns."""
    caller: Caller | None = event.get("caller")
    if caller is None:
        return [_service_record(event)]
    resources = _resources(event)
    own = caller.account
    owner = event.get("owner") or (resources[0]["accountId"] if resources else own)
    record = _call_record(event, caller)
    if "identity" in event:
        record["userIdentity"] = event["identity"]
    if own == owner or caller.principal.kind in _WITHOUT_TRAIL:
        return [_finished(record, event, resources, owner)]
    if _code(event) == "AccessDenied":
        return [_finished(record, event, (), own)]
    shared = new_event_id()
    theirs = {**record, "userIdentity": foreign_identity(caller)}
    record["eventID"] = new_event_id()
    for found in (record, theirs):
        found["sharedEventID"] = shared
    return [
        _finished(record, event, resources, own),
        _finished(theirs, event, resources, owner),
    ]


def _call_record(event: Event, caller: Caller) -> Record:
    if caller.via_service is None:
        source, agent = caller.source_ip, caller.user_agent
    else:
        source = agent = forwarder(caller.via_service)
    record = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": _remembered(
            _IDENTITIES,
            caller.principal,
            (caller.access_key_id, caller.via_service),
            lambda: user_identity(caller),
        ),
        "eventTime": _instant(int(event["eventTime"])),
        "eventSource": event["eventSource"],
        "eventName": event["eventName"],
        "awsRegion": event.get("region") or caller.region,
        "sourceIPAddress": source,
        "userAgent": agent[:TEXT_LENGTH_MAX],
    }
    if event["errorCode"]:
        record["errorCode"] = _code(event)
        if event["errorMessage"]:
            record["errorMessage"] = event["errorMessage"][:TEXT_LENGTH_MAX]
    parameters = event.get("requestParameters")
    if parameters is None:
        parameters = shown(event.get("parameters"))
    record["requestParameters"] = parameters or None
    record["responseElements"] = shown(event.get("response")) or None
    additional = event.get("additional")
    material_id = event.get("keyMaterialId")
    if material_id:
        record["additionalEventData"] = {**(additional or {}), "keyMaterialId": material_id}
    elif additional:
        record["additionalEventData"] = additional
    record["requestID"] = caller.request_id
    record["eventID"] = event["eventID"]
    record["readOnly"] = event["readOnly"]
    return record


def _service_record(event: Event) -> Record:
    """What a service did to a resource by itself."""
    record = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": event["account"], "invokedBy": INTERNAL},
        "eventTime": _instant(int(event["eventTime"])),
        "eventSource": event["eventSource"],
        "eventName": event["eventName"],
        "awsRegion": event["region"],
        "sourceIPAddress": INTERNAL,
        "userAgent": INTERNAL,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event["eventID"],
        "readOnly": False,
    }
    if event.get("keyMaterialId"):
        record["additionalEventData"] = {"keyMaterialId": event["keyMaterialId"]}
    if event.get("serviceEventDetails"):
        record["serviceEventDetails"] = event["serviceEventDetails"]
    return _finished(record, event, _resources(event), event["account"])


def _finished(record: Record, event: Event, resources: Sequence[Record], recipient: str) -> Record:
    """`record` itself, with its last members."""
    category = event.get("category", "Management")
    if resources:
        record["resources"] = resources
    record["eventType"] = event.get("eventType", "AwsApiCall")
    record["managementEvent"] = category == "Management"
    record["recipientAccountId"] = recipient
    record["eventCategory"] = category
    return record


def _resources(event: Event) -> Sequence[Record]:
    return _described(
        event.get("keyArn"),
        event.get("otherArn"),
        event.get("aliasArn"),
        *event.get("resources", ()),
        owner=event.get("owner", ""),
    )


@lru_cache(COMMON_MAX)
def _described(*names: str | None, owner: str) -> Sequence[Record]:
    return [_resource(name, owner) for name in dict.fromkeys(names) if name]


def _resource(name: str, owner: str) -> Record:
    _, _, service, _, account, resource = name.split(":", 5)
    if service == "s3":
        kind = "AWS::S3::Object" if "/" in resource else "AWS::S3::Bucket"
    else:
        kind = _TYPES.get((service, resource.partition("/")[0]), "")
    found = {"accountId": account or owner}
    if kind:
        found["type"] = kind
    return {**found, "ARN": name}


def shown(members: Mapping[str, Any] | None) -> Record | None:
    """Members in the names of a record: `key_id` and `KeyId` are `keyId`."""
    return None if members is None else _shown_members(members)


def _shown_members(members: Mapping[str, Any]) -> Record:
    found: Record = {}
    for name, value in members.items():
        if value is not None and value.__class__ not in _BYTES:
            camel = lower_camel(name)
            found[camel] = dict(value) if camel in _MAPS else _shown(camel, value)
    return found


def _shown(name: str, value: Any) -> Any:
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, datetime):
        return _date(value)
    if isinstance(value, int | float):
        return _date(utc(value)) if name.endswith(("Date", "validTo")) else value
    if isinstance(value, Mapping):
        return _shown_members(value)
    return [_shown(name, item) for item in value if item.__class__ not in _BYTES]


@lru_cache(COMMON_MAX)
def lower_camel(name: str) -> str:
    """`key_id` or `KeyId` → `keyId`."""
    if "_" in name or name.islower():
        head, *rest = name.split("_")
        return head + "".join(map(str.capitalize, rest))
    return name[:1].lower() + name[1:]


def _bounded(record: Record) -> Record:
    """A long record without the parts that are longer than CloudTrail takes."""
    limits = {
        "requestParameters": PARAMETERS_BYTES_MAX,
        "responseElements": PARAMETERS_BYTES_MAX,
        "additionalEventData": ADDITIONAL_BYTES_MAX,
    }
    return {
        name: {"omitted": True, "reason": "too long"}
        if name in limits and len(_encode(value)) > limits[name]
        else value
        for name, value in record.items()
    }


def _code(event: Event) -> str:
    code: str = event["errorCode"]
    return _DENIALS.get(code, code)


@lru_cache(COMMON_MAX)
def _instant(seconds: int) -> str:
    return utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date(moment: datetime) -> str:
    """A date inside parameters and responses: `Apr 4, 2024, 7:00:00 AM`."""
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year}, {hour}:{moment:%M:%S %p}"
