from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations import multipart
from objstore.operations.copy import SourceNamed
from objstore.operations.multipart import CopiedPart
from objstore.storage.records import BlobMissingError, NoSpaceError
from objstore.transfer import source
from objstore.transfer.conditions import CopySourceConditions
from objstore.transfer.content import ContentHeaders

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
DATA = b"0123456789abcdef" * 20_000


async def test_an_upload_remembers_what_the_object_will_be(s3: Any) -> None:
    headers = ContentHeaders(
        content_type="text/plain", metadata={"colour": "blue"}, storage_class="STANDARD_IA"
    )
    created = await s3.call("CreateMultipartUpload", key="k", headers=headers, encryption=KMS)
    assert (created["Bucket"], created["Key"]) == ("bucket", "k")
    assert created["ServerSideEncryption"] == "aws:kms"
    assert created["ChecksumAlgorithm"] is None
    upload_id = created["UploadId"]
    part = await s3.part("k", upload_id, 1, DATA)
    assert part["SSEKMSKeyId"] == created["SSEKMSKeyId"]
    await s3.complete("k", upload_id, {1: part["ETag"]})
    reply, body = await s3.get("k")
    assert body == DATA
    assert (reply["ContentType"], reply["Metadata"]) == ("text/plain", {"colour": "blue"})
    assert reply["StorageClass"] == "STANDARD_IA"
    assert reply["SSEKMSKeyId"] == created["SSEKMSKeyId"]


async def test_nothing_is_visible_before_the_completion(s3: Any) -> None:
    upload_id = await s3.begin("k")
    await s3.part("k", upload_id, 1, DATA)
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("k")
    assert (await s3.call("ListObjectsV2"))["KeyCount"] == 0


@pytest.mark.parametrize("size", [0, 10, len(DATA)])
@pytest.mark.parametrize("encryption", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
async def test_the_etag_of_a_part(s3: Any, encryption: EncryptionHeaders, size: int) -> None:
    upload_id = await s3.begin("k", encryption=encryption)
    reply = await s3.part("k", upload_id, 1, DATA[:size])
    assert (reply["ETag"] == f'"{md5(DATA[:size]).hexdigest()}"') is (encryption != KMS)
    assert len(reply["ETag"]) == 34


@pytest.mark.parametrize(
    ("algorithm", "kind", "chosen"),
    [
        (None, None, None),
        ("CRC32", None, "COMPOSITE"),
        ("SHA256", "COMPOSITE", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("CRC64NVME", "COMPOSITE", "InvalidRequest"),
        ("SHA1", "FULL_OBJECT", "InvalidRequest"),
        (None, "FULL_OBJECT", "InvalidRequest"),
        ("MD4", None, "InvalidRequest"),
    ],
)
async def test_checksum_types(
    s3: Any, algorithm: str | None, kind: str | None, chosen: str | None
) -> None:
    members = {"key": "k", "checksum_algorithm": algorithm, "checksum_type": kind}
    if chosen == "InvalidRequest":
        with pytest.raises(AWSError, match=chosen):
            await s3.call("CreateMultipartUpload", **members)
        return
    reply = await s3.call("CreateMultipartUpload", **members)
    assert (reply["ChecksumAlgorithm"], reply["ChecksumType"]) == (algorithm, chosen)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"key": "k" * 1025}, "KeyTooLongError"),
        ({"headers": ContentHeaders(storage_class="COLD")}, "InvalidStorageClass"),
        ({"encryption": EncryptionHeaders("aws:kms", "nobodys-key")}, "KMS.NotFoundException"),
    ],
)
async def test_uploads_that_do_not_begin(s3: Any, members: dict[str, Any], code: str) -> None:
    with pytest.raises(AWSError) as caught:
        await s3.call("CreateMultipartUpload", **{"key": "k", **members})
    assert caught.value.code == code
    assert (await s3.call("ListMultipartUploads"))["Uploads"] == []


