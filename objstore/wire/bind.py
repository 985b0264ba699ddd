"""From a request's wire form to the arguments of a handler.

`compile_input` looks at a handler's signature once. Binding then visits the headers and parameters
that the request has, not those that it could have. What a request sends and the handler does not
take is NotImplemented, by name.

Knows no handler, no ASGI, no payload (it is passed through unseen).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from kms.aws.model import Member, Operation, ServiceModel, Shape
from objstore.errors import S3Error
from objstore.wire import quirks
from objstore.wire.documents import DocumentReader, ElementReader
from objstore.wire.encoded_words import decoded
from objstore.wire.signature import Signature, signature_of
from objstore.wire.values import Converter, converter, xform
from objstore.wire.xml import parse_document

Bind = Callable[[str | None, dict[str, str], Mapping[str, str], bytes | None, Any], dict[str, Any]]
"""bind(key, query, headers (lower-case names), document, payload) -> keyword arguments."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Scalar:
    """A header or query parameter: the argument that it becomes, its converter, its error."""

    name: str
    convert: Converter
    plain: bool  # text as it is: no conversion, and an empty value counts
    refuse: Callable[[str, str], S3Error | None]
    empty_counts: bool = False  # an empty value is converted, and refused if it cannot be


def body_bytes_max(operation: Operation) -> int:
    """How many bytes the document of a request may have."""
    return quirks.BODY_BYTES_MAX_OF.get(operation.name, quirks.BODY_BYTES_MAX)


def needs_document(model: ServiceModel, operation: Operation) -> bool:
    """Whether the body is a document to be read whole (XML, or a policy's text)."""
    shape = model.shape(operation.input) if operation.input else None
    if shape is None:
        return False
    if shape.payload:
        return model.shape(shape.members[shape.payload].shape).type != "blob"
    return any(member.location is None for member in shape.members.values())


def compile_input(model: ServiceModel, operation: Operation, handler: Callable[..., Any]) -> Bind:
    """The binder of `handler`. Raises TypeError if its signature does not fit the operation."""
    shape = _input_shape(model, operation)
    members = dict(shape.members) if shape else {}
    consumed = quirks.CONSUMED if operation.name not in quirks.TAKES_BUCKET else frozenset()
    signature = signature_of(operation, shape, handler, consumed=consumed)
    document = needs_document(model, operation)
    scalars: dict[str, dict[str, _Scalar | str]] = {"header": {}, "querystring": {}}
    metadata: tuple[str, str, int | None] | None = None
    required: list[tuple[str, Member]] = []
    for member in members.values():
        name = xform(member.name)
        place = signature.places.get(name)
        if member.location == "headers":
            metadata = (member.wire_name, name, place)
        elif member.location in scalars:
            header = member.location == "header"
            wire_name = member.wire_name.lower() if header else member.wire_name
            if place is not None:
                scalars[member.location][wire_name] = _scalar(model, member)
                if shape and member.name in shape.required:
                    required.append((name, member))
            elif not _consumed(member, document=document):
                scalars[member.location][wire_name] = member.wire_name
    for wire_name in quirks.REFUSED_HEADERS.get(operation.name, ()):
        scalars["header"][wire_name] = _REFUSED
    return _binder(
        _Plan(
            signature=signature,
            headers=scalars["header"],
            query=scalars["querystring"],
            metadata=metadata,
            required=tuple(required),
            announces=any(m.wire_name == quirks.SDK_CHECKSUM_HEADER for m in members.values()),
            body=_body(model, operation, shape, frozenset(signature.places)),
        )
    )


def _input_shape(model: ServiceModel, operation: Operation) -> Shape | None:
    """The input, with the members that the model lacks."""
    if operation.input is None:
        return None
    shape = model.shape(operation.input)
    extra = {
        name: dataclasses.replace(shape.members[like], name=name, wire_name=header)
        for name, (header, like) in quirks.EXTRA_MEMBERS.get(operation.name, {}).items()
    }
    return dataclasses.replace(shape, members={**shape.members, **extra}) if extra else shape


