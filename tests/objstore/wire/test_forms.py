"""multipart/form-data as it arrives: whole, in pieces, hostile."""

import pytest

from kms.aws.errors import AWSError
from objstore.wire.forms import FIELDS_MAX, FORM_BYTES_MAX, FormReader

TYPE = "multipart/form-data; boundary=bound"


def part(disposition: str, content: bytes, more: str = "") -> bytes:
    head = f"--bound\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n"
    return head.encode() + content + b"\r\n"


def read(body: bytes, piece: int = 1 << 20) -> tuple[FormReader, bytes]:
    reader = FormReader(TYPE)
    found = b""
    for start in range(0, len(body), piece):
        found += b"".join(reader.feed(body[start : start + piece]))
    reader.finish()
    return reader, found


FILE = b"\r\n--boun\r\n--BOUND\r\n\r\n--" + bytes(range(256)) * 20
FORM = (
    part('name="key"', b"photos/${filename}")
    + part('name="Content-Type"; filename="field-with-a-filename"', b"text/plain")
    + part('name="x-amz-meta-a"', "ü".encode())
    + part('name="file"; filename="C:\\\\dir/photo.jpg"', FILE, "Content-Type: image/jpeg\r\n")
    + part('name="submit"', b"ignored, and what is more: name")
    + b"--bound--\r\n"
)


@pytest.mark.parametrize("piece", [1, 2, 7, 100, 1 << 20])
def test_fields_go_by_name_and_the_file_comes_out_whole(piece: int) -> None:
    reader, found = read(FORM, piece)
    assert reader.fields == {
        "key": "photos/${filename}",
        "content-type": "text/plain",
        "x-amz-meta-a": "ü",
    }
    assert reader.filename == "photo.jpg"
    assert found == FILE


def test_a_file_may_be_empty_and_nameless() -> None:
    reader, found = read(part('name="file"', b"") + b"--bound--")
    assert (reader.filename, found, reader.file_ended) == ("", b"", True)


def test_fields_are_complete_when_the_file_begins() -> None:
    reader = FormReader(TYPE)
    start, _, rest = FORM.partition(FILE)
    assert b"".join(reader.feed(start)) == b""
    assert reader.file_began
    assert "key" in reader.fields
    assert b"".join(reader.feed(FILE + rest)) == FILE


MALFORMED = [
    b"",
    b"not a form",
    FORM[:-20],
    FORM.replace(b"form-data", b"attachment"),
    FORM.replace(b'; name="key"', b""),
    part('name="key"', b"\xff") + part('name="file"', b"") + b"--bound--",
    part('name="key"', b"a") + part('name="KEY"', b"b") + part('name="file"', b"") + b"--bound--",
    b"".join(part(f'name="f{number}"', b"") for number in range(FIELDS_MAX + 1)),
    b"--bound\r\n" + b"a: b\r\n" * 100,
    b"--bound\r\nContent-Disposition: form-data; name=key; x=" + b"y" * 5000,
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed(body: bytes) -> None:
    with pytest.raises(AWSError, match="MalformedPOSTRequest"):
        read(body)


def test_a_form_needs_a_file() -> None:
    with pytest.raises(AWSError) as caught:
        read(part('name="key"', b"a") + b"--bound--\r\n")
    assert caught.value.fields == {"ArgumentName": "file", "ArgumentValue": "0"}


@pytest.mark.parametrize("piece", [1000, 1 << 20])
@pytest.mark.parametrize(
    "body",
    [
        part('name="key"', b"x" * (FORM_BYTES_MAX + 1)),
        part('name="file"', b"x") + part('name="after"', b"x" * (FORM_BYTES_MAX + 1)),
        part('name="file"', b"x") + b"--bound--\r\n" + b"x" * (FORM_BYTES_MAX + 1),
    ],
)
def test_everything_but_the_file_is_bounded(body: bytes, piece: int) -> None:
    with pytest.raises(AWSError, match="MaxPostPreDataLengthExceededError"):
        read(body, piece)


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("", "PreconditionFailed"),
        ("application/x-www-form-urlencoded", "PreconditionFailed"),
        ("multipart/form-data", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=" + "x" * 71, "MalformedPOSTRequest"),
    ],
)
def test_other_types(content_type: str, code: str) -> None:
    with pytest.raises(AWSError, match=code):
        FormReader(content_type)
