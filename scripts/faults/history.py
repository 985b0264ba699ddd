"""Whether what clients saw of one key could have happened one operation at a time.

A history is linearizable if each operation can be given a moment between its call and its answer
such that the answers are those of a single copy that is worked on in the order of these moments
(Herlihy and Wing, 1990). The search is Wing and Gong's (1993) in Lowe's just-in-time form (2017):
events are walked in the order of time, and an operation gets its moment only when an answer needs
it. What is kept is the set of configurations that explain all answers so far: what the key holds,
and which of the open operations have had their moment.

Every operation on a key is a compare-and-set. A read finds what it wants and sets nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

CONFIGURATIONS_MAX = 100_000
"""Where the search gives up: it is exponential in the writes that run at the same time."""


class Unset(Enum):
    """What stands in place of a value."""

    ANYTHING = "wanted: whatever the key holds will do"
    UNCHANGED = "set: the key holds what it held"


class Outcome(Enum):
    DONE = "what was wanted was there"
    MISMATCH = "another value was there"
    ABSENT = "nothing was there"
    REFUSED = "another value or nothing was there"
    CONFLICT = "nothing was done, whatever was there"
    UNKNOWN = "no answer: it was done, or not, or will be"


Value = str | None
"""What a key holds; None if nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on a key. Moments are of one clock, in any unit.

    `returned` of an operation without an answer is when it could no longer be done, which may be
    infinity.
    """

    name: str
    invoked: float
    returned: float
    wanted: Value | Unset
    set: Value | Unset
    outcome: Outcome

    def explained_by(self, held: Value) -> bool:
        """Whether it may have had its moment, with its answer, while the key held that."""
        match self.outcome:
            case Outcome.DONE:
                return self.wanted is Unset.ANYTHING or held == self.wanted
            case Outcome.MISMATCH:
                return held is not None and held != self.wanted
            case Outcome.ABSENT:
                return held is None and self.wanted is not None
            case Outcome.REFUSED:
                return held != self.wanted
            case Outcome.CONFLICT:
                return True
            case Outcome.UNKNOWN:
                # One whose condition does not hold does nothing: as if its moment never came.
                return self.wanted is Unset.ANYTHING or held == self.wanted

    def leaves(self, held: Value) -> Value:
        """What the key holds after its moment."""
        if self.set is Unset.UNCHANGED or self.outcome not in (Outcome.DONE, Outcome.UNKNOWN):
            return held
        return self.set

    @property
    def keeps(self) -> bool:
        """Whether it certainly changes nothing."""
        return self.set is Unset.UNCHANGED or self.outcome in (
            Outcome.MISMATCH,
            Outcome.ABSENT,
            Outcome.REFUSED,
            Outcome.CONFLICT,
        )


class Undecided(Exception):
    """The search needed more than CONFIGURATIONS_MAX configurations."""


Configuration = tuple[Value, frozenset[int]]


def violation(operations: Sequence[Operation], *, held: Value = None) -> Operation | None:
    """The operation whose answer cannot be explained; None if all can. Raises Undecided.

    `held` is what the key held before.
    """
    open_now: set[int] = set()
    configurations: set[Configuration] = {(held, frozenset())}
    for number, is_return in _events(operations):
        if not is_return:
            open_now.add(number)
            continue
        done = _having_done(configurations, number, open_now, operations)
        if operations[number].outcome is Outcome.UNKNOWN:
            done |= {one for one in configurations if number not in one[1]}
        configurations = {(value, had - {number}) for value, had in done}
        open_now.discard(number)
        if not configurations:
            return operations[number]
    return None


def _events(operations: Sequence[Operation]) -> Iterable[tuple[int, bool]]:
    """Calls and answers in the order of time. At the same moment calls come first: they overlap."""
    events = []
    for number, operation in enumerate(operations):
        events.append((operation.invoked, False, number))
        if operation.returned < math.inf:
            events.append((operation.returned, True, number))
    return [(number, is_return) for _, is_return, number in sorted(events)]


def _having_done(
    configurations: set[Configuration],
    number: int,
    open_now: set[int],
    operations: Sequence[Operation],
) -> set[Configuration]:
    """All that the open operations can lead to in which `number` has had its moment."""
    found: set[Configuration] = set()
    seen = set(configurations)
    waiting = list(configurations)
    while waiting:
        held, had = waiting.pop()
        able = [one for one in open_now - had if operations[one].explained_by(held)]
        # What changes nothing loses nothing by having its moment as soon as it can.
        had |= {one for one in able if operations[one].keeps}
        if number in had:
            found.add((held, had))
            continue
        for one in able:
            if one not in had:
                after = (operations[one].leaves(held), had | {one})
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
        if len(seen) > CONFIGURATIONS_MAX:
            raise Undecided
    return found
