"""The query protocol of IAM and STS: form in, XML out; compiled from the model.

A request is a form with Action, Version and members whose nesting is in their names
(`Tags.member.1.Key`). Knows neither accounts nor signatures.

Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from kms.aws.errors import AWSError
from kms.aws.model import Member, Operation, ServiceModel, Shape
from objstore.wire.constraints import compile_check
from objstore.wire.render import DocumentWriter, Headers
from objstore.wire.signature import signature_of
from objstore.wire.values import converter, xform
from objstore.wire.xml import DECLARATION, escape

FORM_BYTES_MAX = 128 * 1024
FIELDS_MAX = 1_000
ITEMS_MAX = 1_000
DEPTH_MAX = 16
GAP_MAX = 10
INDEX_DIGITS_MAX = 5
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_TYPE = (b"content-type", b"text/xml")

Bind = Callable[[Mapping[str, str]], dict[str, Any]]
Render = Callable[[Mapping[str, Any], str], tuple[int, Headers, bytes]]


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises MalformedQueryString."""
    if len(body) > FORM_BYTES_MAX:
        raise AWSError("RequestEntityTooLarge", "The request is too large", status=413)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise AWSError("MalformedQueryString", "The form cannot be read", status=400) from None
    return dict(pairs)


def find_operation(model: ServiceModel, form: Mapping[str, str]) -> Operation:
    """The operation that `Action` names. Raises MissingAction and InvalidAction."""
    action = form.get("Action")
    if not action:
        raise AWSError("MissingAction", "The request must contain the parameter Action")
    version = form.get("Version", model.api_version)
    if action not in model.operations or version != model.api_version:
        message = f"Could not find operation {action} for version {version}"
        raise AWSError("InvalidAction", message, status=400)
    return model.operations[action]


