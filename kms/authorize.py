"""Who may do what to which key: the key's policy, the caller's own policies, and grants.

The key's policy always decides; the caller's policies count only where it lets their account in.
Grants add. AWS managed keys have no rules of their own: their policy says it all. Refusals have
AWS's words, and tell callers of other accounts nothing about keys that are not shared with them.

Decisions that depend on nothing but the caller, the action and the key are remembered; the key's
state and the audit record are the caller's business, every time.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/control-access.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kms.aws import arn
from kms.aws.clock import Clock
from kms.aws.context import Context
from kms.aws.global_keys import PRINCIPAL_TAG, caller_keys
from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.aws.policy import (
    Decision,
    Naming,
    Policy,
    Question,
    Reason,
    evaluate,
    naming,
)
from kms.aws.policy_principal import SESSIONS
from kms.condition_keys import STABLE, Asked, encryption_context, request_keys
from kms.errors import KMSError
from kms.grant import CREATE_GRANT, Grant, Pairs
from kms.key import Key
from kms.policy_text import compiled
from kms.principals import Principals
from kms.store import Store

REMEMBERED_MAX = 10_000

# Permissions that a key's policy can give to other accounts.
CROSS_ACCOUNT = frozenset(
    {
        "CreateGrant",
        "Decapsulate",
        "Decrypt",
        "DeriveSharedSecret",
        "DescribeKey",
        "Encapsulate",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GetKeyRotationStatus",
        "GetPublicKey",
        "ListGrants",
        "ReEncryptFrom",
        "ReEncryptTo",
        "RetireGrant",
        "RevokeGrant",
        "Sign",
        "Verify",
        "VerifyMac",
    }
)
_ELSEWHERE = (
    "on this resource because the resource does not exist in this Region, no resource-based "
    "policies allow access, or a resource-based policy explicitly denies access"
)
_UNSHARED = Decision(False, Reason.NO_RESOURCE)
_UNALLOWED = Decision(False, Reason.NO_IDENTITY)


def via_s3(caller: Caller) -> bool:
    """Whether S3, in the caller's region, forwards this call."""
    return caller.via_service is not None and (
        caller.via_service == f"s3.{caller.region}.amazonaws.com"
    )


@dataclass(slots=True)
class _Known:
    """What is known of a principal, an action, a key with its policy and a forwarding service.

    `decision` is what policies say and `granted` what they say to a grant, as far as `stable`
    allows to remember that; `names` is what a grant may be bound to.
    """

    principal: Principal
    text: str
    bound: Pairs
    policy: Policy
    names: tuple[tuple[str, Naming], ...]
    stable: bool
    decision: Decision | None = None
    granted: dict[Naming, Decision] = field(default_factory=dict)

    def fits(self, principal: Principal, key: Key) -> bool:
        """Whether it is about this very principal and the policy that the key has now."""
        return self.principal is principal and self.text == key.policy and self.bound == key.bound


