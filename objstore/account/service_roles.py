"""Roles that a service of AWS takes on for a customer, as S3 does to replicate.

The role's trust policy must let the service in; what the session may do is the role's policies.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html
"""

from kms.aws.clock import Clock
from kms.aws.context import Context
from kms.aws.global_keys import caller_keys
from kms.aws.identity import Caller, Principal, PrincipalKind, Session
from kms.aws.policy import PolicyKind, Question, evaluate
from objstore.account.documents import compiled
from objstore.account.entities import ROLE, arn_of, split_arn, tags_of
from objstore.account.principals import policies_of, session_arn
from objstore.account.trust import effective_trust
from objstore.storage.store_identities import IdentityStore

ASSUME = "sts:AssumeRole"


class ServiceRoles:
    """Takes on roles for a service (`s3.amazonaws.com`)."""

    def __init__(self, identities: IdentityStore, clock: Clock, *, service: str) -> None:
        self._identities = identities
        self._clock = clock
        self._service = service

    def session(
        self, role_arn: str, name: str, *, source_arn: str, source_account: str
    ) -> Principal | None:
        """The principal of a session of the role, for a resource of a customer.

        None if there is no such role in the customer's account, or it does not trust the service.
        """
        parts = split_arn(role_arn, ROLE)
        if parts is None or parts[0] != source_account:
            return None
        account, path, role_name = parts
        rows = self._identities.rows
        role = rows.get(account, ROLE.row, role_name)
        if role is None or (role.path, role.name) != (path, role_name):
            return None
        caller = Caller(
            Principal(PrincipalKind.SERVICE, account, self._service, self._service, self._service),
            "",
            "",
            "",
            source_arn=source_arn,
            source_account=source_account,
        )
        trust_name = f"trust policy of {arn_of(role)}"
        trust = compiled(effective_trust(role.attributes), trust_name, PolicyKind.TRUST)
        context = Context(caller_keys(caller, self._clock))
        question = Question(caller.principal, ASSUME, arn_of(role), account, context)
        if not evaluate(question, resource=trust, resource_decides=True).allowed:
            return None
        return Principal(
            PrincipalKind.ASSUMED_ROLE,
            account,
            session_arn(account, role.name, name),
            f"{role.unique_id}:{name}",
            name,
            tuple(tags_of(role).items()),
            Session(arn_of(role), role.unique_id, role.name, self._clock.now()),
            policies_of(rows, role),
        )
