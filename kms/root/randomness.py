"""Random bytes from the operating system, written straight into the buffer that will hold them."""

import os

from kms.root.sealer import RootError


class Random:
    """The operating system's generator, kept open."""

    def __init__(self) -> None:
        self._descriptor = os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)

    def fill(self, buffer: bytearray) -> None:
        """Fill `buffer`, leaving no copy elsewhere."""
        count = os.readv(self._descriptor, [buffer])
        while count < len(buffer):
            # A signal may end the reading of more than 256 bytes.
            more = os.readv(self._descriptor, [memoryview(buffer)[count:]])
            if more == 0:
                raise RootError("the operating system gave too few random bytes")
            count += more

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def random_bytes(length: int) -> bytearray:
    """Fresh random bytes that have no copy elsewhere; for making keys, not for the hot path."""
    buffer = bytearray(length)
    random = Random()
    try:
        random.fill(buffer)
    finally:
        random.close()
    return buffer
