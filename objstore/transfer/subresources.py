"""The documents that belong to a bucket: kept in its settings in the shape of the API's own.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html#bucket-config-options-intro
"""

from collections.abc import Callable, Mapping
from typing import Any

from objstore.call import Call
from objstore.errors import S3Error
from objstore.storage.records import BucketMissingError

Settings = Mapping[str, Any]


async def change(call: Call, function: Callable[[Settings], Settings]) -> None:
    """Replace the settings of the path's bucket by `function` of them, which may raise to refuse.

    Raises NoSuchBucket if the bucket is gone.
    """
    try:
        await call.services.store.update_bucket(call.bucket.name, function)
    except BucketMissingError:
        raise S3Error("NoSuchBucket", BucketName=call.bucket.name) from None


async def put(call: Call, name: str, value: Any) -> None:
    """Set one document. Raises NoSuchBucket."""
    await change(call, lambda settings: {**settings, name: value})


async def remove(call: Call, name: str) -> None:
    """Remove one document, if it is there. Raises NoSuchBucket."""
    await change(call, lambda settings: {k: v for k, v in settings.items() if k != name})
