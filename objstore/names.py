"""The names that S3 gives things: bucket names, object keys, canonical owner ids.

Pure. Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

from kms.aws.clock import utc
from objstore.errors import S3Error

KEY_BYTES_MAX = 1024
OWNERS_CACHED_MAX = 1024
US_EAST_1 = "us-east-1"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_END = re.compile("[\r\n\0]")
_PLAIN_KEY = re.compile(rb"[A-Za-z0-9/*._~-]*")  # the same encoded or not
_URL_SAFE = "/*-._"  # what AWS leaves as it is under `encoding-type=url`


def check_bucket_name(name: str) -> None:
    """Return if `name` may be a new general purpose bucket's. Raises InvalidBucketName."""
    if (
        _BUCKET.fullmatch(name) is None
        or ".." in name
        or _IPV4.fullmatch(name) is not None
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise S3Error("InvalidBucketName", BucketName=name)


def check_header(name: str, value: str) -> None:
    """Return if a parameter or a field can stand for the header `name`. Raises InvalidArgument.

    What could not be a header's name or value would be stored and could never be sent again, and
    a line break could pass for the start of another header.
    """
    if _HEADER_NAME.fullmatch(name) is None or _LINE_END.search(value) is not None:
        raise S3Error(
            "InvalidArgument",
            "Header value contains characters that are not allowed",
            ArgumentName=name,
        )


def key_bytes(key: str) -> bytes:
    """The key as the index holds it: UTF-8. Raises KeyTooLongError above 1024 bytes."""
    encoded = key.encode()
    if len(encoded) > KEY_BYTES_MAX:
        raise S3Error("KeyTooLongError", Size=str(len(encoded)), MaxSizeAllowed=str(KEY_BYTES_MAX))
    return encoded


@lru_cache(maxsize=OWNERS_CACHED_MAX)
def owner_id(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits, the same for ever."""
    return hashlib.sha256(f"canonical user of {account}".encode()).hexdigest()


def instant(milliseconds: int) -> datetime:
    """A stored time as the UTC date that replies carry."""
    return utc(milliseconds / 1000)


def whole_second(milliseconds: int) -> datetime:
    """A stored time as HTTP dates show it: without the fraction."""
    return utc(milliseconds // 1000)


def http_date(milliseconds: int) -> str:
    """A stored time as headers outside of the model's members carry it."""
    return whole_second(milliseconds).strftime("%a, %d %b %Y %H:%M:%S GMT")


def encode_key(key: bytes, encoding_type: str | None) -> str:
    """A key as a listing shows it: percent-encoded under `encoding-type=url`, else as text."""
    if encoding_type is None or _PLAIN_KEY.fullmatch(key) is not None:
        return key.decode()
    return quote(key, safe=_URL_SAFE)


def check_encoding_type(encoding_type: str | None) -> None:
    """Return if a listing may be encoded so. Raises InvalidArgument."""
    if encoding_type not in (None, "url"):
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=encoding_type,
        )


def page_size(value: int | None, name: str, most: int) -> int:
    """How many entries a page holds: `value` cut to `most`, which is also the default.

    Raises InvalidArgument for a negative value of the parameter `name`.
    """
    if value is None:
        return most
    if value < 0:
        raise S3Error(
            "InvalidArgument",
            f"Argument {name} must be an integer between 0 and 2147483647",
            ArgumentName=name,
            ArgumentValue=str(value),
        )
    return min(value, most)
