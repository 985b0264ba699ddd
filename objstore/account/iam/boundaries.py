"""Permissions boundaries of users and roles.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from objstore.account.call import Call, Reply
from objstore.account.entities import ROLE, USER, Kind
from objstore.account.errors import IAMError
from objstore.account.relations import attaching, boundary_keys, bounded, unbounded


def put_user_permissions_boundary(
    call: Call, *, user_name: str, permissions_boundary: str
) -> Reply:
    """Bound a user by a managed policy."""
    return _put(call, USER, user_name, permissions_boundary)


def put_role_permissions_boundary(
    call: Call, *, role_name: str, permissions_boundary: str
) -> Reply:
    """Bound a role by a managed policy."""
    return _put(call, ROLE, role_name, permissions_boundary)


def _put(call: Call, kind: Kind, name: str, policy_arn: str) -> Reply:
    bounded(call, call.use(kind, name, keys=boundary_keys(policy_arn)), policy_arn)
    return {}


def delete_user_permissions_boundary(call: Call, *, user_name: str) -> Reply:
    """Free a user of its boundary."""
    return _delete(call, USER, user_name)


def delete_role_permissions_boundary(call: Call, *, role_name: str) -> Reply:
    """Free a role of its boundary."""
    return _delete(call, ROLE, role_name)


def _delete(call: Call, kind: Kind, name: str) -> Reply:
    found = attaching(call, kind, name)
    if "boundary" not in found.attributes:
        text = f"{kind.label} {name} does not have a permissions boundary attached to it."
        raise IAMError("NoSuchEntity", text)
    unbounded(call, found)
    return {}
