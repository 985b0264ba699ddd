"""Managed policies and their versions.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html and its like.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from objstore.account.call import Call, Reply
from objstore.account.documents import MANAGED_CHARACTERS_MAX, check_identity_policy, size
from objstore.account.entities import (
    POLICY,
    ROOT_PATH,
    arn_of,
    policy_shape,
    quota,
    tag_list,
    tags_of,
    version_shape,
)
from objstore.account.errors import IAMError
from objstore.account.ids import new_unique_id
from objstore.account.managed import (
    AWS_POLICIES,
    version_of,
    versions_of,
)
from objstore.account.paging import FIRST_PAGE, Page, page_by_name, page_of
from objstore.account.relations import ATTACHED, BOUNDARY
from objstore.account.tags import TagList, read_tags, request_keys
from objstore.storage.records import Document, Identity

VERSIONS_MAX = 5
FIRST_VERSION = "v1"
_USES = {"PermissionsPolicy": (ATTACHED,), "PermissionsBoundary": (BOUNDARY,)}


def create_policy(
    call: Call,
    *,
    policy_name: str,
    policy_document: str,
    path: str | None = None,
    description: str | None = None,
    tags: TagList | None = None,
) -> Reply:
    """Make a managed policy, attached to nobody yet."""
    found = read_tags(tags, fold=str)
    path = call.create(POLICY, policy_name, path, keys=request_keys(found))
    _check(policy_document)
    attributes: dict[str, Any] = {
        "default_version": FIRST_VERSION,
        "last_version": 1,
        "updated_ms": call.now_ms,
    }
    attributes |= {"description": description} if description else {}
    attributes |= {"tags": found} if found else {}
    unique_id = new_unique_id(POLICY.row)
    policy = Identity(
        call.account, POLICY.row, policy_name, unique_id, path, call.now_ms, attributes
    )
    call.rows.add(policy)
    call.rows.put_document(Document(unique_id, FIRST_VERSION, call.now_ms, policy_document))
    shape = shape_of(call, policy)
    return {"Policy": shape | ({"Tags": tag_list(found)} if found else {})}


def _check(text: str) -> None:
    check_identity_policy(text)
    if size(text) > MANAGED_CHARACTERS_MAX:
        raise quota("PolicySize", MANAGED_CHARACTERS_MAX)


def shape_of(call: Call, policy: Identity) -> dict[str, Any]:
    """A policy with the numbers of entities of the account that use it."""
    arn = arn_of(policy)
    return policy_shape(
        policy,
        attached=call.rows.count_sources(call.account, ATTACHED, arn),
        bounding=call.rows.count_sources(call.account, BOUNDARY, arn),
    )


def get_policy(call: Call, *, policy_arn: str) -> Reply:
    """A managed policy, without its text."""
    policy = call.use_policy(policy_arn)
    shape = shape_of(call, policy) | {"Tags": tag_list(tags_of(policy))}
    if policy.attributes.get("description"):
        shape["Description"] = policy.attributes["description"]
    return {"Policy": shape}


def list_policies(
    call: Call,
    *,
    scope: str | None = None,
    only_attached: bool | None = None,
    path_prefix: str | None = None,
    policy_usage_filter: str | None = None,
    page: Page = FIRST_PAGE,
) -> Reply:
    """Managed policies by name: the account's (Local), AWS's, or both.

    The use is asked for with `only_attached` alone.
    """
    prefix = path_prefix or ROOT_PATH
    call.allow(f"policy path {prefix}")
    uses = _USES.get(policy_usage_filter or "", (ATTACHED, BOUNDARY))

    def wanted(policies: Iterable[Identity]) -> list[Identity]:
        if not only_attached:
            return list(policies)
        return [
            policy
            for policy in policies
            if any(call.rows.count_sources(call.account, use, arn_of(policy)) for use in uses)
        ]

    def read(after: str, limit: int) -> list[Identity]:
        own: list[Identity] = []
        if scope != "AWS":
            own = call.rows.page(call.account, POLICY.row, path_prefix=prefix, limit=POLICY.most)
        theirs = [] if scope == "Local" else AWS_POLICIES.values()
        found = [*own, *(policy for policy in theirs if policy.path.startswith(prefix))]
        later = sorted((p for p in found if _place(p) > after), key=_place)
        return wanted(later)[:limit]

    policies, markers = page_by_name(read, _place, page)
    return {"Policies": [shape_of(call, policy) for policy in policies], **markers}


def _place(policy: Identity) -> str:
    return f"{policy.name.lower()} {policy.account}"


def delete_policy(call: Call, *, policy_arn: str) -> Reply:
    """Delete a policy that nobody uses, with its only version. Raises DeleteConflict."""
    policy = call.own_policy(policy_arn)
    for relation in (ATTACHED, BOUNDARY):
        if call.rows.count_sources(call.account, relation, policy_arn):
            raise IAMError("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(call.rows.documents(policy.unique_id)) > 1:
        raise IAMError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete "
            "the policy's versions. The default version is deleted with the policy.",
        )
    call.rows.remove(policy)
    return {}


def create_policy_version(
    call: Call, *, policy_arn: str, policy_document: str, set_as_default: bool | None = None
) -> Reply:
    """Add a version, which counts once it is the default."""
    policy = call.own_policy(policy_arn)
    _check(policy_document)
    if len(call.rows.documents(policy.unique_id)) >= VERSIONS_MAX:
        raise IAMError(
            "LimitExceeded",
            f"A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new "
            "version, you must delete an existing version.",
        )
    number = policy.attributes["last_version"] + 1
    version = Document(policy.unique_id, f"v{number}", call.now_ms, policy_document)
    call.rows.put_document(version)
    attributes = {**policy.attributes, "last_version": number, "updated_ms": call.now_ms}
    if set_as_default:
        attributes["default_version"] = version.name
    policy = replace(policy, attributes=attributes)
    call.rows.update(policy)
    return {"PolicyVersion": version_shape(policy, version)}


def get_policy_version(call: Call, *, policy_arn: str, version_id: str) -> Reply:
    """A version with its text."""
    policy = call.use_policy(policy_arn, _missing(version_id))
    version = _version(call, policy, policy_arn, version_id)
    return {"PolicyVersion": version_shape(policy, version, text=True)}


def list_policy_versions(call: Call, *, policy_arn: str, page: Page = FIRST_PAGE) -> Reply:
    """The versions of a policy, the newest first."""
    policy = call.use_policy(policy_arn)
    versions, markers = page_of(versions_of(call.rows, policy), page)
    return {"Versions": [version_shape(policy, version) for version in versions], **markers}


def set_default_policy_version(call: Call, *, policy_arn: str, version_id: str) -> Reply:
    """Choose the version that counts."""
    policy = call.own_policy(policy_arn, _missing(version_id))
    version = _version(call, policy, policy_arn, version_id)
    attributes = {
        **policy.attributes,
        "default_version": version.name,
        "updated_ms": call.now_ms,
    }
    call.rows.update(replace(policy, attributes=attributes))
    return {}


def delete_policy_version(call: Call, *, policy_arn: str, version_id: str) -> Reply:
    """Delete a version that is not the default. Raises DeleteConflict."""
    policy = call.own_policy(policy_arn, _missing(version_id))
    version = _version(call, policy, policy_arn, version_id)
    if version.name == policy.attributes["default_version"]:
        raise IAMError("DeleteConflict", "Cannot delete the default version of a policy.")
    call.rows.remove_document(policy.unique_id, version.name)
    return {}


def _missing(version_id: str) -> str:
    return f"Policy {{}} version {version_id} does not exist or is not attachable."


def _version(call: Call, policy: Identity, policy_arn: str, version_id: str) -> Document:
    version = version_of(call.rows, policy, version_id)
    if version is None:
        raise IAMError("NoSuchEntity", _missing(version_id).format(policy_arn))
    return version
