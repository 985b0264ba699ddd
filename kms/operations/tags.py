"""TagResource, UntagResource and ListResourceTags."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from unicodedata import category

from kms.errors import KMSError
from kms.key import Key, check_state
from kms.paging import marker_of, position_of
from kms.request import Request
from kms.store_edits import Edit

TAGS_MAX = 50
PAGE_DEFAULT = 50
RESERVED_PREFIX = "aws:"
_PUNCTUATION = frozenset("_.:/=+-@")
_CATEGORIES = frozenset("LNZ")  # letters, numbers, separators


def tag_resource(
    request: Request, *, key_id: str, tags: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    key = request.own(key_id)
    added = check_tags(tags)

    def tag(edit: Edit, stored: Key) -> Key:
        merged = dict(stored.tags) | dict(added)
        if len(merged) > TAGS_MAX:
            raise KMSError("TagException", "Too many tags")
        return replace(stored, tags=tuple(merged.items()))

    request.change(key, tag)
    return {}


def untag_resource(request: Request, *, key_id: str, tag_keys: Sequence[str]) -> dict[str, Any]:
    key = request.own(key_id)
    if any(name.lower().startswith(RESERVED_PREFIX) for name in tag_keys):
        raise KMSError("TagException", "Tags beginning with aws: are reserved")

    def untag(edit: Edit, stored: Key) -> Key:
        kept = tuple((name, value) for name, value in stored.tags if name not in tag_keys)
        return replace(stored, tags=kept)

    request.change(key, untag)
    return {}


def list_resource_tags(
    request: Request, *, key_id: str, limit: int = PAGE_DEFAULT, marker: str | None = None
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    limit = min(limit, PAGE_DEFAULT)
    after = position_of(marker)
    found = sorted(pair for pair in key.tags if pair[0] > after)
    page = [{"TagKey": name, "TagValue": value} for name, value in found[:limit]]
    reply: dict[str, Any] = {"Tags": page, "Truncated": len(found) > limit}
    if len(found) > limit:
        reply["NextMarker"] = marker_of(page[-1]["TagKey"])
    return reply


def check_tags(tags: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Tags as pairs in their order. Raises TagException."""
    pairs = tuple((tag["TagKey"], tag["TagValue"]) for tag in tags)
    if len({name for name, _ in pairs}) < len(pairs):
        raise KMSError("TagException", "Duplicate tag keys")
    if len(pairs) > TAGS_MAX:
        raise KMSError("TagException", "Too many tags")
    if any(name.lower().startswith(RESERVED_PREFIX) for name, _ in pairs):
        raise KMSError("TagException", "Tags beginning with aws: are reserved")
    if not all(_is_allowed(one) for pair in pairs for text in pair for one in text):
        raise KMSError("TagException", "Invalid tag")
    return pairs


def _is_allowed(character: str) -> bool:
    return character in _PUNCTUATION or category(character)[0] in _CATEGORIES
