"""PutBucketVersioning and GetBucketVersioning.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.rules import replication
from objstore.transfer import locks, subresources, versions

REPLICATED = (
    "A replication configuration is present on this bucket, so you cannot change the versioning "
    "state. To change the versioning state, first delete the replication configuration."
)


async def put_bucket_versioning(
    call: Call, *, versioning_configuration: Mapping[str, Any], mfa: str | None = None
) -> Reply:
    """MFA delete needs a device of the account's root, of which there are none here.

    Raises IllegalVersioningConfigurationException, AccessDenied, InvalidBucketState.
    """
    status = versioning_configuration.get("Status")
    if status is None:
        raise S3Error("IllegalVersioningConfigurationException")
    if mfa is not None or versioning_configuration.get("MFADelete") == versions.ENABLED:
        raise S3Error("AccessDenied", "Mfa Authentication must be used for this request")

    def set_status(settings: subresources.Settings) -> subresources.Settings:
        if status != versions.ENABLED and locks.SETTING in settings:
            raise S3Error("InvalidBucketState", locks.VERSIONING_MUST_STAY)
        if status != versions.ENABLED and replication.SETTING in settings:
            raise S3Error("InvalidBucketState", REPLICATED)
        return {**settings, versions.SETTING: {"Status": status}}

    await subresources.change(call, set_status)
    return {}


async def get_bucket_versioning(call: Call) -> Reply:
    """Empty for a bucket that was never versioned."""
    return dict(call.bucket.settings.get(versions.SETTING, {}))
