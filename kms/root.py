"""The root of trust: versioned domain keys, sealed by something outside the key store.

A domain key wraps what the store keeps: materials and small secrets. The store keeps domain keys
only as records sealed by a `Sealer`; the default sealer is a key file that only its owner can read.
Every record has a key-check value, so the wrong root is noticed when the store opens, before
anything is written. This module knows no SQL and no KMS operation.

Wrapped bytes: u32be domain key version, 12-byte nonce, AES-256-GCM ciphertext and tag. The AAD is
the purpose and the binding's fields, each with its u32be length. Source: NIST SP 800-38D.
"""

import hmac
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE_NAME = "root.key"
DOMAIN_KEY_BYTES = 32
_NONCE_LENGTH = 12
_CHECK_LENGTH = 16
_KEY_FILE = re.compile(rb"kms-root-key-v1 ([0-9a-f]{64})\n")
_KEY_FILE_BYTES_MAX = 256


class RootError(Exception):
    """The root of trust is missing, unreadable or not the one that the store was made with."""


@dataclass(frozen=True, slots=True)
class RootSettings:
    """Which root of trust to open; `key_file` defaults to `root.key` in the data folder."""

    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """A sealed domain key as the store keeps it; `check` tells whether it was opened rightly."""

    version: int
    sealer: str
    sealed: bytes = field(repr=False)
    check: bytes


class Sealer(Protocol):
    """Seals domain keys under a secret kept elsewhere. Methods raise RootError."""

    name: str

    def create(self) -> None:
        """Make the secret if there is none; called once, for a new store."""

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes: ...

    def open(self, sealed: bytes, binding: bytes) -> bytearray: ...


class KeyFile:
    """A sealer whose secret is 32 bytes, in hexadecimal, in a file of mode 0600."""

    name = "key-file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        if self._path.is_symlink() or self._path.exists():
            return
        draft = self._path.with_name(self._path.name + ".new")
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, b"kms-root-key-v1 %s\n" % os.urandom(32).hex().encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.link(draft, self._path)
            draft.unlink()
            _sync_folder(self._path.parent)
        except OSError as error:
            raise RootError(f"cannot create the root key file {self._path}: {error}") from None

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + AESGCM(self._read()).encrypt(nonce, key, binding)

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        opened = bytearray(DOMAIN_KEY_BYTES)
        try:
            AESGCM(self._read()).decrypt_into(
                sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], binding, opened
            )
        except (InvalidTag, ValueError):
            raise RootError(
                f"the root key file {self._path} is not the one that this key store was made with"
            ) from None
        return opened

    def _read(self) -> bytes:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise RootError(f"cannot open the root key file {self._path}: {error}") from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise RootError(f"the root key file {self._path} is not a regular file")
            if status.st_mode & 0o077:
                raise RootError(
                    f"the root key file {self._path} can be used by others; run chmod 600 on it"
                )
            text = os.read(descriptor, _KEY_FILE_BYTES_MAX)
        finally:
            os.close(descriptor)
        match = _KEY_FILE.fullmatch(text)
        if match is None:
            raise RootError(f"the root key file {self._path} does not hold a root key")
        return bytes.fromhex(match[1].decode())


class Root:
    """The opened domain keys. The newest wraps; the older ones only unwrap."""

    def __init__(self, keys: dict[int, bytearray]) -> None:
        self._version = max(keys)
        self._aeads = {version: AESGCM(_derive(key, b"wrap")) for version, key in keys.items()}
        for key in keys.values():
            key[:] = bytes(len(key))
        self._random = _open_random()

    def fill_random(self, buffer: bytearray) -> None:
        """Fill `buffer` from the operating system's generator, leaving no copy elsewhere."""
        _fill(self._random, buffer)

    def close(self) -> None:
        """Give the generator's descriptor back; a second call does nothing."""
        if self._random >= 0:
            os.close(self._random)
            self._random = -1

    @classmethod
    def create(cls, sealer: Sealer) -> tuple["Root", DomainRecord]:
        """A first domain key and the record to keep of it."""
        sealer.create()
        key = bytearray(os.urandom(DOMAIN_KEY_BYTES))
        record = DomainRecord(1, sealer.name, sealer.seal(key, _binding(1)), _check(key))
        return cls({1: key}), record

    @classmethod
    def open(cls, sealer: Sealer, records: Sequence[DomainRecord]) -> "Root":
        """The domain keys of `records`. Raises RootError unless every one opens and checks."""
        keys: dict[int, bytearray] = {}
        for record in records:
            if record.sealer != sealer.name:
                raise RootError(
                    f"this key store's root of trust is a {record.sealer}, not a {sealer.name}"
                )
            key = sealer.open(record.sealed, _binding(record.version))
            if not hmac.compare_digest(_check(key), record.check):
                raise RootError(
                    f"domain key {record.version} of this key store fails its key-check value"
                )
            keys[record.version] = key
        return cls(keys)

    def wrap(self, purpose: str, binding: Iterable[str], secret: bytes | bytearray) -> bytes:
        """`secret` sealed for `purpose` and `binding`; only the same two unwrap it."""
        nonce = os.urandom(_NONCE_LENGTH)
        sealed = self._aeads[self._version].encrypt(nonce, secret, _aad(purpose, binding))
        return self._version.to_bytes(4) + nonce + sealed

    def unwrap(self, purpose: str, binding: Iterable[str], wrapped: bytes) -> bytearray:
        """The secret in `wrapped`. Raises RootError if it was altered or belongs elsewhere."""
        aead = self._aeads.get(int.from_bytes(wrapped[:4]))
        length = len(wrapped) - 4 - _NONCE_LENGTH - 16
        if aead is None or length < 0:
            raise RootError("a wrapped secret of the key store is damaged")
        secret = bytearray(length)
        nonce_end = 4 + _NONCE_LENGTH
        try:
            aead.decrypt_into(
                wrapped[4:nonce_end], wrapped[nonce_end:], _aad(purpose, binding), secret
            )
        except InvalidTag:
            raise RootError("a wrapped secret of the key store was altered or moved") from None
        return secret


def random_bytes(length: int) -> bytearray:
    """Fresh random bytes that have no copy elsewhere; for making keys, not for the hot path."""
    buffer = bytearray(length)
    descriptor = _open_random()
    try:
        _fill(descriptor, buffer)
    finally:
        os.close(descriptor)
    return buffer


def _open_random() -> int:
    return os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)


def _fill(descriptor: int, buffer: bytearray) -> None:
    if os.readv(descriptor, [buffer]) != len(buffer):
        raise RootError("the operating system gave too few random bytes")


def _aad(purpose: str, binding: Iterable[str]) -> bytes:
    parts = [b"kms/v1"]
    for text in (purpose, *binding):
        raw = text.encode()
        parts += (len(raw).to_bytes(4), raw)
    return b"".join(parts)


def _binding(version: int) -> bytes:
    return b"kms/v1/domain-key" + version.to_bytes(4)


def _check(key: bytearray) -> bytes:
    return _derive(key, b"check")[:_CHECK_LENGTH]


def _derive(key: bytearray, label: bytes) -> bytes:
    """SP 800-108 counter mode with HMAC-SHA256, 256 bits, no context."""
    return hmac.digest(key, b"\0\0\0\x01kms/v1/root/" + label + b"\0\0\0\x01\0", "sha256")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
