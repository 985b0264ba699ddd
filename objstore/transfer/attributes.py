"""What may change about a version while its bytes and key stay: tags, locks, a restored copy.

Attributes are a small mapping in the version's row, outside of the manifest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.names import key_bytes
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer import archive, events, grants, locks, outgoing, tags
from objstore.transfer.locks import LockHeaders
from objstore.transfer.receive import commit
from objstore.transfer.source import find, missing

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttributeHeaders(LockHeaders):
    """The members that PutObject, CopyObject and CreateMultipartUpload share."""

    tagging: str | None = None
    acl: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write_acp: str | None = None


NO_ATTRIBUTE_HEADERS = AttributeHeaders()


def asked(call: Call, key: str, headers: AttributeHeaders) -> dict[str, Any]:
    """The attributes that a request's headers name, their setting authorized.

    Raises what `tags` and `locks` raise, and AccessDenied.
    """
    attributes = grants.asked(call, headers)
    if headers is NO_ATTRIBUTE_HEADERS:
        return attributes
    if headers.tagging is not None:
        call.authorize("s3:PutObjectTagging", call.bucket, key)
        named = tags.from_header(headers.tagging)
        if named:
            attributes[tags.ATTRIBUTE] = named
    if headers.object_lock_mode is not None:
        call.authorize("s3:PutObjectRetention", call.bucket, key)
    if headers.object_lock_legal_hold_status is not None:
        call.authorize("s3:PutObjectLegalHold", call.bucket, key)
    return attributes | locks.asked(headers, call.bucket, now_ms=now_ms(call))


def of_new(bucket: Bucket, asked_for: Attributes, *, created_ms: int) -> Attributes:
    """The attributes of a version that is written now: those asked for, and the bucket's lock."""
    default = locks.default(bucket, now_ms=created_ms)
    return {**default, **asked_for} if default else asked_for


def now_ms(call: Call) -> int:
    """The service clock, in milliseconds."""
    return int(call.services.clock.now() * 1000)


def describe(call: Call, key: str, version_id: str | None, stored: StoredObject) -> dict[str, Any]:
    """The members that GetObject and HeadObject carry, as far as the caller may know of them."""
    members = archive.describe(stored, now_ms(call)) | outgoing.describe(stored)
    tagging = "s3:GetObjectTagging" if version_id is None else "s3:GetObjectVersionTagging"
    kept = stored.attributes
    count = len(kept.get(tags.ATTRIBUTE, ()))
    if count and _may(call, tagging, key, version_id):
        members["TagCount"] = count
    if locks.RETENTION in kept and _may(call, "s3:GetObjectRetention", key, version_id):
        members |= locks.describe_retention(kept)
    if locks.LEGAL_HOLD in kept and _may(call, "s3:GetObjectLegalHold", key, version_id):
        members["ObjectLockLegalHoldStatus"] = kept[locks.LEGAL_HOLD]
    return members


def may_bypass_governance(call: Call, key: str, version_id: str | None) -> bool:
    """Whether the caller may lift governance; who may not is refused where it matters only."""
    return _may(call, locks.BYPASS_ACTION, key, version_id)


def _may(call: Call, action: str, key: str, version_id: str | None) -> bool:
    try:
        call.authorize(action, call.bucket, key, version_id)
    except AWSError:
        return False
    return True


async def change(
    call: Call,
    key: str,
    version_id: str | None,
    function: Callable[[Attributes], Attributes],
    *,
    event: str = "",
    method: str = "PUT",
) -> StoredObject:
    """Replace a version's attributes by `function` of them; see `change_object`."""
    return await change_object(
        call,
        key,
        version_id,
        lambda stored: replace(stored, attributes=function(stored.attributes)),
        event=event,
        method=method,
    )


async def change_object(
    call: Call,
    key: str,
    version_id: str | None,
    function: Callable[[StoredObject], StoredObject],
    *,
    method: str = "PUT",
    event: str = "",
) -> StoredObject:
    """Replace a version by `function` of it, which runs in the transaction and may raise to refuse.

    `event` is what the destinations of the bucket's notifications are told ("": nothing). Returns
    the changed version. Raises what `find` does.
    """
    found = find(call, call.bucket, key, version_id, inline=False, method=method)
    changed = await commit(
        call.services.store,
        None,
        call.services.store.update_object(
            call.bucket.bucket_id,
            key_bytes(key),
            version_id=found.version_id,
            change=function,
            messages=events.written(call, event, found) if event else (),
        ),
    )
    if changed is None:
        raise missing(key, version_id)
    return changed
