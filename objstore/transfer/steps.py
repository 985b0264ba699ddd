"""The steps of envelope encryption as `/_/trace` shows them; nothing of it is secret.

Does nothing, and computes nothing, unless the request keeps a trace. Each layer of encryption is a
step of its own, named by who wraps its data key: KMS's own operations, a bucket key, S3's key or
the customer's. Plaintext keys appear as fingerprints: the first 16 hexadecimal digits of their
SHA-256.
"""

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple

from objstore.call import Call, Trace
from objstore.crypt.data_keys import Envelope, Wrapped, by_kms_alone
from objstore.crypt.frames import CHUNK_LOG2, DATA_KEY_LENGTH, wipe
from objstore.crypt.manifest import BUCKET_KEY, Manifest, Mode, layers_of
from objstore.crypt.sse import AES256, AWS_KMS, AWS_KMS_DSSE, SSE_C, Choice, Described
from objstore.crypt.wrapped import split
from objstore.storage.records import INLINE, Bucket, StoredObject

if TYPE_CHECKING:
    from objstore.transfer.receive import Received

FINGERPRINT_DIGITS = 16
SUITE_NAME = "HKDF-SHA256 + AES-256-GCM + commitment"
_ALGORITHMS = {
    Mode.SSE_S3: AES256,
    Mode.SSE_KMS: AWS_KMS,
    Mode.DSSE_KMS: AWS_KMS_DSSE,
    Mode.SSE_C: SSE_C,
}
_OF_KMS = (Mode.SSE_KMS, Mode.DSSE_KMS)


class _Wrapper(NamedTuple):
    """Who wraps a data key: the steps that make it and bring it back."""

    made: str
    opened: str


_KMS = _Wrapper("GenerateDataKey", "Decrypt")
_BUCKET_KEY = _Wrapper("wrap by bucket key", "unwrap by bucket key")
_S3 = _Wrapper("wrap by S3's key", "unwrap by S3's key")
_CUSTOMER = _Wrapper("wrap by customer's key", "unwrap by customer's key")


class _Layer(NamedTuple):
    """One layer's data key, and how it is wrapped. `shown` are values of this layer alone."""

    wrapper: _Wrapper
    data_key: memoryview
    wrapped: bytes
    shown: dict[str, str]


def request(call: Call, operation: str, key: str, choice: Choice) -> None:
    """What was asked for, before KMS is asked."""
    if call.trace.steps is not None:
        call.trace.step(
            "request",
            operation=operation,
            bucket=call.bucket.name,
            key=key,
            algorithm=_ALGORITHMS[choice.mode],
            **({"key_id": choice.key_id} if choice.key_id else {}),
            **({"bucket_key": True} if choice.bucket_key else {}),
        )


def generated(trace: Trace, envelope: Envelope) -> None:
    """There is a data key, in plaintext and wrapped; one for each layer."""
    if trace.steps is not None:
        for layer in _layers(envelope, envelope.key):
            _wrapped(trace, envelope, layer, layer.wrapper.made)


def encrypted(trace: Trace, envelope: Described, received: "Received") -> None:
    """The bytes were sealed and stored."""
    if trace.steps is None:
        return
    blob_id = received.blob.blob_id.hex()
    trace.step(
        "encrypt",
        suite=SUITE_NAME,
        layers=layers_of(envelope.mode),
        chunk_bytes=1 << CHUNK_LOG2,
        blob_id=blob_id,
        plaintext_bytes=received.size,
        sealed_bytes=received.blob.size,
    )
    trace.step("store", blob_id=blob_id, directory=_place(received.blob.directory))


def wipe_envelope(trace: Trace, envelope: Envelope) -> None:
    """Wipe the plaintext key of a write, and show that it is gone."""
    data_key = envelope.plaintext
    envelope.wipe()
    if trace.steps is not None:
        trace.step("wipe", plaintext_key_zeroed=not any(data_key or b""))


