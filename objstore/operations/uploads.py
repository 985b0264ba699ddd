"""AbortMultipartUpload, ListParts, ListMultipartUploads: uploads in progress.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

from datetime import datetime
from typing import Any

from kms.aws.arn import ARN, account_root
from kms.aws.identity import ANONYMOUS
from objstore.call import Call, Reply
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.errors import S3Error
from objstore.names import check_encoding_type, encode_key, instant, page_size
from objstore.storage.records import Part, Upload, UploadMissingError, UploadPage
from objstore.transfer import lifetime
from objstore.transfer.grants import shown_owner_of
from objstore.transfer.integrity import shown
from objstore.transfer.upload import find_upload, open_binding_keys, open_part, read_recipe

PARTS_LISTED_MAX = 1000
UPLOADS_LISTED_MAX = 1000
ANONYMOUS_ID = "65a011a29cdf8ec533ec3d1ccaae921c"  # S3's canonical id of nobody known.
_EMPTY = UploadPage((), (), None, "")


async def abort_multipart_upload(
    call: Call, *, key: str, upload_id: str, if_match_initiated_time: datetime | None = None
) -> Reply:
    upload = find_upload(call, upload_id, key)
    if if_match_initiated_time is not None and if_match_initiated_time.timestamp() != (
        upload.initiated_ms // 1000
    ):
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-initiated-time")
    try:
        await call.services.store.abort_upload(upload_id)
    except UploadMissingError:
        raise S3Error("NoSuchUpload", UploadId=upload_id) from None
    return {}


async def list_parts(
    call: Call,
    *,
    key: str,
    upload_id: str,
    max_parts: int | None = None,
    part_number_marker: int | None = None,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Reply:
    """Checksums are shown, for which the caller must be able to open the data key, only if the
    upload was created with a checksum algorithm.
    """
    upload = find_upload(call, upload_id, key)
    limit = page_size(max_parts, "max-parts", PARTS_LISTED_MAX)
    after = max(part_number_marker or 0, 0)
    found = call.services.store.parts(upload_id, after=after, limit=limit + 1)
    page = found[:limit]
    sums = _part_sums(call, upload, page, customer)
    truncated = len(found) > limit > 0
    return {
        "Bucket": call.bucket.name,
        "Key": key,
        "UploadId": upload_id,
        **lifetime.aborts(call, key, upload.initiated_ms),
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": truncated,
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": instant(part.modified_ms),
                "ETag": f'"{part.etag}"',
                "Size": part.size,
                **sums.get(part.number, {}),
            }
            for part in page
        ],
        "Initiator": _initiator(call, upload),
        "Owner": call.owner(shown_owner_of(call, upload.attributes)),
        "StorageClass": upload.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_type or None,
    }


def _initiator(call: Call, upload: Upload) -> dict[str, str]:
    """Who began an upload: an account by its canonical id, anybody else by ARN."""
    if upload.owner == ANONYMOUS.arn:
        return {"ID": ANONYMOUS_ID}
    account = ARN.parse(upload.owner).account
    if upload.owner == account_root(account):
        return call.owner(account)
    return {"ID": upload.owner, "DisplayName": upload.owner.rpartition("/")[2]}


def _part_sums(
    call: Call, upload: Upload, parts: list[Part], customer: CustomerKeyHeaders
) -> dict[int, dict[str, Any]]:
    """The checksum members of each part, by number."""
    if not upload.checksum_algorithm or not parts:
        return {}
    recipe = read_recipe(upload)
    keys = open_binding_keys(call, upload, recipe, customer)
    try:
        return {part.number: shown(*open_part(keys, recipe, part)) for part in parts}
    finally:
        keys.wipe()


async def list_multipart_uploads(
    call: Call,
    *,
    prefix: str | None = None,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    key_marker: str | None = None,
    upload_id_marker: str | None = None,
    max_uploads: int | None = None,
) -> Reply:
    check_encoding_type(encoding_type)
    _check_upload_marker(call, key_marker, upload_id_marker)
    limit = page_size(max_uploads, "max-uploads", UPLOADS_LISTED_MAX)
    page = _EMPTY
    if limit > 0:
        page = call.services.store.uploads(
            call.bucket.bucket_id,
            prefix=(prefix or "").encode(),
            after_key=(key_marker or "").encode(),
            # Without a key marker, the upload id marker means nothing.
            after_upload=(upload_id_marker or "") if key_marker else "",
            delimiter=(delimiter or "").encode(),
            limit=limit,
        )
    reply: Reply = {
        "Bucket": call.bucket.name,
        "KeyMarker": encode_key((key_marker or "").encode(), encoding_type),
        "UploadIdMarker": (upload_id_marker or "") if key_marker else "",
        "Prefix": encode_key(prefix.encode(), encoding_type) if prefix else None,
        "Delimiter": encode_key(delimiter.encode(), encoding_type) if delimiter else None,
        "MaxUploads": limit,
        "EncodingType": encoding_type,
        "IsTruncated": page.next_key is not None,
        "Uploads": [_entry(call, upload, encoding_type) for upload in page.uploads],
        "CommonPrefixes": [
            {"Prefix": encode_key(common, encoding_type)} for common in page.common_prefixes
        ],
    }
    next_key, next_upload = _next_marker(page)
    reply["NextKeyMarker"] = encode_key(next_key, encoding_type)
    reply["NextUploadIdMarker"] = next_upload
    return reply


def _check_upload_marker(call: Call, key_marker: str | None, upload_id_marker: str | None) -> None:
    """Refuse the id of another key's upload; one that is over marks its place still."""
    if not key_marker or not upload_id_marker:
        return
    upload = call.services.store.upload(upload_id_marker)
    if upload is not None and upload.key != key_marker.encode():
        raise S3Error(
            "InvalidArgument",
            "Invalid uploadId marker",
            ArgumentName="upload-id-marker",
            ArgumentValue=upload_id_marker,
        )


def _next_marker(page: UploadPage) -> tuple[bytes, str]:
    """Where the next page starts; of the last page, S3 names the last upload."""
    if page.next_key is not None:
        return page.next_key, page.next_upload
    if page.uploads:
        return page.uploads[-1].key, page.uploads[-1].upload_id
    return b"", ""


def _entry(call: Call, upload: Upload, encoding_type: str | None) -> dict[str, Any]:
    return {
        "UploadId": upload.upload_id,
        "Key": encode_key(upload.key, encoding_type),
        "Initiated": instant(upload.initiated_ms),
        "StorageClass": upload.storage_class,
        "Owner": call.owner(shown_owner_of(call, upload.attributes)),
        "Initiator": _initiator(call, upload),
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_type or None,
    }
