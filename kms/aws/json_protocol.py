"""JSON 1.1: request bodies to arguments, outputs and errors to bodies. Pure.

Binders are compiled once from a service's model and its handlers' signatures: a handler's keywords
are the members it supports, and a request that sends another member of the model is refused by that
member's name. Limits, enumerations and patterns are the model's; messages are AWS's.

Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import binascii
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from kms.aws.errors import AWSError
from kms.aws.model import ServiceModel, Shape
from kms.aws.values import value_class
from kms.aws.wiping import WipingBytes

BODY_BYTES_MAX = 512 * 1024
ITEMS_MAX = 1_000
FAILURES_MAX = 10
PRINTED_MAX = 1_024
EARLIEST_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
LATEST_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z
CONTENT_TYPE = "application/x-amz-json-1.1"
NO_CALL = b"<UnknownOperationException/>\n"
"""The body of the 404 for what is no call of this protocol."""

Failures = list[str]
Check = Callable[[Any, str, Failures], Any]
Binder = Callable[[bytes], dict[str, Any]]


@value_class(frozen=True, slots=True)
class Constraint:
    """What a service holds a string against, where that is not what its model says.

    `enum` are the values that it lists in its refusals, in its order; `pattern` is how it spells
    a pattern, `regex` what that means here.
    """

    enum: tuple[str, ...] = ()
    pattern: str | None = None
    regex: str | None = None


# Errors whose message's member has a capital.
_CAPITAL_MESSAGE = frozenset({"AccessDeniedException", "SerializationException"})
_MODELS_OWN = Constraint()
_NOTHING: Mapping[str, Constraint] = {}
_JSON_TYPES = (CONTENT_TYPE[:-1], "application/json")
_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_PIECE = 12
_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")


def is_call(method: str, content_type: str) -> bool:
    """Whether a request can be a call: a POST of JSON. Without a type, it is taken for JSON."""
    return method == "POST" and (not content_type or content_type.startswith(_JSON_TYPES))


def snake_case(name: str) -> str:
    """`KeyId` → `key_id`; the same as botocore's `xform_name` for every member of our services."""
    return _CAPITAL.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).lower()


def compile_input(
    service: ServiceModel,
    operation: str,
    handler: Callable[..., Any],
    *,
    unlimited: frozenset[str] = frozenset(),
    constraints: Mapping[str, Constraint] = _NOTHING,
) -> Binder:
    """The binder of an operation. Raises TypeError if the handler's signature is not the model's.

    The first parameter of a handler is the request. The handler itself checks the limits of the
    shapes in `unlimited`, for services that answer those with errors of their own; `constraints`
    are those of shapes for which the model's are not the service's.

    The binder raises SerializationException, ValidationException and, for members that the handler
    does not take, UnsupportedOperationException.
    """
    name = service.operations[operation].input
    assert name is not None
    shape = service.shape(name)
    members = {snake_case(member): member for member in shape.members}
    taken = set(list(inspect.signature(handler).parameters)[1:])
    if not taken <= set(members) or not {snake_case(m) for m in shape.required} <= taken:
        raise TypeError(f"the signature of {operation} is not its model's: {sorted(taken)}")
    source = _Source(service, unlimited, constraints)
    keywords = {member: keyword for keyword, member in members.items() if keyword in taken}
    required = _required(source, shape)
    known = {
        name: (_compile(source, member.shape), _path(name), keywords.get(name))
        for name, member in shape.members.items()
    }

    def bind(body: bytes) -> dict[str, Any]:
        document = _parse(body)
        failures: Failures = []
        for name, shown in required.items():
            if document.get(name) is None:
                failures.append(_failure(shown, _path(name), "Member must not be null"))
        arguments = {}
        refused = ""
        for name, value in document.items():
            found = known.get(name)
            if found is not None and value is not None:
                check, path, keyword = found
                bound = check(value, path, failures)
                if keyword is None:
                    refused = name
                else:
                    arguments[keyword] = bound
        if failures:
            raise _invalid(failures)
        if refused:
            raise AWSError(
                "UnsupportedOperationException", f"{operation} does not support {refused}"
            )
        return arguments

    return bind


def render(output: Mapping[str, Any]) -> bytes | WipingBytes:
    """An output as JSON; bytes-like values as base64. An operation without output has no body.

    `bytearray`s are secrets, and wiped: the body of an output with one wipes itself, and no other
    object gets to hold more than a few characters of it.
    """
    if not output:
        return b""
    secrets = [name for name, value in output.items() if value.__class__ is bytearray]
    if not secrets:
        return orjson.dumps(output, _base64)
    encode = binascii.b2a_base64
    plain = dict(output)
    pieces = [b""]
    for name in secrets:
        secret = plain.pop(name)
        pieces.append(f',"{name}":"'.encode())
        # A few bytes at a time, so that no encoded copy of the whole is left behind.
        pieces.extend(
            encode(secret[at : at + _PIECE], newline=False) for at in range(0, len(secret), _PIECE)
        )
        pieces.append(b'"')
        secret[:] = bytearray(len(secret))
    pieces[0] = orjson.dumps(plain, _base64)[:-1]
    if not plain:
        pieces[1] = pieces[1][1:]
    pieces.append(b"}")
    joined = bytearray().join(pieces)
    body = WipingBytes(len(joined))
    body[:] = joined
    joined[:] = bytearray(len(joined))
    return body