def _consumed(member: Member, *, document: bool) -> bool:
    return (
        member.name in quirks.CONSUMED
        or member.wire_name == quirks.SDK_CHECKSUM_HEADER
        or (document and member.name in quirks.DOCUMENT_CONSUMED)
    )


def _scalar(model: ServiceModel, member: Member) -> _Scalar:
    shape = model.shape(member.shape)
    name = xform(member.name)
    wire_name = member.wire_name.lower() if member.location == "header" else member.wire_name
    if shape.type == "list":
        assert shape.element is not None
        return _Scalar(name, _listed(model.shape(shape.element.shape)), False, _refuse)
    if wire_name in quirks.CASELESS:
        convert = converter(shape)
        return _Scalar(name, lambda text: convert(text.upper()), False, _refuse)
    if wire_name in quirks.OPEN_HEADERS:
        return _Scalar(name, str, True, _refuse)
    if wire_name in quirks.LENIENT_DATES:
        return _Scalar(name, converter(shape), False, _refuse_nothing)
    refuse = _refuse_integer if shape.type in ("integer", "long") else _refuse
    plain = shape.type == "string" and not shape.enum and wire_name != "content-type"
    return _Scalar(name, converter(shape), plain, refuse, wire_name in quirks.NEVER_EMPTY)


def _convert_nothing(text: str) -> None:
    raise ValueError(text)


def _refuse_header(name: str, value: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        f"{name} header is not supported for this operation.",
        ArgumentName=name,
        ArgumentValue=value,
    )


_REFUSED = _Scalar("", _convert_nothing, False, _refuse_header, True)


def _listed(element: Shape) -> Converter:
    convert = converter(element)
    return lambda text: [convert(item.strip()) for item in text.split(",")]


def _refuse(name: str, value: str) -> S3Error:
    code, message = quirks.ENUM_ERRORS.get(
        name, ("InvalidArgument", f"The value of {name} is not valid")
    )
    if "{}" in message:  # which repeats the value
        return S3Error(code, message.format(value), ArgumentName=name)
    return S3Error(code, message, ArgumentName=name, ArgumentValue=value)


def _refuse_integer(name: str, value: str) -> S3Error:
    message = quirks.INTEGER_MESSAGES.get(
        name, f"Provided {name} not an integer or within integer range"
    )
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def _refuse_nothing(_name: str, _value: str) -> None:
    return None


def _missing(member: Member) -> S3Error:
    if member.location == "header":
        return S3Error(
            "InvalidRequest", f"Missing required header for this request: {member.wire_name}"
        )
    return S3Error(
        "InvalidArgument",
        f"Missing required parameter for this request: {member.wire_name}",
        ArgumentName=member.wire_name,
    )


def _unsupported(wire_name: str) -> S3Error:
    return S3Error(
        "NotImplemented",
        f"A header or parameter you provided implies functionality that is not implemented: "
        f"{wire_name}",
        Header=wire_name,
    )


Body = Callable[[bytes | None, Any], dict[str, Any]]


def _body(
    model: ServiceModel, operation: Operation, shape: Shape | None, taken: frozenset[str]
) -> Body | None:
    """What reads the body: (document, payload) -> arguments by snake_case name."""
    if shape is None:
        return None
    if shape.payload:
        member = shape.members[shape.payload]
        name = xform(member.name)
        payload_type = model.shape(member.shape).type
        if payload_type == "blob":
            return (lambda _document, payload: {name: payload}) if name in taken else None
        read = _text if payload_type == "string" else _xml(model, operation, shape)
        supported = name in taken
        required = member.name in shape.required

        def read_member(document: bytes | None, _payload: Any) -> dict[str, Any]:
            if not document and payload_type != "string":
                if required:
                    raise S3Error("MissingRequestBodyError")
                return {}
            if not supported:
                raise _unsupported(member.wire_name)
            return {name: read(document or b"")}

        return read_member
    if not needs_document(model, operation):
        return None
    read_all = _xml(model, operation, shape)

    def read_members(document: bytes | None, _payload: Any) -> dict[str, Any]:
        values = {xform(key): value for key, value in read_all(document or b"").items()}
        for name in values.keys() - taken:
            raise _unsupported(name)
        return values

    return read_members


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError:
        raise S3Error("MalformedXML") from None


