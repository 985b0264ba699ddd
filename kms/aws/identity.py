"""Who calls, with which credential, and through which service.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol


class PrincipalKind(Enum):
    """The kinds of principal that can call; values are CloudTrail's `userIdentity.type`."""

    ROOT = "Root"
    USER = "IAMUser"
    ANONYMOUS = "AWSAccount"


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity. `user_id` is the unique id (`AIDA…`; the account id for a root)."""

    kind: PrincipalKind
    account: str
    arn: str
    user_id: str
    name: str = ""


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
    """Finds the credential of an access key id; None if there is none."""

    def find(self, access_key_id: str) -> Credential | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated request, as far as authorization and audit need it.

    `via_service` names the service that forwards the request for the caller
    (`s3.us-east-1.amazonaws.com`), which is `kms:ViaService`; None for a direct call.
    """

    principal: Principal
    access_key_id: str
    region: str
    request_id: str
    source_ip: str = ""
    user_agent: str = ""
    secure: bool = False
    via_service: str | None = None

    @property
    def account(self) -> str:
        return self.principal.account

    def forwarded_by(self, service: str) -> "Caller":
        """The same caller, its request carried on by `service` (a forward access session)."""
        return replace(self, via_service=service)
