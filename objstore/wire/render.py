"""From a handler's reply to a response: status, headers, body.

`compile_output` turns an operation's output shape into closures that append to a list of strings;
roots, namespaces and statuses that the model does not give come from `quirks`. The request id
headers are the front door's.

Source: https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from kms.aws.errors import AWSError
from kms.aws.model import Member, Operation, ServiceModel, Shape
from objstore.errors import S3Error
from objstore.wire import quirks
from objstore.wire.encoded_words import encoded_word, is_plain
from objstore.wire.xml import DECLARATION, escape, iso8601

Headers = list[tuple[bytes, bytes]]
Response = tuple[int, Headers, bytes | AsyncIterator[bytes]]
Render = Callable[[Mapping[str, Any]], Response]
Writer = Callable[[Any, list[str]], None]

DATES_CACHED_MAX = 4096
XML_TYPE = (b"content-type", b"application/xml")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile("[\r\n\x00]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@lru_cache(maxsize=DATES_CACHED_MAX)
def http_date(moment: datetime) -> str:
    """A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} "
        f"{moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"
    )


def header_value(name: str, text: str) -> bytes:
    """A header's value. Raises InvalidArgument for text that would end the header."""
    if _UNSAFE.search(text):
        raise S3Error(
            "InvalidArgument",
            "Header value contains characters that are not allowed",
            ArgumentName=name,
        )
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        # S3 sends a space for what ISO-8859-1 does not have.
        return "".join(c if c <= "\xff" else " " for c in text).encode("latin-1")


def _metadata_value(_name: str, text: str) -> bytes:
    """User metadata; what is not printable ASCII goes as an encoded word, as S3 does."""
    return text.encode() if is_plain(text) else encoded_word(text)


def compile_output(model: ServiceModel, operation: Operation) -> Render:
    """The renderer of an operation's replies, which are keyed by the model's member names."""
    shape = model.shape(operation.output) if operation.output else None
    members = tuple(shape.members.values()) if shape else ()
    headers = {
        member.name: (member.wire_name.lower().encode(), _header_writer(model, member))
        for member in members
        if member.location == "header"
    }
    for name, extra in quirks.EXTRA_HEADERS.get(operation.name, {}).items():
        headers[name] = (extra.encode(), partial(header_value, name))
    metadata = next((m for m in members if m.location == "headers"), None)
    body = _compile_body(model, operation, shape)

    def render(reply: Mapping[str, Any]) -> Response:
        out: Headers = []
        for name, value in reply.items():
            if value is not None and name in headers:
                wire_name, write = headers[name]
                out.append((wire_name, write(value)))
        if metadata is not None:
            _append_metadata(metadata.wire_name, reply.get(metadata.name), out)
        status = quirks.status_of(operation.name, operation.status, reply)
        return status, out, body(reply, out, status)

    return render


def _append_metadata(prefix: str, values: Mapping[str, str] | None, out: Headers) -> None:
    for key, text in (values or {}).items():
        name = prefix + key.lower()
        if not _TOKEN.fullmatch(name):
            raise S3Error("InvalidArgument", "Metadata name is not allowed", ArgumentName=name)
        out.append((name.encode(), _metadata_value(name, text)))


def _header_writer(model: ServiceModel, member: Member) -> Callable[[Any], bytes]:
    shape = model.shape(member.shape)
    if shape.type == "timestamp":
        written = member.timestamp_format or shape.timestamp_format
        return _instant if written == "iso8601" else _http_date
    if shape.type == "boolean":
        return _flag
    if shape.type in ("integer", "long"):
        return _number
    if shape.type == "list":
        return lambda values: header_value(member.name, ",".join(values))
    return partial(header_value, member.name)


def _instant(moment: datetime) -> bytes:
    return iso8601(moment).encode()


def _http_date(moment: datetime) -> bytes:
    return http_date(moment).encode()


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _flag(value: bool) -> bytes:
    return b"true" if value else b"false"


def _number(value: int) -> bytes:
    return b"%d" % value


Body = Callable[[Mapping[str, Any], Headers, int], bytes | AsyncIterator[bytes]]


def _compile_body(model: ServiceModel, operation: Operation, shape: Shape | None) -> Body:
    if shape is not None and shape.payload:
        member = shape.members[shape.payload]
        kind = model.shape(member.shape)
        if kind.type == "string":
            return _text_body(member)
        if kind.type == "blob" or kind.event_stream:
            return _blob_body(member)
        document = DocumentWriter(model).document(member.wire_name, kind)
        return lambda reply, out, _status: _finish(document(reply.get(member.name) or {}), out)
    modelled = [m for m in shape.members.values() if m.location is None] if shape else []
    first = quirks.FIRST_ELEMENTS.get(operation.name, ())
    modelled.sort(key=lambda m: first.index(m.name) if m.name in first else len(first))
    if shape is None or not modelled:
        if operation.method != "HEAD":
            return _no_body
        typed = shape is not None and "ContentType" in shape.members
        return _head_body if typed else _bucket_head_body
    root = quirks.ROOTS.get(operation.name, shape.name)
    text = quirks.TEXT_DOCUMENTS.get(operation.name)
    if text:
        return lambda reply, out, _status: _finish(_text_document(root, reply.get(text)), out)
    writer = DocumentWriter(model)
    shared = quirks.INTERLEAVED.get(operation.name)
    write = writer.members(modelled) if shared is None else writer.interleaved(modelled, shared)
    start = f'{DECLARATION}<{root} xmlns="{quirks.NAMESPACE}">'

    def body(reply: Mapping[str, Any], out: Headers, _status: int) -> bytes:
        parts = [start]
        write(reply, parts)
        parts.append(f"</{root}>")
        return _finish("".join(parts), out)

    return body


