"""Evaluation: may this principal do this, by all policies that concern the request, and why.

An explicit deny anywhere decides. Within the resource's account it then suffices that either the
resource's policy or the identity's policies, within boundary and session policies, allow; from
another account both must. For keys and roles the resource's policy always decides, and the
identity's policies count only where it lets the account in. Pure: knows no service.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from kms.aws.context import Context
from kms.aws.identity import Principal, PrincipalKind
from kms.aws.policy_document import Flaw, Policy, PolicyError, PolicyKind, Statement, parse
from kms.aws.policy_principal import Naming

__all__ = [
    "Decision",
    "Flaw",
    "Naming",
    "Policy",
    "PolicyError",
    "PolicyKind",
    "Question",
    "Reason",
    "evaluate",
    "naming",
    "parse",
]


class Reason(Enum):
    """What decided. The value of a refusal ends AWS's message; `{action}` is to be filled in."""

    ROOT = "as the account's root"
    IDENTITY = "by an identity-based policy"
    RESOURCE = "by a resource-based policy"
    GRANT = "by a grant"
    DENIED_BY_IDENTITY = "with an explicit deny in an identity-based policy"
    DENIED_BY_BOUNDARY = "with an explicit deny in a permissions boundary"
    DENIED_BY_SESSION = "with an explicit deny in a session policy"
    DENIED_BY_RESOURCE = "with an explicit deny in a resource-based policy"
    NO_IDENTITY = "because no identity-based policy allows the {action} action"
    NO_BOUNDARY = "because no permissions boundary allows the {action} action"
    NO_SESSION = "because no session policy allows the {action} action"
    NO_RESOURCE = "because no resource-based policy allows the {action} action"


@dataclass(frozen=True, slots=True)
class Question:
    """A request to decide: `action` as in "kms:Decrypt", on the ARN `resource` of `account`."""

    principal: Principal
    action: str
    resource: str
    account: str
    context: Context


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and what decided: a statement of a policy, or a grant, whose id `detail` is."""

    allowed: bool
    reason: Reason
    policy: Policy | None = None
    statement: Statement | None = None
    detail: str = ""

    @property
    def explicit(self) -> bool:
        """Whether a Deny statement decided, which nothing can overrule."""
        return not self.allowed and self.statement is not None

    def because(self, action: str) -> str:
        """The end of AWS's message about a refusal."""
        return self.reason.value.format(action=action)

    def explain(self, action: str) -> str:
        """One line for operators, naming the statement; never for the one who was refused."""
        line = f"{'allowed' if self.allowed else 'denied'} {self.because(action)}"
        if self.policy is None or self.statement is None:
            return f"{line} ({self.detail})" if self.detail else line
        name = self.policy.name or f"the {self.policy.kind.value} policy"
        return f"{line} ({self.statement.label} of {name})"


def evaluate(
    question: Question,
    *,
    resource: Policy | None = None,
    resource_decides: bool = False,
    granted: Naming = Naming.NOT,
) -> Decision:
    """Decide by the principal's policies and the policy of the resource.

    `resource_decides` is for keys and roles. `granted` is how a grant, which is like an Allow of
    the resource's policy, names the principal.
    """
    principal = question.principal
    denied = _denied(question, resource)
    if denied is not None:
        return denied
    named, statement = naming(question, resource)
    by_resource = Decision(True, Reason.RESOURCE, resource, statement)
    if granted > named:
        named, by_resource = granted, Decision(True, Reason.GRANT)
    if principal.kind in _WITHOUT_POLICIES:
        return by_resource if named else Decision(False, Reason.NO_RESOURCE)
    if principal.account != question.account:
        if not named:
            return Decision(False, Reason.NO_RESOURCE)
        allowed = _allowed_by_identity(question)
        return allowed if not allowed.allowed else by_resource
    if named is Naming.SELF:
        return by_resource
    if named is Naming.ROLE:
        return _limited(question, by_resource)
    if resource_decides and named is Naming.NOT:
        return Decision(False, Reason.NO_RESOURCE)
    return _allowed_by_identity(question)


_WITHOUT_POLICIES = (PrincipalKind.ANONYMOUS, PrincipalKind.SERVICE, PrincipalKind.WEB_IDENTITY)


def naming(question: Question, resource: Policy | None) -> tuple[Naming, Statement | None]:
    """The strongest way in which an Allow of the resource's policy names the principal."""
    strongest, found = Naming.NOT, None
    if resource is None:
        return strongest, found
    for statement in resource.about(question.action).allowing:
        if statement.naming is not None:
            named = statement.naming(question.principal)
            if named > strongest and statement.applies(question.resource, question.context):
                strongest, found = named, statement
    return strongest, found


def _denied(question: Question, resource: Policy | None) -> Decision | None:
    """The explicit deny, if there is one."""
    policies = question.principal.policies
    if resource is not None:
        found = _denying(question, resource)
        if found is not None:
            return Decision(False, Reason.DENIED_BY_RESOURCE, resource, found)
    for policy in policies.identity:
        found = _denying(question, policy)
        if found is not None:
            return Decision(False, Reason.DENIED_BY_IDENTITY, policy, found)
    if policies.boundary is not None:
        found = _denying(question, policies.boundary)
        if found is not None:
            return Decision(False, Reason.DENIED_BY_BOUNDARY, policies.boundary, found)
    for policy in policies.session or ():
        found = _denying(question, policy)
        if found is not None:
            return Decision(False, Reason.DENIED_BY_SESSION, policy, found)
    return None


def _denying(question: Question, policy: Policy) -> Statement | None:
    for statement in policy.about(question.action).denying:
        if (statement.naming is None or statement.naming(question.principal)) and statement.applies(
            question.resource, question.context
        ):
            return statement
    return None


def _allowed_by_identity(question: Question) -> Decision:
    if question.principal.kind is PrincipalKind.ROOT:
        return _limited(question, Decision(True, Reason.ROOT))
    found = _allowing(question, question.principal.policies.identity)
    if found is None:
        return Decision(False, Reason.NO_IDENTITY)
    return _limited(question, Decision(True, Reason.IDENTITY, *found))


def _limited(question: Question, decision: Decision) -> Decision:
    """An allowance within the limits of the boundary and of the session policies."""
    policies = question.principal.policies
    if policies.boundary is not None and _allowing(question, (policies.boundary,)) is None:
        return Decision(False, Reason.NO_BOUNDARY)
    if policies.session is not None and _allowing(question, policies.session) is None:
        return Decision(False, Reason.NO_SESSION)
    return decision


def _allowing(question: Question, policies: Sequence[Policy]) -> tuple[Policy, Statement] | None:
    """The first statement of a principal's policies that allows."""
    for policy in policies:
        for statement in policy.about(question.action).allowing:
            if statement.applies(question.resource, question.context):
                return policy, statement
    return None
