"""The text of key policies: those that KMS writes itself, word for word, and what others may be.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kms.aws import arn
from kms.aws.policy import Flaw, Policy, PolicyError, PolicyKind, parse
from kms.aws.policy_principal import rename
from kms.errors import KMSError

POLICY_NAME = "default"
POLICY_BYTES_MAX = 32 * 1024
COMPILED_MAX = 4_096
_WORDS: Mapping[Flaw, str] = {
    Flaw.NOT_JSON: "Policy contains invalid JSON.",
    Flaw.VERSION: "Policy contains an invalid version: {detail}.",
    Flaw.FIELD_UNKNOWN: "Policy contains the unknown element {detail}.",
    Flaw.FIELD_MISSING: "Policy contains a statement with no {detail}.",
    Flaw.FIELD_PROHIBITED: "Policy contains a statement with the prohibited element {detail}.",
    Flaw.PRINCIPAL: "Policy contains a statement with one or more invalid principals.",
    Flaw.ACTION: "Policy contains a statement with one or more invalid actions.",
    Flaw.RESOURCE: "Policy contains a statement with one or more invalid resources.",
    Flaw.SID_REPEATED: "Policy contains more than one statement with the Sid {detail}.",
}
Pairs = tuple[tuple[str, str], ...]
_MALFORMED = "Policy contains a statement with one or more invalid elements: {detail}."


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


@lru_cache(maxsize=COMPILED_MAX)
def compiled(policy: str, bound: Pairs = ()) -> Policy:
    """A key's policy, which was checked when it was stored, compiled.

    `bound` are the unique ids that are meant by the ARNs of users and roles.
    """
    return parse(policy, kind=PolicyKind.KEY, name="the key policy", bound=dict(bound))


def renamed(policy: str, names: Mapping[str, str]) -> str:
    """The text of a policy with other names of principals; itself if nothing is to be changed."""
    if not names:
        return policy
    document = json.loads(policy)
    rename(document, names)
    return json.dumps(document, indent=2, separators=(",", " : "))


def check_policy(policy: str) -> Policy:
    """A key policy whose form is right. Raises MalformedPolicyDocumentException."""
    if len(policy.encode(errors="surrogatepass")) > POLICY_BYTES_MAX:
        raise KMSError("LimitExceededException", f"The policy exceeds {POLICY_BYTES_MAX} bytes.")
    try:
        return compiled(policy)
    except PolicyError as error:
        detail = error.detail.lower() if error.flaw is Flaw.FIELD_MISSING else error.detail
        words = _WORDS.get(error.flaw, _MALFORMED).replace("{detail}", detail)
        raise KMSError("MalformedPolicyDocumentException", words) from None
