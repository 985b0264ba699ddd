from collections.abc import Callable
from pathlib import Path

import pytest

from objstore.storage import index_sweep
from objstore.storage.index import connect, prepare
from objstore.storage.records import Part, StoredObject, Upload
from objstore.storage.store import Store, inline_blob


async def test_references_visits_every_version_and_part_once(
    store: Store,
    make_object: Callable[..., StoredObject],
    make_upload: Callable[..., Upload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_sweep, "PAGE_ROWS", 2)
    for key, version in ((b"", "a"), (b"k", "a"), (b"k", "b"), (b"k", "c"), (b"l", "null")):
        await store.put_object(make_object(key, version_id=version))
    await store.create_upload(make_upload())
    for number in (1, 2, 3):
        ref = inline_blob(b"p", bytes((number,)) * 16)
        await store.put_part(Part("u", number, 1, "e", 1, ref, b"s", b"p"))
    connection = connect(store.folder, read_only=True)
    subjects = [subject for subject, _ in index_sweep.references(connection)]
    assert len(subjects) == len(set(subjects)) == 8
    assert index_sweep.count_blobs(connection) == 3
    connection.close()


def test_a_sound_index_has_nothing_to_report(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    prepare(connection)
    assert index_sweep.integrity(connection) == []
    assert index_sweep.directories(connection) == []
    connection.close()
