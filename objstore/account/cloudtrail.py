"""CloudTrail, as far as it is there without any trail made: LookupEvents over the audit files.

Other operations are refused by their names.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kms.aws.audit import AuditSink, new_event_id
from kms.aws.audit_search import END, Place, Search, Wanted
from kms.aws.clock import Clock, utc
from kms.aws.errors import AWSError
from kms.aws.identity import Caller
from kms.aws.json_protocol import compile_input, render, render_error
from kms.aws.model import load
from kms.aws.policy import Decision
from objstore.account.authorize import Authorizer, Request
from objstore.account.lookup_events import MATCHES, VALUES, Record, shape_of, text_of
from objstore.errors import S3Error
from objstore.tokens import Tokens

SERVICE = "cloudtrail"
SOURCE = "cloudtrail.amazonaws.com"
SUPPORTED = "LookupEvents"
ACTION = f"{SERVICE}:{SUPPORTED}"
READING = ("Describe", "Get", "List", "Lookup", "Search")
RESULTS_MAX = 50
ATTRIBUTE_LENGTH_MAX = 2_000
RETENTION_SECONDS = 90 * 86_400
_TOKEN_OF = SUPPORTED.encode()
# Shapes whose limits have errors of their own.
_UNLIMITED = frozenset(
    {"Date", "MaxResults", "EventCategory", "LookupAttributeKey", "LookupAttributeValue"}
)
_NONE: Sequence[Mapping[str, str]] = ()


class CloudTrail:
    """Serves one worker. `flush` has what this worker recorded written down."""

    def __init__(
        self,
        search: Search,
        *,
        audit: AuditSink,
        flush: Callable[[], None],
        clock: Clock,
        authorizer: Authorizer,
        tokens: Tokens,
    ) -> None:
        self._search = search
        self._audit = audit
        self._flush = flush
        self._clock = clock
        self._authorizer = authorizer
        self._tokens = tokens
        self._model = load(SERVICE)
        self._bind = compile_input(self._model, SUPPORTED, self.lookup_events, unlimited=_UNLIMITED)
        self._prefixes = (self._model.target_prefix + ".", "CloudTrail_20131101.")
        # One search at a time: they read files and would fill the thread pool.
        self._turn = asyncio.Lock()

    async def handle(self, target: str, body: bytes, caller: Caller) -> tuple[int, bytes]:
        """Answer an authenticated JSON 1.1 request: the status and the body."""
        operation = self._operation(target)
        arguments: Mapping[str, Any] = {}
        decision = None
        try:
            _check_supported(operation)
            arguments = self._bind(body)
            decision = self._decide(caller)
            if not decision.allowed:
                raise _denied(caller, decision)
            found = await self.lookup_events(caller, **arguments)
        except AWSError as error:
            if operation:
                self._record(caller, operation, arguments, decision, error)
            return error.status, render_error(error)
        self._record(caller, operation, arguments, decision)
        return 200, bytes(render(found))

    async def lookup_events(
        self,
        caller: Caller,
        *,
        lookup_attributes: Sequence[Mapping[str, str]] = _NONE,
        start_time: float | None = None,
        end_time: float | None = None,
        event_category: str | None = None,
        max_results: int = RESULTS_MAX,
        next_token: str | None = None,
    ) -> dict[str, Any]:
        """The management events of the caller's account and Region, the newest first."""
        if event_category is not None:
            if event_category != "insight":
                raise AWSError("InvalidEventCategoryException", "The event category is not valid.")
            return {"Events": []}
        if not 1 <= max_results <= RESULTS_MAX:
            raise AWSError(
                "InvalidMaxResultsException",
                f"A max results value of {max_results} is invalid. Specify max results between 1 "
                f"and {RESULTS_MAX}.",
            )
        now = self._clock.now()
        if start_time is not None and start_time > (now if end_time is None else end_time):
            raise AWSError("InvalidTimeRangeException", "The start time is after the end time.")
        key, value = attribute_of(lookup_attributes)
        listing = [
            _TOKEN_OF,
            caller.account.encode(),
            caller.region.encode(),
            json.dumps([key, value, start_time, end_time]).encode(),
        ]
        oldest = now - RETENTION_SECONDS
        wanted = Wanted(
            since=_instant(max(oldest, start_time or oldest)),
            until=_instant(end_time) if end_time is not None else END,
            after=self._place(listing, next_token),
            texts=tuple(
                filter(None, (caller.account, caller.region, text_of(key, value) if key else ""))
            ),
            fits=_fitting(caller, key, value),
        )
        return await self._page(wanted, listing, max_results)

    async def _page(self, wanted: Wanted, listing: list[bytes], count: int) -> dict[str, Any]:
        async with self._turn:
            found = await asyncio.to_thread(self._find, wanted, count + 1)
        page: dict[str, Any] = {"Events": [shape_of(record) for _, record in found[:count]]}
        if len(found) > count:
            last = json.dumps(found[count - 1][0]).encode()
            page["NextToken"] = self._tokens.make(listing, last)
        return page

    def _find(self, wanted: Wanted, count: int) -> list[tuple[Place, Record]]:
        self._flush()
        return self._search.find(wanted, count)

    def _place(self, listing: list[bytes], token: str | None) -> Place | None:
        if token is None:
            return None
        try:
            time, name, offset = json.loads(self._tokens.read(listing, token))
        except S3Error:
            raise AWSError("InvalidNextTokenException", "Invalid token.") from None
        return time, name, offset

    def _operation(self, target: str) -> str:
        """The operation of the model that the target names, "" for none."""
        for prefix in self._prefixes:
            operation = target.removeprefix(prefix)
            if operation != target and operation in self._model.operations:
                return operation
        return ""

    def _decide(self, caller: Caller) -> Decision:
        return self._authorizer.decide(caller, Request(ACTION, "*", caller.account))

    def _record(
        self,
        caller: Caller,
        operation: str,
        arguments: Mapping[str, Any],
        decision: Decision | None,
        error: AWSError | None = None,
    ) -> None:
        shown = {name: value for name, value in arguments.items() if name != "next_token"}
        self._audit.record(
            {
                "eventSource": SOURCE,
                "eventName": operation,
                "eventTime": self._clock.now(),
                "eventID": new_event_id(),
                "caller": caller,
                "readOnly": operation.startswith(READING),
                "parameters": shown,
                "errorCode": "" if error is None else error.code,
                "errorMessage": "" if error is None else error.message,
                "action": f"{SERVICE}:{operation}",
                "decided": decision,
            }
        )


