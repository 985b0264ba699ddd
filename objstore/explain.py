"""Why a principal may or may not do something: the answer of `objstore explain`.

For operators only: an explanation names the statement, the grant or the missing allowance that
decided, which a caller who was refused does not learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kms.aws.arn import ARN
from kms.aws.clock import Clock
from kms.aws.context import Context, given
from kms.aws.errors import AWSError
from kms.aws.global_keys import caller_keys
from kms.aws.identity import Caller
from kms.aws.policy import Decision, Question, evaluate
from objstore.account.lookup import principal_named
from objstore.storage.index_identities import IdentityRows

VIA_SERVICE = "kms:viaservice"
EXPLAINED = ("iam", "kms", "sts")


class ExplainKey(Protocol):
    """The KMS's answer about a caller, an action ("Decrypt"), a key and condition keys."""

    def __call__(
        self, caller: Caller, *, action: str, key_id: str, context: Mapping[str, str]
    ) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether a principal may do an action to a resource, with condition keys of a request."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str]


class ExplainError(Exception):
    """The question makes no sense; the message says why."""


def explain(
    rows: IdentityRows,
    explain_key: ExplainKey,
    clock: Clock,
    asked: Asked,
) -> tuple[str, bool]:
    """One line that says what decides, and whether it is allowed. Raises ExplainError."""
    action, resource, context = asked.action, asked.resource, asked.context
    named = principal_named(rows, asked.principal)
    if named is None:
        raise ExplainError(f"there is no principal {asked.principal}")
    service, colon, operation = action.partition(":")
    if service not in EXPLAINED or not colon or not operation:
        raise ExplainError(f"the action must be of one of {', '.join(EXPLAINED)}: {action}")
    parsed = _parsed(resource)
    forwarding = [value for key, value in context.items() if key.lower() == VIA_SERVICE]
    caller = Caller(
        named,
        "",
        "" if parsed is None else parsed.region,
        "explain",
        via_service=forwarding[0] if forwarding else None,
    )
    if service == "kms" and parsed is not None:
        try:
            decision = explain_key(caller, action=operation, key_id=resource, context=context)
        except AWSError as error:
            raise ExplainError(error.message or error.code) from None
    else:
        account = named.account if parsed is None else parsed.account
        keys = Context(given(context), caller_keys(caller, clock))
        decision = evaluate(Question(named, action, resource, account, keys))
    return decision.explain(action), decision.allowed


def read_context(entries: Sequence[str]) -> Mapping[str, str]:
    """The condition keys of `key=value` entries. Raises ExplainError."""
    pairs = [entry.partition("=") for entry in entries]
    for key, equals, _ in pairs:
        if not equals or ":" not in key:
            raise ExplainError(f"a condition key has the form service:key=value, not {key!r}")
    return {key: value for key, _, value in pairs}


def _parsed(resource: str) -> ARN | None:
    """None for `*`, which stands for no resource. Raises ExplainError."""
    if resource == "*":
        return None
    try:
        return ARN.parse(resource)
    except ValueError:
        raise ExplainError(f"the resource must be an ARN or *: {resource}") from None
