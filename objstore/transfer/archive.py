"""Archived objects: stored like all others, but readable only while a restored copy lives.

A restored copy is in the attributes as `{"restore": {"UntilMs": 1700000000000}}`. It is there at
once: nothing has to be fetched from anywhere.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
"""

from typing import Any

from objstore.errors import S3Error
from objstore.names import http_date, instant
from objstore.rules.aging import due_ms
from objstore.storage.records import StoredObject
from objstore.transfer.content import ARCHIVE_CLASSES

ATTRIBUTE = "restore"
DAY_MS = 24 * 3600 * 1000


def until_ms(stored: StoredObject, now_ms: int) -> int | None:
    """When the restored copy of an archived object goes; None if there is none (any more)."""
    restore = stored.attributes.get(ATTRIBUTE)
    if stored.storage_class not in ARCHIVE_CLASSES or restore is None:
        return None
    until: int = restore["UntilMs"]
    return until if until > now_ms else None


def check_readable(stored: StoredObject, now_ms: int) -> None:
    """Return unless the object is archived and not restored. Raises InvalidObjectState."""
    if stored.storage_class in ARCHIVE_CLASSES and until_ms(stored, now_ms) is None:
        raise S3Error("InvalidObjectState", StorageClass=stored.storage_class)


def restored(days: int, now_ms: int) -> dict[str, int]:
    """A copy that lives for `days`, and then until the next midnight (UTC)."""
    return {"UntilMs": due_ms(now_ms, days, DAY_MS)}


def describe(stored: StoredObject, now_ms: int) -> dict[str, Any]:
    """The member that GetObject and HeadObject carry for a restored copy."""
    until = until_ms(stored, now_ms)
    if until is None:
        return {}
    return {"Restore": f'ongoing-request="false", expiry-date="{http_date(until)}"'}


def listed(stored: StoredObject, now_ms: int) -> dict[str, Any]:
    """The member of a listing's entry for a restored copy."""
    until = until_ms(stored, now_ms)
    if until is None:
        return {}
    return {"RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": instant(until)}}
