from dataclasses import replace
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Trace
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import BUCKET_KEY, Manifest, Mode, decode
from objstore.crypt.sse import EncryptionHeaders
from objstore.storage.records import StoredObject
from objstore.transfer import rewrap
from objstore.transfer.rewrap import Target

NOW_MS = 1_700_000_000_000


async def row(s3: Any, **members: Any) -> StoredObject:
    await s3.put("k", b"data", **members)
    stored: StoredObject = s3.store.object(s3.bucket.bucket_id, b"k", inline=False)
    return stored


def rewrapped(s3: Any, stored: StoredObject, target: Target) -> StoredObject:
    return rewrap.rewrapped(
        s3.services.data_keys, s3.caller, s3.bucket, stored, target, trace=Trace(enabled=False)
    )


def everything_else(manifest: Manifest) -> Manifest:
    """A manifest without what a new key changes."""
    return replace(manifest, mode=Mode.SSE_S3, kms_key_arn="", wrapped_key=b"", context={}, flags=0)


@pytest.mark.parametrize("bucket_key", [False, True])
@pytest.mark.parametrize(
    ("source", "events"),
    [
        (EncryptionHeaders("AES256"), ["Encrypt"]),
        (EncryptionHeaders("aws:kms"), ["Decrypt", "ReEncrypt"]),
        (EncryptionHeaders("aws:kms", bucket_key_enabled=True), ["Decrypt", "Encrypt"]),
    ],
    ids=["s3", "kms", "bucket key"],
)
async def test_only_the_wrapped_key_changes(
    s3: Any, source: EncryptionHeaders, events: list[str], bucket_key: bool
) -> None:
    stored = await row(s3, encryption=source)
    key_arn = s3.make_key()
    s3.kms_events()
    new = rewrapped(s3, stored, Target(key_arn, bucket_key))
    wanted = [*events[:-1], "GenerateDataKey"] if bucket_key else events
    assert s3.kms_events() == wanted
    before, after = decode(stored.manifest), decode(new.manifest)
    assert everything_else(before) == everything_else(after)
    assert (after.mode, after.kms_key_arn) == (Mode.SSE_KMS, key_arn)
    assert bool(after.flags & BUCKET_KEY) == bucket_key
    arn = "arn:aws:s3:::bucket" + ("" if bucket_key else "/k")
    assert after.context == {"aws:s3:arn": arn}
    assert replace(stored, manifest=b"", mac=b"") == replace(new, manifest=b"", mac=b"")
    assert await rewrap.publish(s3.store, stored, new, now_ms=NOW_MS)
    assert (await s3.get("k"))[1] == b"data"


async def test_the_clients_context_stays(s3: Any) -> None:
    context = "eyJ0ZWFtIjoieCJ9"
    headers = EncryptionHeaders("aws:kms", ssekms_encryption_context=context)
    stored = await row(s3, encryption=headers)
    new = decode(rewrapped(s3, stored, Target(s3.make_key(), False)).manifest)
    assert new.context == {"team": "x", "aws:s3:arn": "arn:aws:s3:::bucket/k"}


def test_what_fits() -> None:
    fields: dict[str, Any] = dict.fromkeys(Manifest.__dataclass_fields__)
    manifest = Manifest(**{**fields, "mode": Mode.SSE_KMS, "kms_key_arn": "arn", "flags": 2})
    assert rewrap.fits(manifest, "arn", Target("alias/own", False))
    assert not rewrap.fits(manifest, "arn", Target("alias/own", True))
    assert not rewrap.fits(manifest, "other", Target("alias/own", False))
    assert not rewrap.fits(replace(manifest, mode=Mode.DSSE_KMS), "arn", Target("arn", False))


async def test_a_tampered_row_gets_no_new_key(s3: Any) -> None:
    stored = await row(s3)
    target = Target(s3.make_key(), False)
    for changed in (replace(stored, mac=bytes(32)), replace(stored, etag="other")):
        with pytest.raises(TamperedError):
            rewrapped(s3, changed, target)


async def test_a_row_that_changed_meanwhile_is_left_alone(s3: Any) -> None:
    stored = await row(s3)
    new = rewrapped(s3, stored, Target(s3.make_key(), False))
    await s3.put("k", b"newer")
    assert not await rewrap.publish(s3.store, stored, new, now_ms=NOW_MS)
    assert (await s3.get("k"))[1] == b"newer"
    await s3.call("DeleteObject", key="k")
    assert not await rewrap.publish(s3.store, stored, new, now_ms=NOW_MS)


async def test_a_lock_that_came_meanwhile_is_respected(s3: Any) -> None:
    stored = await row(s3)
    new = rewrapped(s3, stored, Target(s3.make_key(), False))

    def hold(found: StoredObject) -> StoredObject:
        return replace(found, attributes={"legal_hold": "ON"})

    await s3.store.update_object(stored.bucket_id, b"k", version_id="null", change=hold)
    with pytest.raises(AWSError, match="AccessDenied"):
        await rewrap.publish(s3.store, stored, new, now_ms=NOW_MS)
    assert s3.store.object(stored.bucket_id, b"k").manifest == stored.manifest
