"""One IAM or STS request as its handler sees it: who asks, the rows, and `use`.

`use` is the way from a name to an entity: it finds it, authorizes the operation on its ARN, and
only then tells whether it exists. Handlers are plain functions; one that writes runs inside a
transaction, so what it checked still holds when its writes are on disk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kms.aws.clock import Clock
from kms.aws.identity import Caller, PrincipalKind
from kms.aws.policy import Decision
from objstore.account.authorize import Authorizer, Request
from objstore.account.entities import (
    POLICY,
    PROVIDER,
    ROOT_PATH,
    Kind,
    arn_for,
    arn_of,
    missing,
    quota,
    split_arn,
    tags_of,
)
from objstore.account.errors import IAMError
from objstore.account.managed import find_policy
from objstore.account.paging import Page, page_by_name
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Identity

if TYPE_CHECKING:
    from objstore.account.oidc import Issuers
    from objstore.account.sealing import Sealing
    from objstore.account.sessions import Sessions, Ticket

Reply = dict[str, Any]
Handler = Callable[..., Any]
"""`handler(call, **members)` → Reply, or a coroutine of one."""
Keys = Mapping[str, str | tuple[str, ...]]
NO_KEYS: Keys = {}


@dataclass(frozen=True, slots=True)
class Services:
    """What IAM and STS work with; one set a worker process.

    `clock` gives the dates that entities keep, `wall` those of sessions. `seal(name, secret)` is
    the KMS's; `ticket` finds the session that a temporary access key belongs to. `permissive` is a
    server that checks no signatures, where a root may assume roles.
    """

    clock: Clock
    wall: Clock
    seal: Callable[[str, bytes], bytes]
    sealing: "Sealing"
    authorizer: Authorizer
    sessions: "Sessions"
    ticket: Callable[[str], "Ticket | None"]
    issuers: "Issuers"
    root_has_key: Callable[[str], bool]
    permissive: bool = False


@dataclass(slots=True)
class Call:
    """One authenticated request of a service ("iam", "sts").

    `decided` is the last answer about its own permission, for the audit.
    """

    service: str
    operation: str
    caller: Caller
    rows: IdentityRows
    services: Services
    decided: Decision | None = None

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def now_ms(self) -> int:
        return int(self.services.clock.now() * 1000)

    def allow(
        self, resource: str, *, tags: Mapping[str, str] | None = None, keys: Keys = NO_KEYS
    ) -> None:
        """Return if the caller may do this to `resource`. Raises AccessDenied.

        `tags` are the resource's; `keys` are condition keys of this request.
        """
        action = f"{self.service}:{self.operation}"
        request = Request(action, resource, self.account, tags or {}, keys)
        authorizer = self.services.authorizer
        self.decided = authorizer.decide(self.caller, request)
        if not self.decided.allowed:
            raise authorizer.denied(self.caller, request, self.decided)

    def use(self, kind: Kind, name: str, *, keys: Keys = NO_KEYS) -> Identity:
        """The caller's entity of that name, once it is authorized. Raises NoSuchEntity."""
        found = self.rows.get(self.account, kind.row, name)
        if found is None:
            self.allow(arn_for(kind, self.account, name), keys=keys)
            raise missing(kind, name)
        self.allow(arn_of(found), tags=tags_of(found), keys=keys)
        return found

    def use_policy(
        self, policy_arn: str, message: str = POLICY.missing, *, keys: Keys = NO_KEYS
    ) -> Identity:
        """The managed policy of an ARN, AWS's among them. Raises NoSuchEntity with `message`."""
        if split_arn(policy_arn, POLICY) is None:
            raise IAMError("InvalidInput", f"ARN {policy_arn} is not valid.")
        return self._found(
            find_policy(self.rows, self.account, policy_arn), policy_arn, message, keys
        )

    def own_policy(
        self, policy_arn: str, message: str = POLICY.missing, *, keys: Keys = NO_KEYS
    ) -> Identity:
        """The same for a policy that the caller wants to change. Raises AccessDenied for AWS's."""
        policy = self.use_policy(policy_arn, message, keys=keys)
        if policy.account != self.account:
            text = f"Policy {policy_arn} is managed by AWS and cannot be changed."
            raise IAMError("AccessDenied", text)
        return policy

    def use_provider(
        self, provider_arn: str, message: str = PROVIDER.missing, *, keys: Keys = NO_KEYS
    ) -> Identity:
        """The caller's OpenID Connect provider of an ARN. Raises NoSuchEntity with `message`."""
        parts = split_arn(provider_arn, PROVIDER)
        if parts is None:
            raise IAMError("ValidationError", "Invalid ARN:  Could not be parsed!")
        account, _, name = parts
        found = None
        if account == self.account:
            found = self.rows.get(account, PROVIDER.row, name)
        # A row is found in any case, but what is authorized is the very ARN.
        if found is not None and found.name != name:
            found = None
        return self._found(found, provider_arn, message, keys)

    def _found(self, found: Identity | None, arn: str, message: str, keys: Keys) -> Identity:
        self.allow(arn, tags=tags_of(found) if found is not None else None, keys=keys)
        if found is None:
            raise IAMError("NoSuchEntity", message.format(arn))
        return found

    def create(self, kind: Kind, name: str, path: str | None, *, keys: Keys = NO_KEYS) -> str:
        """The path of a new entity, once authorized, its name free and within the quota."""
        path = path or ROOT_PATH
        self.allow(arn_for(kind, self.account, name, path), keys=keys)
        if self.rows.get(self.account, kind.row, name) is not None:
            raise IAMError("EntityAlreadyExists", kind.exists.format(name))
        if self.rows.count(self.account, kind.row) >= kind.most:
            raise quota(kind.quota, kind.most)
        return path

    def rename(
        self, kind: Kind, identity: Identity, name: str | None, path: str | None
    ) -> Identity:
        """The entity under another name or path, once authorized there, if the name is free."""
        new = replace(identity, name=name or identity.name, path=path or identity.path)
        self.allow(arn_of(new), tags=tags_of(new))
        taken = self.rows.get(self.account, kind.row, new.name)
        if taken is not None and taken.unique_id != identity.unique_id:
            raise IAMError("EntityAlreadyExists", kind.exists.format(new.name))
        return new

    def entities(
        self, kind: Kind, path_prefix: str | None, page: Page
    ) -> tuple[Sequence[Identity], Mapping[str, Any]]:
        """A page of the caller's entities under a path, once authorized, by name; the markers."""
        prefix = path_prefix or ROOT_PATH
        self.allow(arn_for(kind, self.account, "", prefix))
        return page_by_name(
            lambda after, limit: self.rows.page(
                self.account, kind.row, path_prefix=prefix, after=after, limit=limit
            ),
            lambda entity: entity.name,
            page,
        )

    def own_name(self, user_name: str | None) -> str:
        """The name given, else the caller's. Raises ValidationError for a caller who is no user."""
        if user_name is not None:
            return user_name
        if self.caller.principal.kind is not PrincipalKind.USER:
            text = "Must specify userName when calling with non-User credentials"
            raise IAMError("ValidationError", text)
        return self.caller.principal.name
