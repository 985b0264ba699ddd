"""The identities of a store: reads on the calling thread, durable writes, news of changes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import apsw

from kms.aws.clock import monotonic
from kms.aws.generation import Generation
from objstore.storage import index_identities
from objstore.storage.commits import Committer
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import BusyError, KeyUse

LOOK_AGAIN_SECONDS = 0.25

T = TypeVar("T")


class IdentityStore:
    """See the module."""

    def __init__(
        self,
        reader: Callable[[], apsw.Connection],
        committer: Committer,
        mark: Generation,
    ) -> None:
        self._mark = mark
        self._seen_mark = b""
        self._known_generation = 0
        self._look_again_at = 0.0
        self._reader = reader
        self._committer = committer

    @property
    def rows(self) -> IdentityRows:
        """The identities as of the last commit, for reading."""
        return IdentityRows(self._reader())

    def generation(self) -> int:
        """A number that is another one after any process has changed an identity.

        The row that holds it is read only when some process has said that it changed; and now and
        then, in case one died between its commit and its saying so.
        """
        mark, now = self._mark.mark, monotonic()
        if mark != self._seen_mark or now >= self._look_again_at:
            self._seen_mark, self._look_again_at = mark, now + LOOK_AGAIN_SECONDS
            self._known_generation = index_identities.read_generation(self._reader())
        return self._known_generation

    async def change(self, change: Callable[[IdentityRows], T]) -> T:
        """Run `change` in a transaction, on the committer's thread; its result once durable.

        What it raises undoes all it wrote. It may use the reserve: keys must be revocable, and
        there are only so many identities. Raises BusyError, NoSpaceError.
        """

        def transaction(connection: apsw.Connection) -> T:
            rows = IdentityRows(connection)
            result = change(rows)
            if rows.changed:
                index_identities.bump_generation(connection)
            return result

        result = await self._committer.commit(transaction)
        self._mark.change()
        return result

    def note_uses(self, uses: Sequence[KeyUse]) -> None:
        """Remember, soon, when access keys were used; under load a note may be lost."""
        with suppress(BusyError):
            self._committer.submit(lambda c: index_identities.note_uses(c, uses))