def _xml(model: ServiceModel, operation: Operation, shape: Shape) -> Callable[[bytes], Any]:
    items_max = quirks.LIST_ITEMS_MAX_OF.get(operation.name, quirks.LIST_ITEMS_MAX)
    is_open = operation.name in quirks.OPEN_DOCUMENTS
    reader = DocumentReader(model, items_max=items_max, open=is_open)
    bytes_max = body_bytes_max(operation)
    if shape.payload:
        member = shape.members[shape.payload]
        read: ElementReader = reader.reader(model.shape(member.shape))
        root = member.wire_name
    else:
        members = {name: m for name, m in shape.members.items() if m.location is None}
        read = reader.members(members, shape.required & members.keys())
        root = operation.input_root or operation.name
    return lambda document: read(parse_document(document, (root,), bytes_max=bytes_max))


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """Everything that binding one operation needs; `str` entries name what is not supported."""

    signature: Signature
    headers: Mapping[str, "_Scalar | str"]
    query: Mapping[str, "_Scalar | str"]
    metadata: tuple[str, str, int | None] | None  # prefix, argument, place
    required: tuple[tuple[str, Member], ...]
    announces: bool  # whether a header may name the algorithm of the body's checksum
    body: Body | None


def _binder(plan: _Plan) -> Bind:
    arguments = plan.signature.arguments
    takes_key = "key" in plan.signature.places

    def bind(
        key: str | None,
        query: dict[str, str],
        headers: Mapping[str, str],
        document: bytes | None,
        payload: Any,
    ) -> dict[str, Any]:
        values: dict[str, Any] = {"key": key} if takes_key else {}
        for entries, sent in ((plan.query, query), (plan.headers, headers)):
            if entries:
                _convert(entries, sent, values)
        if plan.metadata:
            _gather(plan.metadata, headers, values)
        for name, member in plan.required:
            if name not in values:
                raise _missing(member)
        if plan.announces and quirks.SDK_CHECKSUM_HEADER in headers:
            _check_announced(headers)
        if plan.body:
            values.update(plan.body(document, payload))
        return arguments(values)

    return bind


def _check_announced(headers: Mapping[str, str]) -> None:
    """Refuse an algorithm by name without its checksum. A checksum in a header counts anyway."""
    wanted = quirks.CHECKSUM_PREFIX + headers[quirks.SDK_CHECKSUM_HEADER].lower()
    trailers = headers.get(quirks.TRAILER_HEADER)
    if trailers is not None:
        if wanted not in [name.strip() for name in trailers.lower().split(",")]:
            raise S3Error(
                "InvalidRequest", f"Value for {quirks.SDK_CHECKSUM_HEADER} header is invalid."
            )
    elif wanted not in headers and not any(
        name.startswith(quirks.CHECKSUM_PREFIX) for name in headers
    ):
        raise S3Error(
            "InvalidRequest",
            f"{quirks.SDK_CHECKSUM_HEADER} specified, but no corresponding "
            f"{quirks.CHECKSUM_PREFIX}* or {quirks.TRAILER_HEADER} headers were found.",
        )


def _convert(
    entries: Mapping[str, "_Scalar | str"], sent: Mapping[str, str], values: dict[str, Any]
) -> None:
    for wire_name, text in sent.items():
        entry = entries.get(wire_name)
        if entry is None:
            continue
        if isinstance(entry, str):
            raise _unsupported(entry)
        if entry.plain:
            values[entry.name] = text
        elif text or entry.empty_counts:
            try:
                value = entry.convert(text)
            except ValueError:
                refusal = entry.refuse(wire_name, text)
                if refusal is not None:
                    raise refusal from None
                continue
            if value is not None:
                values[entry.name] = value


def _gather(
    metadata: tuple[str, str, int | None], headers: Mapping[str, str], values: dict[str, Any]
) -> None:
    prefix, name, place = metadata
    found = {
        key[len(prefix) :]: decoded(text) for key, text in headers.items() if key.startswith(prefix)
    }
    if found:
        if place is None:
            raise _unsupported(prefix)
        values[name] = found
