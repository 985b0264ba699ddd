"""IAM's entities: what a row of each kind is called, and how it looks in the API. Pure.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Types.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kms.aws import arn
from kms.aws.arn import ARN
from kms.aws.clock import utc
from objstore.account.errors import IAMError
from objstore.storage.records import AccessKey, Document, Identity

ROOT_PATH = "/"
AWS_ACCOUNT = "aws"  # whose policies everybody may attach
Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entity: its words in errors and how many an account may have.

    `row` is the kind of its rows and the type of resource in its ARN.
    """

    row: str
    label: str
    missing: str
    exists: str
    quota: str
    most: int


def _kind(row: str, label: str, most: int) -> Kind:
    return Kind(
        row,
        label,
        f"The {row} with name {{}} cannot be found.",
        f"{label} with name {{}} already exists.",
        f"{label}sPerAccount",
        most,
    )


USER = _kind("user", "User", 5_000)
GROUP = _kind("group", "Group", 300)
ROLE = _kind("role", "Role", 1_000)
POLICY = Kind(
    "policy",
    "Policy",
    "Policy {} was not found.",
    "A policy called {} already exists. Duplicate names are not allowed.",
    "PoliciesPerAccount",
    1_500,
)
PROVIDER = Kind(
    "oidc-provider",
    "OpenIdConnectProvider",
    "OpenIDConnect Provider not found for arn {}",
    "Provider with url https://{} already exists.",
    "OpenIdConnectProvidersPerAccount",
    100,
)


def missing(kind: Kind, name: str) -> IAMError:
    """The refusal of a name that nothing has."""
    return IAMError("NoSuchEntity", kind.missing.format(name))


def quota(name: str, most: int) -> IAMError:
    """The refusal of one more than a quota allows."""
    return IAMError("LimitExceeded", f"Cannot exceed quota for {name}: {most}")


def arn_for(kind: Kind, account: str, name: str, path: str = ROOT_PATH) -> str:
    """The ARN that an entity of this name and path has or would have."""
    return arn.iam_entity(account, kind.row, path, name)


def arn_of(identity: Identity) -> str:
    """The ARN of an entity."""
    return arn.iam_entity(identity.account, identity.kind, identity.path, identity.name)


def split_arn(text: str, kind: Kind) -> tuple[str, str, str] | None:
    """The account, path and name in an ARN of an entity of `kind`; None for any other text."""
    try:
        parsed = ARN.parse(text)
    except ValueError:
        return None
    head, slash, rest = parsed.resource.partition("/")
    elsewhere = parsed.partition != arn.PARTITION or parsed.service != "iam" or parsed.region
    if elsewhere or head != kind.row or not slash:
        return None
    if kind is PROVIDER:
        return parsed.account, ROOT_PATH, rest
    path, _, name = f"/{rest}".rpartition("/")
    return parsed.account, f"{path}/", name


def tags_of(identity: Identity) -> Mapping[str, str]:
    """The tags of an entity."""
    tags: Mapping[str, str] = identity.attributes.get("tags", {})
    return tags


def tag_list(tags: Mapping[str, str]) -> list[Shape]:
    """Tags as the API lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def encoded(text: str) -> str:
    """A policy's text as IAM answers it: percent-encoded."""
    return quote(text, safe="")


def instant(milliseconds: int) -> Any:
    """A stored time as replies carry it; IAM's have whole seconds."""
    return utc(milliseconds // 1000)


def user_shape(user: Identity, *, details: bool = False) -> Shape:
    """A `User`; listings leave out what is only in its `details`."""
    shape = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.unique_id,
        "Arn": arn_of(user),
        "CreateDate": instant(user.created_ms),
    }
    return shape | (_details(user) if details else {})


def group_shape(group: Identity) -> Shape:
    """A `Group`."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.unique_id,
        "Arn": arn_of(group),
        "CreateDate": instant(group.created_ms),
    }


def role_shape(role: Identity, trust: str, *, details: bool = False) -> Shape:
    """A `Role` with its trust policy as it is to be shown."""
    attributes = role.attributes
    shape = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": arn_of(role),
        "CreateDate": instant(role.created_ms),
        "AssumeRolePolicyDocument": encoded(trust),
        "MaxSessionDuration": attributes["max_session_seconds"],
    }
    if attributes.get("description"):
        shape["Description"] = attributes["description"]
    return shape | (_details(role) if details else {})


def _details(identity: Identity) -> Shape:
    shape: Shape = {}
    boundary = identity.attributes.get("boundary")
    if boundary:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": boundary,
        }
    tags = tags_of(identity)
    if tags:
        shape["Tags"] = tag_list(tags)
    return shape


def policy_shape(policy: Identity, *, attached: int, bounding: int) -> Shape:
    """A `Policy`, attached to and bounding so many entities; without description and tags."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": arn_of(policy),
        "Path": policy.path,
        "DefaultVersionId": policy.attributes["default_version"],
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounding,
        "IsAttachable": True,
        "CreateDate": instant(policy.created_ms),
        "UpdateDate": instant(policy.attributes["updated_ms"]),
    }


def version_shape(policy: Identity, version: Document, *, text: bool = False) -> Shape:
    """A `PolicyVersion`, with its text if asked."""
    shape: Shape = {"Document": encoded(version.text)} if text else {}
    return shape | {
        "VersionId": version.name,
        "IsDefaultVersion": version.name == policy.attributes["default_version"],
        "CreateDate": instant(version.created_ms),
    }


def key_shape(user: Identity, key: AccessKey) -> Shape:
    """An `AccessKeyMetadata`."""
    return {
        "UserName": user.name,
        "AccessKeyId": key.access_key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": instant(key.created_ms),
    }