def found(trace: Trace, bucket: Bucket, manifest: Manifest, stored: StoredObject) -> None:
    """The row was read: here is the wrapped key beside the blob."""
    if trace.steps is not None:
        trace.step(
            "read row",
            bucket=bucket.name,
            key=stored.key.decode(),
            algorithm=_ALGORITHMS[manifest.mode],
            **_key_arn(manifest),
            wrapped_key=b64encode(manifest.wrapped_key).decode(),
            blob_ids=[blob.blob_id.hex() for blob in stored.blobs],
            directory=_place(stored.blobs[0].directory),
        )


def unwrapped(trace: Trace, manifest: Manifest, data_key: bytearray) -> None:
    """The plaintext key is back for the wrapped one."""
    if trace.steps is not None:
        for layer in _layers(manifest, data_key):
            trace.step(
                layer.wrapper.opened,
                **layer.shown,
                encryption_context=dict(manifest.context),
                fingerprint=_fingerprint(layer.data_key),
            )


def rewrapped(trace: Trace, old: Wrapped, new: Wrapped, data_key: bytearray) -> None:
    """The same data key was wrapped again; ReEncrypt does that inside the KMS."""
    if trace.steps is not None:
        (layer,) = _layers(new, data_key)
        by_kms = "ReEncrypt" if by_kms_alone(old) else "Encrypt"
        _wrapped(trace, new, layer, by_kms if layer.wrapper is _KMS else layer.wrapper.made)


def moved(trace: Trace, old: Wrapped, new: Wrapped, data_key: bytearray) -> None:
    """The data key belongs to another name, if what wraps it has anything to do with names."""
    if trace.steps is not None and new.wrapped_key != old.wrapped_key:
        for layer in _layers(new, data_key):
            _wrapped(trace, new, layer, layer.wrapper.made)


def decrypted(trace: Trace, *, start: int, stop: int) -> None:
    """The first bytes were opened and verified."""
    if trace.steps is not None:
        trace.step("decrypt", suite=SUITE_NAME, first_byte=start, plaintext_bytes=stop - start)


def wipe_opened(trace: Trace, data_key: bytearray) -> None:
    """Wipe the plaintext key that was opened, and show that it is gone."""
    wipe(data_key)
    if trace.steps is not None:
        trace.step("wipe", plaintext_key_zeroed=not any(data_key))


def _wrapped(trace: Trace, sealed: Described, layer: _Layer, step: str) -> None:
    trace.step(
        step,
        **layer.shown,
        encryption_context=dict(sealed.context),
        fingerprint=_fingerprint(layer.data_key),
        wrapped_key=b64encode(layer.wrapped).decode(),
    )


def _layers(sealed: Wrapped, data_key: bytearray) -> list[_Layer]:
    """The layers of an object, the inner one first."""
    wrapped, view, named = sealed.wrapped_key, memoryview(data_key), _key_arn(sealed)
    if sealed.mode is Mode.DSSE_KMS:
        inner, outer = split(wrapped)
        return [
            _Layer(_KMS, view[:DATA_KEY_LENGTH], inner, named),
            _Layer(_S3, view[DATA_KEY_LENGTH:], outer, {}),
        ]
    if sealed.flags & BUCKET_KEY:
        bucket_key, own = split(wrapped)
        shown = {**named, "wrapped_bucket_key": b64encode(bucket_key).decode()}
        return [_Layer(_BUCKET_KEY, view, own, shown)]
    wrapper = {Mode.SSE_S3: _S3, Mode.SSE_C: _CUSTOMER}.get(sealed.mode, _KMS)
    return [_Layer(wrapper, view, wrapped, named)]


def _key_arn(sealed: Described) -> dict[str, str]:
    """The KMS key, if there is one: S3's own is nobody's to name."""
    return {"key_arn": sealed.kms_key_arn} if sealed.mode in _OF_KMS else {}


def _fingerprint(data_key: memoryview) -> str:
    return hashlib.sha256(data_key).hexdigest()[:FINGERPRINT_DIGITS]


def _place(directory: int) -> str:
    return "inline" if directory == INLINE else str(directory)
