"""The tags of objects and buckets: Put-, Get- and DeleteObjectTagging, and the same of buckets.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.transfer import attributes, subresources, tags, versions
from objstore.transfer.attributes import Attributes
from objstore.transfer.source import find


async def put_object_tagging(
    call: Call, *, key: str, tagging: Mapping[str, Any], version_id: str | None = None
) -> Reply:
    named = tags.from_document(tagging)
    return await _set(call, key, version_id, named, "ObjectTagging:Put")


async def delete_object_tagging(call: Call, *, key: str, version_id: str | None = None) -> Reply:
    return await _set(call, key, version_id, {}, "ObjectTagging:Delete", method="DELETE")


async def get_object_tagging(call: Call, *, key: str, version_id: str | None = None) -> Reply:
    stored = find(call, call.bucket, key, version_id, inline=False, hidden_is_missing=False)
    return {
        "TagSet": tags.document(stored.attributes.get(tags.ATTRIBUTE, {})),
        "VersionId": versions.shown(call.bucket, stored.version_id),
    }


async def _set(
    call: Call,
    key: str,
    version_id: str | None,
    named: dict[str, str],
    event: str,
    *,
    method: str = "PUT",
) -> Reply:
    def set_tags(old: Attributes) -> Attributes:
        kept = {name: value for name, value in old.items() if name != tags.ATTRIBUTE}
        return {**kept, tags.ATTRIBUTE: named} if named else kept

    changed = await attributes.change(call, key, version_id, set_tags, event=event, method=method)
    return {"VersionId": versions.shown(call.bucket, changed.version_id)}


async def put_bucket_tagging(call: Call, *, tagging: Mapping[str, Any]) -> Reply:
    tags.check_bucket(tagging)
    if not tagging.get("TagSet"):
        return await delete_bucket_tagging(call)
    await subresources.put(call, tags.SETTING, tagging)
    return {}


async def get_bucket_tagging(call: Call) -> Reply:
    """Raises NoSuchTagSet if the bucket has none."""
    tagging: Reply | None = call.bucket.settings.get(tags.SETTING)
    if tagging is None:
        raise S3Error("NoSuchTagSet", BucketName=call.bucket.name)
    return tagging


async def delete_bucket_tagging(call: Call) -> Reply:
    await subresources.remove(call, tags.SETTING)
    return {}