def _finish(document: str, out: Headers) -> bytes:
    body = document.encode()
    out.append(XML_TYPE)
    out.append((b"content-length", b"%d" % len(body)))
    return body


def _text_document(root: str, value: str | None) -> str:
    if not value:
        return f'{DECLARATION}<{root} xmlns="{quirks.NAMESPACE}"/>'
    return f'{DECLARATION}<{root} xmlns="{quirks.NAMESPACE}">{escape(value)}</{root}>'


def _no_body(_reply: Mapping[str, Any], out: Headers, status: int) -> bytes:
    if status != 204:
        out.append((b"content-length", b"0"))
    return b""


def _head_body(_reply: Mapping[str, Any], _out: Headers, _status: int) -> bytes:
    return b""


def _bucket_head_body(_reply: Mapping[str, Any], out: Headers, _status: int) -> bytes:
    """Nothing; of a bucket, S3 says that it would be XML."""
    out.append(XML_TYPE)
    return b""


def _text_body(member: Member) -> Body:
    def body(reply: Mapping[str, Any], out: Headers, _status: int) -> bytes:
        text: bytes = (reply.get(member.name) or "").encode()
        out.append((b"content-type", quirks.TEXT_PAYLOAD_TYPE.encode()))
        out.append((b"content-length", b"%d" % len(text)))
        return text

    return body


def _blob_body(member: Member) -> Body:
    def body(reply: Mapping[str, Any], out: Headers, _status: int) -> bytes | AsyncIterator[bytes]:
        content: bytes | AsyncIterator[bytes] = reply.get(member.name) or b""
        if isinstance(content, bytes) and reply.get("ContentLength") is None:
            out.append((b"content-length", b"%d" % len(content)))
        return content

    return body


_SCALAR_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "string": escape,
    "boolean": _boolean,
    "timestamp": iso8601,
    "blob": lambda value: base64.b64encode(value).decode(),
}
_COMPOUND = frozenset({"list", "structure", "map"})
_Plan = tuple[str, str, str, Callable[[Any], str], Writer | None]  # name, start, end, text, writer