def render_error(error: AWSError) -> bytes:
    """An error document; what the framework itself refuses is spelt with a capital, as at AWS."""
    document = {"__type": error.code}
    if error.message:
        document["Message" if error.code in _CAPITAL_MESSAGE else "message"] = error.message
    return orjson.dumps(document)


def _base64(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    raise TypeError(type(value).__name__)


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise AWSError("SerializationException", "The request is too long.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AWSError("SerializationException") from None
    if isinstance(document, dict):
        return document
    if isinstance(document, list):
        raise _mistyped(document, "")
    raise AWSError("SerializationException")


def _invalid(failures: Failures) -> AWSError:
    count = len(failures)
    noun = "error" if count == 1 else "errors"
    shown = "; ".join(failures[:FAILURES_MAX])
    return AWSError("ValidationException", f"{count} validation {noun} detected: {shown}")


def _failure(value: str | None, path: str, rule: str) -> str:
    """A refusal of a value as it is printed; None for one that is never shown."""
    subject = "Value at" if value is None else f"Value {value} at"
    return f"{subject} '{path}' failed to satisfy constraint: {rule}"


class _Source:
    """Where shapes come from: the model, without the limits of some."""

    def __init__(
        self,
        service: ServiceModel,
        unlimited: frozenset[str],
        constraints: Mapping[str, Constraint],
    ) -> None:
        self._service = service
        self._unlimited = unlimited
        self._constraints = constraints

    def limits(self, name: str) -> bool:
        """Whether the limits of a shape are checked here."""
        return name not in self._unlimited

    def shape(self, name: str) -> Shape:
        found = self._service.shape(name)
        if self.limits(name):
            return found
        return replace(found, enum=(), minimum=None, maximum=None, pattern=None)

    def constraint(self, shape: Shape) -> Constraint:
        """The values and the pattern of a string, as refusals spell them."""
        own = self._constraints.get(shape.name, _MODELS_OWN)
        return Constraint(
            own.enum or shape.enum, own.pattern or shape.pattern, own.regex or shape.pattern
        )


def _compile(service: _Source, name: str) -> Check:
    shape = service.shape(name)
    match shape.type:
        case "structure":
            return _structure(service, shape)
        case "list":
            return _list(service, shape)
        case "map":
            return _map(service, shape)
        case "string":
            return _string(shape, service.constraint(shape))
        case "blob":
            return _blob(shape)
        case "boolean":
            return _boolean
        case "integer" | "long":
            return _integer(shape)
        case "timestamp":
            return _timestamp if service.limits(name) else _number
        case _:
            return _number


def _structure(service: _Source, shape: Shape) -> Check:
    checks = {name: _compile(service, member.shape) for name, member in shape.members.items()}
    paths = {name: _path(name) for name in checks}
    required = _required(service, shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, dict):
            raise _mistyped(value, "Expected null")
        failures.extend(
            _failure(shown, f"{path}.{paths[name]}", "Member must not be null")
            for name, shown in required.items()
            if value.get(name) is None
        )
        return {
            name: checks[name](item, f"{path}.{paths[name]}", failures)
            for name, item in value.items()
            if item is not None and name in checks
        }

    return check


def _list(service: _Source, shape: Shape) -> Check:
    assert shape.element is not None
    element = _compile(service, shape.element.shape)
    inner = service.shape(shape.element.shape)
    rule = (
        f"Member must satisfy constraint: [{', '.join(_rules(inner, service.constraint(inner)))}]"
    )

    def structures(value: list[Any], path: str, failures: Failures) -> list[Any]:
        return [
            element(item, f"{path}.{number}.member", failures)
            for number, item in enumerate(value, 1)
        ]

    def scalars(value: list[Any], path: str, failures: Failures) -> list[Any]:
        """One refusal of the whole list, with every rule for what is in it."""
        refused: Failures = []
        checked = [element(item, path, refused) for item in value]
        if refused:
            failures.append(_failure(_printed(value), path, rule))
        return checked

    members = structures if inner.type == "structure" else scalars

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, list):
            raise _mistyped(value, "Expected list or null")
        if len(value) > ITEMS_MAX:
            raise AWSError("SerializationException", "A list of the request is too long.")
        _limits(shape, len(value), path, failures, shown=value)
        return members(value, path, failures)

    return check


def _map(service: _Source, shape: Shape) -> Check:
    assert shape.map_value is not None
    element = _compile(service, shape.map_value.shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, dict):
            raise _mistyped(value, "Expected map or null")
        if len(value) > ITEMS_MAX:
            raise AWSError("SerializationException", "A map of the request is too long.")
        return {
            name: element(item, f"{path}.{name}.member", failures) for name, item in value.items()
        }

    return check


def _string(shape: Shape, constraint: Constraint) -> Check:
    # The patterns are Java's, where \w and \d are ASCII.
    pattern = re.compile(constraint.regex, re.ASCII) if constraint.regex else None
    enum = frozenset(shape.enum)
    shortest, longest = _bounds(shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if value.__class__ is not str:
            raise _mistyped(value, "{} can not be converted to a String")
        if enum and value not in enum:
            failures.append(_failure(_printed(value), path, _enum_rule(constraint)))
        if not shortest <= len(value) <= longest:
            _limits(shape, len(value), path, failures, shown=value)
        if pattern is not None and pattern.fullmatch(value) is None:
            failures.append(_failure(_printed(value), path, _pattern_rule(constraint)))
        return value

    return check


def _blob(shape: Shape) -> Check:
    shortest, longest = _bounds(shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if value.__class__ is not str:
            raise _mistyped(value, "")
        try:
            raw = binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            raise _mistyped(value, "") from None
        if not shortest <= len(raw) <= longest:
            _limits(shape, len(raw), path, failures, shown=raw)
        return raw

    return check


def _integer(shape: Shape) -> Check:
    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _mistyped(
                value, "" if isinstance(value, float) else "{} can not be converted to an Integer"
            )
        if shape.minimum is not None and value < shape.minimum:
            rule = f"Member must have value greater than or equal to {shape.minimum}"
            failures.append(_failure(_printed(value), path, rule))
        if shape.maximum is not None and value > shape.maximum:
            rule = f"Member must have value less than or equal to {shape.maximum}"
            failures.append(_failure(_printed(value), path, rule))
        return value

    return check


def _boolean(value: Any, path: str, failures: Failures) -> Any:
    del path, failures
    if not isinstance(value, bool):
        raise _mistyped(value, "{} can not be converted to a Boolean")
    return value


def _number(value: Any, path: str, failures: Failures) -> Any:
    del path, failures
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _mistyped(value, "{} can not be converted to milliseconds since epoch")
    return value


def _timestamp(value: Any, path: str, failures: Failures) -> Any:
    """Seconds since 1970, of which there is a date: policies and the audit trail will want it."""
    _number(value, path, failures)
    if not EARLIEST_SECONDS <= value <= LATEST_SECONDS:
        raise _mistyped(value, "{} can not be converted to milliseconds since epoch")
    return value


def _required(service: _Source, shape: Shape) -> dict[str, str | None]:
    """The members that must be there, and what refusals show of one that is not."""
    return {
        name: None if service.shape(shape.members[name].shape).sensitive else "null"
        for name in sorted(shape.required)
    }


def _path(member: str) -> str:
    """How messages spell a member: with a small first letter."""
    return member[0].lower() + member[1:]


def _bounds(shape: Shape) -> tuple[float, float]:
    low = -math.inf if shape.minimum is None else shape.minimum
    return low, math.inf if shape.maximum is None else shape.maximum


def _limits(shape: Shape, length: int, path: str, failures: Failures, *, shown: object) -> None:
    if shape.minimum is not None and length < shape.minimum:
        failures.append(_failure(_printed(shown), path, _shortest_rule(shape)))
    if shape.maximum is not None and length > shape.maximum:
        failures.append(_failure(_printed(shown), path, _longest_rule(shape)))


def _rules(shape: Shape, constraint: Constraint) -> list[str]:
    """All that a service asks of a string, in the order in which it says so of a list of them."""
    rules = []
    if shape.maximum is not None:
        rules.append(_longest_rule(shape))
    if shape.minimum is not None:
        rules.append(_shortest_rule(shape))
    if constraint.pattern is not None:
        rules.append(_pattern_rule(constraint))
    if constraint.enum:
        rules.append(_enum_rule(constraint))
    return rules


def _longest_rule(shape: Shape) -> str:
    return f"Member must have length less than or equal to {shape.maximum}"


def _shortest_rule(shape: Shape) -> str:
    return f"Member must have length greater than or equal to {shape.minimum}"


def _pattern_rule(constraint: Constraint) -> str:
    return f"Member must satisfy regular expression pattern: {constraint.pattern}"


def _enum_rule(constraint: Constraint) -> str:
    return f"Member must satisfy enum value set: [{', '.join(constraint.enum)}]"


def _printed(value: object) -> str | None:
    """A value as refusals show it: strings and numbers quoted, lists as Java writes them.

    None for bytes, which may be secret.
    """
    if isinstance(value, bytes):
        return None
    if isinstance(value, list):
        value = f"[{', '.join(map(str, value))}]"
    return f"'{str(value)[:PRINTED_MAX]}'"


def _mistyped(value: object, text: str) -> AWSError:
    """The refusal of a value of another JSON type; `text` is for scalars, with {} for which."""
    if isinstance(value, list):
        text = "Start of list found where not expected"
    elif isinstance(value, dict):
        text = "Start of structure or map found where not expected."
    return AWSError("SerializationException", text.replace("{}", _token(value)))


def _token(value: object) -> str:
    """What AWS calls a scalar of a JSON document."""
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
