"""Tags of objects and buckets: what they may be, in a header and in a document.

Pure. An object's are kept in its attributes as `{"tags": {key: value}}`, a bucket's in its
settings in the shape of a Tagging document.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from collections.abc import Iterable, Mapping
from typing import Any
from unicodedata import category
from urllib.parse import parse_qsl

from objstore.errors import S3Error

SETTING = "tagging"
ATTRIBUTE = "tags"
HEADER = "x-amz-tagging"
OBJECT_TAGS_MAX, BUCKET_TAGS_MAX = 10, 50
KEY_CHARACTERS_MAX, VALUE_CHARACTERS_MAX = 128, 256
_SYSTEM_PREFIX = "aws:"
_PUNCTUATION = frozenset("_.:/=+-@")
_CATEGORIES = frozenset("LNZ")  # letters, numbers, separators
_BAD_HEADER = (
    f"The header '{HEADER}' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
    "tag name duplicates."
)


def from_header(header: str) -> dict[str, str]:
    """The tags of an `x-amz-tagging` header. Raises InvalidArgument, InvalidTag, BadRequest."""
    try:
        pairs = parse_qsl(
            header,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=BUCKET_TAGS_MAX,
        )
    except ValueError:
        raise _bad_header(header) from None
    if len(dict(pairs)) != len(pairs):
        raise _bad_header(header)
    return _checked(pairs, OBJECT_TAGS_MAX, "Object tags cannot be greater than 10")


def from_document(tagging: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an object's Tagging document. Raises InvalidTag, BadRequest."""
    return _checked(_pairs(tagging), OBJECT_TAGS_MAX, "Object tags cannot be greater than 10")


def check_bucket(tagging: Mapping[str, Any]) -> None:
    """Return if a bucket may be tagged so. Raises InvalidTag, BadRequest."""
    _checked(_pairs(tagging), BUCKET_TAGS_MAX, "Bucket tag count cannot be greater than 50")


def document(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a TagSet."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _pairs(tagging: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(tag["Key"], tag["Value"]) for tag in tagging["TagSet"]]


def _checked(pairs: Iterable[tuple[str, str]], most: int, too_many: str) -> dict[str, str]:
    """The tags in the order of their keys, which is how they are shown."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not _allowed(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > VALUE_CHARACTERS_MAX or not _allowed(value):
            raise S3Error(
                "InvalidTag",
                "The TagValue you have provided is invalid",
                TagKey=key,
                TagValue=value,
            )
        if key.lower().startswith(_SYSTEM_PREFIX):
            raise S3Error("InvalidTag", "System tags cannot be added/updated by requester")
        if key in tags:
            raise S3Error(
                "InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key
            )
        tags[key] = value
    if len(tags) > most:
        raise S3Error("BadRequest", too_many)
    return dict(sorted(tags.items()))


def _allowed(text: str) -> bool:
    return all(
        character in _PUNCTUATION or category(character)[0] in _CATEGORIES for character in text
    )


def _bad_header(header: str) -> S3Error:
    return S3Error("InvalidArgument", _BAD_HEADER, ArgumentName=HEADER, ArgumentValue=header)
