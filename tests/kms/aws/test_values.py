import pytest

from kms.aws.values import value_class


@value_class(frozen=True, slots=True)
class Place:
    bucket: str
    key: str = ""


@value_class(frozen=False, slots=True)
class Counter:
    number: int


def test_frozen_values_with_equal_fields_are_one() -> None:
    assert Place("b", "k") == Place("b", "k") != Place("b")
    assert len({Place("b", "k"), Place("b", "k"), Place("b")}) == 2


def test_others_have_no_hash() -> None:
    counter = Counter(1)
    counter.number += 1
    assert counter == Counter(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_there_are_slots_only() -> None:
    assert not hasattr(Place("b"), "__dict__")
