"""Amazon Resource Names: `arn:partition:service:region:account:resource`.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from kms.aws.values import value_class

PARTITION = "aws"


@value_class(frozen=True, slots=True)
class ARN:
    """A parsed ARN; `resource` is everything after the fifth colon."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "ARN":
        """Split an ARN. Raises ValueError if `text` does not have the six parts."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise ValueError(f"not an ARN: {text!r}")
        return cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def kms_key(region: str, account: str, key_id: str) -> str:
    return f"arn:{PARTITION}:kms:{region}:{account}:key/{key_id}"


def kms_alias(region: str, account: str, alias: str) -> str:
    """`alias` includes its `alias/` prefix."""
    return f"arn:{PARTITION}:kms:{region}:{account}:{alias}"


def s3_bucket(bucket: str) -> str:
    return f"arn:{PARTITION}:s3:::{bucket}"


def s3_object(bucket: str, key: str) -> str:
    return f"arn:{PARTITION}:s3:::{bucket}/{key}"


def account_root(account: str) -> str:
    return f"arn:{PARTITION}:iam::{account}:root"


def iam_entity(account: str, kind: str, path: str, name: str) -> str:
    """A user, role, group or policy, whose `path` begins and ends with a slash."""
    return f"arn:{PARTITION}:iam::{account}:{kind}{path}{name}"


def iam_user(account: str, name: str, path: str = "/") -> str:
    return f"arn:{PARTITION}:iam::{account}:user{path}{name}"