class DocumentWriter:
    """Compiles output shapes to functions that append XML to a list of strings."""

    def __init__(
        self, model: ServiceModel, *, instant: Callable[[datetime], str] = iso8601
    ) -> None:
        """`instant` writes a time."""
        self._model = model
        self._instant = instant
        self._writers: dict[str, Writer] = {}

    def document(self, root: str, shape: Shape) -> Callable[[Mapping[str, Any]], str]:
        """A whole S3 document from a structure."""
        write = self.members(shape.members.values())

        def document(value: Mapping[str, Any]) -> str:
            parts = [f'{DECLARATION}<{root} xmlns="{quirks.NAMESPACE}">']
            write(value, parts)
            parts.append(f"</{root}>")
            return "".join(parts)

        return document

    def members(self, members: Iterable[Member]) -> Writer:
        """The writer of a structure's elements, without a tag around them."""
        plans = [self._plan(member) for member in members if not member.xml_attribute]

        def write_members(value: Mapping[str, Any], out: list[str]) -> None:
            get = value.get
            for name, start, end, text, write in plans:
                item = get(name)
                if item is None:
                    continue
                if write is None:
                    # Scalars are most of every listing: written here, at one call the less.
                    out.append(f"{start}{text(item)}{end}")
                else:
                    write(item, out)

        return write_members

    def interleaved(self, members: Iterable[Member], shared: tuple[str, ...]) -> Writer:
        """As `members`, but the elements of the lists `shared` come in the order of `Rows`."""
        named = {member.name: member for member in members}
        write_others = self.members([m for name, m in named.items() if name not in shared])
        write_lists = self.members([named[name] for name in shared])
        elements = {name: self._model.shape(named[name].shape).element for name in shared}
        writers = {
            name: self._element(named[name].wire_name, element)
            for name, element in elements.items()
            if element is not None
        }

        def write_interleaved(value: Mapping[str, Any], out: list[str]) -> None:
            write_others(value, out)
            rows = value.get("Rows")
            if rows is None:
                write_lists(value, out)
                return
            for name, row in rows:
                writers[name](row, out)

        return write_interleaved

    def _plan(self, member: Member) -> _Plan:
        shape = self._model.shape(member.shape)
        if shape.type in _COMPOUND:
            return (member.name, "", "", str, self._element(member.wire_name, member))
        tag = member.wire_name
        return (member.name, f"<{tag}>", f"</{tag}>", self._text(shape), None)

    def _text(self, shape: Shape) -> Callable[[Any], str]:
        if shape.type == "timestamp":
            return self._instant
        return _scalar_text(shape)

    def _element(self, tag: str, member: Member) -> Writer:
        shape = self._model.shape(member.shape)
        if shape.type == "list":
            return self._list(tag, shape, flattened=shape.flattened or member.flattened)
        if shape.type == "structure":
            return self._structure(tag, shape)
        if shape.type == "map":
            return self._map(tag, shape)
        return _scalar(f"<{tag}>", f"</{tag}>", self._text(shape))

    def _list(self, tag: str, shape: Shape, *, flattened: bool) -> Writer:
        assert shape.element is not None
        write = self._element(tag if flattened else shape.element.wire_name, shape.element)

        def write_items(value: Iterable[Any], out: list[str]) -> None:
            for item in value:
                write(item, out)

        if flattened:
            return write_items

        def write_list(value: Iterable[Any], out: list[str]) -> None:
            out.append(f"<{tag}>")
            write_items(value, out)
            out.append(f"</{tag}>")

        return write_list

    def _map(self, tag: str, shape: Shape) -> Writer:
        assert shape.map_key is not None
        assert shape.map_value is not None
        write_key = self._element(shape.map_key.wire_name, shape.map_key)
        write_value = self._element(shape.map_value.wire_name, shape.map_value)

        def write_map(value: Mapping[str, Any], out: list[str]) -> None:
            out.append(f"<{tag}>")
            for key, item in value.items():
                out.append("<entry>")
                write_key(key, out)
                write_value(item, out)
                out.append("</entry>")
            out.append(f"</{tag}>")

        return write_map

    def _structure(self, tag: str, shape: Shape) -> Writer:
        key = f"{tag} {shape.name}"
        if key in self._writers:
            return self._writers[key]
        # Until it is compiled, a shape that contains itself finds this indirection.
        self._writers[key] = lambda value, out: self._writers[key](value, out)
        write = self.members(shape.members.values())
        start, end = f"<{tag}>", f"</{tag}>"
        attribute = next((m for m in shape.members.values() if m.xml_attribute), None)

        def write_structure(value: Mapping[str, Any], out: list[str]) -> None:
            out.append(start)
            write(value, out)
            out.append(end)

        def write_typed(value: Mapping[str, Any], out: list[str]) -> None:
            assert attribute is not None
            kind = escape(str(value.get(attribute.name, "")))
            out.append(f'<{tag} xmlns:xsi="{quirks.XSI_NAMESPACE}" {attribute.wire_name}="{kind}">')
            write(value, out)
            out.append(end)

        self._writers[key] = write_typed if attribute else write_structure
        return self._writers[key]


def _scalar_text(shape: Shape) -> Callable[[Any], str]:
    """What makes the text of a scalar. A value of an enumeration needs no escaping."""
    if not shape.enum:
        return _SCALAR_TEXTS.get(shape.type, str)
    known = frozenset(value for value in shape.enum if escape(value) == value)
    return lambda value: value if value in known else escape(value)


def _scalar(start: str, end: str, text: Callable[[Any], str]) -> Writer:
    def write_scalar(value: Any, out: list[str]) -> None:
        out.append(f"{start}{text(value)}{end}")

    return write_scalar


def error_document(error: AWSError, *, request_id: str, host_id: str) -> bytes:
    """The document of an error; it has no namespace.

    The documentation's example has a `Resource`; what S3 sends has none.
    """
    fields = {
        "Code": error.code,
        "Message": error.message,
        **error.fields,
        "RequestId": request_id,
        "HostId": host_id,
    }
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    return f"{DECLARATION}<Error>{inner}</Error>".encode()


def render_error(
    error: AWSError, *, request_id: str, host_id: str, head: bool
) -> tuple[int, Headers, bytes]:
    """An error as a response. Answers to HEAD and 304 have no body."""
    headers = [
        (name.lower().encode(), header_value(name, text)) for name, text in error.headers.items()
    ]
    if error.status == 304:
        return error.status, headers, b""
    headers.append(XML_TYPE)
    if head:
        return error.status, headers, b""
    body = error_document(error, request_id=request_id, host_id=host_id)
    headers.append((b"content-length", b"%d" % len(body)))
    return error.status, headers, body


def render_embedded_error(
    error: AWSError, *, request_id: str, host_id: str
) -> tuple[int, Headers, bytes]:
    """An error inside a 200, for the operations of `quirks.EMBEDDING`."""
    body = error_document(error, request_id=request_id, host_id=host_id)
    return 200, [XML_TYPE, (b"content-length", b"%d" % len(body))], body
