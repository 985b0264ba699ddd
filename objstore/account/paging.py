"""Pages of IAM's listings: MaxItems, Marker, IsTruncated.

A marker is opaque to clients: the name after which, or the place at which, the next page starts.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from objstore.account.errors import IAMError

ITEMS_DEFAULT = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a listing a request asks for."""

    marker: str | None = None
    max_items: int | None = None

    @property
    def size(self) -> int:
        return self.max_items or ITEMS_DEFAULT


FIRST_PAGE = Page()


def page_by_name(
    read: Callable[[str, int], Sequence[T]], name_of: Callable[[T], str], page: Page
) -> tuple[Sequence[T], Mapping[str, Any]]:
    """A page of what `read(after, limit)` finds in the order of names, and the reply's markers."""
    size = page.size
    found = read(_read(page.marker), size + 1)
    if len(found) <= size:
        return found, {"IsTruncated": False}
    return found[:size], {"IsTruncated": True, "Marker": _write(name_of(found[size - 1]))}


def page_of(items: Sequence[T], page: Page) -> tuple[Sequence[T], Mapping[str, Any]]:
    """A page of a short list that is at hand, and the reply's markers."""
    start = _read(page.marker) or "0"
    if not (start.isascii() and start.isdigit()):
        raise _invalid()
    end = int(start) + page.size
    if end >= len(items):
        return items[int(start) :], {"IsTruncated": False}
    return items[int(start) : end], {"IsTruncated": True, "Marker": _write(str(end))}


def _write(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(marker: str | None) -> str:
    if marker is None:
        return ""
    try:
        return base64.b64decode(marker.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _invalid() from None


def _invalid() -> IAMError:
    return IAMError("ValidationError", "Invalid Marker.")
