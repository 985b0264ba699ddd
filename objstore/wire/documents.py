"""Request documents: compiled from the model's shapes to functions from an element to a value.

Structures become dicts with AWS's member names, as boto3 has them. What does not fit the model is
MalformedXML, elements that it does not know too but in the documents of a few operations
(`quirks.OPEN_DOCUMENTS`). Recursion is bounded by the document's depth (`xml.DEPTH_MAX`).
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from kms.aws.model import Member, ServiceModel, Shape
from objstore.errors import S3Error
from objstore.wire import quirks
from objstore.wire.values import converter
from objstore.wire.xml import split_tag

ElementReader = Callable[[etree._Element], Any]


class DocumentReader:
    """Compiles the readers of one operation; `items_max` bounds every list in its document.

    Elements that the model does not have are refused, unless the document is `open`.
    """

    def __init__(self, model: ServiceModel, *, items_max: int, open: bool = False) -> None:
        self._model = model
        self._open = open
        self._items_max = items_max
        self._readers: dict[str, ElementReader] = {}

    def reader(self, shape: Shape) -> ElementReader:
        """The reader of a shape; shapes that contain themselves find it in the cache."""
        if shape.name not in self._readers:
            self._readers[shape.name] = lambda element: self._readers[shape.name](element)
            self._readers[shape.name] = self._compile(shape)
        return self._readers[shape.name]

    def members(self, members: dict[str, Member], required: frozenset[str]) -> ElementReader:
        """The reader of a structure of just these members."""
        fields: dict[str, tuple[str, ElementReader, bool]] = {}
        attributes: list[tuple[str, str]] = []
        for member in members.values():
            shape = self._model.shape(member.shape)
            if member.xml_attribute:
                attributes.append((member.name, member.wire_name.rpartition(":")[2]))
            elif shape.type == "list" and (shape.flattened or member.flattened):
                assert shape.element is not None
                reader = self.reader(self._model.shape(shape.element.shape))
                fields[member.wire_name] = (member.name, reader, True)
            else:
                fields[member.wire_name] = (member.name, self.reader(shape), False)
        return self._structure(fields, attributes, required)

    def _compile(self, shape: Shape) -> ElementReader:
        if shape.name in quirks.LENIENT_SHAPES:
            return self._lenient(shape)
        if shape.type == "structure":
            optional = quirks.OPTIONAL_ELEMENTS.get(shape.name, frozenset())
            return self.members(dict(shape.members), shape.required - optional)
        if shape.type == "list":
            return self._list(shape)
        convert = converter(shape, open_enums=quirks.OPEN_ENUMS)

        def read_scalar(element: etree._Element) -> Any:
            if len(element):
                raise S3Error("MalformedXML")
            try:
                return convert(element.text or "")
            except ValueError:
                raise S3Error("MalformedXML") from None

        return read_scalar

    def _lenient(self, shape: Shape) -> ElementReader:
        """The reader of a structure that its operation judges itself."""
        readers = {
            member.wire_name: (member.name, self.reader(self._model.shape(member.shape)))
            for member in shape.members.values()
        }

        def read_leniently(element: etree._Element) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for child in element:
                tag = split_tag(str(child.tag))[1]
                name, read = readers.get(tag, (tag, None))
                try:
                    values[name] = child.text if read is None else read(child)
                except S3Error:
                    values[name] = child.text
            return values

        return read_leniently

    def _list(self, shape: Shape) -> ElementReader:
        assert shape.element is not None
        name = shape.element.wire_name
        read = self.reader(self._model.shape(shape.element.shape))
        items_max, closed = self._items_max, not self._open

        def read_list(element: etree._Element) -> list[Any]:
            items = [read(child) for child in element if split_tag(str(child.tag))[1] == name]
            if len(items) > items_max or (closed and len(items) < len(element)):
                raise S3Error("MalformedXML")
            return items

        return read_list

    def _structure(
        self,
        fields: dict[str, tuple[str, ElementReader, bool]],
        attributes: list[tuple[str, str]],
        required: frozenset[str],
    ) -> ElementReader:
        items_max, closed = self._items_max, not self._open

        def read_structure(element: etree._Element) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for child in element:
                entry = fields.get(split_tag(str(child.tag))[1])
                if entry is None:
                    if closed:
                        raise S3Error("MalformedXML")
                    continue
                name, read, repeated = entry
                if repeated:
                    items = values.setdefault(name, [])
                    items.append(read(child))
                    if len(items) > items_max:
                        raise S3Error("MalformedXML")
                elif name in values:
                    raise S3Error("MalformedXML")
                else:
                    values[name] = read(child)
            for name, wire_name in attributes:
                value = element.get(f"{{{quirks.XSI_NAMESPACE}}}{wire_name}")
                if value is not None:
                    values[name] = value
            if not required <= values.keys():
                raise S3Error("MalformedXML")
            return values

        return read_structure
