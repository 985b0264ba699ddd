"""Object lock: a bucket's configuration, a version's retention and legal hold.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html
"""

from collections.abc import Mapping
from typing import Any

from objstore.call import Call, Reply
from objstore.errors import S3Error
from objstore.names import instant
from objstore.transfer import attributes, locks, subresources, versions
from objstore.transfer.attributes import Attributes
from objstore.transfer.source import find


async def put_object_lock_configuration(
    call: Call, *, object_lock_configuration: Mapping[str, Any] | None = None
) -> Reply:
    """Once on, object lock stays on; only the default retention may change.

    Raises MalformedXML, InvalidArgument, InvalidBucketState if the bucket is not versioned.
    """
    if object_lock_configuration is None:
        raise S3Error("MissingRequestBodyError")
    configuration = object_lock_configuration
    locks.check_configuration(configuration)

    def lock(settings: subresources.Settings) -> subresources.Settings:
        versioning = settings.get(versions.SETTING, {}).get("Status")
        if locks.SETTING not in settings and versioning != versions.ENABLED:
            raise S3Error(
                "InvalidBucketState",
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            )
        return {**settings, locks.SETTING: configuration}

    await subresources.change(call, lock)
    return {}


async def get_object_lock_configuration(call: Call) -> Reply:
    """Raises ObjectLockConfigurationNotFoundError."""
    configuration = call.bucket.settings.get(locks.SETTING)
    if configuration is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=call.bucket.name)
    return {"ObjectLockConfiguration": configuration}


async def put_object_retention(
    call: Call,
    *,
    key: str,
    retention: Mapping[str, Any] | None = None,
    version_id: str | None = None,
    bypass_governance_retention: bool | None = None,
) -> Reply:
    """An empty retention takes it away. Raises AccessDenied for what a running one forbids."""
    _require_lock(call)
    now_ms = attributes.now_ms(call)
    new = _retention(retention or {}, now_ms)
    bypass = bool(bypass_governance_retention)
    bypass = bypass and attributes.may_bypass_governance(call, key, version_id)

    def set_retention(old: Attributes) -> Attributes:
        locks.check_change(old, new, now_ms=now_ms, bypass=bypass)
        kept = {name: value for name, value in old.items() if name != locks.RETENTION}
        return kept if new is None else {**kept, locks.RETENTION: new}

    await attributes.change(call, key, version_id, set_retention)
    return {}


def _retention(retention: Mapping[str, Any], now_ms: int) -> dict[str, Any] | None:
    """The retention of a document as it is stored. Raises MalformedXML, InvalidArgument."""
    for name in ("EventHold", "EventHoldDuration"):
        if name in retention:
            raise S3Error("NotImplemented", f"Retention {name} is not implemented")
    mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
    if mode is None and until is None:
        return None
    if mode is None or until is None:
        raise S3Error("MalformedXML")
    return locks.retention_of(mode, until, now_ms=now_ms, argument="RetainUntilDate")


async def get_object_retention(call: Call, *, key: str, version_id: str | None = None) -> Reply:
    """Raises NoSuchObjectLockConfiguration if the version has none."""
    retention = _attribute(call, key, version_id, locks.RETENTION)
    until = instant(retention["UntilMs"])
    return {"Retention": {"Mode": retention["Mode"], "RetainUntilDate": until}}


async def put_object_legal_hold(
    call: Call,
    *,
    key: str,
    legal_hold: Mapping[str, Any] | None = None,
    version_id: str | None = None,
) -> Reply:
    status = (legal_hold or {}).get("Status")
    if status is None:
        raise S3Error("MalformedXML")
    _require_lock(call)
    await attributes.change(call, key, version_id, lambda old: {**old, locks.LEGAL_HOLD: status})
    return {}


async def get_object_legal_hold(call: Call, *, key: str, version_id: str | None = None) -> Reply:
    """Raises NoSuchObjectLockConfiguration if the version never had one."""
    return {"LegalHold": {"Status": _attribute(call, key, version_id, locks.LEGAL_HOLD)}}


def _attribute(call: Call, key: str, version_id: str | None, name: str) -> Any:
    _require_lock(call)
    stored = find(call, call.bucket, key, version_id, inline=False)
    if name not in stored.attributes:
        raise S3Error("NoSuchObjectLockConfiguration")
    return stored.attributes[name]


def _require_lock(call: Call) -> None:
    if locks.SETTING not in call.bucket.settings:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
