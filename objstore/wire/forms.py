"""Reads `multipart/form-data` as S3 takes it: fields, then one file, then nothing that counts.

Sans-IO and streaming: the body goes in as it arrives, the file's bytes come out as they are found.
Everything but the file's content is bounded. A field is what its name says, whether or not it
carries a filename; the file is the part named `file`.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from objstore.errors import S3Error

FORM_BYTES_MAX = 20_000  # All of a form but its file's content, boundaries included.
FIELDS_MAX = 100
FILE = "file"
_TYPE = b"multipart/form-data"


class FormReader:
    """One form. Feed it the body; `fields` are complete once `file_began`.

    `fields` have lower-case names. `filename` is that of the file, without a path, "" if it has
    none. Raises S3Error for what is no form, and when a limit is passed.
    """

    def __init__(self, content_type: str) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.file_began = False
        self.file_ended = False
        self._pieces: list[bytes] = []
        self._other_bytes = 0
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._headers: dict[str, bytes] = {}
        self._text = bytearray()
        self._in_file = False
        self._ended = False
        self._parser = MultipartParser(
            _boundary(content_type),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> list[bytes]:
        """Take in the next bytes of the body; returns the pieces of the file among them."""
        self._pieces = []
        try:
            self._parser.write(data)
        except MultipartParseError:
            raise S3Error("MalformedPOSTRequest") from None
        self._other_bytes += len(data) - sum(map(len, self._pieces))
        if self._other_bytes > FORM_BYTES_MAX:
            raise S3Error("MaxPostPreDataLengthExceededError")
        return self._pieces

    def finish(self) -> None:
        """Raise unless the form is whole and has its file."""
        if not self._ended:
            raise S3Error("MalformedPOSTRequest")
        if not self.file_ended:
            raise S3Error(
                "InvalidArgument",
                "POST requires exactly one file upload per request.",
                ArgumentName="file",
                ArgumentValue="0",
            )

    # What the parser calls.

    def _begin_part(self) -> None:
        self._headers = {}
        self._text = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._value)
        self._header = bytearray()
        self._value = bytearray()

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise S3Error("MalformedPOSTRequest")
        self._name = _decoded(options[b"name"]).lower()
        self._in_file = self._name == FILE and not self.file_began
        if self._in_file:
            self.file_began = True
            path = _decoded(options.get(b"filename", b""))
            self.filename = path.replace("\\", "/").rpartition("/")[2]

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
        elif not self.file_began:
            self._text += data[start:end]
            if len(self._text) > FORM_BYTES_MAX:
                raise S3Error("MaxPostPreDataLengthExceededError")

    def _end_part(self) -> None:
        if self._in_file:
            self._in_file, self.file_ended = False, True
        elif not self.file_began:
            if self._name in self.fields or len(self.fields) >= FIELDS_MAX:
                raise S3Error("MalformedPOSTRequest")
            self.fields[self._name] = _decoded(bytes(self._text))

    def _end(self) -> None:
        self._ended = True


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != _TYPE:
        raise S3Error(
            "PreconditionFailed",
            Condition="Bucket POST must be of the enclosure-type multipart/form-data",
        )
    if not 1 <= len(boundary) <= 70:
        raise S3Error("MalformedPOSTRequest")
    return boundary


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise S3Error("MalformedPOSTRequest") from None
