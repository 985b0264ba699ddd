"""Who may do what on the S3 side: the caller's own policies, the bucket's policy, and ACLs.

Where ACLs are on, an object may belong to the account that wrote it, and then that account gives
access to it; the bucket's policy can still deny. Public access block takes back what was given to
everybody. Refusals have AWS's words within the account; others hear only that they are refused.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kms.aws.arn import ARN
from kms.aws.clock import Clock
from kms.aws.context import Context
from kms.aws.global_keys import caller_keys
from kms.aws.identity import NO_POLICIES, Principal, PrincipalKind
from kms.aws.policy import Decision, Naming, Policy, Question, Reason, evaluate
from kms.aws.policy_principal import SESSIONS
from objstore.actions import BUCKET_PERMISSIONS, MANAGE_POLICY, OBJECT_PERMISSIONS, OF_OBJECTS
from objstore.condition_keys import PASS_ROLE, Asked, request_keys
from objstore.errors import S3Error
from objstore.names import key_bytes
from objstore.rules import access, acl, bucket_policy
from objstore.storage.records import Bucket, StoredObject

if TYPE_CHECKING:
    from objstore.account.directory import Account
    from objstore.storage.store import Store

_ROOT = Decision(True, Reason.ROOT)


class Authorizer:
    """Decides for one worker. `account` gives the names of an account, `account_of` the reverse."""

    def __init__(
        self,
        store: "Store",
        clock: Clock,
        *,
        account: "Callable[[str], Account]",
        account_of: Callable[[str], str | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._account_of = account_of

    def check(self, asked: Asked) -> None:
        """Return if it is allowed. Raises AccessDenied."""
        decision = self.decide(asked)
        if not decision.allowed:
            raise refusal(asked, decision)

    def may(self, asked: Asked) -> bool:
        """Whether it is allowed."""
        return self.decide(asked).allowed

    def decide(self, asked: Asked) -> Decision:
        """The answer, and what decided."""
        principal, bucket = asked.caller.principal, asked.bucket
        if bucket is None:
            return self._of_account(asked)
        policy = bucket_policy.of(bucket.settings, self._account_of)
        enforced = access.object_ownership(bucket.settings) == access.OWNER_ENFORCED
        if principal.kind is PrincipalKind.ROOT and principal.account == bucket.account:
            unlimited = principal.policies is NO_POLICIES
            if unlimited and asked.action in MANAGE_POLICY:
                return _ROOT
            if unlimited and policy is None and enforced:
                return _ROOT
        return self._evaluate(asked, bucket, policy, enforced=enforced)

    def _of_account(self, asked: Asked) -> Decision:
        account = asked.caller.account
        if asked.action == PASS_ROLE:
            account = ARN.parse(asked.key).account
        decision = evaluate(self._question(asked, account, lambda: None))
        if decision.reason is Reason.NO_RESOURCE:
            return Decision(False, Reason.NO_IDENTITY)
        return decision

    def _evaluate(
        self, asked: Asked, bucket: Bucket, policy: Policy | None, *, enforced: bool
    ) -> Decision:
        found: list[StoredObject | None] = []

        def find() -> StoredObject | None:
            if not found:
                found.append(self._find(asked, bucket))
            return found[0]

        owner, granted = bucket.account, Naming.NOT
        if not enforced:
            owner, granted = self._by_acl(asked, bucket, find)
        principal = asked.caller.principal
        if policy is not None and (
            owner != bucket.account or self._is_restricted(principal, bucket, policy)
        ):
            policy = bucket_policy.denials(policy)
        question = self._question(asked, owner, find)
        return evaluate(question, resource=policy, granted=granted)

    def _is_restricted(self, principal: Principal, bucket: Bucket, policy: Policy) -> bool:
        """Whether a public policy gives nothing to this principal, since the bucket says so."""
        return (
            principal.account != bucket.account
            and principal.kind is not PrincipalKind.SERVICE
            and access.public_access_block(bucket.settings)["RestrictPublicBuckets"]
            and bucket_policy.is_public(policy)
        )

    def _by_acl(
        self, asked: Asked, bucket: Bucket, find: Callable[[], StoredObject | None]
    ) -> tuple[str, Naming]:
        """Whose resource this is, and how its ACL names the caller."""
        owner = bucket.account
        grants: list[acl.Grant] = (bucket.settings.get(acl.SETTING) or {}).get("Grants", [])
        permissions = BUCKET_PERMISSIONS
        if asked.action in OF_OBJECTS:
            stored = find()
            if stored is None or stored.delete_marker:
                permissions = {"READ": OF_OBJECTS}  # Who may list may know that it is not there.
            else:
                owner = stored.attributes.get(acl.OWNER, owner)
                grants = stored.attributes.get(acl.SETTING, [])
                permissions = OBJECT_PERMISSIONS
        ignored = access.public_access_block(bucket.settings)["IgnorePublicAcls"]
        naming = Naming.NOT
        for grant in grants:
            permission = grant["Permission"]
            if permission == acl.FULL_CONTROL:
                permits = any(asked.action in actions for actions in permissions.values())
            else:
                permits = asked.action in permissions.get(permission, ())
            if permits:
                naming = max(naming, self._named(grant["Grantee"], asked, ignored=ignored))
        return owner, naming

    def _named(self, grantee: dict[str, Any], asked: Asked, *, ignored: bool) -> Naming:
        principal = asked.caller.principal
        everybody = Naming.ROLE if principal.kind in SESSIONS else Naming.SELF
        uri = grantee.get("URI")
        if uri is None:
            anonymous = principal.kind is PrincipalKind.ANONYMOUS
            own = not anonymous and grantee["ID"] == self._account(principal.account).canonical_id
            return Naming.ACCOUNT if own else Naming.NOT
        if ignored:
            return Naming.NOT
        if uri == acl.ALL_USERS:
            return everybody
        known = principal.kind is not PrincipalKind.ANONYMOUS
        return everybody if known and uri == acl.AUTHENTICATED_USERS else Naming.NOT

    def _find(self, asked: Asked, bucket: Bucket) -> StoredObject | None:
        if not asked.key:
            return None
        return self._store.object(
            bucket.bucket_id, key_bytes(asked.key), asked.version_id, inline=False
        )

    def _question(
        self, asked: Asked, account: str, find: Callable[[], StoredObject | None]
    ) -> Question:
        of_request = request_keys(asked, self._clock, find, self._store.upload)
        of_caller = caller_keys(asked.caller, self._clock)
        if asked.given is None:
            context = Context(of_request, of_caller)
        else:
            context = Context(asked.given, of_request, of_caller)
        return Question(asked.caller.principal, asked.action, asked.resource, account, context)


def refusal(asked: Asked, decision: Decision) -> S3Error:
    """The error of a refused request; only the bucket's own account is told what decided."""
    principal, bucket = asked.caller.principal, asked.bucket
    stranger = bucket is not None and principal.account != bucket.account
    if stranger or principal.kind is PrincipalKind.ANONYMOUS:
        return S3Error("AccessDenied")
    resource = asked.resource
    return S3Error(
        "AccessDenied",
        f"User: {principal.arn} is not authorized to perform: {asked.action} on resource: "
        f'"{resource}" {decision.because(asked.action)}',
    )