class Authorizer:
    """Decides about the keys of a store; belongs to its thread."""

    def __init__(self, store: Store, clock: Clock, principals: Principals) -> None:
        self.principals = principals
        self._store = store
        self._clock = clock
        # By the identity of the principal, which the entry keeps alive; an entry counts only for
        # the very same principal and the same policy text.
        self._known: dict[tuple[int, str, str, str | None], _Known] = {}

    def remembered(self, caller: Caller, action: str, key: Key) -> Decision | None:
        """What policies say, if that is known already and depends on nothing else."""
        known = self._known.get((id(caller.principal), action, key.arn, caller.via_service))
        if known is None or not known.fits(caller.principal, key):
            return None
        return known.decision

    def decide(self, asked: Asked, key: Key) -> Decision:
        """Whether `asked.caller` may do `asked.action` to `key`, which is `asked.key`."""
        known = self._know(asked, key)
        return self._decide(asked, key, known)

    def explain(self, asked: Asked, key: Key) -> Decision:
        """The same with condition keys that were made up; nothing is remembered."""
        principal = asked.caller.principal
        policy = compiled(key.policy, key.bound)
        names = tuple(names_of(principal))
        return self._decide(
            asked, key, _Known(principal, key.policy, key.bound, policy, names, False)
        )

    def _decide(self, asked: Asked, key: Key, known: _Known) -> Decision:
        decision = known.decision
        if decision is None:
            decision = self._by_policies(asked, key, known.policy)
            if known.stable:
                known.decision = decision
        if decision.allowed or decision.explicit:
            return decision
        return self._by_grants(asked, key, known) or decision

    def _know(self, asked: Asked, key: Key) -> _Known:
        principal = asked.caller.principal
        name = (id(principal), asked.action, key.arn, asked.caller.via_service)
        known = self._known.get(name)
        if known is not None and known.fits(principal, key):
            return known
        policy = compiled(key.policy, key.bound)
        stable = _depends_on(principal, policy, f"kms:{asked.action}") <= STABLE
        known = _Known(principal, key.policy, key.bound, policy, tuple(names_of(principal)), stable)
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        self._known[name] = known
        return known

    def decide_account(self, asked: Asked, resource: str) -> Decision:
        """The same for what concerns no key, or an alias, by the caller's own policies."""
        decision = evaluate(self._question(asked, resource, asked.caller.account))
        return _UNALLOWED if decision.reason is Reason.NO_RESOURCE else decision

    def can_change_policy(self, asked: Asked, changed: Key) -> bool:
        """Whether the caller, once the key is `changed`, could put yet another policy."""
        asked = replace(asked, action="PutKeyPolicy", key=changed, arguments={})
        question = self._question(asked, changed.arn, changed.account)
        policy = compiled(changed.policy, changed.bound)
        return evaluate(question, resource=policy, resource_decides=True).allowed

    def can_retire(self, asked: Asked, grant: Grant) -> Decision:
        """Whether the caller may retire a grant: its principals, or the account that issued it."""
        caller = asked.caller
        key_arn = arn.kms_key(grant.region, grant.account, grant.key_id)
        question = self._question(asked, key_arn, grant.account)
        granted = Naming.NOT
        for name, how in names_of(caller.principal):
            may = name == grant.retiree or (
                name == grant.grantee and grant.permits(asked.action, None, caller.source_arn)
            )
            granted = max(granted, how if may else Naming.NOT)
        decision = evaluate(question, granted=granted)
        return replace(decision, detail=grant.grant_id) if granted else decision

    def _by_policies(self, asked: Asked, key: Key, policy: Policy) -> Decision:
        if asked.caller.principal.kind is PrincipalKind.ANONYMOUS:
            return _UNSHARED
        if asked.caller.account != key.account:
            return self._elsewhere(asked, key, policy)
        question = self._question(asked, key.arn, key.account)
        return evaluate(question, resource=policy, resource_decides=True)

    def _elsewhere(self, asked: Asked, key: Key, policy: Policy) -> Decision:
        """A caller of another account, who is told about own policies only of a shared key."""
        if asked.action not in CROSS_ACCOUNT:
            return _UNSHARED
        question = self._question(asked, key.arn, key.account)
        decision = evaluate(question, resource=policy, resource_decides=True)
        if not decision.allowed and not naming(question, policy)[0]:
            return _UNSHARED
        return decision

    def _by_grants(self, asked: Asked, key: Key, known: _Known) -> Decision | None:
        """What the grants on `key` make of a refusal; None if there is none for the caller."""
        anonymous = known.principal.kind is PrincipalKind.ANONYMOUS
        if anonymous or asked.action not in CROSS_ACCOUNT:
            return None
        name = (key.account, key.region, key.key_id)
        for bound, how in known.names:
            for grant in self._store.grants.of(name, bound):
                if _permits(grant, asked):
                    decision = self._granted(asked, key, known, how)
                    return replace(decision, detail=grant.grant_id)
        return None

    def _granted(self, asked: Asked, key: Key, known: _Known, how: Naming) -> Decision:
        """What policies say to a grant that names the principal in this way."""
        decision = known.granted.get(how)
        if decision is None:
            decision = evaluate(
                self._question(asked, key.arn, key.account),
                resource=known.policy,
                resource_decides=True,
                granted=how,
            )
            if known.stable:
                known.granted[how] = decision
        return decision

    def _question(self, asked: Asked, resource: str, account: str) -> Question:
        of_request, of_caller = request_keys(asked), caller_keys(asked.caller, self._clock)
        if asked.given is None:
            context = Context(of_request, of_caller)
        else:
            context = Context(asked.given, of_request, of_caller)
        return Question(asked.caller.principal, f"kms:{asked.action}", resource, account, context)


