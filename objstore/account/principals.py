"""Principals with their policies, from what the rows say of them now.

Texts are compiled once each and kept by what they say, so a principal costs a few rows.
"""

from collections.abc import Iterator

from kms.aws import arn
from kms.aws.identity import Entity, Policies, Principal, PrincipalKind, Session
from kms.aws.policy import Policy
from objstore.account.directory import root_principal
from objstore.account.documents import compiled
from objstore.account.entities import ROLE, USER, arn_of, tags_of
from objstore.account.managed import default_version, find_policy
from objstore.account.relations import ATTACHED, MEMBER
from objstore.account.sessions import Grant, Ticket
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Identity
from objstore.storage.store_identities import IdentityStore

_ENTITIES = frozenset({USER.row, ROLE.row})
_EVERYTHING = "arn:aws:iam::aws:policy/AdministratorAccess"


class EntityFinder:
    """Finds users and roles; satisfies `kms.aws.identity.Identities`."""

    def __init__(self, identities: IdentityStore) -> None:
        self._identities = identities

    def named(self, account: str, kind: str, name: str) -> Entity | None:
        found = self._identities.rows.get(account, kind, name)
        return None if found is None else Entity(found.unique_id, arn_of(found))

    def by_id(self, unique_id: str) -> Entity | None:
        found = self._identities.rows.by_id(unique_id)
        if found is None or found.kind not in _ENTITIES:
            return None
        return Entity(found.unique_id, arn_of(found))


def user_principal(rows: IdentityRows, user: Identity) -> Principal:
    """A user, as its access keys speak for it."""
    return Principal(
        PrincipalKind.USER,
        user.account,
        arn_of(user),
        user.unique_id,
        user.name,
        tuple(tags_of(user).items()),
        policies=policies_of(rows, user),
    )


def policies_of(rows: IdentityRows, identity: Identity) -> Policies:
    """What allows and limits a user or role, its groups' policies among it."""
    boundary = identity.attributes.get("boundary")
    bounding = None if boundary is None else managed_policy(rows, identity.account, boundary)
    return Policies(tuple(identity_policies(rows, identity)), bounding)


def identity_policies(rows: IdentityRows, identity: Identity) -> Iterator[Policy]:
    """The policies of an entity: inline, attached, and those of the groups it is in."""
    yield from _own_policies(rows, identity)
    for group_id in rows.targets(identity.account, MEMBER, identity.unique_id):
        group = rows.by_id(group_id)
        if group is not None:
            yield from _own_policies(rows, group)


def _own_policies(rows: IdentityRows, identity: Identity) -> Iterator[Policy]:
    for document in rows.documents(identity.unique_id):
        name = f"inline policy {document.name} of {arn_of(identity)}"
        yield compiled(document.text, name)
    for policy_arn in rows.targets(identity.account, ATTACHED, identity.unique_id):
        policy = managed_policy(rows, identity.account, policy_arn)
        if policy is not None:
            yield policy


def managed_policy(rows: IdentityRows, account: str, policy_arn: str) -> Policy | None:
    """The default version of a managed policy, compiled."""
    policy = find_policy(rows, account, policy_arn)
    if policy is None:
        return None
    return compiled(default_version(rows, policy).text, policy_arn)


def session_principal(rows: IdentityRows, ticket: Ticket) -> Principal | None:
    """The principal of temporary credentials; None if its issuer is gone."""
    grant = ticket.grant
    if grant.issuer_id == grant.account:
        return _session_of_root(rows, ticket)
    issuer = rows.by_id(grant.issuer_id)
    if issuer is None:
        return None
    session = Session(
        arn_of(issuer),
        issuer.unique_id,
        issuer.name,
        ticket.issued_at,
        grant.source_identity,
        grant.provider,
    )
    found = policies_of(rows, issuer)
    policies = Policies(found.identity, found.boundary, session_policies(rows, grant))
    if grant.kind is PrincipalKind.USER:
        tags = tuple(tags_of(issuer).items())
        return Principal(
            grant.kind,
            grant.account,
            arn_of(issuer),
            issuer.unique_id,
            issuer.name,
            tags,
            session,
            policies,
        )
    if grant.kind is PrincipalKind.FEDERATED:
        return _federated(grant, session, policies)
    return Principal(
        grant.kind,
        grant.account,
        session_arn(grant.account, issuer.name, grant.name),
        f"{issuer.unique_id}:{grant.name}",
        grant.name,
        _session_tags(issuer, grant),
        session,
        policies,
    )


def _session_of_root(rows: IdentityRows, ticket: Ticket) -> Principal:
    """A root's own session, or one that it federated, which may do what its policies say."""
    grant = ticket.grant
    root = root_principal(grant.account)
    session = Session(root.arn, root.user_id, root.name, ticket.issued_at)
    if grant.kind is PrincipalKind.FEDERATED:
        everything = managed_policy(rows, grant.account, _EVERYTHING)
        assert everything is not None
        return _federated(
            grant, session, Policies((everything,), None, session_policies(rows, grant))
        )
    return Principal(root.kind, root.account, root.arn, root.user_id, root.name, session=session)


def _federated(grant: Grant, session: Session, policies: Policies) -> Principal:
    return Principal(
        grant.kind,
        grant.account,
        federated_arn(grant.account, grant.name),
        f"{grant.account}:{grant.name}",
        grant.name,
        tuple(grant.tags.items()),
        session,
        policies,
    )


def session_policies(rows: IdentityRows, grant: Grant) -> tuple[Policy, ...] | None:
    """The policies that were passed for a session, which only they limit further.

    A managed one that is gone allows nothing more.
    """
    if not grant.limited:
        return None
    found = [managed_policy(rows, grant.account, policy_arn) for policy_arn in grant.policy_arns]
    texts = [compiled(text, "session policy") for text in grant.policies]
    return (*texts, *(policy for policy in found if policy is not None))


def _session_tags(role: Identity, grant: Grant) -> tuple[tuple[str, str], ...]:
    """The role's tags, each replaced by the session's of the same key."""
    given = {key.lower() for key in grant.tags}
    kept = [(key, value) for key, value in tags_of(role).items() if key.lower() not in given]
    return (*kept, *grant.tags.items())


def session_arn(account: str, role_name: str, session_name: str) -> str:
    """The ARN of a role's session."""
    return f"arn:{arn.PARTITION}:sts::{account}:assumed-role/{role_name}/{session_name}"


def federated_arn(account: str, name: str) -> str:
    """The ARN of a federated user."""
    return f"arn:{arn.PARTITION}:sts::{account}:federated-user/{name}"
