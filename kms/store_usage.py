"""When each key was last used, and by which call: a database beside the key store.

Using a key must not cost a write to the disk, so uses are gathered in memory and written together,
at most once a second: the first use after a quiet second at once, the rest with the next one or
with `flush`. Commits don't wait for the disk. A crash of the process loses the last second at
most, and nothing but the date of a use.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import apsw

from kms.aws.clock import monotonic

FILE_NAME = "usage.db"
FLUSH_SECONDS = 1.0
FUTURE_SECONDS = 60.0
PENDING_MAX = 100_000
BUSY_TIMEOUT_MS = 100
_SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
  key_arn TEXT PRIMARY KEY,
  operation TEXT NOT NULL,
  used_at REAL NOT NULL,
  event_id TEXT NOT NULL,
  request_id TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
# Another process may have written a later use; one long after is of a clock that was set back.
_WRITE = """
INSERT INTO usage VALUES (?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET operation=?2, used_at=?3,
  event_id=?4, request_id=?5 WHERE used_at<=?3 OR used_at>?6
"""


class Use(NamedTuple):
    """A successful cryptographic operation with a key; `used_at` is in seconds since 1970."""

    operation: str
    used_at: float
    event_id: str
    request_id: str


class Usage:
    """One process's view of the last uses of the keys of a folder."""

    def __init__(self, folder: Path) -> None:
        self._connection = apsw.Connection(str(folder / FILE_NAME))
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._connection.pragma("journal_mode", "WAL")
        self._connection.pragma("synchronous", "OFF")
        self._connection.execute(_SCHEMA)
        self._pending: dict[str, Use] = {}
        self._flush_at = 0.0

    def note(self, key_arn: str, use: Use) -> None:
        """Remember a use, and write what is pending unless that was done a moment ago."""
        self._pending[key_arn] = use
        if monotonic() >= self._flush_at:
            self.flush()

    def last(self, key_arn: str) -> Use | None:
        self.flush()
        row = self._connection.execute(
            "SELECT operation, used_at, event_id, request_id FROM usage WHERE key_arn=?", (key_arn,)
        ).fetchone()
        return Use(*row) if row else None

    def flush(self) -> None:
        """Write what is pending. What cannot be written waits for the next time."""
        self._flush_at = monotonic() + FLUSH_SECONDS
        if not self._pending:
            return
        future = max(use.used_at for use in self._pending.values()) + FUTURE_SECONDS
        rows = [
            (key_arn, use.operation, use.used_at, use.event_id, use.request_id, future)
            for key_arn, use in self._pending.items()
        ]
        with suppress(apsw.Error):
            with self._connection:
                self._connection.executemany(_WRITE, rows)
            self._pending.clear()
        if len(self._pending) >= PENDING_MAX:
            self._pending.clear()

    def forget(self, key_arn: str | None = None) -> None:
        """Forget the uses of a key that is gone, or of all keys."""
        self.flush()
        with suppress(apsw.Error):
            self._connection.execute("DELETE FROM usage WHERE ?1 IS NULL OR key_arn=?1", (key_arn,))

    def close(self) -> None:
        self.flush()
        self._connection.close()
