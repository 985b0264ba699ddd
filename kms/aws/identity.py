"""Who calls, with which credential, under which policies, and through which service.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from kms.aws.values import value_class

if TYPE_CHECKING:
    from kms.aws.policy_document import Policy


class PrincipalKind(Enum):
    """The kinds of principal that can call; values are CloudTrail's `userIdentity.type`."""

    ROOT = "Root"
    USER = "IAMUser"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED = "FederatedUser"
    WEB_IDENTITY = "WebIdentityUser"
    SERVICE = "AWSService"
    ANONYMOUS = "AWSAccount"


@dataclass(frozen=True, slots=True)
class Policies:
    """What limits and allows a principal, compiled.

    `identity` are those attached to the user or role (and the user's groups). `session` are those
    passed when the session was made: None limits nothing, and () allows nothing.
    """

    identity: "tuple[Policy, ...]" = ()
    boundary: "Policy | None" = None
    session: "tuple[Policy, ...] | None" = None


NO_POLICIES = Policies()


@dataclass(frozen=True, slots=True)
class Session:
    """How temporary credentials came about.

    The issuer is the role of an AssumedRole, the user of a FederatedUser or of GetSessionToken.
    """

    issuer_arn: str
    issuer_id: str
    issuer_name: str
    created_at: float
    source_identity: str = ""
    federated_provider: str = ""
    mfa_at: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity. `user_id` is the unique id: `AIDA…`, `AROA…:session`, a root's account id.

    `arn` is a web identity's provider; `name` is a user's name, a service's `s3.amazonaws.com`.
    `tags` are the user's, or the role's and the session's together. Who keeps identities makes a
    new Principal when any of this changes, never a changed one; decisions are remembered by it.
    """

    kind: PrincipalKind
    account: str
    arn: str
    user_id: str
    name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    session: Session | None = None
    policies: Policies = field(default=NO_POLICIES, compare=False, repr=False)


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "anonymous", "*", "ANONYMOUS_PRINCIPAL")


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key and whom it speaks for. `expires_at` is in seconds since 1970."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    principal: Principal
    session_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


class Credentials(Protocol):
    """Finds the credential of an access key id; None if there is none.

    A session token may itself tell what its credential is; it proves nothing yet.
    """

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None: ...


@dataclass(frozen=True, slots=True)
class Entity:
    """A user or a role as others refer to it. `unique_id` is `AIDA…` or `AROA…`."""

    unique_id: str
    arn: str


class Identities(Protocol):
    """Finds users and roles, so that names can be bound to what they mean now."""

    def named(self, account: str, kind: str, name: str) -> Entity | None:
        """The "user" or "role" of that name."""

    def by_id(self, unique_id: str) -> Entity | None:
        """The user or role of that unique id, if it still exists."""


@value_class(frozen=True, slots=True)
class Caller:
    """One authenticated request, as far as authorization and audit need it.

    `via_service` names the service that forwards the request for the caller
    (`s3.us-east-1.amazonaws.com`), which is `kms:ViaService`; None for a direct call. A service
    that calls for itself says for which resource and account of a customer in `source_…`.
    """

    principal: Principal
    access_key_id: str
    region: str
    request_id: str
    source_ip: str = ""
    user_agent: str = ""
    secure: bool = False
    via_service: str | None = None
    source_arn: str = ""
    source_account: str = ""

    @property
    def account(self) -> str:
        return self.principal.account

    def forwarded_by(self, service: str, *, region: str | None = None) -> "Caller":
        """The same caller, its request carried on by `service` (a forward access session).

        `region` is where to, which is where it came from by default.
        """
        return Caller(
            self.principal,
            self.access_key_id,
            self.region if region is None else region,
            self.request_id,
            self.source_ip,
            self.user_agent,
            self.secure,
            service,
            self.source_arn,
            self.source_account,
        )
