"""Whether a caller may run an operation of IAM or STS, by all policies that concern it.

A denial carries, in a header of ours, what decided: sealed, for whoever may
DecodeAuthorizationMessage. Its text says no more than AWS's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from kms.aws.clock import Clock
from kms.aws.context import Context, Source, Value, given
from kms.aws.errors import AWSError
from kms.aws.global_keys import caller_keys
from kms.aws.identity import Caller, PrincipalKind
from kms.aws.policy import Decision, Policy, Question, evaluate
from objstore.account.sealing import Sealing

MESSAGE_HEADER = "x-objstore-authorization-message"
MESSAGE_PURPOSE = "authorization-message"
_RESOURCE_TAGS = ("aws:resourcetag/", "iam:resourcetag/")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: an action (`iam:GetUser`) on the ARN of a resource of an account.

    `tags` are the resource's, `keys` the condition keys of this request. `trust` is the policy of
    a role, which always decides about its role.
    """

    action: str
    resource: str
    account: str
    tags: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    trust: Policy | None = None


class Authorizer:
    """Decides by the policies of the principal. One a worker process."""

    def __init__(self, clock: Clock, sealing: Sealing) -> None:
        self._clock = clock
        self._sealing = sealing

    def allow(self, caller: Caller, request: Request) -> None:
        """Return if `caller` may do what is asked. Raises AccessDenied."""
        decision = self.decide(caller, request)
        if not decision.allowed:
            raise self.denied(caller, request, decision)

    def decide(self, caller: Caller, request: Request) -> Decision:
        """The engine's answer."""
        context = Context(
            caller_keys(caller, self._clock),
            given({**request.keys, "aws:ResourceAccount": request.account}),
            resource_tags(request.tags),
        )
        question = Question(
            caller.principal, request.action, request.resource, request.account, context
        )
        return evaluate(
            question, resource=request.trust, resource_decides=request.trust is not None
        )

    def denied(self, caller: Caller, request: Request, decision: Decision) -> AWSError:
        """The refusal of a decision."""
        anonymous = caller.principal.kind is PrincipalKind.ANONYMOUS
        user = "anonymous" if anonymous else caller.principal.arn
        message = (
            f"User: {user} is not authorized to perform: {request.action} on resource: "
            f"{request.resource} {decision.because(request.action)}"
        )
        sealed = self._sealing.seal(MESSAGE_PURPOSE, self._evidence(caller, request, decision))
        return AWSError("AccessDenied", message, status=403, headers={MESSAGE_HEADER: sealed})

    def _evidence(self, caller: Caller, request: Request, decision: Decision) -> bytes:
        """What DecodeAuthorizationMessage shows, in the form of AWS's messages."""
        statement = decision.statement
        matched = []
        if statement is not None and decision.policy is not None:
            matched.append(
                {
                    "statementId": statement.label,
                    "effect": statement.effect.name,
                    "policy": decision.policy.name,
                    "actions": {"items": [{"value": action} for action in statement.actions]},
                    "resources": {"items": [{"value": name} for name in statement.resources]},
                }
            )
        conditions = [
            {"key": key, "values": {"items": [{"value": value} for value in _several(values)]}}
            for key, values in request.keys.items()
        ]
        document = {
            "allowed": False,
            "explicitDeny": decision.explicit,
            "reason": decision.because(request.action),
            "matchedStatements": {"items": matched},
            "failures": {"items": []},
            "context": {
                "principal": {"id": caller.principal.user_id, "arn": caller.principal.arn},
                "action": request.action,
                "resource": request.resource,
                "conditions": {"items": conditions},
            },
        }
        return json.dumps([caller.account, document]).encode()


def resource_tags(tags: Mapping[str, str]) -> Source:
    """The source of `aws:ResourceTag/…` and IAM's older name for it."""
    lowered = {key.lower(): value for key, value in tags.items()}

    def value(key: str) -> Value:
        for prefix in _RESOURCE_TAGS:
            if key.startswith(prefix):
                return lowered.get(key[len(prefix) :])
        return None

    return value


def _several(values: str | tuple[str, ...]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else values
