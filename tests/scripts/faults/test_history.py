"""The judge of histories, on those made by hand and against a search through all orders."""

import importlib.util
import itertools
import sys
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def load() -> ModuleType:
    path = Path(__file__).parents[3] / "scripts" / "faults" / "history.py"
    spec = importlib.util.spec_from_file_location("history", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["history"] = module
    spec.loader.exec_module(module)
    return module


history = load()
Operation, Outcome, Unset = history.Operation, history.Outcome, history.Unset
DONE, MISMATCH, ABSENT = Outcome.DONE, Outcome.MISMATCH, Outcome.ABSENT
REFUSED, UNKNOWN = Outcome.REFUSED, Outcome.UNKNOWN
ANYTHING, UNCHANGED = Unset.ANYTHING, Unset.UNCHANGED


def get(start: float, end: float, value: str | None) -> Any:
    return Operation("get", start, end, value, UNCHANGED, DONE)


def put(start: float, end: float, value: str, outcome: Any = DONE) -> Any:
    return Operation("put", start, end, ANYTHING, value, outcome)


def put_new(start: float, end: float, value: str, outcome: Any = DONE) -> Any:
    return Operation("put new", start, end, None, value, outcome)


def put_over(start: float, end: float, old: str, value: str, outcome: Any = DONE) -> Any:
    return Operation("put over", start, end, old, value, outcome)


def delete(start: float, end: float, outcome: Any = DONE) -> Any:
    return Operation("delete", start, end, ANYTHING, None, outcome)


def delete_that(start: float, end: float, old: str, outcome: Any = DONE) -> Any:
    return Operation("delete that", start, end, old, None, outcome)


GOOD = {
    "nothing": [],
    "one after the other": [put(0, 1, "a"), get(2, 3, "a"), delete(4, 5), get(6, 7, None)],
    "a read overlaps a write and finds the old": [put(0, 1, "a"), put(2, 9, "b"), get(3, 4, "a")],
    "a read overlaps a write and finds the new": [put(0, 1, "a"), put(2, 9, "b"), get(3, 4, "b")],
    "the write that began last is first": [put(0, 9, "a"), put(1, 8, "b"), get(10, 11, "a")],
    "at the same moment is at the same time": [put(0, 1, "a"), get(1, 2, None)],
    "two creations, one refused": [put_new(0, 9, "a"), put_new(0, 9, "b", MISMATCH)],
    "two creations, a removal between": [
        put_new(0, 9, "a"),
        delete(0, 9),
        put_new(0, 9, "b"),
        get(10, 11, "b"),
    ],
    "a chain of replacements": [
        put_over(0, 9, "b", "c"),
        put_over(0, 9, "a", "b"),
        put_new(0, 9, "a"),
        get(10, 11, "c"),
    ],
    "a replacement of what is gone": [
        put(0, 1, "a"),
        delete(2, 9),
        put_over(3, 4, "a", "b", ABSENT),
    ],
    "a replacement of what was replaced": [
        put(0, 1, "a"),
        put(2, 3, "b"),
        put_over(4, 5, "a", "c", MISMATCH),
    ],
    "a removal refused": [put(0, 1, "a"), delete_that(2, 3, "b", REFUSED), get(4, 5, "a")],
    "a removal of nothing refused": [delete_that(0, 1, "b", REFUSED)],
    "a conflict says nothing": [
        put_new(0, 1, "a", Outcome.CONFLICT),
        get(2, 3, None),
        put(4, 5, "b"),
        put_over(6, 7, "b", "c", Outcome.CONFLICT),
        get(8, 9, "b"),
    ],
    "no answer, never done": [put(0, 1, "a"), put(2, inf, "b", UNKNOWN), get(9, 10, "a")],
    "no answer, done late": [
        put(0, inf, "a", UNKNOWN),
        get(5, 6, None),
        get(7, 8, "a"),
    ],
    "no answer, seen only by a refusal": [
        put(0, inf, "a", UNKNOWN),
        put_new(5, 6, "b", MISMATCH),
        delete(7, 8),
        put_new(9, 10, "c"),
    ],
    "no answer, done before its end, seen after it": [
        put(0, 5, "a", UNKNOWN),
        get(6, 7, "a"),
    ],
    "no answer, nothing to do": [put_over(0, inf, "x", "y", UNKNOWN), get(1, 2, None)],
}
BAD = {
    "a lost write": ([put(0, 1, "a"), get(2, 3, None)], 1),
    "a stale read": ([put(0, 1, "a"), put(2, 3, "b"), get(4, 5, "a")], 2),
    "back in time": (
        [put(0, 1, "a"), put(2, 9, "b"), get(3, 4, "b"), get(5, 6, "a")],
        3,
    ),
    "a value that nobody wrote": ([get(0, 1, "a")], 0),
    "two creations": ([put_new(0, 9, "a"), put_new(0, 10, "b")], 1),
    "two replacements of one value": (
        [put(0, 1, "a"), put_over(2, 9, "a", "b"), put_over(2, 10, "a", "c")],
        2,
    ),
    "refused by nothing": ([put_new(0, 1, "a", MISMATCH)], 0),
    "replaced what is not there": ([put_over(0, 1, "a", "b")], 0),
    "refused what is there": ([put(0, 1, "a"), put_over(2, 3, "a", "b", MISMATCH)], 1),
    "absent, but there": ([put(0, 1, "a"), put_over(2, 3, "a", "b", ABSENT)], 1),
    "removed what is not there": ([put(0, 1, "a"), delete_that(2, 3, "b")], 1),
    "removed twice": ([put(0, 1, "a"), delete_that(2, 8, "a"), delete_that(3, 9, "a")], 2),
    "back from the dead": ([put(0, 1, "a"), delete(2, 3), get(4, 5, "a")], 2),
    "a conflict that was done": ([put_new(0, 1, "a", Outcome.CONFLICT), get(2, 3, "a")], 1),
    "no answer, done after its end": (
        [put(0, 5, "a", UNKNOWN), get(6, 7, None), get(8, 9, "a")],
        2,
    ),
    "no answer, done before its call": ([get(0, 1, "a"), put(2, inf, "a", UNKNOWN)], 0),
    "no answer, done twice": (
        [put(0, inf, "a", UNKNOWN), get(1, 2, "a"), delete(3, 4), get(5, 6, "a")],
        3,
    ),
}


@pytest.mark.parametrize("operations", GOOD.values(), ids=GOOD)
def test_a_history_that_one_copy_explains(operations: list[Any]) -> None:
    assert history.violation(operations) is None


@pytest.mark.parametrize(("operations", "broken"), BAD.values(), ids=BAD)
def test_a_history_that_nothing_explains(operations: list[Any], broken: int) -> None:
    assert history.violation(operations) is operations[broken]


def test_what_the_key_held_before() -> None:
    operations = [get(0, 1, "a")]
    assert history.violation(operations, held="a") is None
    assert history.violation(operations, held="b") is operations[0]


def test_a_search_that_grows_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = [put(0, 10, str(number)) for number in range(6)]
    assert history.violation(writes) is None
    monkeypatch.setattr(history, "CONFIGURATIONS_MAX", 20)
    with pytest.raises(history.Undecided):
        history.violation(writes)


def test_many_readers_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CONFIGURATIONS_MAX", 8)
    reads = [get(number, 100 + number, "a") for number in range(40)]
    assert history.violation([put(0, 1, "a"), *reads]) is None


def explained_by_some_order(operations: list[Any]) -> bool:
    """By trying each order of each choice of the operations without an answer."""
    known = [one for one in operations if one.outcome is not UNKNOWN]
    open_ones = [one for one in operations if one.outcome is UNKNOWN]
    return any(
        in_order(order)
        for count in range(len(open_ones) + 1)
        for done in itertools.combinations(open_ones, count)
        for order in itertools.permutations((*known, *done))
    )


def in_order(order: tuple[Any, ...]) -> bool:
    held: str | None = None
    for number, one in enumerate(order):
        late = any(later.returned < one.invoked for later in order[number:])
        if late or not one.explained_by(held):
            return False
        held = one.leaves(held)
    return True


MOMENTS = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted)
VALUES = st.sampled_from(["a", "b", None])
OPERATIONS = st.builds(
    lambda moments, wanted, value, outcome: Operation("x", *moments, wanted, value, outcome),
    MOMENTS,
    st.one_of(VALUES, st.just(ANYTHING)),
    st.one_of(VALUES, st.just(UNCHANGED)),
    st.sampled_from(list(Outcome)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(OPERATIONS, max_size=5))
def test_it_agrees_with_a_search_through_all_orders(operations: list[Any]) -> None:
    assert (history.violation(operations) is None) == explained_by_some_order(operations)
