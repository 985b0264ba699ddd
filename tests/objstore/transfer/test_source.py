from dataclasses import replace
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import decode, open_manifest_checksums
from objstore.crypt.sse import EncryptionHeaders
from objstore.storage.records import StoredObject
from objstore.transfer import source
from objstore.transfer.source import (
    check_copied_size,
    copy_source,
    find,
    open_key,
    parse_copy_source,
    plaintext,
)

KMS = EncryptionHeaders(server_side_encryption="aws:kms")


def call_of(s3: Any) -> Call:
    return Call(s3.caller, s3.services, s3._authorize, s3.bucket, s3.trace)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bucket/key", ("bucket", "key", None)),
        ("/bucket/key", ("bucket", "key", None)),
        ("bucket/a/b//c", ("bucket", "a/b//c", None)),
        ("bucket//leading", ("bucket", "/leading", None)),
        ("bucket/a%20b%2Bc", ("bucket", "a b+c", None)),
        ("bucket/a+b", ("bucket", "a b", None)),
        ("bucket%2Fkey", ("bucket", "key", None)),
        ("bucket/%C3%BC", ("bucket", "ü", None)),
        ("bucket/key?versionId=abc", ("bucket", "key", "abc")),
        ("bucket/key?versionId=", ("bucket", "key", "")),
        ("bucket/a%3FversionId=b", ("bucket", "a?versionId=b", None)),
        ("bucket/a%2525", ("bucket", "a%25", None)),
        ("bucket", None),
        ("bucket/", None),
        ("/", None),
        ("", None),
        ("bucket/%FF", None),
    ],
)
def test_names_of_sources(text: str, wanted: tuple[str, str, str | None] | None) -> None:
    if wanted is not None:
        assert parse_copy_source(text) == wanted
        return
    with pytest.raises(AWSError) as caught:
        parse_copy_source(text)
    named = {"ArgumentName": "x-amz-copy-source", "ArgumentValue": "x-amz-copy-source"}
    assert caught.value.fields == named


@pytest.mark.parametrize(
    ("key", "version_id", "code", "status"),
    [
        ("k", None, None, 0),
        ("k", "null", None, 0),
        ("none", None, "NoSuchKey", 404),
        ("none", "null", "NoSuchVersion", 404),
        ("k" * 1025, None, "KeyTooLongError", 400),
    ],
)
async def test_finding(
    s3: Any, key: str, version_id: str | None, code: str | None, status: int
) -> None:
    await s3.put("k", b"data")
    if code is None:
        assert find(call_of(s3), s3.bucket, key, version_id).size == 4
        return
    with pytest.raises(AWSError) as caught:
        find(call_of(s3), s3.bucket, key, version_id)
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(
    ("version_id", "code", "status"),
    [(None, "NoSuchKey", 404), ("null", "MethodNotAllowed", 405)],
)
async def test_a_delete_marker_is_nothing_to_read(
    s3: Any, version_id: str | None, code: str, status: int
) -> None:
    await s3.put("k", b"data")
    stored = s3.store.object(s3.bucket.bucket_id, b"k")
    await s3.store.put_object(replace(stored, delete_marker=True, blobs=(), inline=None))
    with pytest.raises(AWSError) as caught:
        find(call_of(s3), s3.bucket, "k", version_id)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.headers["x-amz-delete-marker"] == "true"


@pytest.mark.parametrize(
    ("method", "version_id"), [("HEAD", None), ("HEAD", "null"), ("GET", None)]
)
async def test_nothing_is_said_of_markers_where_there_is_none(
    s3: Any, method: str, version_id: str | None
) -> None:
    with pytest.raises(AWSError) as caught:
        find(call_of(s3), s3.bucket, "none", version_id, method=method)
    assert caught.value.status == 404
    assert caught.value.headers == {}


async def row(s3: Any, key: str) -> StoredObject:
    await s3.put(key, b"data", encryption=KMS)
    stored: StoredObject = s3.store.object(s3.bucket.bucket_id, key.encode())
    return stored


async def test_the_key_is_opened_with_the_manifest_verified(s3: Any) -> None:
    stored = await row(s3, "k")
    manifest = decode(stored.manifest)
    data_key = open_key(call_of(s3), s3.bucket, stored, manifest)
    assert len(data_key) == 32
    assert list(open_manifest_checksums(data_key, manifest)) == ["CRC64NVME"]


@pytest.mark.parametrize(
    "field",
    [
        "bucket_id",
        "key",
        "version_id",
        "size",
        "etag",
        "modified_ms",
        "checksum_algorithm",
        "checksum_type",
        "blobs",
        "mac",
        "manifest",
    ],
)
async def test_a_manifest_in_another_row_is_refused(
    s3: Any, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, other = await row(s3, "k"), await row(s3, "other")
    changed: dict[str, Any] = {
        "bucket_id": b"X" * 16,
        "key": b"other",
        "version_id": "1",
        "size": 5,
        "etag": "other",
        "modified_ms": 1,
        "checksum_algorithm": "CRC32",
        "checksum_type": "COMPOSITE",
        "blobs": (),
        "mac": bytes(32),
        "manifest": other.manifest,
    }
    moved = replace(stored, **{field: changed[field]})
    wiped: list[bytearray] = []
    monkeypatch.setattr(source, "wipe", wiped.append)
    with pytest.raises(TamperedError):
        open_key(call_of(s3), s3.bucket, moved, decode(moved.manifest))
    assert len(wiped) == 1, "the data key does not outlive the refusal"


async def test_a_foreign_wrapped_key_opens_nothing(s3: Any) -> None:
    stored = await row(s3, "k")
    manifest = decode(stored.manifest)
    foreign = replace(manifest, wrapped_key=b"\0" * len(manifest.wrapped_key))
    with pytest.raises(TamperedError, match="data key"):
        open_key(call_of(s3), s3.bucket, stored, foreign)


async def test_the_source_of_a_copy(s3: Any) -> None:
    await s3.put("k", b"0123456789" * 20_000)
    found = copy_source(call_of(s3), "/bucket/k", expected_owner="123456789012")
    assert (found.bucket, found.key, found.version_id) == (s3.bucket, "k", None)
    data_key = open_key(call_of(s3), found.bucket, found.stored, found.manifest)
    body = await plaintext(call_of(s3), found, data_key, start=5, stop=150_000)
    assert body.length == 149_995
    data = b"".join([bytes(batch) async for batch in body.batches()])
    assert data == (b"0123456789" * 20_000)[5:150_000]


def test_one_request_copies_five_gibibytes() -> None:
    check_copied_size(5 * 1024**3)
    with pytest.raises(AWSError, match="larger than the maximum") as caught:
        check_copied_size(5 * 1024**3 + 1)
    assert caught.value.code == "InvalidRequest"


async def test_plaintext_of_a_small_source(s3: Any) -> None:
    await s3.put("k", b"0123456789")
    found = copy_source(call_of(s3), "bucket/k", expected_owner=None)
    data_key = open_key(call_of(s3), found.bucket, found.stored, found.manifest)
    body = await plaintext(call_of(s3), found, data_key, start=2, stop=5)
    assert [bytes(batch) async for batch in body.batches()] == [b"234"]


async def test_a_missing_source_tells_nothing_to_strangers(s3: Any) -> None:
    s3.refuse = lambda action, key: AWSError("AccessDenied", status=403)
    with pytest.raises(AWSError, match="AccessDenied"):
        copy_source(call_of(s3), "bucket/none", expected_owner=None)
    with pytest.raises(AWSError, match="NoSuchBucket"):
        copy_source(call_of(s3), "nowhere/none", expected_owner=None)
