"""What replies say about the end of an object or an upload, by the bucket's lifecycle rules.

Dates are those of AWS: of days of 24 hours, even on a server on which rules act sooner for tests.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_ResponseSyntax
"""

from typing import Any
from urllib.parse import quote

from objstore.call import Call
from objstore.names import http_date, instant
from objstore.rules.aging import Version, abortion, expiration
from objstore.rules.lifecycle import SETTING
from objstore.storage.records import StoredObject
from objstore.transfer import tags

__all__ = ["SETTING", "aborts", "expires", "version_of"]

_DAY_MS = 24 * 3600 * 1000


def expires(call: Call, stored: StoredObject) -> dict[str, Any]:
    """The member that replies about a key's newest version carry, if it is going to expire."""
    document = call.bucket.settings.get(SETTING)
    if document is None:
        return {}
    found = expiration(document, version_of(stored), day_ms=_DAY_MS)
    if found is None:
        return {}
    when_ms, rule = found
    text = f'expiry-date="{http_date(when_ms)}", rule-id="{quote(rule, safe="")}"'
    return {"Expiration": text}


def aborts(call: Call, key: str, initiated_ms: int) -> dict[str, Any]:
    """The members that replies about an upload carry, if it is going to be aborted."""
    document = call.bucket.settings.get(SETTING)
    if document is None:
        return {}
    found = abortion(document, key, initiated_ms, day_ms=_DAY_MS)
    if found is None:
        return {}
    return {"AbortDate": instant(found[0]), "AbortRuleId": found[1]}


def version_of(stored: StoredObject, **more: Any) -> Version:
    """A version as lifecycle rules see it; `more` is what its row does not tell."""
    return Version(
        key=stored.key.decode(),
        size=stored.size,
        created_ms=stored.modified_ms,
        storage_class=stored.storage_class,
        delete_marker=stored.delete_marker,
        **{"tags": lambda: stored.attributes.get(tags.ATTRIBUTE, {}), **more},
    )
