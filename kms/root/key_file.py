"""A root of trust in a file: 32 bytes in hexadecimal, which only their owner can read.

Content: `kms-root-key-v1`, a space, 64 lower-case hexadecimal digits and a line feed.
"""

import re
from pathlib import Path

from kms.root.randomness import random_bytes
from kms.root.sealer import SECRET_BYTES, RootError, open_under, seal_under
from kms.root.secret_file import from_hexadecimal, read_secret, write_secret

KEY_FILE_NAME = "root.key"
_NOUN = "root key file"
_HEAD = b"kms-root-key-v1 "
_CONTENT = re.compile(rb"%s[0-9a-f]{%d}\n" % (_HEAD, 2 * SECRET_BYTES))


class KeyFile:
    """The sealer."""

    name = "key-file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        if self._path.is_symlink() or self._path.exists():
            return
        secret = random_bytes(SECRET_BYTES)
        content = bytearray(_HEAD)
        for byte in secret:
            content += b"%02x" % byte
        content += b"\n"
        write_secret(self._path, content, noun=_NOUN)
        content[:] = bytes(len(content))
        secret[:] = bytes(len(secret))

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        return seal_under(self._secret(), key, binding)

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        wrong = (
            f"the {_NOUN} {self._path} is not the one that this key store was made with, or the "
            "store was altered"
        )
        return open_under(self._secret(), sealed, binding, wrong=wrong)

    def _secret(self) -> bytearray:
        content = read_secret(self._path, noun=_NOUN)
        if _CONTENT.fullmatch(content) is None:
            raise RootError(f"the {_NOUN} {self._path} does not hold a root key")
        digits = content[len(_HEAD) : -1]
        secret = from_hexadecimal(digits)
        content[:] = bytes(len(content))
        digits[:] = bytes(len(digits))
        return secret
