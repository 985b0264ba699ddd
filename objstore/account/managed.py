"""Managed policies: an account's own, and those of AWS's that concern the services here.

Source: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

import json
from collections.abc import Mapping
from typing import Any

from objstore.account.entities import AWS_ACCOUNT, POLICY, ROOT_PATH, arn_of, split_arn
from objstore.account.ids import stable_unique_id
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Document, Identity

_PUBLISHED_MS = 1_423_247_986_000  # 2015-02-06, when AWS published most of them.


def find_policy(rows: IdentityRows, account: str, policy_arn: str) -> Identity | None:
    """The policy of an ARN, if it is the account's or AWS's."""
    parts = split_arn(policy_arn, POLICY)
    if parts is None:
        return None
    owner, path, name = parts
    if owner == AWS_ACCOUNT:
        return AWS_POLICIES.get(policy_arn)
    if owner != account:
        return None
    found = rows.get(account, POLICY.row, name)
    return found if found is not None and found.path == path and found.name == name else None


def versions_of(rows: IdentityRows, policy: Identity) -> list[Document]:
    """The versions of a policy, the newest first."""
    if policy.account == AWS_ACCOUNT:
        return [_DOCUMENTS[policy.unique_id]]
    return sorted(rows.documents(policy.unique_id), key=version_number, reverse=True)


def version_of(rows: IdentityRows, policy: Identity, version: str) -> Document | None:
    """One version of a policy."""
    if policy.account == AWS_ACCOUNT:
        document = _DOCUMENTS[policy.unique_id]
        return document if document.name == version else None
    return rows.document(policy.unique_id, version)


def default_version(rows: IdentityRows, policy: Identity) -> Document:
    """The version that counts."""
    version = version_of(rows, policy, policy.attributes["default_version"])
    assert version is not None
    return version


def version_number(version: Document) -> int:
    """`v12` is 12."""
    return int(version.name.removeprefix("v"))


def _statement(effect: str, actions: str | list[str], *, element: str = "Action") -> dict[str, Any]:
    return {"Effect": effect, element: actions, "Resource": "*"}


# Name: version, description, statements.
_TEXTS: Mapping[str, tuple[str, str, list[dict[str, Any]]]] = {
    "AdministratorAccess": (
        "v1",
        "Provides full access to AWS services and resources.",
        [_statement("Allow", "*")],
    ),
    "AWSDenyAll": ("v1", "Deny all access.", [{"Sid": "DenyAll"} | _statement("Deny", ["*"])]),
    "AWSKeyManagementServicePowerUser": (
        "v2",
        "Provides access to AWS Key Management Service (KMS).",
        [
            _statement(
                "Allow",
                [
                    "kms:CreateAlias",
                    "kms:CreateKey",
                    "kms:DeleteAlias",
                    "kms:Describe*",
                    "kms:GenerateRandom",
                    "kms:Get*",
                    "kms:List*",
                    "kms:TagResource",
                    "kms:UntagResource",
                    "iam:ListGroups",
                    "iam:ListRoles",
                    "iam:ListUsers",
                ],
            )
        ],
    ),
    "AmazonS3FullAccess": (
        "v2",
        "Provides full access to all buckets via the AWS Management Console.",
        [_statement("Allow", ["s3:*", "s3-object-lambda:*"])],
    ),
    "AmazonS3ReadOnlyAccess": (
        "v3",
        "Provides read only access to all buckets via the AWS Management Console.",
        [
            _statement(
                "Allow",
                [
                    "s3:Get*",
                    "s3:List*",
                    "s3:Describe*",
                    "s3-object-lambda:Get*",
                    "s3-object-lambda:List*",
                ],
            )
        ],
    ),
    "IAMFullAccess": (
        "v2",
        "Provides full access to IAM via the AWS Management Console.",
        [
            _statement(
                "Allow",
                [
                    "iam:*",
                    "organizations:DescribeAccount",
                    "organizations:DescribeOrganization",
                    "organizations:DescribeOrganizationalUnit",
                    "organizations:DescribePolicy",
                    "organizations:ListChildren",
                    "organizations:ListParents",
                    "organizations:ListPoliciesForTarget",
                    "organizations:ListRoots",
                    "organizations:ListPolicies",
                    "organizations:ListTargetsForPolicy",
                ],
            )
        ],
    ),
    "IAMReadOnlyAccess": (
        "v4",
        "Provides read only access to IAM via the AWS Management Console.",
        [
            _statement(
                "Allow",
                [
                    "iam:GenerateCredentialReport",
                    "iam:GenerateServiceLastAccessedDetails",
                    "iam:Get*",
                    "iam:List*",
                    "iam:SimulateCustomPolicy",
                    "iam:SimulatePrincipalPolicy",
                ],
            )
        ],
    ),
    "PowerUserAccess": (
        "v5",
        "Provides full access to AWS services and resources, but does not allow management of "
        "Users and groups.",
        [
            _statement("Allow", ["iam:*", "organizations:*", "account:*"], element="NotAction"),
            _statement(
                "Allow",
                [
                    "account:GetAccountInformation",
                    "account:GetPrimaryEmail",
                    "account:ListRegions",
                    "iam:CreateServiceLinkedRole",
                    "iam:DeleteServiceLinkedRole",
                    "iam:ListRoles",
                    "organizations:DescribeOrganization",
                ],
            ),
        ],
    ),
}


def _policy(name: str) -> Identity:
    version, description, _ = _TEXTS[name]
    return Identity(
        AWS_ACCOUNT,
        POLICY.row,
        name,
        stable_unique_id(POLICY.row, AWS_ACCOUNT, name),
        ROOT_PATH,
        _PUBLISHED_MS,
        {
            "default_version": version,
            "updated_ms": _PUBLISHED_MS,
            "description": description,
        },
    )


def _document(policy: Identity) -> Document:
    version, _, statements = _TEXTS[policy.name]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=4)
    return Document(policy.unique_id, version, _PUBLISHED_MS, text)


AWS_POLICIES: Mapping[str, Identity] = {
    arn_of(policy): policy for policy in map(_policy, sorted(_TEXTS, key=str.lower))
}
_DOCUMENTS = {policy.unique_id: _document(policy) for policy in AWS_POLICIES.values()}
