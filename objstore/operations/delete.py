"""DeleteObject and DeleteObjects.

A delete without a version id hides the key under a delete marker where the bucket is versioned;
with one it destroys that version, unless a lock protects it.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from kms.aws.errors import AWSError
from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.names import key_bytes
from objstore.storage.records import Check, StoredObject
from objstore.transfer import events, locks, outgoing, versions
from objstore.transfer.attributes import may_bypass_governance
from objstore.transfer.conditions import (
    NO_DELETE_CONDITIONS,
    DeleteConditions,
    authorize_match,
    delete_check,
)
from objstore.transfer.receive import commit

KEYS_DELETED_MAX = 1000


async def delete_object(
    call: Call,
    *,
    key: str,
    version_id: str | None = None,
    bypass_governance_retention: bool | None = None,
    conditions: DeleteConditions = NO_DELETE_CONDITIONS,
) -> Reply:
    """Deleting what is not there is no error, unless a condition asks for it to be there."""
    _check_bypass(call, bypass_governance_retention)
    version_id = versions.named(call.bucket, version_id)
    bypass = bool(bypass_governance_retention)
    return await _delete(call, key, version_id, conditions, bypass=bypass)


async def delete_objects(
    call: Call, *, delete: Mapping[str, Any], bypass_governance_retention: bool | None = None
) -> Reply:
    entries = delete.get("Objects") or []
    if not 1 <= len(entries) <= KEYS_DELETED_MAX:
        raise S3Error("MalformedXML")
    _check_bypass(call, bypass_governance_retention)
    bypass = bool(bypass_governance_retention)
    results = await asyncio.gather(
        *(_delete_entry(call, entry, bypass=bypass) for entry in entries)
    )
    quiet = bool(delete.get("Quiet"))
    return {
        "Deleted": [] if quiet else [result for result in results if "Code" not in result],
        "Errors": [result for result in results if "Code" in result],
    }


def _check_bypass(call: Call, bypass: bool | None) -> None:
    if bypass is not None and locks.SETTING not in call.bucket.settings:
        raise S3Error(
            "InvalidArgument",
            "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
            ArgumentName="x-amz-bypass-governance-retention",
        )


async def _delete_entry(call: Call, entry: Mapping[str, Any], *, bypass: bool) -> dict[str, Any]:
    """The `Deleted` or, with a `Code`, the `Error` element of one key."""
    key, version_id = entry["Key"], entry.get("VersionId")
    action = "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion"
    conditions = NO_DELETE_CONDITIONS
    if entry.keys() & {"ETag", "LastModifiedTime", "Size"}:
        conditions = DeleteConditions(
            entry.get("ETag"), entry.get("LastModifiedTime"), entry.get("Size")
        )
    try:
        call.authorize(action, call.bucket, key, version_id)
        named = _named_in_list(call, version_id)
        reply = await _delete(call, key, named, conditions, bypass=bypass)
    except AWSError as error:
        return {
            "Key": key,
            "VersionId": version_id,
            "Code": error.code,
            "Message": error.message,
        }
    if version_id is not None:
        marker = {"DeleteMarkerVersionId": version_id} if "DeleteMarker" in reply else {}
        return {"Key": key, **reply, **marker}
    marker_id = reply.pop("VersionId", None)
    return {"Key": key, **reply, "DeleteMarkerVersionId": marker_id}


def _named_in_list(call: Call, version_id: str | None) -> str | None:
    """In a list, what can be no version id is only a version that does not exist."""
    try:
        return versions.named(call.bucket, version_id)
    except S3Error:
        raise S3Error("NoSuchVersion") from None


async def _delete(
    call: Call, key: str, version_id: str | None, conditions: DeleteConditions, *, bypass: bool
) -> dict[str, Any]:
    encoded = key_bytes(key)
    if conditions.if_match != "*":
        authorize_match(call, key, conditions.if_match)
    check = delete_check(conditions, key)
    now_ms = int(call.services.clock.now() * 1000)
    bypass = bypass and may_bypass_governance(call, key, version_id)
    guard = locks.guard(now_ms=now_ms, bypass=bypass)
    store, bucket = call.services.store, call.bucket
    if version_id is None and versions.status(bucket) is not None:
        marker = versions.delete_marker(bucket, encoded, created_ms=now_ms)
        _, sent = outgoing.planned(bucket, marker)
        messages = (*events.written(call, "ObjectRemoved:DeleteMarkerCreated", marker), *sent)
        transaction = store.put_object(marker, check=check, guard=guard, messages=messages)
        await commit(store, None, transaction)
        return {"DeleteMarker": True, "VersionId": marker.version_id}
    doomed = await commit(
        store,
        None,
        store.delete_object(
            bucket.bucket_id,
            encoded,
            version_id=version_id,
            check=guard if check is None else _both(check, guard),
            messages=events.removed(call, encoded, version_id),
        ),
    )
    if version_id is None:
        return {}
    hidden = doomed is not None and doomed.delete_marker
    return {"VersionId": version_id, **({"DeleteMarker": True} if hidden else {})}


def _both(first: Check, second: Check) -> Check:
    def check(stored: StoredObject | None) -> None:
        first(stored)
        second(stored)

    return check
