"""GetObjectAttributes: what is known about an object, without its bytes.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY, CustomerKeyHeaders
from objstore.crypt.manifest import Manifest, decode, open_manifest_checksums
from objstore.names import page_size, whole_second
from objstore.storage.records import StoredObject
from objstore.transfer import steps, versions
from objstore.transfer.integrity import shown
from objstore.transfer.publish import COMPOSITE
from objstore.transfer.source import find, open_key

PARTS_LISTED_MAX = 1000


async def get_object_attributes(
    call: Call,
    *,
    key: str,
    object_attributes: list[str],
    version_id: str | None = None,
    max_parts: int | None = None,
    part_number_marker: int | None = None,
    customer: CustomerKeyHeaders = NO_CUSTOMER_KEY,
) -> Reply:
    """Opens the data key whatever is asked for, as S3 does. Raises what `find` and KMS do."""
    limit = page_size(max_parts, "max-parts", PARTS_LISTED_MAX)
    stored = find(call, call.bucket, key, version_id, inline=False)
    manifest = decode(stored.manifest)
    action = "s3:GetObjectAttributes"
    if version_id is not None:
        action = "s3:GetObjectVersionAttributes"
    call.authorize(action, call.bucket, key, version_id)
    data_key = open_key(call, call.bucket, stored, manifest, customer)
    try:
        sums = open_manifest_checksums(data_key, manifest)
    finally:
        steps.wipe_opened(call.trace, data_key)
    algorithm = manifest.checksum_algorithm
    known = {
        "ETag": stored.etag,
        "Checksum": _checksum(manifest, sums.get(algorithm)),
        "ObjectParts": _parts(stored, manifest, sums, limit, max(part_number_marker or 0, 0)),
        "StorageClass": stored.storage_class,
        "ObjectSize": stored.size,
    }
    return {
        "LastModified": whole_second(stored.modified_ms),
        "VersionId": versions.shown(call.bucket, stored.version_id),
        **{name: known[name] for name in object_attributes},
    }


def _checksum(manifest: Manifest, value: str | None) -> dict[str, Any] | None:
    """The object's checksum. Here S3 leaves out the count of parts that ends a composite one."""
    if value is not None and manifest.checksum_type == COMPOSITE:
        value = value.partition("-")[0]
    return shown(manifest.checksum_algorithm, value, manifest.checksum_type) or None


def _parts(
    stored: StoredObject, manifest: Manifest, sums: Mapping[str, str], limit: int, after: int
) -> dict[str, Any] | None:
    """The parts of an object that was uploaded in parts; one by one if each has a checksum.

    S3 counts the parts of an object whose checksum is of the whole, but does not list them.
    """
    if "-" not in stored.etag:
        return None
    count = {"TotalPartsCount": len(manifest.parts)}
    if manifest.checksum_type != COMPOSITE:
        return count
    following = [part for part in manifest.parts if part.number > after]
    page = following[:limit]
    return {
        **count,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(following) > len(page) > 0,
        "Parts": [
            {
                "PartNumber": part.number,
                "Size": part.length,
                **shown(manifest.checksum_algorithm, sums.get(str(part.number))),
            }
            for part in page
        ],
    }
