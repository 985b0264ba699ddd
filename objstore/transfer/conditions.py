"""Conditional requests: what must hold of an object before it is read, replaced or copied.

Pure. Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
and RFC 9110 §13.2.2 for the precedence.
"""

from dataclasses import dataclass
from datetime import datetime

from kms.aws.clock import utc
from objstore.errors import S3Error
from objstore.storage.records import Check, StoredObject


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """The conditions of GetObject and HeadObject."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """The conditions of PutObject, CopyObject and CompleteMultipartUpload."""

    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class CopySourceConditions:
    """The conditions on the source of CopyObject and UploadPartCopy."""

    copy_source_if_match: str | None = None
    copy_source_if_none_match: str | None = None
    copy_source_if_modified_since: datetime | None = None
    copy_source_if_unmodified_since: datetime | None = None


NO_READ_CONDITIONS = ReadConditions()
NO_WRITE_CONDITIONS = WriteConditions()
NO_COPY_SOURCE_CONDITIONS = CopySourceConditions()


def matches(header: str, etag: str) -> bool:
    """Whether an `If-Match` style header names `etag` (bare, without quotes) or any (`*`)."""
    for item in header.split(","):
        tag = item.strip()
        if tag == "*" or tag.removeprefix("W/").strip('"') == etag:
            return True
    return False


def check_read(conditions: ReadConditions, stored: StoredObject) -> None:
    """Return if the object may be sent. Raises PreconditionFailed (412) or NotModified (304).

    `If-Match` outranks `If-Unmodified-Since`, `If-None-Match` outranks `If-Modified-Since`.
    """
    if conditions is NO_READ_CONDITIONS:
        return
    failed = _failed(conditions, stored)
    if failed is None:
        return
    if failed in ("If-Match", "If-Unmodified-Since"):
        raise S3Error("PreconditionFailed", Condition=failed)
    modified = utc(stored.modified_ms // 1000)
    raise S3Error(
        "NotModified",
        headers={
            "ETag": f'"{stored.etag}"',
            "Last-Modified": modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        },
    )


def check_copy_source(conditions: CopySourceConditions, stored: StoredObject) -> None:
    """Return if the source may be copied. Raises PreconditionFailed; a copy is never a 304."""
    if conditions is NO_COPY_SOURCE_CONDITIONS:
        return
    failed = _failed(
        ReadConditions(
            conditions.copy_source_if_match,
            conditions.copy_source_if_none_match,
            conditions.copy_source_if_modified_since,
            conditions.copy_source_if_unmodified_since,
        ),
        stored,
    )
    if failed is not None:
        raise S3Error("PreconditionFailed", Condition=f"x-amz-copy-source-{failed}")


def _failed(conditions: ReadConditions, stored: StoredObject) -> str | None:
    """The header whose condition does not hold, by AWS's precedence."""
    modified = utc(stored.modified_ms // 1000)
    if conditions.if_match is not None:
        if not matches(conditions.if_match, stored.etag):
            return "If-Match"
    elif conditions.if_unmodified_since is not None and modified > conditions.if_unmodified_since:
        return "If-Unmodified-Since"
    if conditions.if_none_match is not None:
        if matches(conditions.if_none_match, stored.etag):
            return "If-None-Match"
    elif conditions.if_modified_since is not None and modified <= conditions.if_modified_since:
        return "If-Modified-Since"
    return None


def write_check(conditions: WriteConditions, key: str) -> Check | None:
    """The check that a write runs early and again in its transaction; None if unconditional.

    Raises NotImplemented for the values that AWS does not take: `If-None-Match` other than `*`,
    `If-Match: *`, and both together.
    """
    wanted, forbidden = conditions.if_match, conditions.if_none_match
    if wanted is None and forbidden is None:
        return None
    if wanted is not None and forbidden is not None:
        raise S3Error(
            "NotImplemented",
            Header="If-Match,If-None-Match",
            additionalMessage="Multiple conditional request headers present in the request",
        )
    if wanted == "*" or forbidden not in (None, "*"):
        header = "If-Match" if forbidden is None else "If-None-Match"
        raise S3Error(
            "NotImplemented",
            Header=header,
            additionalMessage=f"We don't accept the provided value of {header} header for this API",
        )
    if wanted is None:
        return _refuse_existing
    etag = wanted

    def check(replaced: StoredObject | None) -> None:
        if replaced is None or replaced.delete_marker:
            raise S3Error("NoSuchKey", Key=key)
        if not matches(etag, replaced.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")

    return check


def _refuse_existing(replaced: StoredObject | None) -> None:
    if replaced is not None and not replaced.delete_marker:
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
