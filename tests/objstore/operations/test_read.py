from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.frames import TamperedError
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations.read import Overrides, Selection
from objstore.storage import index
from objstore.storage.records import BlobDamagedError, BlobMissingError
from objstore.transfer.conditions import ReadConditions
from objstore.transfer.content import ContentHeaders

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
SIZE = 2_500_000
DATA = bytes(range(250)) * (SIZE // 250)


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=131071-131072", 131_071, 131_073),
        ("bytes=1000000-2200000", 1_000_000, 2_200_001),
        ("bytes=2499999-", 2_499_999, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=100-99999999", 100, SIZE),
    ],
)
async def test_ranges_of_a_large_object(s3: Any, text: str, start: int, stop: int) -> None:
    await s3.put("k", DATA, encryption=KMS)
    reply, body = await s3.get("k", selection=Selection(range=text))
    assert body == DATA[start:stop]
    assert reply["ContentRange"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert reply["ContentLength"] == stop - start


async def test_ranges_of_small_objects(s3: Any) -> None:
    await s3.put("k", b"0123456789")
    assert (await s3.get("k", selection=Selection(range="bytes=2-4")))[1] == b"234"
    whole, body = await s3.get("k", selection=Selection(range="lines=1-2"))
    assert "ContentRange" not in whole
    assert body == b"0123456789"
    await s3.put("empty", b"")
    for text in ("bytes=0-", "bytes=-1"):
        with pytest.raises(AWSError) as caught:
            await s3.get("empty", selection=Selection(range=text))
        assert caught.value.status == 416
        assert caught.value.fields == {"RangeRequested": text, "ActualObjectSize": "0"}


async def test_a_range_of_another_object_is_the_whole(s3: Any) -> None:
    etag = (await s3.put("k", b"0123456789"))["ETag"]
    for if_range, wanted in (
        (etag, b"234"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", b"234"),
        ('"another"', b"0123456789"),
        (f"W/{etag}", b"0123456789"),
        ("Tue, 14 Nov 2023 22:13:19 GMT", b"0123456789"),
        ("yesterday", b"0123456789"),
    ):
        selection = Selection(range="bytes=2-4", if_range=if_range)
        reply, body = await s3.get("k", selection=selection)
        assert (body, "ContentRange" in reply) == (wanted, len(wanted) == 3), if_range
        head = await s3.call("HeadObject", key="k", selection=selection)
        assert head["ContentLength"] == len(wanted)
    assert (await s3.get("k", selection=Selection(if_range=etag)))[1] == b"0123456789"
    beyond = Selection(range="bytes=10-", if_range='"another"')
    assert (await s3.get("k", selection=beyond))[1] == b"0123456789"


async def test_the_reply_describes_the_object(s3: Any) -> None:
    headers = ContentHeaders(
        content_type="text/plain",
        content_encoding="aws-chunked,gzip",
        expires="Wed, 21 Oct 2026 07:28:00 GMT",
        metadata={"colour": "blue"},
        storage_class="STANDARD_IA",
    )
    await s3.put("k", b"x", headers=headers, encryption=KMS)
    for operation in ("GetObject", "HeadObject"):
        reply = await s3.call(operation, key="k")
        assert reply["ContentType"] == "text/plain"
        assert reply["ContentEncoding"] == "gzip"
        assert reply["Expires"] == "Wed, 21 Oct 2026 07:28:00 GMT"
        assert reply["Metadata"] == {"colour": "blue"}
        assert reply["StorageClass"] == "STANDARD_IA"
        assert reply["ServerSideEncryption"] == "aws:kms"
        assert reply["LastModified"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
        assert "ChecksumCRC64NVME" not in reply


async def test_checksums_on_request(s3: Any) -> None:
    value = checksum(Algorithm.SHA256, b"data")
    await s3.put("k", b"data", checksums=ChecksumHeaders(checksum_sha256=value), encryption=KMS)
    wanted = Selection(checksum_mode="ENABLED")
    for operation in ("GetObject", "HeadObject"):
        reply = await s3.call(operation, key="k", selection=wanted)
        assert (reply["ChecksumSHA256"], reply["ChecksumType"]) == (value, "FULL_OBJECT")
    ranged, _ = await s3.get("k", selection=Selection(range="bytes=0-1", checksum_mode="ENABLED"))
    assert "ChecksumSHA256" not in ranged
    for everything in ("bytes=0-", "bytes=0-99", "bytes=-4", "bytes=-99"):
        selection = Selection(range=everything, checksum_mode="ENABLED")
        assert (await s3.get("k", selection=selection))[0]["ChecksumSHA256"] == value


async def test_head_without_the_key_leaves_the_checksum_out(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("k", b"data", encryption=KMS)

    def refuse(*arguments: Any, **named: Any) -> bytearray:
        raise AWSError("AccessDenied", status=403)

    monkeypatch.setattr(type(s3.services.data_keys), "open", refuse)
    reply = await s3.call("HeadObject", key="k", selection=Selection(checksum_mode="ENABLED"))
    assert reply["ContentLength"] == 4
    assert "ChecksumCRC64NVME" not in reply
    with pytest.raises(AWSError, match="AccessDenied"):
        await s3.get("k")


async def test_conditions_come_before_the_key(s3: Any) -> None:
    put = await s3.put("k", b"data")
    with pytest.raises(AWSError) as caught:
        await s3.get("k", conditions=ReadConditions(if_none_match=put["ETag"]))
    assert caught.value.status == 304
    assert caught.value.headers["ETag"] == put["ETag"]
    later = datetime(2023, 11, 15, tzinfo=UTC)
    with pytest.raises(AWSError) as caught:
        await s3.get("k", conditions=ReadConditions(if_unmodified_since=later - timedelta(2)))
    assert caught.value.fields == {"Condition": "If-Unmodified-Since"}


@pytest.mark.parametrize(
    ("version_id", "code"),
    [("null", None), ("a" * 32, "InvalidArgument"), ("?", "InvalidArgument")],
)
async def test_versions(s3: Any, version_id: str, code: str | None) -> None:
    await s3.put("k", b"data")
    selection = Selection(version_id=version_id)
    if code is None:
        assert (await s3.get("k", selection=selection))[1] == b"data"
    else:
        with pytest.raises(AWSError, match=code):
            await s3.get("k", selection=selection)


async def test_overrides_need_a_signature(s3: Any) -> None:
    await s3.put("k", b"data")
    overrides = Overrides(
        response_content_type="text/css", response_expires=datetime(2026, 1, 2, tzinfo=UTC)
    )
    reply, _ = await s3.get("k", overrides=overrides)
    assert reply["ContentType"] == "text/css"
    assert reply["Expires"] == "Fri, 02 Jan 2026 00:00:00 GMT"
    latin = Overrides(response_content_disposition="filename=é")
    assert (await s3.get("k", overrides=latin))[0]["ContentDisposition"] == "filename=é"
    with pytest.raises(AWSError, match="cannot be represented using ISO-8859-1") as caught:
        await s3.get("k", overrides=Overrides(response_cache_control="—"))
    assert caught.value.fields == {
        "ArgumentName": "response-cache-control",
        "ArgumentValue": "—",
    }
    s3.caller = type(s3.caller)(ANONYMOUS, "", "us-east-1", "0")
    with pytest.raises(AWSError, match="InvalidRequest"):
        await s3.get("k", overrides=overrides)


async def test_part_numbers_of_an_object_without_parts(s3: Any) -> None:
    await s3.put("k", b"data")
    reply, body = await s3.get("k", selection=Selection(part_number=1))
    assert (body, reply["ContentRange"]) == (b"data", "bytes 0-3/4")
    with pytest.raises(AWSError) as caught:
        await s3.get("k", selection=Selection(part_number=2))
    assert (caught.value.code, caught.value.status) == ("InvalidPartNumber", 416)
    with pytest.raises(AWSError, match="InvalidRequest"):
        await s3.get("k", selection=Selection(part_number=1, range="bytes=0-1"))


async def test_a_replaced_blob_is_looked_for_once_more(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("k", DATA)
    opened = type(s3.store).open_blob
    misses = [BlobMissingError("first")]

    def open_blob(store: Any, ref: Any) -> Any:
        if misses:
            raise misses.pop()
        return opened(store, ref)

    monkeypatch.setattr(type(s3.store), "open_blob", open_blob)
    assert (await s3.get("k"))[1] == DATA
    misses += [BlobMissingError("1"), BlobMissingError("2")]
    with pytest.raises(BlobMissingError):
        await s3.get("k")


@pytest.mark.parametrize("at", [64, 200_000, 1_900_000])
async def test_rot_never_leaves_the_house(s3: Any, at: int) -> None:
    await s3.put("k", DATA, encryption=KMS)
    (blob,) = (path for path in (s3.folder / "blobs").rglob("*") if path.is_file())
    sealed = bytearray(blob.read_bytes())
    sealed[at] ^= 1
    blob.write_bytes(sealed)
    received = bytearray()

    async def read() -> None:
        reply = await s3.call("GetObject", key="k")
        async for batch in reply["Body"]:
            received.extend(batch)

    with pytest.raises(TamperedError):
        await read()
    assert DATA.startswith(received)


SMALL = b"the quick brown fox"


async def answers(s3: Any, key: str = "k") -> bytes | None:
    """What a GET answers; None if it refuses."""
    try:
        return bytes((await s3.get(key))[1])
    except (TamperedError, BlobDamagedError, AWSError):
        return None


@pytest.mark.parametrize("encryption", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
async def test_no_bit_of_a_blob_can_be_flipped(s3: Any, encryption: Any) -> None:
    s3.store.inline_bytes_max = 0
    await s3.put("k", SMALL, encryption=encryption)
    (blob,) = s3.blob_files()
    sealed = blob.read_bytes()
    assert len(sealed) == 128 + len(SMALL) + 16
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            blob.write_bytes(changed)
            assert await answers(s3) is None, f"byte {at}, bit {bit}"
    for length in range(len(sealed)):
        blob.write_bytes(sealed[:length])
        assert await answers(s3) is None, f"{length} bytes"
    blob.write_bytes(sealed + b"\0")
    assert await answers(s3) is None
    blob.write_bytes(sealed)
    assert await answers(s3) == SMALL


async def test_blobs_cannot_be_exchanged(s3: Any) -> None:
    s3.store.inline_bytes_max = 0
    for key, data in (("k", SMALL), ("other", SMALL[::-1])):
        await s3.put(key, data, encryption=KMS)
    first, second = s3.blob_files()
    sealed = first.read_bytes(), second.read_bytes()
    first.write_bytes(sealed[1])
    second.write_bytes(sealed[0])
    assert (await answers(s3), await answers(s3, "other")) == (None, None)


@pytest.mark.parametrize("column", ["inline.data", "objects.manifest", "objects.mac"])
async def test_no_bit_of_a_row_can_be_flipped(s3: Any, column: str) -> None:
    await s3.put("k", SMALL, encryption=KMS)
    table, _, name = column.partition(".")
    connection = index.connect(s3.folder)
    rows: Any = connection.execute(f"SELECT {name} FROM {table}").fetchall()
    whole = rows[0][0]
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        connection.execute(f"UPDATE {table} SET {name} = ?", (bytes(changed),))
        assert await answers(s3) is None, f"byte {at}"
    connection.execute(f"UPDATE {table} SET {name} = ?", (whole,))
    connection.close()
    assert await answers(s3) == SMALL
