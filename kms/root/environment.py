"""A root of trust in an environment variable: 64 hexadecimal digits.

The environment is the weakest of the sealers: whoever starts the process has it, children inherit
it, and Python keeps it as text that cannot be wiped.
"""

import os
import re

from kms.root.sealer import SECRET_BYTES, RootError, open_under, seal_under
from kms.root.secret_file import from_hexadecimal

VARIABLE = "KMS_ROOT_KEY"
_DIGITS = re.compile(rb"[0-9a-fA-F]{%d}" % (2 * SECRET_BYTES))


class Environment:
    """The sealer."""

    name = "environment"

    def __init__(self, variable: str = VARIABLE) -> None:
        self._variable = variable

    def create(self) -> None:
        """Whoever starts the server makes the key."""

    def seal(self, key: bytes | bytearray, binding: bytes) -> bytes:
        return seal_under(self._secret(), key, binding)

    def open(self, sealed: bytes, binding: bytes) -> bytearray:
        wrong = (
            f"the root key in {self._variable} is not the one that this key store was made with, "
            "or the store was altered"
        )
        return open_under(self._secret(), sealed, binding, wrong=wrong)

    def _secret(self) -> bytearray:
        digits = bytearray(os.environb.get(self._variable.encode(), b""))
        if _DIGITS.fullmatch(digits) is None:
            raise RootError(
                f"the root key is not in the environment: set {self._variable} to "
                f"{2 * SECRET_BYTES} hexadecimal digits"
            )
        secret = from_hexadecimal(digits)
        digits[:] = bytes(len(digits))
        return secret
