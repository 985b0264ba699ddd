import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.storage import index_listing, index_writes
from objstore.storage.index import connect, prepare
from objstore.storage.index_listing import (
    VERSIONS_STEPPED_MAX,
    Range,
    list_objects,
    list_versions,
    successor,
)
from objstore.storage.index_writes import Freed
from objstore.storage.records import Bucket, StoredObject, Upload
from objstore.storage.store import Store

BUCKET = b"B" * 16
KEYS = st.lists(st.sampled_from([b"a", b"b", b"/", b"\xff", b"\0"]), max_size=4).map(b"".join)
ENTRIES = st.lists(st.tuples(KEYS.filter(bool), st.booleans()), max_size=25)


def fill(entries: list[tuple[bytes, bool]]) -> apsw.Connection:
    with TemporaryDirectory() as folder:
        connection = connect(Path(folder))
        prepare(connection)
        index_writes.create_bucket(connection, Bucket("b", BUCKET, "1", "r", 0))
        with connection:
            for number, (key, marker) in enumerate(entries):
                new = StoredObject(
                    BUCKET, key, f"v{number}", 0, "", 0, "", "", "", b"", b"", (),
                    delete_marker=marker,
                )  # fmt: skip
                index_writes.put_object(connection, new, None, Freed())
    return connection


def model(entries: list[tuple[bytes, bool]], asked: Range, after: bytes) -> list[bytes]:
    """Keys and common prefixes of the whole listing, in order."""
    newest = dict(entries)
    found = set()
    for key in [key for key, marker in newest.items() if not marker]:
        if key.startswith(asked.prefix) and key > after:
            group = asked.common_prefix(key)
            if group is None or group > after:
                found.add(group or key)
    return sorted(found)


def test_successor() -> None:
    assert successor(b"a/") == b"a0"
    assert successor(b"a\xff\xff") == b"b"
    assert successor(b"\xff") is None


@settings(max_examples=60, deadline=None)
@given(
    entries=ENTRIES,
    prefix=KEYS,
    delimiter=st.sampled_from([b"", b"/", b"b/", b"\xff"]),
    after=KEYS,
    limit=st.integers(1, 5),
)
def test_pages_are_the_models(
    entries: list[tuple[bytes, bool]], prefix: bytes, delimiter: bytes, after: bytes, limit: int
) -> None:
    connection = fill(entries)
    asked = Range(BUCKET, prefix, delimiter, limit)
    wanted = model(entries, asked, after)
    found: list[bytes] = []
    position: bytes | None = after
    while position is not None:
        page = list_objects(connection, asked, position)
        names = sorted([*[row.key for row in page.objects], *page.common_prefixes])
        assert len(names) == limit or page.next_after is None
        found += names
        position = page.next_after
    assert found == wanted
    connection.close()


@settings(max_examples=40, deadline=None)
@given(entries=ENTRIES, limit=st.integers(1, 4))
def test_version_pages_hold_every_version_once(
    entries: list[tuple[bytes, bool]], limit: int
) -> None:
    connection = fill(entries)
    asked = Range(BUCKET, b"", b"", limit)
    found: list[tuple[bytes, str]] = []
    latest: list[bytes] = []
    key: bytes | None = b""
    version = ""
    while key is not None:
        page = list_versions(connection, asked, after_key=key, after_version=version)
        found += [(row.key, row.version_id) for row in page.versions]
        latest += [row.key for row, new in zip(page.versions, page.latest, strict=True) if new]
        key, version = page.next_key, page.next_version
    numbered = [(key, number) for number, (key, _) in enumerate(entries)]
    ordered = sorted(numbered, key=lambda item: (item[0], -item[1]))
    assert found == [(key, f"v{number}") for key, number in ordered]
    assert latest == sorted(dict(entries))
    connection.close()


def test_a_deleted_marker_version_starts_its_key_again() -> None:
    connection = fill([(b"k", False)] * 4)
    asked = Range(BUCKET, b"", b"", 2)
    page = list_versions(connection, asked, after_key=b"k", after_version="gone")
    assert [row.version_id for row in page.versions] == ["v3", "v2"]
    connection.close()


def test_the_cost_grows_with_the_page() -> None:
    many = VERSIONS_STEPPED_MAX * 20
    connection = fill(
        [(b"a/%d" % number, False) for number in range(many)] + [(b"b", False)] * many
    )
    steps: list[int] = []

    def step() -> bool:
        steps.append(1)
        return False

    connection.set_progress_handler(step, 20)
    page = list_objects(connection, Range(BUCKET, b"", b"/", 10), b"")
    assert [row.key for row in page.objects] == [b"b"]
    assert page.common_prefixes == (b"a/",)
    assert len(steps) < many
    connection.close()


def test_later_pages_of_one_keys_versions_cost_no_more() -> None:
    many = 2000
    connection = fill([(b"k", False)] * many + [(b"l", False)])
    asked = Range(BUCKET, b"", b"", 2)
    steps: list[int] = []

    def step() -> bool:
        steps.append(1)
        return False

    connection.set_progress_handler(step, 20)
    page = list_versions(connection, asked, after_key=b"k", after_version="v1")
    assert [(row.key, row.version_id) for row in page.versions] == [
        (b"k", "v0"),
        (b"l", f"v{many}"),
    ]
    assert page.latest == (False, True)
    assert page.next_key is None
    assert len(steps) < many // 20
    connection.close()


async def test_uploads_page_by_key_and_id(store: Store, make_upload: Callable[..., Upload]) -> None:
    ids = [("1", b"a"), ("2", b"a"), ("3", b"b/x"), ("4", b"b/y"), ("5", b"c")]
    await asyncio.gather(*[store.create_upload(make_upload(name, key)) for name, key in ids])
    options: dict[str, Any] = {"prefix": b"", "delimiter": b"/", "limit": 1}
    seen: list[str | bytes] = []
    key: bytes | None = b""
    upload = ""
    while key is not None:
        page = store.uploads(BUCKET, after_key=key, after_upload=upload, **options)
        seen += [*[row.upload_id for row in page.uploads], *page.common_prefixes]
        key, upload = page.next_key, page.next_upload
    assert seen == ["1", "2", b"b/", "5"]


def test_a_page_ends_early_where_all_keys_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_listing, "HIDDEN_STEPPED_MAX", 3)
    connection = fill([(bytes((name,)), True) for name in b"abcdefg"] + [(b"h", False)])
    pages, after = [], b""
    while True:
        page = list_objects(connection, Range(BUCKET, b"", b"", 10), after)
        pages.append([stored.key for stored in page.objects])
        if page.next_after is None:
            break
        after = page.next_after
    assert pages == [[], [], [b"h"]]
