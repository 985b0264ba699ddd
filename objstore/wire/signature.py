"""What a handler takes: its signature is the list of the members that are supported.

Each keyword must be a member of the operation's input in snake_case, or a frozen dataclass whose
fields are members (a group), so that handlers can share what they have in common.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kms.aws.model import Operation, Shape
from objstore.wire.values import xform


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """Where each member goes: snake_case name → group index, or -1 for the handler itself.

    `groups` have a keyword, a class and the instance without any value.
    """

    places: Mapping[str, int]
    groups: tuple[tuple[str, type, Any], ...]

    def arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of a call with these members.

        A group without any value is the handler's own default.
        """
        if not self.groups:
            return values
        grouped: list[dict[str, Any]] = [{} for _ in self.groups]
        arguments: dict[str, Any] = {}
        for name, value in values.items():
            place = self.places[name]
            (arguments if place < 0 else grouped[place])[name] = value
        for (name, make, empty), named in zip(self.groups, grouped, strict=True):
            arguments[name] = make(**named) if named else empty
        return arguments


def signature_of(
    operation: Operation,
    shape: Shape | None,
    handler: Callable[..., Any],
    *,
    consumed: frozenset[str] = frozenset(),
) -> Signature:
    """Look at a handler's signature, without its first parameter, which is the call.

    `consumed` are required members that somebody else takes. Raises TypeError if the signature does
    not fit the operation, whose input is `shape`.
    """
    places: dict[str, int] = {}
    groups: list[tuple[str, type, Any]] = []
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        if dataclasses.is_dataclass(parameter.annotation):
            assert isinstance(parameter.annotation, type)
            for field in dataclasses.fields(parameter.annotation):
                places[field.name] = len(groups)
            group = parameter.annotation
            empty = parameter.default
            if empty is inspect.Parameter.empty:
                empty = group()
            groups.append((parameter.name, group, empty))
        else:
            places[parameter.name] = -1
    unknown = places.keys() - (map(xform, shape.members) if shape else ())
    if unknown:
        raise TypeError(f"{operation.name} has no member {sorted(unknown)}")
    missing = {xform(name) for name in (shape.required - consumed if shape else ())} - places.keys()
    if missing:
        raise TypeError(f"the handler of {operation.name} must take {sorted(missing)}")
    return Signature(places, tuple(groups))
