"""Another KMS key for an object that exists: its data key is wrapped anew, its bytes stay.

The row's manifest and MAC change in one transaction; blobs, ETag, dates, metadata and checksums do
not. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html
"""

from dataclasses import dataclass, replace

from kms.aws.identity import Caller
from objstore.call import Trace
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.manifest import (
    BUCKET_KEY,
    DERIVED_CHECKSUMS,
    Manifest,
    Mode,
    authenticate,
    decode,
    encode,
    verify,
)
from objstore.crypt.sse import ARN_CONTEXT_KEY, Choice
from objstore.errors import S3Error
from objstore.storage.records import Bucket, StoredObject
from objstore.storage.store import Store
from objstore.transfer import locks, steps
from objstore.transfer.source import check_place

WRAPPED_ANEW = frozenset({Mode.SSE_S3, Mode.SSE_KMS})
_SOURCE = (
    "The UpdateObjectEncryption operation doesn't support source objects with the encryption type "
    "DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
)
_LOCKED = (
    "The encryption type for the specified object can\u2019t be updated because that object is "
    "protected by S3 Object Lock. If the object has a governance-mode retention period or a legal "
    "hold, you must first remove the Object Lock status on the object before you issue your "
    "UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with "
    "objects that have an Object Lock compliance mode retention period applied to them."
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to wrap data keys from now on."""

    key_id: str
    bucket_key: bool


def fits(manifest: Manifest, key_arn: str, target: Target) -> bool:
    """Whether an object is encrypted so already."""
    return (
        manifest.mode is Mode.SSE_KMS
        and manifest.kms_key_arn == key_arn
        and bool(manifest.flags & BUCKET_KEY) == target.bucket_key
    )


def check(stored: StoredObject, manifest: Manifest, *, now_ms: int) -> None:
    """Return if the object may get another key. Raises InvalidRequest, AccessDenied."""
    if manifest.mode not in WRAPPED_ANEW:
        raise S3Error("InvalidRequest", _SOURCE)
    try:
        locks.guard(now_ms=now_ms)(stored)
    except S3Error:
        raise S3Error("AccessDenied", _LOCKED) from None


def rewrapped(
    data_keys: DataKeys,
    caller: Caller,
    bucket: Bucket,
    stored: StoredObject,
    target: Target,
    *,
    trace: Trace,
) -> StoredObject:
    """The row with its data key under `target`; the context that a client gave stays with it.

    Asks the KMS as `caller`. Raises its refusals, and TamperedError.
    """
    manifest = decode(stored.manifest)
    steps.found(trace, bucket, manifest, stored)
    own = {name: value for name, value in manifest.context.items() if name != ARN_CONTEXT_KEY}
    choice = Choice(Mode.SSE_KMS, target.key_id, own, target.bucket_key)
    data_key = data_keys.open(caller, manifest, bucket=bucket, key=manifest.key)
    try:
        verify(data_key, stored.manifest, stored.mac)
        check_place(stored, manifest)
        steps.unwrapped(trace, manifest, data_key)
        envelope = data_keys.rewrap(
            caller, manifest, data_key, choice, bucket=bucket, key=manifest.key.decode()
        )
        steps.rewrapped(trace, manifest, envelope, data_key)
        encoded = encode(
            replace(
                manifest,
                mode=envelope.mode,
                kms_key_arn=envelope.kms_key_arn,
                wrapped_key=envelope.wrapped_key,
                context=envelope.context,
                flags=envelope.flags | manifest.flags & DERIVED_CHECKSUMS,
            )
        )
        return replace(stored, manifest=encoded, mac=authenticate(data_key, encoded))
    finally:
        steps.wipe_opened(trace, data_key)


async def publish(store: Store, old: StoredObject, new: StoredObject, *, now_ms: int) -> bool:
    """Replace the row `old` by `new` unless it has changed meanwhile; whether it was replaced.

    Raises AccessDenied if an object lock has come upon it.
    """
    replaced = False

    def change(found: StoredObject) -> StoredObject:
        nonlocal replaced
        replaced = found.manifest == old.manifest and found.sequence == old.sequence
        if not replaced:
            return found
        check(found, decode(found.manifest), now_ms=now_ms)
        return replace(found, manifest=new.manifest, mac=new.mac)

    found = await store.update_object(
        old.bucket_id, old.key, version_id=old.version_id, change=change
    )
    return replaced and found is not None
