"""Conditional requests: what must hold of an object before it is read, replaced or copied.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
and RFC 9110 §13.2.2 for the precedence.
"""

from dataclasses import dataclass
from datetime import datetime

from kms.aws.clock import Clock, utc
from objstore.call import Call
from objstore.errors import S3Error
from objstore.names import http_date
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


@dataclass(frozen=True, slots=True)
class DeleteConditions:
    """The conditions of DeleteObject, and of each entry of DeleteObjects."""

    if_match: str | None = None
    if_match_last_modified_time: datetime | None = None
    if_match_size: int | None = None


NO_READ_CONDITIONS = ReadConditions()
NO_WRITE_CONDITIONS = WriteConditions()
NO_COPY_SOURCE_CONDITIONS = CopySourceConditions()
NO_DELETE_CONDITIONS = DeleteConditions()


def matches(header: str, etag: str) -> bool:
    """Whether an `If-Match` style header names `etag` (bare, without quotes) or any (`*`)."""
    for item in header.split(","):
        tag = item.strip()
        if tag == "*" or tag.removeprefix("W/").strip('"') == etag:
            return True
    return False


def check_read(conditions: ReadConditions, stored: StoredObject, clock: Clock) -> None:
    """Return if the object may be sent. Raises PreconditionFailed (412) or NotModified (304).

    `If-Match` outranks `If-Unmodified-Since`, `If-None-Match` outranks `If-Modified-Since`.
    """
    if conditions is NO_READ_CONDITIONS:
        return
    failed = failed_condition(conditions, stored, clock.now())
    if failed is None:
        return
    if failed in ("If-Match", "If-Unmodified-Since"):
        raise S3Error("PreconditionFailed", Condition=failed)
    raise S3Error(
        "NotModified",
        headers={"ETag": f'"{stored.etag}"', "Last-Modified": http_date(stored.modified_ms)},
    )


def check_copy_source(conditions: CopySourceConditions, stored: StoredObject, clock: Clock) -> None:
    """Return if the source may be copied. Raises PreconditionFailed; a copy is never a 304."""
    if conditions is NO_COPY_SOURCE_CONDITIONS:
        return
    failed = failed_condition(
        ReadConditions(
            conditions.copy_source_if_match,
            conditions.copy_source_if_none_match,
            conditions.copy_source_if_modified_since,
            conditions.copy_source_if_unmodified_since,
        ),
        stored,
        clock.now(),
    )
    if failed is not None:
        raise S3Error("PreconditionFailed", Condition=f"x-amz-copy-source-{failed}")


def failed_condition(conditions: ReadConditions, stored: StoredObject, now: float) -> str | None:
    """The header whose condition does not hold, by AWS's precedence.

    A date after `now` is no condition on what was modified since, as in RFC 7232, section 3.3.
    """
    modified = utc(stored.modified_ms // 1000)
    if conditions.if_match is not None:
        if not matches(conditions.if_match, stored.etag):
            return "If-Match"
    elif conditions.if_unmodified_since is not None and modified > conditions.if_unmodified_since:
        return "If-Unmodified-Since"
    if conditions.if_none_match is not None:
        if matches(conditions.if_none_match, stored.etag):
            return "If-None-Match"
    elif (since := conditions.if_modified_since) is not None and (
        modified <= since and since.timestamp() <= now
    ):
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


def upload_check(conditions: WriteConditions, key: str, *, begun_ms: int) -> Check | None:
    """The check of a completion: as `write_check`, and nobody else wrote since the upload began.

    Raises what `write_check` does; the check, ConditionalRequestConflict too.
    """
    check = write_check(conditions, key)
    if check is None:
        return None
    judge = check
    condition = "If-None-Match" if conditions.if_match is None else "If-Match"

    def check_since(replaced: StoredObject | None) -> None:
        judge(replaced)
        if replaced is not None and replaced.modified_ms > begun_ms:
            raise S3Error("ConditionalRequestConflict", Condition=condition, Key=key)

    return check_since


def authorize_match(call: Call, key: str, if_match: str | None) -> None:
    """Return if the caller may compare ETags: whether one matches tells of the content.

    Raises AccessDenied.
    """
    if if_match is not None:
        call.authorize("s3:GetObject", call.bucket, key)


def at_commit(check: Check | None) -> Check | None:
    """A write's check for its transaction: what was there before and is gone was deleted meanwhile.

    Raises ConditionalRequestConflict then, and what `check` raises otherwise.
    """
    if check is None:
        return None
    judge = check

    def check_again(replaced: StoredObject | None) -> None:
        try:
            judge(replaced)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            raise S3Error("ConditionalRequestConflict", Condition="If-Match") from None

    return check_again


def delete_check(conditions: DeleteConditions, key: str) -> Check | None:
    """The check that a delete runs in its transaction; None if unconditional.

    `If-Match` wants an object to be there; size and time only protect one that is.
    """
    if conditions is NO_DELETE_CONDITIONS:
        return None

    def check(doomed: StoredObject | None) -> None:
        if doomed is None or doomed.delete_marker:
            if conditions.if_match is None:
                return
            if doomed is None:
                raise S3Error("NoSuchKey", Key=key)
            raise S3Error("PreconditionFailed", Condition="If-Match")
        failed = _failed_delete(conditions, doomed)
        if failed is not None:
            raise S3Error("PreconditionFailed", Condition=failed)

    return check


def _failed_delete(conditions: DeleteConditions, doomed: StoredObject) -> str | None:
    if conditions.if_match is not None and not matches(conditions.if_match, doomed.etag):
        return "If-Match"
    moment = conditions.if_match_last_modified_time
    if moment is not None and int(moment.timestamp()) != doomed.modified_ms // 1000:
        return "x-amz-if-match-last-modified-time"
    if conditions.if_match_size is not None and conditions.if_match_size != doomed.size:
        return "x-amz-if-match-size"
    return None


def _refuse_existing(replaced: StoredObject | None) -> None:
    if replaced is not None and not replaced.delete_marker:
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
