"""Uploads from browsers: a signed form becomes a PutObject, and the answer a page's next step.

A form's fields are the headers that PutObject would have, so whatever PutObject understands a form
can ask for. The gateway decides who signed it and whether they may.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from objstore.authenticate import Authenticated, PayloadMode, missing_field
from objstore.errors import S3Error
from objstore.exchange import Headers, Request, Response
from objstore.names import check_header
from objstore.payload import Payload
from objstore.storage.records import NoSpaceError
from objstore.transfer.spool import Spool
from objstore.wire.encoded_words import as_header
from objstore.wire.forms import FormReader
from objstore.wire.post_policy import parse_policy
from objstore.wire.xml import DECLARATION, escape, parse_document, split_tag

FILE_BYTES_MAX = 5 * 1024**3
TAGGING_BYTES_MAX = 16 * 1024
FILENAME = "${filename}"

# Fields that are headers under another name, and headers that are fields under their own.
_RENAMED = {"acl": "x-amz-acl"}
METADATA_PREFIX = "x-amz-meta-"
_SAME = frozenset(
    {"cache-control", "content-type", "content-disposition", "content-encoding", "expires"}
)
_CREDENTIALS = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
        "x-amz-security-token",
    }
)


class Form:
    """A form as it arrives: `read_fields`, and when they are good, `read_file`."""

    def __init__(self, request: Request, *, region: str) -> None:
        self._reader = FormReader(request.headers.get("content-type", ""))
        unsigned = Authenticated(None, region, PayloadMode.UNSIGNED, None, None)
        self._payload = Payload(request.receive, unsigned, request.headers)
        self._batches = self._payload.batches()
        self._pieces: list[bytes] = []

    @property
    def filename(self) -> str:
        return self._reader.filename

    async def read_fields(self) -> dict[str, str]:
        """The fields before the file, by lower-case name. Raises S3Error."""
        async for raw in self._batches:
            self._pieces = self._feed(raw)
            if self._reader.file_began:
                return self._reader.fields
        self._reader.finish()
        raise AssertionError("a form that ends without a file is refused")

    async def read_file(self, spool: Spool, sizes: tuple[int, int]) -> None:
        """The file, whose length must lie within `sizes`.

        Raises EntityTooLarge as soon as it is, EntityTooSmall, ServiceUnavailable.
        """
        least, most = sizes
        try:
            async for pieces in self._file():
                if spool.length + sum(map(len, pieces)) > most:
                    size = spool.length + sum(map(len, pieces))
                    raise S3Error(
                        "EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(most)
                    )
                await spool.add(pieces)
        except NoSpaceError:
            raise S3Error("ServiceUnavailable", "Not enough storage space is left") from None
        self._payload.finish()
        self._reader.finish()
        if spool.length < least:
            raise S3Error(
                "EntityTooSmall", ProposedSize=str(spool.length), MinSizeAllowed=str(least)
            )

    async def _file(self) -> AsyncIterator[list[bytes]]:
        yield self._pieces
        async for raw in self._batches:
            yield self._feed(raw)

    def _feed(self, raw: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        for piece in self._payload.decode(raw):
            pieces += self._reader.feed(bytes(piece))
        return pieces


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form asks for: a key, the headers of its PutObject, and how to answer."""

    key: str
    headers: Mapping[str, str]
    sizes: tuple[int, int]
    status: int
    redirect: str


def upload_of(fields: Mapping[str, str], *, bucket: str, filename: str, now: float) -> Upload:
    """Judge the fields of a form by its policy. Raises AccessDenied, InvalidArgument and others."""
    if "key" not in fields:
        raise missing_field("key")
    key = fields["key"]
    if filename:
        key = key.replace(FILENAME, filename)
    if not key:
        raise S3Error(
            "InvalidArgument",
            "User key must have a length greater than 0.",
            ArgumentName="key",
            ArgumentValue="",
        )
    sizes: tuple[int, int] | None = None
    if "policy" in fields:
        policy = parse_policy(fields["policy"])
        policy.check({**fields, "key": key, "bucket": bucket}, now=now)
        sizes = policy.sizes
    least, most = sizes or (0, FILE_BYTES_MAX)
    return Upload(
        key,
        _headers(fields),
        (least, min(most, FILE_BYTES_MAX)),
        _status(fields.get("success_action_status", "")),
        _redirect(fields.get("success_action_redirect", fields.get("redirect", ""))),
    )


def answer(upload: Upload, request: Request, stored: Response, *, bucket: str) -> Response:
    """The answer to a form whose object PutObject stored with the answer `stored`."""
    headers = [header for header in stored.headers if header[0] != b"content-length"]
    etag = dict(headers)[b"etag"].decode()
    if upload.redirect:
        mark = "&" if "?" in upload.redirect else "?"
        query = urlencode({"bucket": bucket, "key": upload.key, "etag": etag}, quote_via=quote)
        location = f"{upload.redirect}{mark}{query}"
        return _plain(303, [*headers, (b"location", location.encode())])
    scheme = "https" if request.secure else "http"
    path = request.raw_path.decode("latin-1").rstrip("/")
    location = f"{scheme}://{request.headers.get('host', '')}{path}/{quote(upload.key, safe='')}"
    headers.append((b"location", location.encode("latin-1")))
    if upload.status != 201:
        return _plain(upload.status, headers)
    named = {"Location": location, "Bucket": bucket, "Key": upload.key, "ETag": etag}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in named.items())
    body = f"{DECLARATION}<PostResponse>{inner}</PostResponse>".encode()
    headers += ((b"content-type", b"application/xml"), (b"content-length", b"%d" % len(body)))
    return Response(201, headers, body)


def _plain(status: int, headers: Headers) -> Response:
    if status != 204:
        headers.append((b"content-length", b"0"))
    return Response(status, headers)


def _headers(fields: Mapping[str, str]) -> dict[str, str]:
    """The headers that PutObject would have. Raises InvalidArgument for what can be none."""
    headers: dict[str, str] = {}
    for field, value in fields.items():
        name = _RENAMED.get(field, field)
        if field == "tagging":
            headers["x-amz-tagging"] = _tagging(value)
        elif name in _SAME or (name.startswith("x-amz-") and name not in _CREDENTIALS):
            if name.startswith(METADATA_PREFIX):
                value = as_header(value)
            check_header(name, value)
            headers[name] = value
    return headers


def _tagging(document: str) -> str:
    """A Tagging document as the header that PutObject takes. Raises MalformedXML."""
    root = parse_document(document.encode(), ("Tagging",), bytes_max=TAGGING_BYTES_MAX)
    pairs = []
    for tag in root.iter():
        if split_tag(str(tag.tag))[1] == "Tag":
            named = {split_tag(str(child.tag))[1]: child.text or "" for child in tag}
            pairs.append((named.get("Key", ""), named.get("Value", "")))
    return urlencode(pairs)


def _status(text: str) -> int:
    return int(text) if text in ("200", "201") else 204


def _redirect(text: str) -> str:
    """Where to send the browser; "" unless it is a web address."""
    if not text.isascii() or not text.isprintable():
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""
