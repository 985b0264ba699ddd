"""JSON 1.1: request bodies to arguments, outputs and errors to bodies. Pure.

Binders are compiled once from a service's model and its handlers' signatures: a handler's keywords
are the members it supports, and a request that sends another member of the model is refused by that
member's name. Limits, enumerations and patterns are the model's; messages are AWS's.

Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import base64
import binascii
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from kms.aws.errors import AWSError
from kms.aws.model import ServiceModel, Shape
from kms.aws.wiping import WipingBytes

BODY_BYTES_MAX = 512 * 1024
ITEMS_MAX = 1_000
FAILURES_MAX = 10
CONTENT_TYPE = "application/x-amz-json-1.1"

Failures = list[str]
Check = Callable[[Any, str, Failures], Any]
Binder = Callable[[bytes], dict[str, Any]]

_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_QUOTE, _BRACE = b'"}'
_PIECE = 12
_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """`KeyId` → `key_id`; the same as botocore's `xform_name` for every member of our services."""
    return _CAPITAL.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).lower()


def compile_input(
    service: ServiceModel,
    operation: str,
    handler: Callable[..., Any],
    *,
    unlimited: frozenset[str] = frozenset(),
) -> Binder:
    """The binder of an operation. Raises TypeError if the handler's signature is not the model's.

    The first parameter of a handler is the request. The handler itself checks the limits of the
    shapes in `unlimited`, for services that answer those with errors of their own.

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
    check = _structure(_Source(service, unlimited), shape)
    refused = {member for keyword, member in members.items() if keyword not in taken}
    keywords = {member: keyword for keyword, member in members.items() if keyword in taken}

    def bind(body: bytes) -> dict[str, Any]:
        document = _parse(body)
        failures: Failures = []
        values = check(document, "", failures)
        if failures:
            raise _invalid(failures)
        for member in refused.intersection(values):
            raise AWSError(
                "UnsupportedOperationException", f"{operation} does not support {member}"
            )
        return {keywords[member]: value for member, value in values.items()}

    return bind


def render(output: Mapping[str, Any]) -> bytes | WipingBytes:
    """An output as JSON; bytes-like values as base64. An operation without output has no body.

    `bytearray`s are secrets: the body of an output with one wipes itself, and no other object gets
    to hold more than a few characters of it.
    """
    if not output:
        return b""
    for value in output.values():
        if isinstance(value, bytearray):
            return _render_secrets(output)
    return orjson.dumps(output, _base64)


def _render_secrets(output: Mapping[str, Any]) -> WipingBytes:
    plain = {name: value for name, value in output.items() if not isinstance(value, bytearray)}
    rendered = orjson.dumps(plain, _base64)
    parts: list[tuple[bytes, bytearray]] = []
    comma = "," if plain else ""
    for name, value in output.items():
        if isinstance(value, bytearray):
            parts.append((f'{comma}"{name}":"'.encode(), value))
            comma = ","
    size = len(rendered) + sum(
        len(start) + _base64_length(len(secret)) + 1 for start, secret in parts
    )
    body = WipingBytes(size)
    encode = binascii.b2a_base64
    at = len(rendered) - 1
    body[:at] = rendered[:at]
    for start, secret in parts:
        body[at : at + len(start)] = start
        at += len(start)
        # A few bytes at a time, so that no encoded copy of the whole is left behind.
        for first in range(0, len(secret), _PIECE):
            piece = encode(secret[first : first + _PIECE], newline=False)
            body[at : at + len(piece)] = piece
            at += len(piece)
        body[at] = _QUOTE
        at += 1
    body[at] = _BRACE
    return body


def render_error(error: AWSError) -> bytes:
    """An error document; AccessDeniedException spells its message's member as AWS does."""
    document = {"__type": error.code}
    if error.message:
        name = "Message" if error.code == "AccessDeniedException" else "message"
        document[name] = error.message
    return orjson.dumps(document)


def _base64_length(length: int) -> int:
    return (length + 2) // 3 * 4


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    raise TypeError(type(value).__name__)


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise AWSError("SerializationException", "The request is too long.")
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise AWSError("SerializationException", "The request is not a JSON object.")
    return document


def _invalid(failures: Failures) -> AWSError:
    count = len(failures)
    noun = "error" if count == 1 else "errors"
    shown = "; ".join(failures[:FAILURES_MAX])
    return AWSError("ValidationException", f"{count} validation {noun} detected: {shown}")


def _failure(value: str, path: str, rule: str) -> str:
    return f"Value {value} at '{path}' failed to satisfy constraint: Member must {rule}"


