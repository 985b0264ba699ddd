"""Value classes: what requests are made of, by the dozen.

A frozen dataclass sets each field through `object.__setattr__`, so building one takes three times
as long. `value_class` is `dataclass` to the type checker, which sees to it that nobody assigns to
a field of a frozen one; at run time nothing else does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass as value_class
else:
    T = TypeVar("T")

    def value_class(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
        """A dataclass that is frozen for the type checker; equal fields make equal values."""
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["value_class"]
