"""RenameObject: an object takes another key in one step, without its bytes being touched.

S3 has it in directory buckets, which keep no versions; here every bucket without versions has it.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote_to_bytes

from objstore.call import Call, Reply
from objstore.crypt.manifest import authenticate, decode, encode
from objstore.errors import S3Error
from objstore.names import key_bytes
from objstore.storage.records import Check, ObjectChangedError, StoredObject
from objstore.transfer import attributes, steps, versions
from objstore.transfer.conditions import ReadConditions, failed_condition
from objstore.transfer.receive import commit
from objstore.transfer.source import find, open_key

_TOKEN = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class RenameSource:
    """What is renamed, and what must hold of it."""

    rename_source: str = ""
    source_if_match: str | None = None
    source_if_none_match: str | None = None
    source_if_modified_since: datetime | None = None
    source_if_unmodified_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """What must hold of the object that the renamed one replaces."""

    destination_if_match: str | None = None
    destination_if_none_match: str | None = None
    destination_if_modified_since: datetime | None = None
    destination_if_unmodified_since: datetime | None = None


ANY_DESTINATION = Destination()


async def rename_object(
    call: Call,
    *,
    key: str,
    source: RenameSource,
    destination: Destination = ANY_DESTINATION,
    client_token: str | None = None,
) -> Reply:
    """Opens the data key, since the manifest binds the name; encryption and dates stay.

    Raises InvalidRequest, InvalidArgument, NoSuchKey, PreconditionFailed,
    IdempotencyParameterMismatch, and ConditionalRequestConflict if the source changes meanwhile.
    """
    if versions.status(call.bucket) is not None:
        raise S3Error("InvalidRequest", "Objects of buckets with versions cannot be renamed")
    old_key = _source_key(call, source.rename_source)
    _check_names(old_key, key)
    call.authorize("s3:GetObject", call.bucket, old_key)
    call.authorize("s3:DeleteObject", call.bucket, old_key)
    fingerprint = hashlib.sha256(repr((key, source, destination)).encode()).digest()
    if _was_done(call, client_token, fingerprint):
        return {}
    old = find(call, call.bucket, old_key, None, inline=False, method="PUT")
    _check_source(source, old, call.services.clock.now())
    transaction = call.services.store.rename_object(
        old,
        _renamed(call, old, key),
        check=_destination_check(destination, key, call.services.clock.now()),
        token=client_token or "",
        fingerprint=fingerprint,
        now_ms=attributes.now_ms(call),
    )
    try:
        await commit(call.services.store, None, transaction)
    except ObjectChangedError:
        raise S3Error("ConditionalRequestConflict", Key=old_key) from None
    return {}


def _source_key(call: Call, text: str) -> str:
    """The key in `x-amz-rename-source`: percent-encoded, with the bucket's name or without."""
    try:
        path = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        path = ""
    key = path.removeprefix("/").removeprefix(f"{call.bucket.name}/")
    if not key:
        raise S3Error(
            "InvalidArgument",
            "Invalid rename source object key",
            ArgumentName="x-amz-rename-source",
            ArgumentValue=text,
        )
    return key


def _check_names(old_key: str, key: str) -> None:
    key_bytes(key)
    if old_key == key:
        raise S3Error("InvalidRequest", "The source and the destination are the same object")
    if old_key.endswith("/") or key.endswith("/"):
        raise S3Error("InvalidRequest", "Keys that end with a slash cannot be renamed")


def _was_done(call: Call, token: str | None, fingerprint: bytes) -> bool:
    """Whether this very request has succeeded before. Raises IdempotencyParameterMismatch."""
    if token is None:
        return False
    if _TOKEN.fullmatch(token) is None:
        raise S3Error(
            "InvalidArgument",
            "A client token has 1 to 64 printable ASCII characters",
            ArgumentName="x-amz-client-token",
        )
    done = call.services.store.finished_rename(call.bucket.bucket_id, token)
    if done is not None and done != fingerprint:
        raise S3Error("IdempotencyParameterMismatch")
    return done is not None


def _check_source(source: RenameSource, stored: StoredObject, now: float) -> None:
    conditions = ReadConditions(
        source.source_if_match,
        source.source_if_none_match,
        source.source_if_modified_since,
        source.source_if_unmodified_since,
    )
    failed = failed_condition(conditions, stored, now)
    if failed is not None:
        raise S3Error("PreconditionFailed", Condition=f"x-amz-rename-source-{failed}")


def _destination_check(destination: Destination, key: str, now: float) -> Check | None:
    """What is judged in the transaction of the object that is there, or is not."""
    if destination is ANY_DESTINATION:
        return None
    conditions = ReadConditions(
        destination.destination_if_match,
        destination.destination_if_none_match,
        destination.destination_if_modified_since,
        destination.destination_if_unmodified_since,
    )

    def check(replaced: StoredObject | None) -> None:
        if replaced is not None:
            failed = failed_condition(conditions, replaced, now)
        elif conditions.if_match is not None:
            raise S3Error("NoSuchKey", Key=key)
        else:
            failed = "If-Modified-Since" if conditions.if_modified_since is not None else None
        if failed is not None:
            raise S3Error("PreconditionFailed", Condition=failed)

    return check


def _renamed(call: Call, old: StoredObject, key: str) -> StoredObject:
    """The row under its new key. The data key stays, and the context that it is wrapped under.

    A customer's key has no place in this operation, so its objects cannot be renamed.
    """
    manifest = decode(old.manifest)
    data_key = open_key(call, call.bucket, old, manifest)
    try:
        wrapped = call.services.data_keys.move(
            call.caller, manifest, data_key, bucket=call.bucket, key=key_bytes(key)
        )
        renamed = replace(manifest, key=key_bytes(key), wrapped_key=wrapped)
        steps.moved(call.trace, manifest, renamed, data_key)
        encoded = encode(renamed)
        mac = authenticate(data_key, encoded)
    finally:
        steps.wipe_opened(call.trace, data_key)
    return replace(old, key=key_bytes(key), manifest=encoded, mac=mac)
