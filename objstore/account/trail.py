"""What of an IAM or STS call the audit trail shows: everything but secrets.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
"""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from kms.aws.arn import ARN
from kms.aws.audit import Event, new_event_id
from kms.aws.audit_identity import web_identity
from kms.aws.audit_record import lower_camel
from kms.aws.errors import AWSError
from kms.aws.identity import Caller
from kms.aws.model import load
from kms.aws.policy import Decision

GLOBAL_REGION = "us-east-1"
READING = ("Generate", "Get", "List", "Simulate")
WITHHELD = frozenset(
    {
        "addPrivateKey",
        "base32StringSeed",
        "clientToken",
        "decodedMessage",
        "encodedMessage",
        "newPassword",
        "oldPassword",
        "password",
        "privateKey",
        "qRCodePNG",
        "sAMLAssertion",
        "samlAssertion",
        "secretAccessKey",
        "serviceCredentialSecret",
        "servicePassword",
        "sessionToken",
        "tokenCode",
        "tradeInToken",
        "webIdentityToken",
    }
)
"""Members that are secret, or as good as: none of them is ever shown."""
_ERROR_NAMES = {
    shape.error_code: shape.name
    for service in ("iam", "sts")
    for shape in load(service).shapes.values()
    if shape.error_code
}
"""Errors by code. The trail names them as the models do: `NoSuchEntityException`."""
_GIVES_SESSIONS = ("Assume", "GetFederationToken", "GetSessionToken")


def event_of(
    service: str,
    operation: str,
    arguments: Mapping[str, Any],
    caller: Caller,
    *,
    at: float,
    reply: Mapping[str, Any] | None = None,
    error: AWSError | None = None,
    decided: Decision | None = None,
) -> Event:
    """The event of a call that was answered with `reply` or `error`."""
    changing = service == "iam" and not operation.startswith(READING)
    event: dict[str, Any] = {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": operation,
        "eventTime": at,
        "eventID": new_event_id(),
        "caller": caller,
        "readOnly": not changing,
        "parameters": without_secrets(members_of(arguments)),
        "errorCode": "" if error is None else _ERROR_NAMES.get(error.code, error.code),
        "errorMessage": "" if error is None else error.message,
        "action": f"{service}:{operation}",
        "decided": decided,
    }
    if service == "iam":
        event["region"] = GLOBAL_REGION
    if reply and (changing or operation.startswith(_GIVES_SESSIONS)):
        event["response"] = without_secrets(reply)
    if reply and "SubjectFromWebIdentityToken" in reply:
        event["identity"] = web_identity(
            reply["Provider"], reply["Audience"], reply["SubjectFromWebIdentityToken"]
        )
    if is_arn(arguments.get("role_arn")):
        event["resources"] = (arguments["role_arn"],)
    return event


def members_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a call's input, those in groups among them."""
    members: dict[str, Any] = {}
    for name, value in arguments.items():
        group = is_dataclass(value) and not isinstance(value, type)
        members |= asdict(value) if group else {name: value}
    return members


def without_secrets(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that may be shown, at every depth."""
    return {
        name: _shown(value) for name, value in members.items() if lower_camel(name) not in WITHHELD
    }


def is_arn(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(ARN.parse(text))
    except ValueError:
        return False


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value
