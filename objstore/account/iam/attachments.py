"""Managed policies attached to users, groups and roles.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html and its like.
"""

from objstore.account.call import Call, Reply
from objstore.account.entities import GROUP, POLICY, ROLE, ROOT_PATH, USER, Kind, quota, split_arn
from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.relations import (
    ATTACHED,
    BOUNDARY,
    attachable,
    attached_to,
    attaching,
    bearers_of,
)

ATTACHED_PER_ENTITY_MAX = 10
_MEMBERS = {
    "user": ("PolicyUsers", "UserName", "UserId"),
    "group": ("PolicyGroups", "GroupName", "GroupId"),
    "role": ("PolicyRoles", "RoleName", "RoleId"),
}


def attach_user_policy(call: Call, *, user_name: str, policy_arn: str) -> Reply:
    """Attach a managed policy to a user."""
    return _attach(call, USER, user_name, policy_arn)


def attach_group_policy(call: Call, *, group_name: str, policy_arn: str) -> Reply:
    """Attach a managed policy to a group."""
    return _attach(call, GROUP, group_name, policy_arn)


def attach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Reply:
    """Attach a managed policy to a role."""
    return _attach(call, ROLE, role_name, policy_arn)


def _attach(call: Call, kind: Kind, name: str, policy_arn: str) -> Reply:
    bearer = attaching(call, kind, name, keys={"iam:PolicyARN": policy_arn})
    attachable(call, policy_arn)
    attached = call.rows.targets(call.account, ATTACHED, bearer.unique_id)
    if policy_arn not in attached and len(attached) >= ATTACHED_PER_ENTITY_MAX:
        raise quota(f"PoliciesPer{kind.label}", ATTACHED_PER_ENTITY_MAX)
    call.rows.link(call.account, ATTACHED, bearer.unique_id, policy_arn)
    return {}


def detach_user_policy(call: Call, *, user_name: str, policy_arn: str) -> Reply:
    """Detach a managed policy from a user."""
    return _detach(call, USER, user_name, policy_arn)


def detach_group_policy(call: Call, *, group_name: str, policy_arn: str) -> Reply:
    """Detach a managed policy from a group."""
    return _detach(call, GROUP, group_name, policy_arn)


def detach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Reply:
    """Detach a managed policy from a role."""
    return _detach(call, ROLE, role_name, policy_arn)


def _detach(call: Call, kind: Kind, name: str, policy_arn: str) -> Reply:
    bearer = attaching(call, kind, name, keys={"iam:PolicyARN": policy_arn})
    if split_arn(policy_arn, POLICY) is None:
        raise IAMError("InvalidInput", f"ARN {policy_arn} is not valid.")
    if not call.rows.unlink(call.account, ATTACHED, bearer.unique_id, policy_arn):
        raise IAMError("NoSuchEntity", POLICY.missing.format(policy_arn))
    return {}


def list_attached_user_policies(
    call: Call, *, user_name: str, path_prefix: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """The managed policies attached to a user."""
    return _list(call, USER, user_name, path_prefix, page)


def list_attached_group_policies(
    call: Call, *, group_name: str, path_prefix: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """The managed policies attached to a group."""
    return _list(call, GROUP, group_name, path_prefix, page)


def list_attached_role_policies(
    call: Call, *, role_name: str, path_prefix: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """The managed policies attached to a role."""
    return _list(call, ROLE, role_name, path_prefix, page)


def _list(call: Call, kind: Kind, name: str, path_prefix: str | None, page: Page) -> Reply:
    bearer = call.use(kind, name)
    found = [
        {"PolicyName": policy_name, "PolicyArn": policy_arn}
        for policy_name, policy_arn in attached_to(call.rows, bearer)
        if _path(policy_arn).startswith(path_prefix or ROOT_PATH)
    ]
    policies, markers = page_of(found, page)
    return {"AttachedPolicies": policies, **markers}


def _path(policy_arn: str) -> str:
    parts = split_arn(policy_arn, POLICY)
    return parts[1] if parts is not None else ROOT_PATH


def list_entities_for_policy(
    call: Call,
    *,
    policy_arn: str,
    entity_filter: str | None = None,
    path_prefix: str | None = None,
    policy_usage_filter: str | None = None,
    page: Page = FIRST_PAGE,
) -> Reply:
    """Whom a policy is attached to or bounds."""
    call.use_policy(policy_arn)
    relation = BOUNDARY if policy_usage_filter == "PermissionsBoundary" else ATTACHED
    relations = {relation} if policy_usage_filter else {ATTACHED, BOUNDARY}
    wanted = (entity_filter or "").lower()
    bearers = {
        bearer.unique_id: bearer
        for one in sorted(relations)
        for bearer in bearers_of(call.rows, call.account, one, policy_arn)
        if bearer.path.startswith(path_prefix or ROOT_PATH) and wanted in ("", bearer.kind)
    }
    listed, markers = page_of(list(bearers.values()), page)
    reply: Reply = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": [], **markers}
    for bearer in listed:
        member, name, unique_id = _MEMBERS[bearer.kind]
        reply[member].append({name: bearer.name, unique_id: bearer.unique_id})
    return reply