def _check_supported(operation: str) -> None:
    if not operation:
        raise AWSError("UnknownOperationException")
    if operation != SUPPORTED:
        raise AWSError("UnsupportedOperationException", f"{operation} is not supported")


def attribute_of(attributes: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """The one attribute that is asked for, ("", "") for none."""
    if not attributes:
        return "", ""
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    known = key in MATCHES and value in VALUES.get(key, (value,))
    if len(attributes) > 1 or not known or not 1 <= len(value) <= ATTRIBUTE_LENGTH_MAX:
        raise AWSError(
            "InvalidLookupAttributesException",
            "One lookup attribute may be given, with a known key and a value.",
        )
    return key, value


def _fitting(caller: Caller, key: str, value: str) -> Callable[[Record], bool]:
    def fits(record: Record) -> bool:
        return (
            record["recipientAccountId"] == caller.account
            and record["awsRegion"] == caller.region
            and (not key or MATCHES[key](record, value))
        )

    return fits


def _denied(caller: Caller, decision: Decision) -> AWSError:
    return AWSError(
        "AccessDeniedException",
        f"User: {caller.principal.arn} is not authorized to perform: {ACTION} "
        f"{decision.because(ACTION)}",
    )


def _instant(seconds: float) -> str:
    try:
        return utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise AWSError("InvalidTimeRangeException", "The time is out of range.") from None
