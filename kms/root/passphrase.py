"""A root of trust that people can remember: a passphrase, stretched by Argon2id.

Sealed: version 1 (1 byte), iterations, lanes and KiB of memory (u32be each), salt (16), box. All of
it before the box is AAD of the box, after the binding. Parameters below the minimums are refused
when a store is opened, whatever it says. Source: RFC 9106 §4 (the second recommended option)
"""

import os
import struct
from pathlib import Path

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kms.root.sealer import BOX_BYTES, SECRET_BYTES, RootError, open_under, seal_under
from kms.root.secret_file import read_secret

VARIABLE = "KMS_ROOT_PASSPHRASE"
PASSPHRASE_BYTES_MIN = 12
ITERATIONS = 3
LANES = 4
MEMORY_KIB = 64 * 1024
ITERATIONS_MAX = 64
LANES_MAX = 64
MEMORY_KIB_MAX = 4 * 1024 * 1024
_VERSION = 1
_SALT_BYTES = 16
_HEADER = struct.Struct(f">BIII{_SALT_BYTES}s")
_NOUN = "passphrase file"


class Passphrase:
    """The sealer; the passphrase is in the file `path` or, if that is None, in `variable`."""

    name = "passphrase"

    def __init__(self, *, path: Path | None = None, variable: str = VARIABLE) -> None:
        self._path = path
        self._variable = variable

    def create(self) -> None:
        """Whoever starts the server chooses the passphrase."""

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        passphrase = self._passphrase()
        if len(passphrase) < PASSPHRASE_BYTES_MIN:
            raise RootError(f"the root passphrase is shorter than {PASSPHRASE_BYTES_MIN} bytes")
        header = _HEADER.pack(_VERSION, ITERATIONS, LANES, MEMORY_KIB, os.urandom(_SALT_BYTES))
        return header + seal_under(_stretched(passphrase, header), key, binding + header)

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        header = sealed[: _HEADER.size]
        if len(sealed) != _HEADER.size + BOX_BYTES or not _acceptable(header):
            raise RootError("the sealed domain key does not have the form of the passphrase sealer")
        secret = _stretched(self._passphrase(), header)
        wrong = (
            "the root passphrase is not the one that this key store was made with, or the store "
            "was altered"
        )
        return open_under(secret, sealed[_HEADER.size :], binding + header, wrong=wrong)

    def _passphrase(self) -> bytearray:
        if self._path is not None:
            passphrase = read_secret(self._path, noun=_NOUN)
        else:
            passphrase = bytearray(os.environb.get(self._variable.encode(), b""))
        while passphrase.endswith((b"\n", b"\r")):
            del passphrase[-1]
        if not passphrase:
            place = f"in the file {self._path}" if self._path else f"in {self._variable}"
            raise RootError(f"there is no root passphrase {place}")
        return passphrase


def _acceptable(header: bytes) -> bool:
    version, iterations, lanes, memory_kib, _ = _HEADER.unpack(header)
    return bool(
        version == _VERSION
        and ITERATIONS <= iterations <= ITERATIONS_MAX
        and LANES <= lanes <= LANES_MAX
        and MEMORY_KIB <= memory_kib <= MEMORY_KIB_MAX
    )


def _stretched(passphrase: bytearray, header: bytes) -> bytearray:
    """The secret; `passphrase` is wiped."""
    _, iterations, lanes, memory_kib, salt = _HEADER.unpack(header)
    secret = bytearray(SECRET_BYTES)
    stretch = Argon2id(
        salt=salt, length=SECRET_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory_kib
    )
    stretch.derive_into(passphrase, secret)  # type: ignore[arg-type]  # any buffer will do
    passphrase[:] = bytes(len(passphrase))
    return secret
