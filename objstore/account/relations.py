"""How entities hang together: members of groups, attached policies, boundaries, and what stops a
deletion.

Links run from an entity's unique id to a group's, or to a policy's ARN.
"""

from collections.abc import Mapping
from dataclasses import replace

from objstore.account.call import NO_KEYS, Call, Keys
from objstore.account.entities import POLICY, Kind, split_arn
from objstore.account.errors import IAMError
from objstore.account.managed import find_policy
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Identity

MEMBER = "member"
ATTACHED = "attached"
BOUNDARY = "boundary"
NOT_ATTACHABLE = "Policy {} does not exist or is not attachable."


def groups_of(rows: IdentityRows, user: Identity) -> list[Identity]:
    """The groups of a user, by name."""
    return _named(rows, rows.targets(user.account, MEMBER, user.unique_id))


def members_of(rows: IdentityRows, group: Identity) -> list[Identity]:
    """The users in a group, by name."""
    return _named(rows, rows.sources(group.account, MEMBER, group.unique_id))


def bearers_of(rows: IdentityRows, account: str, relation: str, policy_arn: str) -> list[Identity]:
    """The entities of an account that a policy is attached to, or bounds, by name."""
    return _named(rows, rows.sources(account, relation, policy_arn))


def _named(rows: IdentityRows, unique_ids: list[str]) -> list[Identity]:
    found = [identity for one in unique_ids if (identity := rows.by_id(one)) is not None]
    return sorted(found, key=lambda identity: identity.name.lower())


def attached_to(rows: IdentityRows, identity: Identity) -> list[tuple[str, str]]:
    """The name and ARN of each policy attached to an entity, by name."""
    arns = rows.targets(identity.account, ATTACHED, identity.unique_id)
    return sorted((arn.rpartition("/")[2], arn) for arn in arns)


def attachable(call: Call, policy_arn: str) -> Identity:
    """The policy that is to be attached or to bound. Raises NoSuchEntity, InvalidInput."""
    if split_arn(policy_arn, POLICY) is None:
        raise IAMError("InvalidInput", f"ARN {policy_arn} is not valid.")
    policy = find_policy(call.rows, call.account, policy_arn)
    if policy is None:
        raise IAMError("NoSuchEntity", NOT_ATTACHABLE.format(policy_arn))
    return policy


def boundary_keys(policy_arn: str | None) -> Mapping[str, str]:
    """The condition key of a request about a permissions boundary."""
    return {} if policy_arn is None else {"iam:PermissionsBoundary": policy_arn}


def attaching(call: Call, kind: Kind, name: str, *, keys: Keys = NO_KEYS) -> Identity:
    """The entity whose policies are to be changed, once that is authorized.

    The boundary of a user or role is a condition key of it, so that an administrator can be let
    give policies to bounded ones only.
    """
    found = call.rows.get(call.account, kind.row, name)
    boundary = None if found is None else found.attributes.get("boundary")
    return call.use(kind, name, keys={**keys, **boundary_keys(boundary)})


def bounded(call: Call, identity: Identity, policy_arn: str) -> Identity:
    """A user or role under a permissions boundary, stored so."""
    attachable(call, policy_arn)
    identity = unbounded(call, identity)
    call.rows.link(call.account, BOUNDARY, identity.unique_id, policy_arn)
    identity = replace(identity, attributes={**identity.attributes, "boundary": policy_arn})
    call.rows.update(identity)
    return identity


def unbounded(call: Call, identity: Identity) -> Identity:
    """A user or role without its boundary, stored so."""
    attributes = dict(identity.attributes)
    policy_arn = attributes.pop("boundary", None)
    if policy_arn is None:
        return identity
    call.rows.unlink(call.account, BOUNDARY, identity.unique_id, policy_arn)
    identity = replace(identity, attributes=attributes)
    call.rows.update(identity)
    return identity


def check_no_policies(call: Call, identity: Identity) -> None:
    """Raise DeleteConflict if an entity still has policies of its own or attached ones."""
    if call.rows.targets(call.account, ATTACHED, identity.unique_id):
        raise conflict("must detach all policies first")
    if call.rows.documents(identity.unique_id):
        raise conflict("must delete policies first")


def conflict(what: str) -> IAMError:
    """The refusal to delete what something depends on."""
    return IAMError("DeleteConflict", f"Cannot delete entity, {what}.")
