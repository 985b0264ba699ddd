"""User metadata that is not ASCII, as RFC 2047 writes it in headers.

Pure. S3 reads encoded words in the headers of a request, keeps the text, and writes the text as an
encoded word again: quoted if it can be printed, else in base64.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from base64 import b64encode
from email.errors import HeaderParseError
from email.header import decode_header

_PREFIX = b"=?UTF-8?"
_MARK = "=?"
_PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'()*+,-./:;<>@[\\]^`{|}~\""
)
_REPLACEMENT = "\ufffd"


def decoded(text: str) -> str:
    """The text of a header's value, its encoded words read; as it is if they cannot be."""
    if _MARK not in text:
        return text
    try:
        parts = decode_header(text)
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "latin-1")
            for part, charset in parts
        )
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return text


def as_header(text: str) -> str:
    """What a header must have for `decoded` to be the text."""
    plain = is_plain(text) and _MARK not in text
    return text if plain else encoded_word(text).decode()


def is_plain(text: str) -> bool:
    """Whether a header can carry the text as it is: printable ASCII and tabs."""
    return text.isascii() and (text.isprintable() or text.replace("\t", "").isprintable())


def encoded_word(text: str) -> bytes:
    """The text as one encoded word."""
    raw = text.encode()
    if _REPLACEMENT in text or not text.isprintable():
        return _PREFIX + b"B?" + b64encode(raw) + b"?="
    quoted = b"".join(
        b"_" if byte == 0x20 else bytes((byte,)) if byte in _PLAIN else b"=%02X" % byte
        for byte in raw
    )
    return _PREFIX + b"Q?" + quoted + b"?="
