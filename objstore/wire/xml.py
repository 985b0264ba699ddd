"""Reading hostile XML and writing S3's.

Reading goes through lxml with everything off that reaches outside the document: a DOCTYPE is
refused, entities are not expanded, nothing is fetched, depth and size have limits. Writing is
string building, because listings are long; text is escaped as S3 does it, with numeric references
for the control characters that XML 1.0 cannot hold at all.

Source: https://www.w3.org/TR/xml/#charsets
"""

import re
from datetime import UTC, datetime

from lxml import etree

from objstore.errors import S3Error
from objstore.wire import quirks

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DEPTH_MAX = 32
# Tags and attributes. The longest document, of 10,000 parts with a checksum each, has 90,000.
MARKS_MAX = 1 << 17
_ENCODINGS = frozenset({"ASCII", "ISO-8859-1", "US-ASCII", "UTF-16", "UTF-8"})
_NAMESPACES = ("", quirks.NAMESPACE, "http://doc.s3.amazonaws.com/2006-03-01")
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]')
_UNHOLDABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def parse_document(document: bytes, roots: tuple[str, ...], *, bytes_max: int) -> etree._Element:
    """The root element of a request's body, which must be one of `roots`.

    Raises MalformedXML, and MaxMessageLengthExceeded above `bytes_max`.
    """
    if len(document) > bytes_max:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(bytes_max))
    if b"<!DOCTYPE" in document or _marks(document) > MARKS_MAX:
        raise S3Error("MalformedXML")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise S3Error("MalformedXML") from None
    # Encodings other than UTF-8 can hide from the search above.
    found = root.getroottree().docinfo
    if found.internalDTD is not None or (found.encoding or "UTF-8").upper() not in _ENCODINGS:
        raise S3Error("MalformedXML")
    namespace, name = split_tag(str(root.tag))
    if name not in roots or namespace not in _NAMESPACES or _deeper_than(root, DEPTH_MAX):
        raise S3Error("MalformedXML")
    return root


def _marks(document: bytes) -> int:
    """At least as many as the document has tags and attributes, which may be in quoted text too."""
    return document.count(b"<") + (document.count(b'"') + document.count(b"'")) // 2


def _deeper_than(root: etree._Element, depth_max: int) -> bool:
    level = [root]
    for _ in range(depth_max):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def split_tag(tag: str) -> tuple[str, str]:
    """Namespace and local name of an lxml tag (`{namespace}name`)."""
    if tag[:1] == "{":
        namespace, _, name = tag[1:].partition("}")
        return namespace, name
    return "", tag


def escape(text: str) -> str:
    """Text for an element's content or a double-quoted attribute."""
    if _SPECIAL.search(text) is None:
        return text
    for character, name in _NAMED.items():
        text = text.replace(character, name)
    return text if _UNHOLDABLE.search(text) is None else _UNHOLDABLE.sub(_reference, text)


def _reference(found: "re.Match[str]") -> str:
    return f"&#x{ord(found.group()):x};"


def iso8601(moment: datetime) -> str:
    """A time as S3 writes it in documents: whole seconds, `.000Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:19] + ".000Z"
