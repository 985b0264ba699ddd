"""Tags of objects and buckets: what they may be, in a header and in a document.

Pure. An object's are kept in its attributes as `{"tags": {key: value}}`, a bucket's in its
settings in the shape of a Tagging document.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is tagged: how many tags it may have, and what S3 says about too many and its own."""

    most: int
    too_many: str
    system_tag: str
    names_system_tag: bool = True


_OF_OBJECT = _Kind(
    OBJECT_TAGS_MAX,
    "Object tags cannot be greater than 10",
    "Your TagKey cannot be prefixed with aws:",
)
_OF_BUCKET = _Kind(
    BUCKET_TAGS_MAX,
    "Bucket tag count cannot be greater than 50",
    "System tags cannot be added/updated by requester",
)
_OF_NEW_BUCKET = replace(
    _OF_BUCKET,
    system_tag='User-defined tag keys can\'t start with "aws:". This prefix is reserved for system '
    'tags. Remove "aws:" from your tag keys and try again.',
    names_system_tag=False,
)
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
    try:
        return _checked(pairs, _OF_OBJECT)
    except S3Error:
        if any(pair.count("=") > 1 for pair in header.split("&")):
            # Another separator than `&`, or something else that was not encoded.
            raise _bad_header(header) from None
        raise


def from_document(tagging: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an object's Tagging document. Raises InvalidTag, BadRequest."""
    return _checked(_pairs(tagging), _OF_OBJECT)


def check_bucket(tagging: Mapping[str, Any]) -> None:
    """Return if a bucket may be tagged so. Raises InvalidTag, BadRequest."""
    _checked(_pairs(tagging), _OF_BUCKET)


def check_new_bucket(tagging: Mapping[str, Any]) -> None:
    """Return if a bucket may be created with these tags. Raises InvalidTag, BadRequest."""
    _checked(_pairs(tagging), _OF_NEW_BUCKET)


def document(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a TagSet."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _pairs(tagging: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(tag["Key"], tag["Value"]) for tag in tagging.get("TagSet", ())]


def _checked(pairs: Iterable[tuple[str, str]], kind: _Kind) -> dict[str, str]:
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
            if kind.names_system_tag:
                raise S3Error("InvalidTag", kind.system_tag, TagKey=key)
            raise S3Error("InvalidTag", kind.system_tag)
        if key in tags:
            raise S3Error(
                "InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key
            )
        tags[key] = value
    if len(tags) > kind.most:
        raise S3Error("BadRequest", kind.too_many)
    return dict(sorted(tags.items()))


def _allowed(text: str) -> bool:
    return all(
        character in _PUNCTUATION or category(character)[0] in _CATEGORIES for character in text
    )


def _bad_header(header: str) -> S3Error:
    return S3Error("InvalidArgument", _BAD_HEADER, ArgumentName=HEADER, ArgumentValue=header)
