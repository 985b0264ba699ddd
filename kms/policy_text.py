"""The text of key policies: those that KMS writes itself, word for word, and what others may be.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
"""

import json
from typing import Any

from kms.aws import arn
from kms.errors import KMSError

POLICY_NAME = "default"
POLICY_BYTES_MAX = 32 * 1024


def default_policy(account: str) -> str:
    """The policy of a key that was created without one: the account decides by IAM."""
    return _text(
        "key-default-1",
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": arn.account_root(account)},
            "Action": "kms:*",
            "Resource": "*",
        },
    )


def s3_managed_policy(account: str, via_service: str) -> str:
    """The policy of the AWS managed key `aws/s3`."""
    return _text(
        "auto-s3-2",
        {
            "Sid": "Allow access through S3 for all principals in the account that are "
            "authorized to use S3",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:DescribeKey",
            ],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": via_service}
            },
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": arn.account_root(account)},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
            "Resource": "*",
        },
    )


def _text(policy_id: str, *statements: dict[str, Any]) -> str:
    document = {"Version": "2012-10-17", "Id": policy_id, "Statement": statements}
    return json.dumps(document, indent=2, separators=(",", " : "))


def check_policy(policy: str) -> str:
    """A key policy whose syntax is right. Raises MalformedPolicyDocumentException."""
    if len(policy.encode()) > POLICY_BYTES_MAX:
        raise KMSError("LimitExceededException", f"The policy exceeds {POLICY_BYTES_MAX} bytes.")
    try:
        document = json.loads(policy)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not document.get("Statement"):
        raise KMSError(
            "MalformedPolicyDocumentException", "Policy contains invalid JSON or no statement"
        )
    return policy
