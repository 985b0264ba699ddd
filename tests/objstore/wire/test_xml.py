"""Hostile documents, and the text that S3 writes."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone

import pytest

from objstore.errors import S3Error
from objstore.wire.xml import DEPTH_MAX, MARKS_MAX, escape, iso8601, parse_document, split_tag

BOMB = (
    b'<!DOCTYPE t [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    + b"]><Tagging>&i;</Tagging>"
)
NESTED = b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<Tagging>",
        b"<Tagging></Other>",
        b"<Other/>",
        b'<Tagging xmlns="http://example.com/"/>',
        b"<!DOCTYPE Tagging><Tagging/>",
        b'<!DOCTYPE Tagging SYSTEM "http://127.0.0.1:1/x.dtd"><Tagging/>',
        b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging>&x;</Tagging>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE t []><Tagging/>'.encode("utf-16"),
        BOMB,
        b"<Tagging>&undefined;</Tagging>",
        b"<Tagging>\x01</Tagging>",
        b"<Tagging>\xff</Tagging>",
        b"<Tagging>" + NESTED + b"</Tagging>",
        b"<Tagging>" + b"<a>" * 5000,
        b'<?xml version="1.0" encoding="nonsense"?><Tagging/>',
        b'<?xml version="1.0" encoding="IBM037"?>' + "<Tagging/>".encode("cp037"),
        '<?xml version="1.0" encoding="IBM037"?><Tagging/>'.encode("cp037"),
        b'<?xml version="1.0" encoding="UTF-7"?><Tagging/>',
    ],
)
def test_hostile_documents(document: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        parse_document(document, ("Tagging",), bytes_max=64 * 1024)
    assert caught.value.code == "MalformedXML"


def test_elements_are_counted_before_they_are_made() -> None:
    """Half a million empty elements fit into two megabytes, and take most of a second."""
    document = b"<a>" + b"<b/>" * (MARKS_MAX - 2) + b"</a>"
    assert len(parse_document(document, ("a",), bytes_max=1 << 20)) == MARKS_MAX - 2
    attributes = b" ".join(b'b%d=""' % number for number in range(MARKS_MAX - 1))
    for hostile in (document[:-4] + b"<b/></a>", b"<a " + attributes + b"></a>"):
        with pytest.raises(S3Error, match="MalformedXML"):
            parse_document(hostile, ("a",), bytes_max=1 << 21)


def test_the_longest_document_is_read() -> None:
    part = b'<Part><PartNumber>10000</PartNumber><ETag>"%s"</ETag><C>AAAAAA==</C></Part>'
    document = b'<a xmlns="">' + part % (b"0" * 32) * 10_000 + b"</a>"
    assert len(parse_document(document, ("a",), bytes_max=1 << 21)) == 10_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "us-ascii", "iso-8859-1"])
def test_common_encodings(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?><a>b</a>'.encode(encoding)
    assert parse_document(document, ("a",), bytes_max=1 << 10).text == "b"


def test_size_limit() -> None:
    assert parse_document(b"<a/>", ("a",), bytes_max=4).tag == "a"
    with pytest.raises(S3Error, match="MaxMessageLengthExceeded"):
        parse_document(b"<a/>", ("a",), bytes_max=3)


@pytest.mark.parametrize(
    "document",
    [
        b"<Tagging/>",
        b'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>',
        b'<?xml version="1.0"?><!-- note --><Tagging/>',
    ],
)
def test_namespace_is_optional(document: bytes) -> None:
    root = parse_document(document, ("Tagging",), bytes_max=1024)
    assert split_tag(str(root.tag))[1] == "Tagging"


def test_comments_do_not_split_text() -> None:
    root = parse_document(b"<a>1<!-- -->2<?pi?>3<![CDATA[<4>]]></a>", ("a",), bytes_max=1024)
    assert root.text == "123<4>"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain ü\t\n'", "plain ü\t\n'"),
        ('<a&b>"', "&lt;a&amp;b&gt;&quot;"),
        ("\x01\x1f\r\x00", "&#x1;&#x1f;&#xd;&#x0;"),
        ("\uffff", "&#xffff;"),
    ],
)
def test_escaping(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_escaped_text_is_read_back() -> None:
    text = "a\r&<"
    assert ET.fromstring(f"<a>{escape(text)}</a>").text == text


def test_times() -> None:
    moment = datetime(2024, 2, 29, 23, 59, 58, 999_999, tzinfo=UTC)
    assert iso8601(moment) == "2024-02-29T23:59:58.000Z"
    assert iso8601(moment.astimezone(timezone(timedelta(hours=2)))) == "2024-02-29T23:59:58.000Z"
