"""Principals, and roles to be assumed, as the command line names them."""

from kms.aws.arn import ARN
from kms.aws.identity import ANONYMOUS, Principal, PrincipalKind, Session
from kms.aws.policy import Policy, PolicyKind
from objstore.account.directory import root_principal
from objstore.account.documents import compiled
from objstore.account.entities import ROLE, arn_of, split_arn, tags_of
from objstore.account.principals import policies_of, session_arn, user_principal
from objstore.account.trust import effective_trust
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Identity

SESSION_NAME = "explain"
_SERVICE_SUFFIX = ".amazonaws.com"


def principal_named(rows: IdentityRows, name: str) -> Principal | None:
    """The principal that an ARN, a service's name or "anonymous" names, as it would call now.

    A role is taken as a session of it without session policies; None if there is none such.
    """
    if name == "anonymous":
        return ANONYMOUS
    if name.endswith(_SERVICE_SUFFIX) and ":" not in name:
        return Principal(PrincipalKind.SERVICE, "", name, "", name)
    try:
        parsed = ARN.parse(name)
    except ValueError:
        return None
    kind, _, path = parsed.resource.partition("/")
    match parsed.service, kind:
        case "iam", "root":
            return root_principal(parsed.account)
        case "iam", "user":
            user = _exactly(rows, parsed.account, kind, path.rpartition("/")[2])
            return user_principal(rows, user) if user and arn_of(user) == name else None
        case "iam", "role":
            role = _exactly(rows, parsed.account, kind, path.rpartition("/")[2])
            return _session_of(rows, role, SESSION_NAME) if role and arn_of(role) == name else None
        case "sts", "assumed-role":
            role_name, _, session = path.partition("/")
            role = _exactly(rows, parsed.account, "role", role_name)
            return _session_of(rows, role, session) if role and session else None
    return None


def trust_named(rows: IdentityRows, role_arn: str) -> Policy | None:
    """The trust policy of the role of an ARN; None if there is none such."""
    parts = split_arn(role_arn, ROLE)
    role = None if parts is None else _exactly(rows, parts[0], ROLE.row, parts[2])
    if role is None or arn_of(role) != role_arn:
        return None
    return compiled(
        effective_trust(role.attributes), f"trust policy of {role_arn}", PolicyKind.TRUST
    )


def _session_of(rows: IdentityRows, role: Identity, name: str) -> Principal:
    return Principal(
        PrincipalKind.ASSUMED_ROLE,
        role.account,
        session_arn(role.account, role.name, name),
        f"{role.unique_id}:{name}",
        name,
        tuple(tags_of(role).items()),
        Session(arn_of(role), role.unique_id, role.name, 0.0),
        policies_of(rows, role),
    )


def _exactly(rows: IdentityRows, account: str, kind: str, name: str) -> Identity | None:
    """The identity of that very name; rows are found in any case."""
    found = rows.get(account, kind, name)
    return found if found is not None and found.name == name else None
