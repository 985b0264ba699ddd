"""UpdateObjectEncryption: another KMS key for an object that exists, without moving its bytes.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
"""

import re
from collections.abc import Mapping
from typing import Any

from kms.aws.arn import ARN
from kms.aws.identity import PrincipalKind
from objstore.call import Call, Reply
from objstore.crypt.manifest import decode
from objstore.errors import S3Error
from objstore.transfer import attributes, rewrap
from objstore.transfer.rewrap import Target
from objstore.transfer.source import find

ATTEMPTS_MAX = 5
_ARN = re.compile(r"arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+")
_AGAIN = "and then try again."
_REQUESTS = "Requests that modify an object"
_NO_SIGNATURE = (
    f"{_REQUESTS} encryption configuration require AWS Signature Version 4. Modify the request to "
    f"use AWS Signature Version 4, {_AGAIN}"
)
_NO_TYPE = (
    f"{_REQUESTS} encryption configuration require a valid new encryption type. Valid values are "
    f"SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, {_AGAIN}"
)
_OTHER_TYPE = (
    "The UpdateObjectEncryption operation doesn't support updating the encryption type to DSSE-KMS "
    "or SSE-C. Modify the request to specify SSE-KMS for the updated encryption type, "
    f"{_AGAIN}"
)
_NO_ARN = (
    f"{_REQUESTS}'s encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name (ARN). "
    f"Modify the request to specify a KMS key ARN, {_AGAIN}"
)
_BAD_ARN = (
    f"{_REQUESTS}'s encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource Name "
    f"(ARN). Confirm that you have a correctly formatted KMS key ARN in your request, {_AGAIN}"
)
_BAD_BUCKET_KEY = (
    "The BucketKeyEnabled value isn't valid. Valid values are true or false. Modify the request to "
    f"specify a valid value, {_AGAIN}"
)
_FOREIGN_KEY = (
    "The AWS KMS key in the request must be owned by the same account as the bucket. Modify the "
    f"request to specify a KMS key from the same account, {_AGAIN}"
)
_OTHER_TYPES = frozenset({"DSSE-KMS", "SSE-C"})


async def update_object_encryption(
    call: Call,
    *,
    key: str,
    object_encryption: Mapping[str, Any],
    version_id: str | None = None,
) -> Reply:
    """Raises InvalidRequest, AccessDenied, and what reading the object and the KMS raise."""
    target = _target(call, object_encryption)
    services = call.services
    for _ in range(ATTEMPTS_MAX):
        stored = find(call, call.bucket, key, version_id, inline=False, method="PUT")
        now_ms = attributes.now_ms(call)
        rewrap.check(stored, decode(stored.manifest), now_ms=now_ms)
        new = rewrap.rewrapped(
            services.data_keys, call.caller, call.bucket, stored, target, trace=call.trace
        )
        if await rewrap.publish(services.store, stored, new, now_ms=now_ms):
            return {}
    raise S3Error("OperationAborted")


def _target(call: Call, wanted: Mapping[str, Any]) -> Target:
    if call.caller.principal.kind is PrincipalKind.ANONYMOUS:
        raise S3Error("InvalidRequest", _NO_SIGNATURE)
    named = wanted.get("SSEKMS")
    if named is None:
        other = _OTHER_TYPES.isdisjoint(wanted)
        raise S3Error("InvalidRequest", _NO_TYPE if other else _OTHER_TYPE)
    key_arn = named.get("KMSKeyArn")
    if not key_arn:
        raise S3Error("InvalidRequest", _NO_ARN)
    if _ARN.fullmatch(key_arn) is None:
        raise S3Error("InvalidRequest", _BAD_ARN)
    bucket_key = named.get("BucketKeyEnabled", False)
    if not isinstance(bucket_key, bool):
        raise S3Error("InvalidRequest", _BAD_BUCKET_KEY)
    if ARN.parse(key_arn).account != call.bucket.account:
        raise S3Error("AccessDenied", _FOREIGN_KEY)
    return Target(key_arn, bucket_key)
