"""DeleteObject and DeleteObjects.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from kms.aws.errors import AWSError
from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.names import is_null_version, key_bytes
from objstore.storage.records import NULL_VERSION, Check, StoredObject
from objstore.transfer.conditions import matches

KEYS_DELETED_MAX = 1000


async def delete_object(
    call: Call, *, key: str, version_id: str | None = None, if_match: str | None = None
) -> Reply:
    """Deleting what is not there is no error, unless a condition asks for it to be there."""
    return await _delete(call, key, version_id, if_match)


async def delete_objects(call: Call, *, delete: Mapping[str, Any]) -> Reply:
    entries = delete.get("Objects") or []
    if not 1 <= len(entries) <= KEYS_DELETED_MAX:
        raise S3Error("MalformedXML")
    results = await asyncio.gather(*(_delete_entry(call, entry) for entry in entries))
    quiet = bool(delete.get("Quiet"))
    return {
        "Deleted": [] if quiet else [result for result in results if "Code" not in result],
        "Errors": [result for result in results if "Code" in result],
    }


async def _delete_entry(call: Call, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The `Deleted` or, with a `Code`, the `Error` element of one key."""
    key, version_id = entry["Key"], entry.get("VersionId")
    try:
        for name in ("LastModifiedTime", "Size"):
            if entry.get(name) is not None:
                raise S3Error("NotImplemented", f"Deleting by {name} is not implemented")
        call.authorize("s3:DeleteObject", call.bucket, key)
        reply = await _delete(call, key, version_id, entry.get("ETag"))
    except AWSError as error:
        return {
            "Key": key,
            "VersionId": version_id,
            "Code": error.code,
            "Message": error.message,
        }
    return {"Key": key, **reply}


async def _delete(
    call: Call, key: str, version_id: str | None, if_match: str | None
) -> dict[str, Any]:
    encoded = key_bytes(key)
    try:
        named = is_null_version(version_id)
    except AWSError as error:
        if error.code != "NoSuchVersion" or if_match is not None:
            raise
        # A version that does not exist is as deleted as can be.
        return {"VersionId": version_id}
    await call.services.store.delete_object(
        call.bucket.bucket_id,
        encoded,
        version_id=NULL_VERSION if named else None,
        check=None if if_match is None else _check(if_match, key),
    )
    return {"VersionId": NULL_VERSION} if named else {}


def _check(if_match: str, key: str) -> Check:
    def check(replaced: StoredObject | None) -> None:
        if replaced is None or replaced.delete_marker:
            raise S3Error("NoSuchKey", Key=key)
        if not matches(if_match, replaced.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")

    return check
