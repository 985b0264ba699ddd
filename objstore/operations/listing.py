"""ListObjects, ListObjectsV2 and ListObjectVersions.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from collections.abc import Callable
from typing import Any

from kms.aws.identity import PrincipalKind
from objstore.call import REGION, ROWS, Call, Reply
from objstore.errors import S3Error
from objstore.names import (
    check_encoding_type,
    encode_key,
    instant,
    page_size,
)
from objstore.rules import access, acl
from objstore.storage.records import Page, StoredObject, VersionPage
from objstore.transfer import archive, attributes
from objstore.transfer.content import ARCHIVE_CLASSES

KEYS_LISTED_MAX = 1000
Owners = Callable[[StoredObject], dict[str, str]]
_EMPTY = Page((), (), None)
_NO_VERSIONS = VersionPage((), (), (), None, "")


async def list_objects(
    call: Call,
    *,
    prefix: str | None = None,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    marker: str | None = None,
    max_keys: int | None = None,
    optional_object_attributes: list[str] | None = None,
) -> Reply:
    check_encoding_type(encoding_type)
    limit = page_size(max_keys, "max-keys", KEYS_LISTED_MAX)
    page = _page(call, prefix, delimiter, (marker or "").encode(), limit)
    reply = _reply(call, page, prefix, delimiter, encoding_type, limit)
    reply["IsTruncated"] = page.next_after is not None
    anonymous = call.caller.principal.kind is PrincipalKind.ANONYMOUS
    owners = None if anonymous else _owners(call)
    shown = _entries(call, encoding_type, owners, optional_object_attributes)
    reply["Contents"] = [shown(row) for row in page.objects]
    reply["Marker"] = encode_key((marker or "").encode(), encoding_type)
    ends_with_key = bool(page.objects) and page.objects[-1].key == page.next_after
    if page.next_after is not None and (delimiter or not ends_with_key):
        # Without a delimiter the last key of the page is the marker, so S3 does not repeat it.
        reply["NextMarker"] = encode_key(page.next_after, encoding_type)
    return reply


async def list_objects_v2(
    call: Call,
    *,
    prefix: str | None = None,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    max_keys: int | None = None,
    continuation_token: str | None = None,
    start_after: str | None = None,
    fetch_owner: bool | None = None,
    optional_object_attributes: list[str] | None = None,
) -> Reply:
    check_encoding_type(encoding_type)
    limit = page_size(max_keys, "max-keys", KEYS_LISTED_MAX)
    tokens = call.services.tokens
    named = ((prefix or "").encode(), (delimiter or "").encode())
    listing = (b"ListObjectsV2", call.bucket.bucket_id, *named)
    after = (start_after or "").encode()
    if continuation_token is not None:
        after = tokens.read(listing, continuation_token)
    page = _page(call, prefix, delimiter, after, limit)
    reply = _reply(call, page, prefix, delimiter, encoding_type, limit)
    reply["IsTruncated"] = page.next_after is not None
    owners = _owners(call) if fetch_owner else None
    shown = _entries(call, encoding_type, owners, optional_object_attributes)
    reply["Contents"] = [shown(row) for row in page.objects]
    reply["KeyCount"] = len(page.objects) + len(page.common_prefixes)
    reply["ContinuationToken"] = continuation_token
    if start_after and continuation_token is None:
        reply["StartAfter"] = encode_key(start_after.encode(), encoding_type)
    if page.next_after is not None:
        reply["NextContinuationToken"] = tokens.make(listing, page.next_after)
    return reply


async def list_object_versions(
    call: Call,
    *,
    prefix: str | None = None,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    key_marker: str | None = None,
    version_id_marker: str | None = None,
    max_keys: int | None = None,
    optional_object_attributes: list[str] | None = None,
) -> Reply:
    check_encoding_type(encoding_type)
    _check_version_marker(key_marker, version_id_marker)
    limit = page_size(max_keys, "max-keys", KEYS_LISTED_MAX)
    page = _NO_VERSIONS
    if limit > 0:
        page = call.services.store.list_versions(
            call.bucket.bucket_id,
            prefix=(prefix or "").encode(),
            after_key=(key_marker or "").encode(),
            after_version=version_id_marker or "",
            delimiter=(delimiter or "").encode(),
            limit=limit,
        )
    owners = _owners(call)
    shown = _entries(call, encoding_type, owners, optional_object_attributes)
    rows = [
        ("DeleteMarkers", {**_marker(row, encoding_type, owners), **_version(row, latest)})
        if row.delete_marker
        else ("Versions", {**shown(row), **_version(row, latest)})
        for row, latest in zip(page.versions, page.latest, strict=True)
    ]
    reply = {
        **_reply(call, page, prefix, delimiter, encoding_type, limit),
        "IsTruncated": page.next_key is not None,
        "KeyMarker": encode_key((key_marker or "").encode(), encoding_type),
        "VersionIdMarker": version_id_marker or "",
        "Versions": [row for name, row in rows if name == "Versions"],
        "DeleteMarkers": [row for name, row in rows if name == "DeleteMarkers"],
        ROWS: rows,
    }
    if page.next_key is not None:
        reply["NextKeyMarker"] = encode_key(page.next_key, encoding_type)
        reply["NextVersionIdMarker"] = page.next_version or None
    return reply


def _check_version_marker(key_marker: str | None, version_id_marker: str | None) -> None:
    message = None
    if version_id_marker == "":
        message = "A version-id marker cannot be empty."
    elif version_id_marker is not None and not key_marker:
        message = "A version-id marker cannot be specified without a key marker."
    if message is not None:
        raise S3Error(
            "InvalidArgument",
            message,
            ArgumentName="version-id-marker",
            ArgumentValue=version_id_marker or "",
        )


def _version(row: StoredObject, latest: bool) -> dict[str, Any]:
    return {"VersionId": row.version_id, "IsLatest": latest}


def _marker(row: StoredObject, encoding_type: str | None, owners: Owners) -> dict[str, Any]:
    return {
        "Key": encode_key(row.key, encoding_type),
        "LastModified": instant(row.modified_ms),
        "Owner": owners(row),
    }


def _page(call: Call, prefix: str | None, delimiter: str | None, after: bytes, limit: int) -> Page:
    if limit == 0:
        return _EMPTY
    return call.services.store.list_objects(
        call.bucket.bucket_id,
        prefix=(prefix or "").encode(),
        after=after,
        delimiter=(delimiter or "").encode(),
        limit=limit,
    )


def _owners(call: Call) -> Owners:
    """Who owns the object of a row: where ACLs are on, the account that wrote it."""
    account = call.bucket.account
    of_bucket = call.owner(account)
    if access.object_ownership(call.bucket.settings) == access.OWNER_ENFORCED:
        return lambda row: of_bucket

    def owner(row: StoredObject) -> dict[str, str]:
        stored = _whole(call, row)
        return (
            of_bucket if stored is None else call.owner(stored.attributes.get(acl.OWNER, account))
        )

    return owner


def _reply(
    call: Call,
    page: Page | VersionPage,
    prefix: str | None,
    delimiter: str | None,
    encoding_type: str | None,
    limit: int,
) -> Reply:
    return {
        REGION: call.bucket.region,
        "Name": call.bucket.name,
        "Prefix": encode_key((prefix or "").encode(), encoding_type),
        "Delimiter": encode_key(delimiter.encode(), encoding_type) if delimiter else None,
        "MaxKeys": limit,
        "EncodingType": encoding_type,
        "CommonPrefixes": [
            {"Prefix": encode_key(prefix, encoding_type)} for prefix in page.common_prefixes
        ],
    }


def _entries(
    call: Call,
    encoding_type: str | None,
    owners: Owners | None,
    optional_attributes: list[str] | None,
) -> Callable[[StoredObject], dict[str, Any]]:
    """What makes the entry of a row. Only a restore's state can be asked for in addition."""
    now_ms = attributes.now_ms(call)

    def entry(row: StoredObject) -> dict[str, Any]:
        made: dict[str, Any] = {
            "Key": encode_key(row.key, encoding_type),
            "LastModified": instant(row.modified_ms),
            "ETag": f'"{row.etag}"',
            "ChecksumAlgorithm": [row.checksum_algorithm] if row.checksum_algorithm else None,
            "ChecksumType": row.checksum_type or None,
            "Size": row.size,
            "StorageClass": row.storage_class,
        }
        if owners is not None:
            made["Owner"] = owners(row)
        if optional_attributes and row.storage_class in ARCHIVE_CLASSES:
            made.update(_restore_status(call, row, now_ms))
        return made

    return entry


def _restore_status(call: Call, row: StoredObject, now_ms: int) -> dict[str, Any]:
    stored = _whole(call, row)
    return {} if stored is None else archive.listed(stored, now_ms)


def _whole(call: Call, row: StoredObject) -> StoredObject | None:
    """The row with its attributes, without which the rows of a listing come."""
    return call.services.store.object(row.bucket_id, row.key, row.version_id, inline=False)
