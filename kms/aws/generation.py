"""A mark that the processes of a server share, and that changes when something they cache does.

Eight random bytes in a mapped file: looking costs no system call, and two processes that change it
at once cannot hide each other's change, as two increments could. The mark only saves a look at the
database; whoever relies on it also looks there now and then, since a process can die between its
commit and its `change`.
"""

import os
from pathlib import Path

from kms.aws.shared import map_file

MARK_BYTES = 8


class Generation:
    """The mark in the file at `path`, which is made if it is missing."""

    def __init__(self, path: Path) -> None:
        self._mapped = map_file(path, MARK_BYTES)

    @property
    def mark(self) -> bytes:
        """Compare it with an earlier one; it means nothing by itself."""
        return self._mapped[:MARK_BYTES]

    def change(self) -> None:
        """Let every process see that what it cached may be old. Call it after the commit."""
        self._mapped[:MARK_BYTES] = os.urandom(MARK_BYTES)

    def close(self) -> None:
        """Unmap the file; a second call does nothing."""
        self._mapped.close()
