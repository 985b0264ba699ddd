"""Domain keys: what wraps materials and small secrets before the store keeps them.

The store keeps domain keys only as records sealed by a `Sealer`. Every record has a key-check
value, so the wrong root is noticed when the store opens, before anything is written. This module
knows no SQL and no KMS operation.

Wrapped bytes: u32be domain key version, 12-byte nonce, AES-256-GCM ciphertext and tag. The AAD is
the purpose and the binding's fields, each with its u32be length. The key that wraps and the check
are derived from the domain key, by SP 800-108 counter mode with HMAC-SHA256, the label
`kms/v1/root/wrap` or `kms/v1/root/check` and no context.
Sources: NIST SP 800-38D, SP 800-108r1 §4.1
"""

import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from kms.root.randomness import Random, random_bytes
from kms.root.sealer import (
    DOMAIN_KEY_BYTES,
    NONCE_BYTES,
    SECRET_BYTES,
    TAG_BYTES,
    RootError,
    Sealer,
)

_CHECK_LENGTH = 16
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """A sealed domain key as the store keeps it; `check` tells whether it was opened rightly."""

    version: int
    sealer: str
    sealed: bytes = field(repr=False)
    check: bytes


class Root:
    """The opened domain keys. The newest wraps; the older ones only unwrap."""

    def __init__(self, keys: dict[int, bytearray]) -> None:
        """Takes `keys` over and wipes them."""
        self.version = max(keys)
        self._aeads = {version: _aead(key) for version, key in keys.items()}
        self._random = Random()

    def fill_random(self, buffer: bytearray) -> None:
        """Fill `buffer` from the operating system's generator, leaving no copy elsewhere."""
        self._random.fill(buffer)

    def close(self) -> None:
        """Give the generator's descriptor back; a second call does nothing."""
        self._random.close()

    @classmethod
    def create(cls, sealer: Sealer) -> tuple["Root", DomainRecord]:
        """A first domain key and the record to keep of it."""
        sealer.create()
        key, record = _new(1, sealer)
        return cls({1: key}), record

    @classmethod
    def open(cls, sealer: Sealer, records: Sequence[DomainRecord]) -> "Root":
        """The domain keys of `records`. Raises RootError unless every one opens and checks."""
        return cls({record.version: _opened(record, sealer) for record in records})

    def rotate(self, sealer: Sealer) -> DomainRecord:
        """Wrap with a new domain key from now on; answers the record to keep of it."""
        key, record = _new(self.version + 1, sealer)
        self._aeads[record.version] = _aead(key)
        self.version = record.version
        return record

    def wrap(self, purpose: str, binding: Iterable[str], secret: bytes | bytearray) -> bytes:
        """`secret` sealed for `purpose` and `binding`; only the same two unwrap it."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._aeads[self.version].encrypt(nonce, secret, _aad(purpose, binding))
        return self.version.to_bytes(_WORD_BYTES) + nonce + sealed

    def unwrap(self, purpose: str, binding: Iterable[str], wrapped: bytes) -> bytearray:
        """The secret in `wrapped`. Raises RootError if it was altered or belongs elsewhere."""
        aead = self._aeads.get(int.from_bytes(wrapped[:_WORD_BYTES]))
        length = len(wrapped) - _WORD_BYTES - NONCE_BYTES - TAG_BYTES
        if aead is None or length < 0:
            raise RootError("a wrapped secret of the key store is damaged")
        secret = bytearray(length)
        nonce_end = _WORD_BYTES + NONCE_BYTES
        try:
            aead.decrypt_into(
                wrapped[_WORD_BYTES:nonce_end], wrapped[nonce_end:], _aad(purpose, binding), secret
            )
        except InvalidTag:
            raise RootError("a wrapped secret of the key store was altered or moved") from None
        return secret


def reseal(records: Sequence[DomainRecord], old: Sealer, new: Sealer) -> list[DomainRecord]:
    """The same domain keys, sealed by another sealer. Raises RootError."""
    new.create()
    resealed = []
    for record in records:
        key = _opened(record, old)
        sealed = new.seal(key, _binding(record.version))
        key[:] = bytes(len(key))
        resealed.append(DomainRecord(record.version, new.name, sealed, record.check))
    return resealed


def _new(version: int, sealer: Sealer) -> tuple[bytearray, DomainRecord]:
    key = random_bytes(DOMAIN_KEY_BYTES)
    sealed = sealer.seal(key, _binding(version))
    return key, DomainRecord(version, sealer.name, sealed, _check(key))


def _opened(record: DomainRecord, sealer: Sealer) -> bytearray:
    if record.sealer != sealer.name:
        raise RootError(f"this key store's root of trust is {record.sealer}, not {sealer.name}")
    key = sealer.open(record.sealed, _binding(record.version))
    if not hmac.compare_digest(_check(key), record.check):
        raise RootError(f"domain key {record.version} of this key store fails its key-check value")
    return key


def _aad(purpose: str, binding: Iterable[str]) -> bytes:
    parts = [b"kms/v1"]
    for text in (purpose, *binding):
        raw = text.encode()
        parts += (len(raw).to_bytes(_WORD_BYTES), raw)
    return b"".join(parts)


def _binding(version: int) -> bytes:
    return b"kms/v1/domain-key" + version.to_bytes(_WORD_BYTES)


def _check(key: bytearray) -> bytes:
    return bytes(_derived(key, b"check")[:_CHECK_LENGTH])


def _aead(key: bytearray) -> AESGCM:
    """The cipher that wraps under a domain key, which is wiped."""
    wrapping = _derived(key, b"wrap")
    key[:] = bytes(len(key))
    aead = AESGCM(wrapping)
    wrapping[:] = bytes(len(wrapping))
    return aead


def _derived(key: bytearray, label: bytes) -> bytearray:
    derived = bytearray(SECRET_BYTES)
    KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=SECRET_BYTES,
        rlen=_WORD_BYTES,
        llen=_WORD_BYTES,
        location=CounterLocation.BeforeFixed,
        label=b"kms/v1/root/" + label,
        context=b"",
        fixed=None,
    ).derive_into(key, derived)
    return derived
