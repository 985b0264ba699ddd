"""Two readers of the same bytes for scripts/bench.py: the root, and a user under policies.

The root reads a bucket without a policy, under a key with the default policy. The user has an
identity policy, and reads a bucket and a key whose own policies, with conditions, name him.
"""

import json
from typing import Any

ACCOUNT = "123456789012"
USER = "reader"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/{USER}"
PLAIN, GUARDED = "plain", "guarded"
ROOT_MAY = {
    "Sid": "Root",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def prepare(iam: Any, kms: Any, s3: Any, *, count: int, size: int) -> dict[str, str]:
    """Buckets PLAIN and GUARDED with `count` objects each; the user's access key."""
    iam.create_user(UserName=USER)
    iam.put_user_policy(UserName=USER, PolicyName="reads", PolicyDocument=_identity_policy())
    for bucket in (PLAIN, GUARDED):
        key_arn = kms.create_key()["KeyMetadata"]["Arn"]
        s3.create_bucket(Bucket=bucket)
        sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn}
        for number in range(count):
            s3.put_object(Bucket=bucket, Key=str(number), Body=b"x" * size, **sealed)
        if bucket == GUARDED:
            kms.put_key_policy(KeyId=key_arn, Policy=_key_policy())
            s3.put_bucket_policy(Bucket=bucket, Policy=_bucket_policy())
    key: dict[str, str] = iam.create_access_key(UserName=USER)["AccessKey"]
    return key


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _identity_policy() -> str:
    return _document(
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{GUARDED}", f"arn:aws:s3:::{GUARDED}/*"],
        },
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
    )


def _bucket_policy() -> str:
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": USER_ARN},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{GUARDED}/*",
            "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        },
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{GUARDED}/*",
            "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        },
    )


def _key_policy() -> str:
    return _document(
        ROOT_MAY,
        {
            "Effect": "Allow",
            "Principal": {"AWS": USER_ARN},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{GUARDED}/*"},
            },
        },
    )
