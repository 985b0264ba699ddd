from collections.abc import Callable

import pytest

from objstore.storage import index_writes
from objstore.storage.index_writes import Freed
from objstore.storage.records import (
    Bucket,
    BucketExistsError,
    BucketMissingError,
    BucketNotEmptyError,
    Part,
    StoredObject,
    StoreError,
    Upload,
    UploadChangedError,
    UploadMissingError,
)
from objstore.storage.store import Store, inline_blob

BUCKET = b"B" * 16
PHOTOS = Bucket("photos", BUCKET, "123456789012", "us-east-1", 0)
MakeObject = Callable[..., StoredObject]


class RefusedError(Exception):
    """What a condition of these tests raises."""


async def test_a_name_is_taken_once(store: Store) -> None:
    with pytest.raises(BucketExistsError) as caught:
        await store.create_bucket(Bucket("photos", b"X" * 16, "2", "r", 0))
    assert caught.value.bucket == PHOTOS


async def test_uploads_of_many_parts_go_in_several_transactions(
    store: Store,
    make_upload: Callable[..., Upload],
    make_part: Callable[..., Part],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_writes, "PARTS_ABORTED_MAX", 2)
    for upload_id in ("0", "1"):
        await store.create_upload(make_upload(upload_id=upload_id))
        for number in (1, 2):
            await store.put_part(make_part(number, upload_id=upload_id))

    async def delete_some() -> bool:
        return await store._committer.commit(
            lambda c: index_writes.delete_bucket(c, PHOTOS, Freed())
        )

    assert not await delete_some()
    assert (store.upload("0"), store.upload("1") is None) == (None, False)
    assert not await delete_some()
    assert await delete_some()
    assert store.bucket("photos") is None


async def test_only_an_empty_bucket_goes_and_its_uploads_with_it(
    store: Store,
    make_object: MakeObject,
    make_upload: Callable[..., Upload],
    make_part: Callable[..., Part],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_writes, "UPLOADS_ABORTED_MAX", 2)
    await store.put_object(make_object())
    for number in range(4):
        await store.create_upload(make_upload(upload_id=str(number)))
    await store.put_part(make_part(1, upload_id="3"))
    with pytest.raises(BucketNotEmptyError):
        await store.delete_bucket(PHOTOS)
    assert store.upload("0") is not None
    await store.delete_object(BUCKET, b"k", version_id="null")
    await store.delete_bucket(PHOTOS)
    assert [store.upload(str(number)) for number in range(4)] == [None] * 4
    assert store.part("3", 1) is None
    for write in (
        store.delete_bucket(PHOTOS),
        store.put_object(make_object()),
        store.create_upload(make_upload()),
        store.update_bucket("photos", lambda old: old),
    ):
        with pytest.raises(BucketMissingError):
            await write


async def test_conditions_are_judged_in_the_transaction(
    store: Store, make_object: MakeObject
) -> None:
    seen: list[str | None] = []

    def absent(old: StoredObject | None) -> None:
        seen.append(old.etag if old else None)
        if old is not None:
            raise RefusedError

    await store.put_object(make_object(), check=absent)
    with pytest.raises(RefusedError):
        await store.put_object(make_object(etag="second"), check=absent)
    with pytest.raises(RefusedError):
        await store.delete_object(BUCKET, b"k", version_id=None, check=absent)
    assert seen == [None, "e", "e"]
    found = store.object(BUCKET, b"k")
    assert found is not None
    assert found.etag == "e"


async def test_versions_stand_beside_the_one_null_version(
    store: Store, make_object: MakeObject
) -> None:
    for version in ("null", "v1", "null", "v2"):
        await store.put_object(make_object(version_id=version))
    newest = store.object(BUCKET, b"k")
    assert newest is not None
    assert newest.version_id == "v2"
    await store.delete_object(BUCKET, b"k", version_id="v2")
    newest = store.object(BUCKET, b"k")
    assert newest is not None
    assert newest.version_id == "null"
    assert await store.delete_object(BUCKET, b"k", version_id=None) is not None
    assert await store.delete_object(BUCKET, b"k", version_id=None) is None
    assert store.object(BUCKET, b"k", "v1") is not None


async def test_a_rewritten_row_may_keep_its_blob(store: Store, make_object: MakeObject) -> None:
    ref = inline_blob(b"x", b"i" * 16)
    await store.put_object(make_object(blobs=(ref,), inline=b"x"))
    await store.put_object(make_object(blobs=(ref,), etag="again"))
    found = store.object(BUCKET, b"k")
    assert found is not None
    assert (found.etag, found.inline) == ("again", b"x")


async def test_completion_takes_exactly_the_parts_it_names(
    store: Store, make_object: MakeObject, make_upload: Callable[..., Upload]
) -> None:
    await store.create_upload(make_upload())
    refs = [inline_blob(b"p", bytes((number,)) * 16) for number in (1, 2)]
    for number, ref in enumerate(refs, 1):
        await store.put_part(Part("u", number, 1, "e", 1, ref, b"s", b"p"))
    wrong: tuple[tuple[list[int], tuple[object, ...]], ...] = (
        ([1, 3], tuple(refs)),
        ([2, 1], tuple(refs)),
        ([1], tuple(refs)),
    )
    for numbers, blobs in wrong:
        with pytest.raises(UploadChangedError):
            await store.complete_upload("u", numbers, make_object(blobs=blobs))
    await store.complete_upload("u", [1], make_object(blobs=(refs[0],)))
    found = store.object(BUCKET, b"k")
    assert found is not None
    assert found.inline == b"p"
    with pytest.raises(StoreError):
        store.open_blob(refs[1])


async def test_what_ended_stays_ended(
    store: Store, make_object: MakeObject, make_upload: Callable[..., Upload]
) -> None:
    await store.create_upload(make_upload())
    await store.abort_upload("u")
    part = Part("u", 1, 1, "e", 1, inline_blob(b"p", b"i" * 16), b"s", b"p")
    for write in (
        store.put_part(part),
        store.abort_upload("u"),
        store.complete_upload("u", [], make_object()),
    ):
        with pytest.raises(UploadMissingError):
            await write