def names_of(principal: Principal) -> Iterator[tuple[str, Naming]]:
    """What grants may be bound to for this principal, from the strongest naming on."""
    if principal.kind is PrincipalKind.SERVICE:
        yield principal.name, Naming.SELF
        return
    yield principal.user_id, Naming.SELF
    yield principal.arn, Naming.SELF
    session = principal.session
    if session is not None and principal.kind in SESSIONS:
        yield session.issuer_id, Naming.ROLE
        yield session.issuer_arn, Naming.ROLE
    if principal.account.isdigit():
        yield principal.account, Naming.ACCOUNT


def _permits(grant: Grant, asked: Asked) -> bool:
    source_arn = asked.caller.source_arn
    if asked.action != CREATE_GRANT:
        return grant.permits(asked.action, encryption_context(asked), source_arn)
    constraints: Mapping[str, Any] = asked.arguments.get("constraints") or {}
    return grant.permits(CREATE_GRANT, None, source_arn) and grant.permits_granting(
        tuple(asked.arguments.get("operations") or ()),
        pairs(constraints.get("EncryptionContextEquals")),
        pairs(constraints.get("EncryptionContextSubset")),
        constraints.get("SourceArn", ""),
    )


def pairs(context: Mapping[str, str] | None) -> Pairs | None:
    return None if context is None else tuple(context.items())


def _depends_on(principal: Principal, policy: Policy, action: str) -> frozenset[str]:
    """The condition keys that the answer about `action` hangs on."""
    policies = principal.policies
    concerned = [policy, *policies.identity, *(policies.session or ())]
    if policies.boundary is not None:
        concerned.append(policies.boundary)
    keys = frozenset[str]().union(*(found.about(action).keys for found in concerned))
    return frozenset(key for key in keys if not key.startswith(PRINCIPAL_TAG))


def denied(caller: Caller, action: str, key: Key, decision: Decision) -> KMSError:
    """The refusal of a decision about a key."""
    because = decision.because(f"kms:{action}")
    if caller.account == key.account:
        return _denied(caller, action, f"on resource: {key.arn} {because}")
    if decision.reason in (Reason.NO_RESOURCE, Reason.DENIED_BY_RESOURCE):
        return denied_elsewhere(caller, action)
    return _denied(caller, action, f"on this resource {because}")


def denied_account(caller: Caller, action: str, resource: str, decision: Decision) -> KMSError:
    """The refusal of a decision that concerned no key."""
    return _denied(caller, action, f"on resource: {resource} {decision.because(f'kms:{action}')}")


def denied_elsewhere(caller: Caller, action: str) -> KMSError:
    """The refusal that does not tell whether another account's key exists."""
    return _denied(caller, action, _ELSEWHERE)


def _denied(caller: Caller, action: str, rest: str) -> KMSError:
    anonymous = caller.principal.kind is PrincipalKind.ANONYMOUS
    user = "anonymous" if anonymous else caller.principal.arn
    message = f"User: {user} is not authorized to perform: kms:{action} {rest}"
    return KMSError("AccessDeniedException", message)
