"""Roles and their trust policies.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html and its like.
"""

from dataclasses import replace
from typing import Any

from objstore.account.call import Call, Reply
from objstore.account.entities import ROLE, instant, role_shape
from objstore.account.errors import IAMError
from objstore.account.ids import new_unique_id
from objstore.account.paging import FIRST_PAGE, Page
from objstore.account.relations import boundary_keys, bounded, check_no_policies
from objstore.account.tags import TagList, read_tags, request_keys
from objstore.account.trust import TRUST_ATTRIBUTES, shown_trust, trust_attributes
from objstore.storage.records import Identity

SESSION_SECONDS_DEFAULT = 3_600
SERVICE_ROLE_PATH = "/aws-service-role/"


def create_role(
    call: Call,
    *,
    role_name: str,
    assume_role_policy_document: str,
    path: str | None = None,
    description: str | None = None,
    max_session_duration: int | None = None,
    permissions_boundary: str | None = None,
    tags: TagList | None = None,
) -> Reply:
    """Make a role that its trust policy lets others assume."""
    if (path or "").startswith(SERVICE_ROLE_PATH):
        text = f"Roles under {SERVICE_ROLE_PATH} are made by AWS services only."
        raise IAMError("InvalidInput", text)
    found = read_tags(tags)
    keys = {**request_keys(found), **boundary_keys(permissions_boundary)}
    path = call.create(ROLE, role_name, path, keys=keys)
    attributes = trust_attributes(call.rows, assume_role_policy_document)
    attributes["max_session_seconds"] = max_session_duration or SESSION_SECONDS_DEFAULT
    attributes |= {"description": description} if description else {}
    attributes |= {"tags": found} if found else {}
    unique_id = new_unique_id(ROLE.row)
    role = Identity(call.account, ROLE.row, role_name, unique_id, path, call.now_ms, attributes)
    call.rows.add(role)
    if permissions_boundary is not None:
        role = bounded(call, role, permissions_boundary)
    return {"Role": role_shape(role, assume_role_policy_document, details=True)}


def get_role(call: Call, *, role_name: str) -> Reply:
    """A role."""
    role = call.use(ROLE, role_name)
    return {"Role": _shape(call, role, details=True) | {"RoleLastUsed": last_use(call, role)}}


def _shape(call: Call, role: Identity, *, details: bool = False) -> dict[str, Any]:
    return role_shape(role, shown_trust(call.rows, role.attributes), details=details)


def last_use(call: Call, role: Identity) -> dict[str, Any]:
    """The `RoleLastUsed` of a role, whose sessions' requests are noted to the minute."""
    use = call.rows.key_use(role.unique_id)
    return {} if use is None else {"LastUsedDate": instant(use.used_ms), "Region": use.region}


def list_roles(call: Call, *, path_prefix: str | None = None, page: Page = FIRST_PAGE) -> Reply:
    """Roles by name."""
    roles, markers = call.entities(ROLE, path_prefix, page)
    return {"Roles": [_shape(call, role) for role in roles], **markers}


def update_role(
    call: Call,
    *,
    role_name: str,
    description: str | None = None,
    max_session_duration: int | None = None,
) -> Reply:
    """Change what is given of a role; sessions that exist keep their end."""
    role = call.use(ROLE, role_name)
    changes = {"description": description, "max_session_seconds": max_session_duration}
    _change(call, role, {name: value for name, value in changes.items() if value is not None})
    return {}


def update_role_description(call: Call, *, role_name: str, description: str) -> Reply:
    """Change a role's description."""
    role = _change(call, call.use(ROLE, role_name), {"description": description})
    return {"Role": _shape(call, role, details=True)}


def update_assume_role_policy(call: Call, *, role_name: str, policy_document: str) -> Reply:
    """Change who may assume a role; sessions that exist go on."""
    role = call.use(ROLE, role_name)
    trust = trust_attributes(call.rows, policy_document)
    kept = {name: role.attributes[name] for name in role.attributes.keys() - TRUST_ATTRIBUTES}
    call.rows.update(replace(role, attributes={**kept, **trust}))
    return {}


def delete_role(call: Call, *, role_name: str) -> Reply:
    """Delete a role without policies; its sessions end. Raises DeleteConflict."""
    role = call.use(ROLE, role_name)
    check_no_policies(call, role)
    call.rows.remove(role)
    return {}


def _change(call: Call, role: Identity, attributes: dict[str, Any]) -> Identity:
    changed = replace(role, attributes={**role.attributes, **attributes})
    call.rows.update(changed)
    return changed
