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
from kms.aws.policy import Decision, Policy, Question, evaluate
from objstore import condition_keys
from objstore.account.lookup import principal_named, trust_named
from objstore.authorize import Authorizer
from objstore.storage.store import Store

VIA_SERVICE = "kms:viaservice"
EXPLAINED = ("cloudtrail", "iam", "kms", "s3", "sts")


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
    store: Store, explain_key: ExplainKey, authorizer: Authorizer, clock: Clock, asked: Asked
) -> tuple[str, bool]:
    """One line that says what decides, and whether it is allowed. Raises ExplainError."""
    principal = principal_named(store.identities.rows, asked.principal)
    if principal is None:
        raise ExplainError(f"there is no principal {asked.principal}")
    service, colon, operation = asked.action.partition(":")
    if service not in EXPLAINED or not colon or not operation:
        raise ExplainError(f"the action must be of one of {', '.join(EXPLAINED)}: {asked.action}")
    resource = _parsed(asked.resource)
    forwarding = [value for key, value in asked.context.items() if key.lower() == VIA_SERVICE]
    caller = Caller(
        principal,
        "",
        "" if resource is None else resource.region,
        "explain",
        via_service=forwarding[0] if forwarding else None,
    )
    if service == "kms" and resource is not None:
        decision = _about_key(explain_key, caller, operation, asked)
    elif service == "s3":
        decision = authorizer.decide(_about_bucket(store, caller, clock, resource, asked))
    else:
        account = principal.account if resource is None else resource.account
        keys = Context(given(asked.context), caller_keys(caller, clock))
        question = Question(principal, asked.action, asked.resource, account, keys)
        trust = _trust(store, service, resource)
        decision = evaluate(question, resource=trust, resource_decides=trust is not None)
    return decision.explain(asked.action), decision.allowed


def _trust(store: Store, service: str, resource: ARN | None) -> Policy | None:
    """The trust policy of a role that STS is asked about, which always decides."""
    if service != "sts" or resource is None or not resource.resource.startswith("role/"):
        return None
    trust = trust_named(store.identities.rows, str(resource))
    if trust is None:
        raise ExplainError(f"there is no role {resource}")
    return trust


def _about_key(explain_key: ExplainKey, caller: Caller, operation: str, asked: Asked) -> Decision:
    try:
        return explain_key(caller, action=operation, key_id=asked.resource, context=asked.context)
    except AWSError as error:
        raise ExplainError(error.message or error.code) from None


def _about_bucket(
    store: Store, caller: Caller, clock: Clock, resource: ARN | None, asked: Asked
) -> condition_keys.Asked:
    name, _, key = ("", "", "") if resource is None else resource.resource.partition("/")
    bucket = store.bucket(name) if name else None
    if name and bucket is None:
        raise ExplainError(f"there is no bucket {name}")
    return condition_keys.Asked(
        caller,
        asked.action,
        bucket,
        key,
        condition_keys.Facts({}, {}, clock),
        given=given(asked.context),
    )


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
