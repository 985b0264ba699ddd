"""Versions of objects: whether a bucket keeps them, what they are called, how replies name them.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

import os
import re
from base64 import b64encode

from objstore.errors import S3Error
from objstore.storage.records import NULL_VERSION, Bucket, StoredObject

SETTING = "versioning"  # in the shape of a VersioningConfiguration
ENABLED, SUSPENDED = "Enabled", "Suspended"
VERSION_ID_BYTES = 24
_VERSION = re.compile(r"[A-Za-z0-9._]{32}")


def status(bucket: Bucket) -> str | None:
    """`Enabled` or `Suspended`; None for a bucket that was never versioned."""
    setting = bucket.settings.get(SETTING)
    return None if setting is None else setting["Status"]


def new_version_id(bucket: Bucket) -> str:
    """What the next version of an object in `bucket` is called: 32 characters, or `null`."""
    if status(bucket) != ENABLED:
        return NULL_VERSION
    return b64encode(os.urandom(VERSION_ID_BYTES), altchars=b"._").decode()


def named(bucket: Bucket, version_id: str | None) -> str | None:
    """The version that a request names, None for the newest.

    Raises InvalidArgument for what can be no version id in this bucket.
    """
    if version_id is None or version_id == NULL_VERSION:
        return version_id
    if version_id == "":
        raise _invalid("Version id cannot be the empty string", version_id)
    if status(bucket) is None or _VERSION.fullmatch(version_id) is None:
        raise _invalid("Invalid version id specified", version_id)
    return version_id


def shown(bucket: Bucket, version_id: str) -> str | None:
    """A version id as replies show it: not at all in a bucket that was never versioned."""
    return version_id if SETTING in bucket.settings else None


def written(version_id: str) -> str | None:
    """The id of a new version as replies to its writer show it: a null version has none."""
    return None if version_id == NULL_VERSION else version_id


def delete_marker(bucket: Bucket, key: bytes, *, created_ms: int) -> StoredObject:
    """The row that hides a key without destroying what it hides."""
    return StoredObject(
        bucket_id=bucket.bucket_id,
        key=key,
        version_id=new_version_id(bucket),
        size=0,
        etag="",
        modified_ms=created_ms,
        storage_class="",
        checksum_algorithm="",
        checksum_type="",
        manifest=b"",
        mac=b"",
        blobs=(),
        delete_marker=True,
    )


def _invalid(message: str, version_id: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName="versionId", ArgumentValue=version_id)
