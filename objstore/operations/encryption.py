"""PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption.

The bucket's setting is the one rule in the shape of the API, filled up with what it leaves out, so
that readers of it need no defaults of their own. Like S3, it takes every KMS key id as it is.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.crypt.sse import AES256, AWS_KMS, AWS_KMS_DSSE, DEFAULT_ENCRYPTION, SETTING, SSE_C
from objstore.errors import S3Error
from objstore.storage.records import BucketMissingError

NONE = "NONE"
_BY_DEFAULT = "ApplyServerSideEncryptionByDefault"
_KEY_WITHOUT_KMS = (
    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
)


async def put_bucket_encryption(
    call: Call, *, server_side_encryption_configuration: Mapping[str, Any]
) -> Reply:
    """Raises MalformedXML, and InvalidArgument for a KMS key without KMS."""
    configuration = _completed(server_side_encryption_configuration)
    await _change(call, lambda settings: {**settings, SETTING: configuration})
    return {}


async def get_bucket_encryption(call: Call) -> Reply:
    """What applies, configured or not: no bucket is without encryption."""
    configuration = call.bucket.settings.get(SETTING, DEFAULT_ENCRYPTION)
    return {"ServerSideEncryptionConfiguration": configuration}


async def delete_bucket_encryption(call: Call) -> Reply:
    """Back to SSE-S3 without bucket keys, and to blocking SSE-C."""
    await _change(
        call,
        lambda settings: {name: value for name, value in settings.items() if name != SETTING},
    )
    return {}


async def _change(call: Call, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    try:
        await call.services.store.update_bucket(call.bucket.name, change)
    except BucketMissingError:
        raise S3Error("NoSuchBucket", BucketName=call.bucket.name) from None


def _completed(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of one rule, checked, with everything that it leaves out."""
    rules = configuration.get("Rules") or []
    if len(rules) != 1:
        raise S3Error("MalformedXML")
    rule = rules[0]
    default = rule.get(_BY_DEFAULT) or {"SSEAlgorithm": AES256}
    algorithm = default["SSEAlgorithm"]
    if algorithm not in (AES256, AWS_KMS, AWS_KMS_DSSE):
        raise S3Error("MalformedXML")
    if algorithm == AES256 and "KMSMasterKeyID" in default:
        raise S3Error("InvalidArgument", _KEY_WITHOUT_KMS, ArgumentName=_BY_DEFAULT)
    blocked = rule.get("BlockedEncryptionTypes")
    types = [SSE_C] if blocked is None else blocked.get("EncryptionType") or []
    if len(types) != 1:
        raise S3Error("MalformedXML")
    return {
        "Rules": [
            {
                _BY_DEFAULT: default,
                "BucketKeyEnabled": bool(rule.get("BucketKeyEnabled")),
                "BlockedEncryptionTypes": {"EncryptionType": types},
            }
        ]
    }
