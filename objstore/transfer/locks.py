"""Object lock: what keeps a version from being destroyed, and for how long.

Pure: judges versions and requests against a time that callers bring along. A bucket's
configuration is in its settings, a version's retention and legal hold in its attributes:
`{"retention": {"Mode": "GOVERNANCE", "UntilMs": 1700000000000}, "legal_hold": "ON"}`.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kms.aws.clock import utc
from objstore.errors import S3Error
from objstore.names import instant
from objstore.storage.records import Bucket, Check, StoredObject

SETTING = "object_lock"  # in the shape of an ObjectLockConfiguration
RETENTION, LEGAL_HOLD = "retention", "legal_hold"
ENABLED = "Enabled"
GOVERNANCE, COMPLIANCE = MODES = "GOVERNANCE", "COMPLIANCE"
ON = "ON"
RETENTION_DAYS_MAX, RETENTION_YEARS_MAX = 36_500, 100
BYPASS_ACTION = "s3:BypassGovernanceRetention"
VERSIONING_MUST_STAY = (
    "An Object Lock configuration is present on this bucket, so the versioning state cannot be "
    "changed."
)
_DAY_MS = 24 * 3600 * 1000
_MODE_HEADER = "x-amz-object-lock-mode"
_DATE_HEADER = "x-amz-object-lock-retain-until-date"
_PROTECTED = "Access Denied because object protected by object lock."


@dataclass(frozen=True, slots=True)
class LockHeaders:
    """The object lock members that PutObject, CopyObject and CreateMultipartUpload share."""

    object_lock_mode: str | None = None
    object_lock_retain_until_date: datetime | None = None
    object_lock_legal_hold_status: str | None = None


def milliseconds(moment: datetime) -> int:
    """A time of a request as it is stored."""
    return round(moment.timestamp() * 1000)


def asked(headers: LockHeaders, bucket: Bucket, *, now_ms: int) -> dict[str, Any]:
    """The lock attributes that a request asks for.

    Raises InvalidRequest in a bucket without object lock, InvalidArgument for half a retention
    or one that is over.
    """
    lock: dict[str, Any] = {}
    retention = _asked_retention(headers, now_ms)
    if retention is not None:
        lock[RETENTION] = retention
    if headers.object_lock_legal_hold_status is not None:
        lock[LEGAL_HOLD] = headers.object_lock_legal_hold_status
    if lock and SETTING not in bucket.settings:
        raise S3Error("InvalidRequest", "Bucket is missing ObjectLockConfiguration")
    return lock


def _asked_retention(headers: LockHeaders, now_ms: int) -> dict[str, Any] | None:
    mode, until = headers.object_lock_mode, headers.object_lock_retain_until_date
    if mode is None and until is None:
        return None
    if mode is None or until is None:
        raise S3Error(
            "InvalidArgument",
            f"{_DATE_HEADER} and {_MODE_HEADER} must both be supplied",
            ArgumentName=_DATE_HEADER if until is None else _MODE_HEADER,
        )
    if mode not in MODES:
        raise S3Error(
            "InvalidArgument",
            "Unknown wormMode directive.",
            ArgumentName=_MODE_HEADER,
            ArgumentValue=mode,
        )
    return retention_of(mode, until, now_ms=now_ms, argument=_DATE_HEADER)


def retention_of(mode: str, until: datetime, *, now_ms: int, argument: str) -> dict[str, Any]:
    """A retention as it is stored. Raises InvalidArgument for one that is over."""
    until_ms = milliseconds(until)
    if until_ms <= now_ms:
        raise S3Error(
            "InvalidArgument",
            "The retain until date must be in the future!",
            ArgumentName=argument,
            ArgumentValue=until.astimezone(UTC).strftime("%a %b %d %H:%M:%S UTC %Y"),
        )
    return {"Mode": mode, "UntilMs": until_ms}


def default(bucket: Bucket, *, now_ms: int) -> dict[str, Any]:
    """The lock attributes of a new version that names no retention of its own."""
    rule = bucket.settings.get(SETTING, {}).get("Rule")
    if rule is None:
        return {}
    period = rule["DefaultRetention"]
    if "Days" in period:
        until_ms = now_ms + period["Days"] * _DAY_MS
    else:
        until_ms = _years_later(now_ms, period["Years"])
    return {RETENTION: {"Mode": period["Mode"], "UntilMs": until_ms}}


def _years_later(now_ms: int, years: int) -> int:
    now = utc(now_ms / 1000)
    try:
        later = now.replace(year=now.year + years)
    except ValueError:
        # The 29th of February of a year that has none.
        later = now.replace(year=now.year + years, day=28)
    return milliseconds(later)


def require_digest(
    declared: bool, bucket: Bucket, attributes: Mapping[str, Any], *, request: str
) -> None:
    """Return if a body that will be locked came with something to hold it against.

    `request` names the kind in the message ("Put Object"). Raises InvalidRequest.
    """
    configuration = bucket.settings.get(SETTING)
    if declared or configuration is None:
        return
    if "Rule" in configuration or RETENTION in attributes or LEGAL_HOLD in attributes:
        raise S3Error(
            "InvalidRequest",
            f"Content-MD5 OR x-amz-checksum- HTTP header is required for {request} requests with "
            "Object Lock parameters",
        )


def active_mode(attributes: Mapping[str, Any], now_ms: int) -> str | None:
    """The mode of a retention that still runs."""
    retention = attributes.get(RETENTION)
    if retention is None or retention["UntilMs"] <= now_ms:
        return None
    mode: str = retention["Mode"]
    return mode


def guard(*, now_ms: int, bypass: bool = False) -> Check:
    """The check that refuses to destroy a locked version; `bypass` lets governance pass.

    It runs inside the transaction, so that no lock can come between it and the removal.
    """

    def refuse_locked(doomed: StoredObject | None) -> None:
        if doomed is None or not doomed.attributes:
            return
        mode = active_mode(doomed.attributes, now_ms)
        held = doomed.attributes.get(LEGAL_HOLD) == ON
        if held or mode == COMPLIANCE or (mode == GOVERNANCE and not bypass):
            raise S3Error("AccessDenied", _PROTECTED)

    return refuse_locked


def check_change(
    attributes: Mapping[str, Any], new: Mapping[str, Any] | None, *, now_ms: int, bypass: bool
) -> None:
    """Return if a version's retention may become `new` (None: none at all).

    A running retention may always be extended; all else takes a bypass of governance, and
    compliance gives way to nobody. Raises AccessDenied.
    """
    mode = active_mode(attributes, now_ms)
    if mode is None or (mode == GOVERNANCE and bypass):
        return
    longer = new is not None and new["UntilMs"] >= attributes[RETENTION]["UntilMs"]
    if not longer or new is None or new["Mode"] != mode:
        raise S3Error("AccessDenied", _PROTECTED)


def describe_retention(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The members that GetObject and HeadObject carry for a version's retention."""
    retention = attributes[RETENTION]
    return {
        "ObjectLockMode": retention["Mode"],
        "ObjectLockRetainUntilDate": instant(retention["UntilMs"]),
    }


def check_configuration(configuration: Mapping[str, Any]) -> None:
    """Return if a bucket may have this configuration.

    Raises MalformedXML, InvalidArgument for a period out of bounds, NotImplemented for event
    holds.
    """
    if configuration.get("ObjectLockEnabled") != ENABLED:
        raise S3Error("MalformedXML")
    if "Rule" not in configuration:
        return
    default = configuration["Rule"].get("DefaultRetention")
    if default is None:
        raise S3Error("MalformedXML")
    if "DefaultEventHold" in default:
        raise S3Error("NotImplemented", "Event holds are not implemented")
    if "Mode" not in default or ("Days" in default) == ("Years" in default):
        raise S3Error("MalformedXML")
    unit, most = (
        ("Days", RETENTION_DAYS_MAX) if "Days" in default else ("Years", RETENTION_YEARS_MAX)
    )
    if default[unit] <= 0:
        raise S3Error(
            "InvalidArgument",
            "Default retention period must be a positive integer value.",
            ArgumentName=unit,
        )
    if default[unit] > most:
        raise S3Error(
            "InvalidArgument",
            "Default retention period is too large.",
            ArgumentName=unit,
        )