class _Source:
    """Where shapes come from: the model, without the limits of some."""

    def __init__(self, service: ServiceModel, unlimited: frozenset[str]) -> None:
        self._service = service
        self._unlimited = unlimited

    def shape(self, name: str) -> Shape:
        found = self._service.shape(name)
        if name not in self._unlimited:
            return found
        return replace(found, enum=(), minimum=None, maximum=None, pattern=None)


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
            return _string(shape)
        case "blob":
            return _blob(shape)
        case "boolean":
            return _boolean
        case "integer" | "long":
            return _integer(shape)
        case _:
            return _number


def _structure(service: _Source, shape: Shape) -> Check:
    checks = {name: _compile(service, member.shape) for name, member in shape.members.items()}
    paths = {name: name[0].lower() + name[1:] for name in checks}
    required = sorted(shape.required)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, dict):
            raise _mistyped("structure")
        prefix = f"{path}." if path else ""
        failures.extend(
            _failure("null", prefix + paths[name], "not be null")
            for name in required
            if value.get(name) is None
        )
        return {
            name: checks[name](item, prefix + paths[name], failures)
            for name, item in value.items()
            if item is not None and name in checks
        }

    return check


def _list(service: _Source, shape: Shape) -> Check:
    assert shape.element is not None
    element = _compile(service, shape.element.shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, list):
            raise _mistyped("list")
        if len(value) > ITEMS_MAX:
            raise AWSError("SerializationException", "A list of the request is too long.")
        _limits(shape, len(value), path, failures, shown=value)
        return [
            element(item, f"{path}.{number}.member", failures)
            for number, item in enumerate(value, 1)
        ]

    return check


def _map(service: _Source, shape: Shape) -> Check:
    assert shape.map_value is not None
    element = _compile(service, shape.map_value.shape)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, dict):
            raise _mistyped("map")
        if len(value) > ITEMS_MAX:
            raise AWSError("SerializationException", "A map of the request is too long.")
        return {
            name: element(item, f"{path}.{name}.member", failures) for name, item in value.items()
        }

    return check


def _string(shape: Shape) -> Check:
    pattern = re.compile(shape.pattern) if shape.pattern else None
    allowed = ", ".join(shape.enum)

    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, str):
            raise _mistyped("string")
        if shape.enum and value not in shape.enum:
            rule = f"satisfy enum value set: [{allowed}]"
            failures.append(_failure(_printed(value), path, rule))
        _limits(shape, len(value), path, failures, shown=value)
        if pattern is not None and pattern.fullmatch(value) is None:
            rule = f"satisfy regular expression pattern: {shape.pattern}"
            failures.append(_failure(_printed(value), path, rule))
        return value

    return check


def _blob(shape: Shape) -> Check:
    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, str):
            raise _mistyped("blob")
        try:
            raw = base64.b64decode(value, validate=True)
        except ValueError:
            raise _mistyped("blob") from None
        _limits(shape, len(raw), path, failures, shown=raw)
        return raw

    return check


def _integer(shape: Shape) -> Check:
    def check(value: Any, path: str, failures: Failures) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _mistyped("integer")
        if shape.minimum is not None and value < shape.minimum:
            rule = f"have value greater than or equal to {shape.minimum}"
            failures.append(_failure(_printed(value), path, rule))
        if shape.maximum is not None and value > shape.maximum:
            rule = f"have value less than or equal to {shape.maximum}"
            failures.append(_failure(_printed(value), path, rule))
        return value

    return check


def _boolean(value: Any, path: str, failures: Failures) -> Any:
    del path, failures
    if not isinstance(value, bool):
        raise _mistyped("boolean")
    return value


def _number(value: Any, path: str, failures: Failures) -> Any:
    del path, failures
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _mistyped("number")
    return value


def _limits(shape: Shape, length: int, path: str, failures: Failures, *, shown: object) -> None:
    if shape.minimum is not None and length < shape.minimum:
        rule = f"have length greater than or equal to {shape.minimum}"
        failures.append(_failure(_printed(shown), path, rule))
    if shape.maximum is not None and length > shape.maximum:
        rule = f"have length less than or equal to {shape.maximum}"
        failures.append(_failure(_printed(shown), path, rule))


def _printed(value: object) -> str:
    if isinstance(value, bytes):  # It may be secret: AWS, too, shows only how long it is.
        return f"'java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]'"
    return f"'{str(value)[:1_024]}'"


def _mistyped(wanted: str) -> AWSError:
    return AWSError("SerializationException", f"A member of the request is not a {wanted}.")
