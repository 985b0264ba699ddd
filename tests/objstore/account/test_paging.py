from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page, page_by_name, page_of

NAMES = [f"n{number:02}" for number in range(10)]


def read(after: str, limit: int) -> list[str]:
    return [name for name in NAMES if name > after][:limit]


@pytest.mark.parametrize("size", [1, 3, 5, 9, 10, 11])
def test_pages_together_are_the_whole(size: int) -> None:
    def by_name(marker: str | None) -> tuple[Sequence[str], Mapping[str, Any]]:
        return page_by_name(read, str, Page(marker, size))

    def by_place(marker: str | None) -> tuple[Sequence[str], Mapping[str, Any]]:
        return page_of(NAMES, Page(marker, size))

    for fetch in (by_name, by_place):
        found: list[str] = []
        marker, truncated = None, True
        while truncated:
            items, markers = fetch(marker)
            found += items
            truncated, marker = markers["IsTruncated"], markers.get("Marker")
            assert truncated == (marker is not None)
        assert found == NAMES


def test_a_page_has_a_hundred_items_unless_said() -> None:
    assert page_of(range(101), FIRST_PAGE)[1]["IsTruncated"]
    assert not page_of(range(100), FIRST_PAGE)[1]["IsTruncated"]


@pytest.mark.parametrize("marker", ["!", "ü", "/w==", "YWJj"])
def test_a_marker_that_is_none_is_refused(marker: str) -> None:
    with pytest.raises(IAMError, match="Invalid Marker"):
        page_of(NAMES, Page(marker, 1))
