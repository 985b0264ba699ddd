"""The one path of every call, whichever door it came through: look up, operate, audit.

Operations resolve, authorize and check states through `Request.use`, so neither door can skip it.
Nothing here knows bytes of the wire.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kms import trail
from kms.authorize import Authorizer
from kms.aws import arn, model
from kms.aws.audit import AuditSink, new_event_id
from kms.aws.clock import Clock
from kms.aws.context import given
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Identities
from kms.aws.policy import Decision
from kms.condition_keys import ENCRYPTION_CONTEXT
from kms.errors import KMSError
from kms.operations import HANDLERS, Handler
from kms.principals import Principals
from kms.request import Request
from kms.root import RootError
from kms.schedule import EVENT_SOURCE, Schedule
from kms.store import Store
from kms.store_connection import StoreError
from kms.store_usage import Use

_CONTEXT_MEMBERS = (
    "encryption_context",
    "source_encryption_context",
    "destination_encryption_context",
)
OPERATIONS = frozenset(model.load("kms").operations)
USES = frozenset(model.load("kms").shape("KeyLastUsageTrackingOperation").enum)
"""The operations that use a key, as GetKeyLastUsage understands it."""
DENIED = "AccessDeniedException"
_NOTHING: Mapping[str, Any] = {}


class Service:
    """A key management service over one store; belongs to one thread."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        audit: AuditSink,
        identities: Identities | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.authorizer = Authorizer(store, clock, Principals(identities))
        self.schedule = Schedule(store, audit)
        self._audit = audit

    def call(self, operation: str, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Run an operation with the members of its input in snake_case; raises KMSError.

        The output is keyed by the API's member names; blobs are bytes-like, dates are seconds.
        """
        request = Request(operation, caller, self.store, self.clock, self.authorizer, arguments)
        try:
            self._catch_up()
            output = handler_of(operation)(request, **arguments)
        except AWSError as error:
            self._record(request, error=error)
            raise
        except (RootError, StoreError) as cause:
            failure = KMSError("KMSInternalException", "The key store failed.")
            self._record(request, error=failure)
            raise failure from cause
        event_id, now = self._record(request, output)
        if operation in USES:
            use = Use(operation, now, event_id, caller.request_id)
            self.store.usage.note(request.key_arn, use)
            if request.source_arn:
                self.store.usage.note(request.source_arn, use)
        return output

    def refuse(self, operation: str, caller: Caller, error: AWSError) -> None:
        """Tell the audit of a request that is not one that an operation could have answered."""
        if operation in OPERATIONS:
            request = Request(operation, caller, self.store, self.clock, self.authorizer)
            self._record(request, error=error)

    def permit(
        self, operation: str, caller: Caller, *, key_id: str, context: Mapping[str, str]
    ) -> str:
        """The ARN of the key, if the operation would be let through with it; nothing happens.

        Raises KMSError as the operation would.
        """
        arguments = {"key_id": key_id, "encryption_context": context}
        request = Request(operation, caller, self.store, self.clock, self.authorizer, arguments)
        self._catch_up()
        return request.use(key_id).arn

    def explain(
        self, action: str, caller: Caller, *, key_id: str, context: Mapping[str, str]
    ) -> Decision:
        """What decides whether `caller` may do `action` ("Decrypt") to a key; nothing happens.

        `context` are condition keys as the request would have them. Raises NotFoundException.
        """
        pairs = {
            key[len(ENCRYPTION_CONTEXT) :]: value
            for key, value in context.items()
            if key.lower().startswith(ENCRYPTION_CONTEXT)
        }
        arguments = {"key_id": key_id, **dict.fromkeys(_CONTEXT_MEMBERS, pairs)}
        request = Request(action, caller, self.store, self.clock, self.authorizer, arguments)
        self._catch_up()
        key = request.resolve(key_id)
        asked = replace(request.asked(action, key), given=given(context))
        return self.authorizer.explain(asked, key)

    def _catch_up(self) -> None:
        """See what other processes did, and do what is due."""
        self.store.refresh()
        if self.store.next_due_at <= (now := self.clock.now()):
            self.schedule.catch_up(now)

    def _record(
        self,
        request: Request,
        output: Mapping[str, Any] = _NOTHING,
        *,
        error: AWSError | None = None,
    ) -> tuple[str, float]:
        """Tell the audit what was done; answers the event's id and time."""
        caller, operation = request.caller, request.operation
        event_id, now = new_event_id(), self.clock.now()
        changing = operation in trail.CHANGING
        event = {
            "eventSource": EVENT_SOURCE,
            "eventName": operation,
            "eventTime": now,
            "eventID": event_id,
            "caller": caller,
            "readOnly": not changing,
            "keyArn": request.key_arn,
            "otherArn": request.source_arn,
            "keyMaterialId": request.material_id,
            "errorCode": "",
            "errorMessage": "",
            "action": f"kms:{operation}",
            "decided": request.decided,
        }
        if error is not None:
            event["errorCode"], event["errorMessage"] = error.code, error.message
        elif changing:
            event["response"] = trail.response_of(output, request.key_arn)
        if caller.via_service is None:
            event["parameters"] = trail.parameters_of(operation, request.arguments)
            if "alias_name" in request.arguments:
                event["aliasArn"] = arn.kms_alias(
                    caller.region, caller.account, request.arguments["alias_name"]
                )
        else:
            self._forwarded(event, request)
        self._audit.record(event)
        return event_id, now

    def _forwarded(self, event: dict[str, Any], request: Request) -> None:
        """A service names the key by its ARN; of what it was denied, the trail shows nothing."""
        if event["errorCode"] == DENIED:
            event["keyArn"] = event["keyMaterialId"] = ""
            return
        parameters = trail.parameters_of(request.operation, request.arguments)
        if request.key_arn and "key_id" in parameters:
            parameters["key_id"] = request.key_arn
        event["parameters"] = parameters


def handler_of(operation: str) -> Handler:
    """Raises UnsupportedOperationException, or UnknownOperationException outside the model."""
    handler = HANDLERS.get(operation)
    if handler is not None:
        return handler
    if operation in OPERATIONS:
        raise KMSError("UnsupportedOperationException", f"{operation} is not supported")
    raise KMSError("UnknownOperationException")
