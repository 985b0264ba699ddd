"""The steps of envelope encryption as `/_/trace` shows them; nothing of it is secret.

Does nothing, and computes nothing, unless the request keeps a trace. Plaintext keys appear as
fingerprints: the first 16 hexadecimal digits of their SHA-256.
"""

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING

from objstore.call import Call
from objstore.crypt.data_keys import Envelope
from objstore.crypt.frames import CHUNK_LOG2, wipe
from objstore.crypt.manifest import Manifest, Mode
from objstore.crypt.sse import Choice, Described
from objstore.storage.records import INLINE, StoredObject

if TYPE_CHECKING:
    from objstore.transfer.receive import Received

FINGERPRINT_DIGITS = 16
SUITE_NAME = "HKDF-SHA256 + AES-256-GCM + commitment"


def request(call: Call, operation: str, key: str, choice: Choice) -> None:
    """What was asked for, before KMS is asked."""
    if call.trace.steps is not None and choice.mode is Mode.SSE_KMS:
        call.trace.step(
            "request",
            operation=operation,
            bucket=call.bucket.name,
            key=key,
            algorithm="aws:kms",
            key_id=choice.key_id,
        )


def generated(call: Call, envelope: Envelope) -> None:
    """KMS gave a data key, in plaintext and wrapped."""
    if call.trace.steps is not None and envelope.mode is Mode.SSE_KMS:
        call.trace.step(
            "GenerateDataKey",
            key_arn=envelope.kms_key_arn,
            encryption_context=dict(envelope.context),
            fingerprint=_fingerprint(envelope.key),
            wrapped_key=b64encode(envelope.wrapped_key).decode(),
        )


def encrypted(call: Call, envelope: Described, received: "Received") -> None:
    """The bytes were sealed and stored."""
    if call.trace.steps is None or envelope.mode is not Mode.SSE_KMS:
        return
    blob_id = received.blob.blob_id.hex()
    call.trace.step(
        "encrypt",
        suite=SUITE_NAME,
        chunk_bytes=1 << CHUNK_LOG2,
        blob_id=blob_id,
        plaintext_bytes=received.size,
        sealed_bytes=received.blob.size,
    )
    call.trace.step("store", blob_id=blob_id, directory=_place(received.blob.directory))


def wipe_envelope(call: Call, envelope: Envelope) -> None:
    """Wipe the plaintext key of a write, and show that it is gone."""
    data_key = envelope.plaintext
    envelope.wipe()
    if call.trace.steps is not None and envelope.mode is Mode.SSE_KMS:
        call.trace.step("wipe", plaintext_key_zeroed=not any(data_key or b""))


def found(call: Call, key: str, manifest: Manifest, stored: StoredObject) -> None:
    """The row was read: here is the wrapped key beside the blob."""
    if call.trace.steps is not None and manifest.mode is Mode.SSE_KMS:
        call.trace.step(
            "read row",
            bucket=call.bucket.name,
            key=key,
            key_arn=manifest.kms_key_arn,
            wrapped_key=b64encode(manifest.wrapped_key).decode(),
            blob_ids=[blob.blob_id.hex() for blob in stored.blobs],
            directory=_place(stored.blobs[0].directory),
        )


def unwrapped(call: Call, manifest: Manifest, data_key: bytearray) -> None:
    """KMS gave the plaintext key back for the wrapped one."""
    if call.trace.steps is not None and manifest.mode is Mode.SSE_KMS:
        call.trace.step(
            "Decrypt",
            key_arn=manifest.kms_key_arn,
            encryption_context=dict(manifest.context),
            fingerprint=_fingerprint(data_key),
        )


def decrypted(call: Call, manifest: Manifest, *, start: int, stop: int) -> None:
    """The first bytes were opened and verified."""
    if call.trace.steps is not None and manifest.mode is Mode.SSE_KMS:
        call.trace.step("decrypt", suite=SUITE_NAME, first_byte=start, plaintext_bytes=stop - start)


def wipe_opened(call: Call, manifest: Manifest, data_key: bytearray) -> None:
    """Wipe the plaintext key that was opened, and show that it is gone."""
    wipe(data_key)
    if call.trace.steps is not None and manifest.mode is Mode.SSE_KMS:
        call.trace.step("wipe", plaintext_key_zeroed=not any(data_key))


def _fingerprint(data_key: bytearray) -> str:
    return hashlib.sha256(data_key).hexdigest()[:FINGERPRINT_DIGITS]


def _place(directory: int) -> str:
    return "inline" if directory == INLINE else str(directory)
