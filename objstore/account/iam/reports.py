"""Everything about an account: its numbers, and all its entities with their policies.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from collections.abc import Callable, Sequence
from typing import Any

from objstore.account.call import Call, Reply
from objstore.account.documents import (
    INLINE_CHARACTERS_MAX,
    MANAGED_CHARACTERS_MAX,
    TRUST_CHARACTERS_MAX,
)
from objstore.account.entities import (
    GROUP,
    POLICY,
    PROVIDER,
    ROLE,
    USER,
    Kind,
    arn_of,
    encoded,
    group_shape,
    policy_shape,
    role_shape,
    user_shape,
    version_shape,
)
from objstore.account.iam.access_keys import KEYS_PER_USER_MAX
from objstore.account.iam.attachments import ATTACHED_PER_ENTITY_MAX
from objstore.account.iam.groups import GROUPS_PER_USER_MAX
from objstore.account.iam.policies import VERSIONS_MAX
from objstore.account.managed import AWS_POLICIES, versions_of
from objstore.account.paging import FIRST_PAGE, Page, page_by_name
from objstore.account.relations import ATTACHED, BOUNDARY, attached_to, groups_of
from objstore.account.trust import shown_trust
from objstore.storage.records import Identity

Shape = dict[str, Any]


def get_account_summary(call: Call) -> Reply:
    """How many of everything there are and may be."""
    call.allow("*")
    count = {kind.row: call.rows.count(call.account, kind.row) for kind in _KINDS}
    policies = call.rows.page(call.account, POLICY.row, limit=POLICY.most)
    versions = sum(len(call.rows.documents(policy.unique_id)) for policy in policies)
    return {
        "SummaryMap": {
            "AccessKeysPerUserQuota": KEYS_PER_USER_MAX,
            "AccountAccessKeysPresent": int(call.services.root_has_key(call.account)),
            "AccountMFAEnabled": 0,
            "AccountPasswordPresent": 0,
            "AccountSigningCertificatesPresent": 0,
            "AssumeRolePolicySizeQuota": TRUST_CHARACTERS_MAX,
            "AttachedPoliciesPerGroupQuota": ATTACHED_PER_ENTITY_MAX,
            "AttachedPoliciesPerRoleQuota": ATTACHED_PER_ENTITY_MAX,
            "AttachedPoliciesPerUserQuota": ATTACHED_PER_ENTITY_MAX,
            "GroupPolicySizeQuota": INLINE_CHARACTERS_MAX[GROUP.row],
            "Groups": count[GROUP.row],
            "GroupsPerUserQuota": GROUPS_PER_USER_MAX,
            "GroupsQuota": GROUP.most,
            "InstanceProfiles": 0,
            "MFADevices": 0,
            "MFADevicesInUse": 0,
            "Policies": count[POLICY.row],
            "PoliciesQuota": POLICY.most,
            "PolicySizeQuota": MANAGED_CHARACTERS_MAX,
            "PolicyVersionsInUse": versions,
            "PolicyVersionsInUseQuota": POLICY.most * VERSIONS_MAX,
            "Providers": count[PROVIDER.row],
            "RolePolicySizeQuota": INLINE_CHARACTERS_MAX[ROLE.row],
            "Roles": count[ROLE.row],
            "RolesQuota": ROLE.most,
            "ServerCertificates": 0,
            "UserPolicySizeQuota": INLINE_CHARACTERS_MAX[USER.row],
            "Users": count[USER.row],
            "UsersQuota": USER.most,
            "VersionsPerPolicyQuota": VERSIONS_MAX,
        }
    }


_KINDS = (USER, GROUP, ROLE, POLICY, PROVIDER)


def get_account_authorization_details(
    call: Call,
    *,
    filter: Sequence[str] | None = None,
    page: Page = FIRST_PAGE,
) -> Reply:
    """Users, groups, roles and policies with all that decides what they may do."""
    call.allow("*")
    sections = [section for section in _SECTIONS if not filter or section in filter]

    def read(after: str, limit: int) -> list[tuple[str, Identity]]:
        first, _, name = after.partition("/")
        found: list[tuple[str, Identity]] = []
        for section in sections[sections.index(first) if first in sections else 0 :]:
            start = name if section == first else ""
            identities = _page(call, section, start, limit - len(found))
            found += [(section, identity) for identity in identities]
        return found[:limit]

    found, markers = page_by_name(read, lambda entry: f"{entry[0]}/{entry[1].name.lower()}", page)
    reply: Reply = {member: [] for member, _ in _SECTIONS.values()} | dict(markers)
    for section, identity in found:
        member, shape = _SECTIONS[section]
        reply[member].append(shape(call, identity))
    return reply


def _page(call: Call, section: str, after: str, limit: int) -> Sequence[Identity]:
    if limit <= 0:
        return []
    if section == "AWSManagedPolicy":
        used = [policy for policy in AWS_POLICIES.values() if _uses(call, policy)]
        return [policy for policy in used if policy.name.lower() > after][:limit]
    kind: Kind = {"User": USER, "Group": GROUP, "Role": ROLE}.get(section, POLICY)
    return call.rows.page(call.account, kind.row, after=after, limit=limit)


def _uses(call: Call, policy: Identity) -> int:
    return sum(
        call.rows.count_sources(call.account, relation, arn_of(policy))
        for relation in (ATTACHED, BOUNDARY)
    )


def _user(call: Call, user: Identity) -> Shape:
    shape = user_shape(user, details=True) | _policies(call, user, "UserPolicyList")
    return shape | {"GroupList": [group.name for group in groups_of(call.rows, user)]}


def _group(call: Call, group: Identity) -> Shape:
    return group_shape(group) | _policies(call, group, "GroupPolicyList")


def _role(call: Call, role: Identity) -> Shape:
    shape = role_shape(role, shown_trust(call.rows, role.attributes), details=True)
    return shape | _policies(call, role, "RolePolicyList") | {"InstanceProfileList": []}


def _policies(call: Call, bearer: Identity, inline: str) -> Shape:
    return {
        inline: [
            {"PolicyName": one.name, "PolicyDocument": encoded(one.text)}
            for one in call.rows.documents(bearer.unique_id)
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": name, "PolicyArn": arn} for name, arn in attached_to(call.rows, bearer)
        ],
    }


def _policy(call: Call, policy: Identity) -> Shape:
    arn = arn_of(policy)
    shape = policy_shape(
        policy,
        attached=call.rows.count_sources(call.account, ATTACHED, arn),
        bounding=call.rows.count_sources(call.account, BOUNDARY, arn),
    )
    versions = versions_of(call.rows, policy)
    return shape | {
        "PolicyVersionList": [version_shape(policy, version, text=True) for version in versions]
    }


_SECTIONS: dict[str, tuple[str, Callable[[Call, Identity], Shape]]] = {
    "User": ("UserDetailList", _user),
    "Group": ("GroupDetailList", _group),
    "Role": ("RoleDetailList", _role),
    "LocalManagedPolicy": ("Policies", _policy),
    "AWSManagedPolicy": ("Policies", _policy),
}