@pytest.mark.parametrize(
    ("number", "data", "members", "code"),
    [
        (0, b"x", {}, "InvalidArgument"),
        (10_001, b"x", {}, "InvalidArgument"),
        (1, DATA, {"content_md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"),
        (1, DATA, {"checksums": ChecksumHeaders(checksum_crc32="AAAAAA==")}, "BadDigest"),
        (1, b"x", {"checksums": ChecksumHeaders(checksum_crc32="AAAAAA==")}, "BadDigest"),
    ],
)
async def test_refused_parts_leave_nothing(
    s3: Any, number: int, data: bytes, members: dict[str, Any], code: str
) -> None:
    upload_id = await s3.begin("k")
    with pytest.raises(AWSError) as caught:
        await s3.part("k", upload_id, number, data, **members)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert s3.blob_files() == []
    assert (await s3.call("ListParts", key="k", upload_id=upload_id))["Parts"] == []


async def test_parts_belong_to_one_upload_of_one_key(s3: Any) -> None:
    upload_id = await s3.begin("k")
    for key, upload in (("other", upload_id), ("k", "nobody")):
        with pytest.raises(AWSError) as caught:
            await s3.part(key, upload, 1, b"x")
        assert (caught.value.code, caught.value.status) == ("NoSuchUpload", 404)


async def test_parts_have_a_largest_size(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES_MAX", 3)
    upload_id = await s3.begin("k")
    await s3.part("k", upload_id, 1, b"123")
    with pytest.raises(AWSError) as caught:
        await s3.part("k", upload_id, 1, b"1234")
    assert caught.value.code == "EntityTooLarge"
    assert caught.value.fields == {"ProposedSize": "4", "MaxSizeAllowed": "3"}


async def test_a_checksum_is_shown_to_who_sent_one(s3: Any) -> None:
    upload_id = await s3.begin("k")
    value = checksum(Algorithm.CRC32C, b"data")
    reply = await s3.part(
        "k", upload_id, 1, b"data", checksums=ChecksumHeaders(checksum_crc32_c=value)
    )
    assert reply["ChecksumCRC32C"] == value
    listed = await s3.call("ListParts", key="k", upload_id=upload_id)
    assert "ChecksumCRC32C" not in listed["Parts"][0]


async def test_parts_have_the_checksum_that_the_upload_was_created_with(s3: Any) -> None:
    upload_id = await s3.begin("k", checksum_algorithm="SHA256")
    other = ChecksumHeaders(checksum_crc32_c=checksum(Algorithm.CRC32C, b"data"))
    for sums, sent in ((other, "crc32c"), (ChecksumHeaders(), "null")):
        with pytest.raises(AWSError) as caught:
            await s3.part("k", upload_id, 1, b"data", checksums=sums)
        assert caught.value.message == (
            "Checksum Type mismatch occurred, expected checksum Type: sha256, "
            f"actual checksum Type: {sent}"
        )
    value = checksum(Algorithm.SHA256, b"data")
    await s3.part("k", upload_id, 1, b"data", checksums=ChecksumHeaders(checksum_sha256=value))
    listed = await s3.call("ListParts", key="k", upload_id=upload_id)
    assert listed["Parts"][0]["ChecksumSHA256"] == value
    whole = await s3.begin("k", checksum_algorithm="CRC32", checksum_type="FULL_OBJECT")
    await s3.part("k", whole, 1, b"data")


async def test_an_aborted_upload_takes_no_parts(s3: Any) -> None:
    upload_id = await s3.begin("k", encryption=KMS)
    await s3.part("k", upload_id, 1, DATA)
    await s3.call("AbortMultipartUpload", key="k", upload_id=upload_id)
    with pytest.raises(AWSError, match="NoSuchUpload"):
        await s3.part("k", upload_id, 2, DATA)


async def copy_part(s3: Any, upload_id: str, copied: CopiedPart, **members: Any) -> Any:
    return await s3.call(
        "UploadPartCopy", key="k", upload_id=upload_id, part_number=1, copied=copied, **members
    )


@pytest.mark.parametrize("target", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [(None, 0, len(DATA)), ("bytes=5-200000", 5, 200_001), ("bytes=0-0", 0, 1)],
)
async def test_parts_are_copied(
    s3: Any, text: str | None, start: int, stop: int, target: EncryptionHeaders
) -> None:
    await s3.put("from", DATA, encryption=KMS)
    upload_id = await s3.begin("k", encryption=target, checksum_algorithm="CRC32")
    reply = await copy_part(s3, upload_id, CopiedPart("bucket/from", text))
    result = reply["CopyPartResult"]
    assert result["LastModified"] == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    assert result["ChecksumCRC32"] == checksum(Algorithm.CRC32, DATA[start:stop])
    await s3.complete("k", upload_id, {1: result})
    assert (await s3.get("k"))[1] == DATA[start:stop]


@pytest.mark.parametrize(
    ("copied", "code", "status"),
    [
        (CopiedPart("bucket/none"), "NoSuchKey", 404),
        (CopiedPart("bucket/from", "bytes=0-"), "InvalidArgument", 400),
        (CopiedPart("bucket/from", "bytes=-5"), "InvalidArgument", 400),
        (CopiedPart("bucket/from", "bytes=0-4"), "InvalidArgument", 400),
        (CopiedPart("bucket/from", None, "111122223333"), "AccessDenied", 403),
    ],
)
async def test_parts_that_cannot_be_copied(
    s3: Any, copied: CopiedPart, code: str, status: int
) -> None:
    await s3.put("from", b"data")
    upload_id = await s3.begin("k")
    with pytest.raises(AWSError) as caught:
        await copy_part(s3, upload_id, copied)
    assert (caught.value.code, caught.value.status) == (code, status)


async def test_a_source_too_large_for_one_copy_is_copied_in_parts(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "COPIED_BYTES_MAX", 200_000)
    await s3.put("from", DATA)
    upload_id = await s3.begin("k")
    with pytest.raises(AWSError, match="larger than the maximum"):
        await copy_part(s3, upload_id, CopiedPart("bucket/from"))
    with pytest.raises(AWSError, match="larger than the maximum"):
        await copy_part(s3, upload_id, CopiedPart("bucket/from", "bytes=0-200000"))
    result = (await copy_part(s3, upload_id, CopiedPart("bucket/from", "bytes=0-199999")))[
        "CopyPartResult"
    ]
    await s3.complete("k", upload_id, {1: result})
    assert (await s3.get("k"))[1] == DATA[:200_000]


async def test_a_copy_that_finds_no_room_lets_go_of_its_source(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("from", DATA * 10)
    upload_id = await s3.begin("k")

    def new_blob(store: Any, size: int) -> Any:
        raise NoSpaceError("full")

    monkeypatch.setattr(type(s3.store), "new_blob", new_blob)
    with pytest.raises(AWSError, match="ServiceUnavailable"):
        await copy_part(s3, upload_id, CopiedPart("bucket/from"))
    with pytest.raises(AWSError, match="ServiceUnavailable"):
        await s3.call("CopyObject", key="k", named=SourceNamed("bucket/from"))
    assert open_blobs(s3.folder) == []


def open_blobs(folder: Path) -> list[str]:
    """The blob files that this process has open."""
    links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [str(link) for link in links if link.is_relative_to(folder / "blobs")]


async def test_conditions_on_the_source_of_a_part(s3: Any) -> None:
    etag = (await s3.put("from", b"data"))["ETag"]
    upload_id = await s3.begin("k")
    copied = CopiedPart("bucket/from")
    matching = CopySourceConditions(copy_source_if_match=etag)
    await copy_part(s3, upload_id, copied, conditions=matching)
    other = CopySourceConditions(copy_source_if_none_match=etag)
    with pytest.raises(AWSError) as caught:
        await copy_part(s3, upload_id, copied, conditions=other)
    assert caught.value.fields == {"Condition": "x-amz-copy-source-If-None-Match"}


async def test_a_source_replaced_meanwhile_is_looked_for_once_more(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("from", DATA)
    upload_id = await s3.begin("k")
    opened = type(s3.store).open_blob
    misses = [BlobMissingError("first")]

    def open_blob(store: Any, ref: Any) -> Any:
        if misses:
            raise misses.pop()
        return opened(store, ref)

    monkeypatch.setattr(type(s3.store), "open_blob", open_blob)
    assert await copy_part(s3, upload_id, CopiedPart("bucket/from"))
