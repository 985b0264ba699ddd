"""Buffers that overwrite themselves.

A transport holds what it was told to write until it is sent, so only the buffer itself knows when
nobody needs it any more.
"""


class WipingBytes(bytearray):
    """Bytes that are zeroed when the last reference goes. They must not be resized."""

    __slots__ = ()

    def __del__(self) -> None:
        self[:] = bytearray(len(self))
