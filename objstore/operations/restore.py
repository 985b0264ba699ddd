"""RestoreObject: make an archived object readable for some days.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from objstore.call import STATUS, Call, Reply
from objstore.errors import S3Error
from objstore.storage.records import StoredObject
from objstore.transfer import archive, attributes
from objstore.transfer.content import ARCHIVE_CLASSES

DEEP_ARCHIVE, EXPEDITED = "DEEP_ARCHIVE", "Expedited"
ACCEPTED = 202
_SUPPORTED = frozenset({"Days", "GlacierJobParameters", "Tier", "Description"})


async def restore_object(
    call: Call,
    *,
    key: str,
    version_id: str | None = None,
    restore_request: Mapping[str, Any] | None = None,
) -> Reply:
    """The copy is there at once, whichever tier is asked for; asking again moves its end.

    Raises MalformedXML, InvalidArgument, InvalidObjectState, NotImplemented for SELECT requests.
    """
    request = restore_request or {}
    days = _days(request)
    tier = (request.get("GlacierJobParameters") or {}).get("Tier", request.get("Tier"))
    now_ms = attributes.now_ms(call)
    was_restored = False

    def restore(stored: StoredObject) -> StoredObject:
        nonlocal was_restored
        if stored.storage_class not in ARCHIVE_CLASSES:
            raise S3Error(
                "InvalidObjectState",
                "Restore is not allowed for the object's current storage class",
                StorageClass=stored.storage_class,
            )
        if tier == EXPEDITED and stored.storage_class == DEEP_ARCHIVE:
            raise S3Error(
                "InvalidArgument", "Retrieval option is not supported by this storage class"
            )
        was_restored = archive.until_ms(stored, now_ms) is not None
        return replace(
            stored,
            attributes={**stored.attributes, archive.ATTRIBUTE: archive.restored(days, now_ms)},
        )

    await attributes.change_object(
        call, key, version_id, restore, method="POST", event="ObjectRestore:Completed"
    )
    return {} if was_restored else {STATUS: ACCEPTED}


def _days(request: Mapping[str, Any]) -> int:
    for name in request.keys() - _SUPPORTED:
        raise S3Error("NotImplemented", f"RestoreRequest {name} is not implemented")
    days: int | None = request.get("Days")
    if days is None:
        raise S3Error("MalformedXML")
    if days <= 0:
        raise S3Error(
            "InvalidArgument",
            "restoration days should be at least 1",
            ArgumentName="Days",
            ArgumentValue=str(days),
        )
    return days
