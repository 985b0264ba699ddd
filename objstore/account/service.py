"""One path for every call of IAM and STS: may this session call at all, run, audit.

Operations that read run on the loop; those that write run inside a transaction.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from kms.aws import model
from kms.aws.audit import AuditSink
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, PrincipalKind
from kms.aws.policy import Decision
from objstore.account import trail
from objstore.account.call import Call, Handler, Reply, Services
from objstore.account.errors import IAMError
from objstore.storage.index_identities import IdentityRows
from objstore.storage.store_identities import IdentityStore

READING = ("Get", "List", "Simulate")
NO_ARGUMENTS: Mapping[str, Any] = {}
INVALID_TOKEN = "The security token included in the request is invalid"


class AccountService:
    """IAM or STS in one worker process. `service` is its name in models and actions."""

    def __init__(
        self,
        service: str,
        handlers: Mapping[str, Handler],
        *,
        identities: IdentityStore,
        services: Services,
        audit: AuditSink,
    ) -> None:
        self.service = service
        self.handlers = handlers
        self._identities = identities
        self._services = services
        self._audit = audit
        self._operations = model.load(service).operations

    def handler(self, operation: str) -> Handler:
        """What runs `operation`. Raises NotImplemented, by name, if nothing does."""
        found = self.handlers.get(operation)
        if found is None:
            raise IAMError("NotImplemented", f"{operation} is not implemented")
        return found

    async def call(self, operation: str, arguments: Mapping[str, Any], caller: Caller) -> Reply:
        """Run an operation with the members of its input in snake_case."""
        call = Call(self.service, operation, caller, self._identities.rows, self._services)
        try:
            check_session(self.service, operation, caller)
            reply = await self._run(call, arguments)
        except AWSError as error:
            self.refuse(operation, caller, error, arguments=arguments, decided=call.decided)
            raise
        self._tell(operation, arguments, caller, reply=reply, decided=call.decided)
        return reply

    def refuse(
        self,
        operation: str,
        caller: Caller,
        error: AWSError,
        *,
        arguments: Mapping[str, Any] = NO_ARGUMENTS,
        decided: Decision | None = None,
    ) -> None:
        """Tell the audit of a request that is answered with `error`."""
        self._tell(operation, arguments, caller, error=error, decided=decided)

    def _tell(
        self, operation: str, arguments: Mapping[str, Any], caller: Caller, **outcome: Any
    ) -> None:
        at = self._services.clock.now()
        event = trail.event_of(self.service, operation, arguments, caller, at=at, **outcome)
        self._audit.record(event)

    async def _run(self, call: Call, arguments: Mapping[str, Any]) -> Reply:
        handler = self.handler(call.operation)
        if self.service == "iam" and not call.operation.startswith(READING):

            def change(rows: IdentityRows) -> Any:
                call.rows = rows
                return handler(call, **arguments)

            return await self._identities.change(change)
        result = handler(call, **arguments)
        reply: Reply = await result if inspect.isawaitable(result) else result
        return reply


# What the sessions of GetSessionToken and GetFederationToken may still ask of STS.
_STS_OF_SESSION = frozenset({"AssumeRole", "GetCallerIdentity"})
_STS_OF_FEDERATED = frozenset({"GetCallerIdentity"})


def check_session(service: str, operation: str, caller: Caller) -> None:
    """Raise unless temporary credentials of this kind may call the service at all.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html
    """
    principal = caller.principal
    if principal.session is None or principal.kind is PrincipalKind.ASSUMED_ROLE:
        return
    if service == "iam":
        raise IAMError("InvalidClientTokenId", INVALID_TOKEN)
    federated = principal.kind is PrincipalKind.FEDERATED
    if operation not in (_STS_OF_FEDERATED if federated else _STS_OF_SESSION):
        raise IAMError("AccessDenied", f"Cannot call {operation} with session credentials")