def compile_input(model: ServiceModel, operation: Operation, handler: Callable[..., Any]) -> Bind:
    """The binder of `handler`: form → members by snake_case name.

    A member that a form has and the handler does not take is NotImplemented, by name. Raises
    TypeError if the handler's signature does not fit the operation.
    """
    shape = model.shape(operation.input) if operation.input else None
    members = {member.wire_name: member for member in shape.members.values()} if shape else {}
    names = {name: xform(name) for name in shape.members} if shape else {}
    signature = signature_of(operation, shape, handler)
    check = compile_check(model, shape) if shape else None

    def bind(form: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, node in _tree(form).items():
            member = members.get(name)
            if member is None:
                continue
            if names[member.name] not in signature.places:
                message = f"{operation.name} does not support {member.name}"
                raise AWSError("NotImplemented", message, status=501)
            values[member.name] = _read(model, member, name, node)
        if check is not None:
            check(values)
        return signature.arguments({names[name]: value for name, value in values.items()})

    return bind


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    """`{"a.b": "1"}` as `{"a": {"b": "1"}}`."""
    root: dict[str, Any] = {}
    for name, text in form.items():
        *path, leaf = name.split(".", DEPTH_MAX)
        node = root
        for step in path:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise _invalid(name)
        if isinstance(node.get(leaf), dict):
            raise _invalid(name)
        node[leaf] = text
    return root


def _invalid(name: str) -> AWSError:
    return _malformed(f"The value of {name} is not valid")


def _malformed(text: str) -> AWSError:
    return AWSError("MalformedInput", text)


def _read(model: ServiceModel, member: Member, name: str, node: Any) -> Any:
    shape = model.shape(member.shape)
    if shape.type == "structure":
        return _read_structure(model, shape, name, node)
    if shape.type == "list":
        assert shape.element is not None
        if node == "":
            return []
        items = node if shape.flattened else _inner(node, name, shape.element.wire_name)
        return [
            None if item is None else _read(model, shape.element, name, item)
            for item in _ordered(items, name)
        ]
    if shape.type == "map":
        return _read_map(model, shape, name, node)
    if not isinstance(node, str):
        raise _invalid(name)
    try:
        return _read_scalar(shape, node)
    except ValueError:
        raise _invalid(name) from None


def _read_scalar(shape: Shape, text: str) -> Any:
    """Numbers may have a sign and zeros in front, booleans may be digits; neither has spaces."""
    if shape.type == "boolean":
        if text not in _BOOLEANS:
            raise ValueError("not a boolean")
        return _BOOLEANS[text]
    if shape.type in ("integer", "long"):
        if text != text.strip():
            raise ValueError("spaces")
        text = text.removeprefix("+")
    return converter(shape, open_enums=frozenset({shape.name}))(text)


def _read_structure(model: ServiceModel, shape: Shape, name: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise _invalid(name)
    return {
        member.name: _read(model, member, f"{name}.{member.wire_name}", node[member.wire_name])
        for member in shape.members.values()
        if member.wire_name in node
    }


def _read_map(model: ServiceModel, shape: Shape, name: str, node: Any) -> dict[str, Any]:
    assert shape.map_key is not None
    assert shape.map_value is not None
    entries = node if shape.flattened else _inner(node, name, "entry")
    found: dict[str, Any] = {}
    for entry in _ordered(entries, name):
        key = _inner(entry, name, shape.map_key.wire_name)
        value = _inner(entry, name, shape.map_value.wire_name)
        found[key] = _read(model, shape.map_value, name, value)
    return found


def _inner(node: Any, name: str, step: str) -> Any:
    if not isinstance(node, dict) or step not in node:
        raise _invalid(name)
    return node[step]


def _ordered(node: Any, name: str) -> list[Any]:
    """The items of `{"1": …, "2": …}` in the order of their numbers, None for those left out."""
    if not isinstance(node, dict) or len(node) > ITEMS_MAX:
        raise _invalid(name)
    items: list[Any] = []
    for number, key in sorted((_index(key), key) for key in node):
        gap = number - max(len(items), 1)
        if gap > GAP_MAX:
            raise _malformed(f"Excessively sparse input would skip {gap} list elements")
        items += [None] * (number - 1 - len(items))
        items.append(node[key])
    return items


def _index(key: str) -> int:
    """The number of an item, from 1. Raises MalformedInput, in the words of AWS."""
    if key.startswith("-"):
        raise _malformed(f"Key {key} may not have a leading '-'")
    if not (key.isascii() and key.isdigit()) or len(key) > INDEX_DIGITS_MAX:
        raise _malformed("Start of list found where not expected")
    if int(key) == 0:
        raise _malformed(f"{key} is not a valid index")
    return int(key)


def compile_output(model: ServiceModel, operation: Operation) -> Render:
    """The renderer of an operation: (reply, request id) → response."""
    shape = model.shape(operation.output) if operation.output else None
    write = (
        DocumentWriter(model, instant=_instant).members(shape.members.values()) if shape else None
    )
    name = operation.name
    start = f'{DECLARATION}<{name}Response xmlns="{namespace(model)}">'

    def render(reply: Mapping[str, Any], request_id: str) -> tuple[int, Headers, bytes]:
        parts = [start]
        if write is not None:
            parts.append(f"<{name}Result>")
            write(reply, parts)
            parts.append(f"</{name}Result>")
        parts.append(
            f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>"
            f"</{name}Response>"
        )
        return _response(200, "".join(parts))

    return render


def _instant(moment: datetime) -> str:
    """A time as these services write it: in whole seconds, without a fraction."""
    return moment.astimezone(UTC).isoformat()[:19] + "Z"


def namespace(model: ServiceModel) -> str:
    """The XML namespace of a query service; the models' own follow this form."""
    return f"https://{model.name}.amazonaws.com/doc/{model.api_version}/"


def render_error(
    model: ServiceModel, error: AWSError, *, request_id: str
) -> tuple[int, Headers, bytes]:
    """An error as a response; below 500 it is the sender's."""
    kind = "Sender" if error.status < 500 else "Receiver"
    return _response(
        error.status,
        f'{DECLARATION}<ErrorResponse xmlns="{namespace(model)}"><Error><Type>{kind}</Type>'
        f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{escape(request_id)}</RequestId></ErrorResponse>",
    )


def _response(status: int, document: str) -> tuple[int, Headers, bytes]:
    body = document.encode()
    return status, [_TYPE, (b"content-length", b"%d" % len(body))], body
