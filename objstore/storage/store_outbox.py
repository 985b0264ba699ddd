"""The outbox of a store: reads on the calling thread, durable writes."""

from collections.abc import Callable, Sequence

import apsw

from objstore.storage import index_outbox
from objstore.storage.commits import Committer
from objstore.storage.records import Message, Queued


class Outbox:
    """See `index_outbox`. Messages of writes are added by the writes themselves."""

    def __init__(self, reader: Callable[[], apsw.Connection], committer: Committer) -> None:
        self._reader = reader
        self._committer = committer

    def due(self, kind: str, *, now_ms: int, limit: int) -> list[Queued]:
        """Up to `limit` messages of a kind that are due, oldest first."""
        return index_outbox.due(self._reader(), kind, now_ms, limit)

    def count(self, kind: str) -> int:
        """How many messages of a kind wait."""
        return index_outbox.count(self._reader(), kind)

    async def add(self, messages: Sequence[Message]) -> None:
        """Add messages that belong to no write. Raises BusyError."""
        await self._committer.commit(lambda c: index_outbox.append(c, messages))

    async def settle(
        self, done: Sequence[int], postponed: Sequence[tuple[Queued, int]] = ()
    ) -> None:
        """Remove what is done; the rest is due again at its time. Raises BusyError."""
        if done or postponed:
            await self._committer.commit(lambda c: index_outbox.settle(c, done, postponed))
