from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.sse import ACCEPTING_SSE_C, DEFAULT_ENCRYPTION, EncryptionHeaders
from objstore.operations.copy import Directives, SourceNamed
from objstore.operations.read import Selection
from objstore.storage.records import BlobMissingError
from objstore.transfer.conditions import CopySourceConditions, WriteConditions
from objstore.transfer.content import ContentHeaders

PLAIN = EncryptionHeaders()
KMS = EncryptionHeaders(server_side_encryption="aws:kms")
REPLACE = Directives(metadata_directive="REPLACE")
DATA = b"0123456789abcdef" * 20_000
PUT_AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
BEFORE, AFTER = datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)


async def copy(s3: Any, source: str, key: str, **members: Any) -> Any:
    return await s3.call("CopyObject", key=key, named=SourceNamed(source), **members)


@pytest.mark.parametrize("target", [PLAIN, KMS], ids=["to SSE-S3", "to SSE-KMS"])
@pytest.mark.parametrize("source", [PLAIN, KMS], ids=["from SSE-S3", "from SSE-KMS"])
@pytest.mark.parametrize("size", [0, 10, len(DATA)])
async def test_every_mode_is_copied_to_every_mode(
    s3: Any, size: int, source: EncryptionHeaders, target: EncryptionHeaders
) -> None:
    data = DATA[:size]
    await s3.put("from", data, encryption=source)
    reply = await copy(s3, "bucket/from", "to", encryption=target)
    result = reply["CopyObjectResult"]
    got, body = await s3.get("to")
    assert body == data
    assert got["ETag"] == result["ETag"]
    assert result["ChecksumCRC64NVME"] == checksum(Algorithm.CRC64NVME, data)
    assert got["ServerSideEncryption"] == ("aws:kms" if target == KMS else "AES256")
    assert reply["ServerSideEncryption"] == got["ServerSideEncryption"]
    assert (result["ETag"] == f'"{md5(data).hexdigest()}"') is (target == PLAIN)


async def test_the_copy_has_a_key_and_a_context_of_its_own(s3: Any) -> None:
    await s3.put("from", DATA, encryption=KMS)
    await copy(s3, "bucket/from", "to", encryption=KMS)
    steps = {step["step"]: step for step in s3.trace.steps}
    assert steps["GenerateDataKey"]["encryption_context"] == {
        "aws:s3:arn": "arn:aws:s3:::bucket/to"
    }
    await s3.call("DeleteObject", key="from")
    assert (await s3.get("to"))[1] == DATA


async def test_what_describes_the_source_comes_along(s3: Any) -> None:
    headers = ContentHeaders(
        content_type="text/plain",
        cache_control="no-cache",
        metadata={"colour": "blue"},
        storage_class="STANDARD_IA",
        website_redirect_location="/elsewhere",
    )
    await s3.put("from", b"x", headers=headers)
    ignored = ContentHeaders(content_type="image/png", metadata={"colour": "red"})
    await copy(s3, "bucket/from", "to", headers=ignored)
    reply = await s3.call("HeadObject", key="to")
    assert (reply["ContentType"], reply["CacheControl"]) == ("text/plain", "no-cache")
    assert reply["Metadata"] == {"colour": "blue"}
    assert reply["StorageClass"] is None
    assert "WebsiteRedirectLocation" not in reply


async def test_what_describes_the_source_is_replaced(s3: Any) -> None:
    await s3.put("from", b"x", headers=ContentHeaders(content_type="text/plain"))
    headers = ContentHeaders(metadata={"a": "b"}, storage_class="ONEZONE_IA")
    await copy(s3, "bucket/from", "to", headers=headers, directives=REPLACE)
    reply = await s3.call("HeadObject", key="to")
    assert (reply["ContentType"], reply["Metadata"]) == ("binary/octet-stream", {"a": "b"})
    assert reply["StorageClass"] == "ONEZONE_IA"


async def test_the_checksum_algorithm_is_the_sources_unless_asked(s3: Any) -> None:
    value = checksum(Algorithm.SHA1, b"data")
    await s3.put("from", b"data", checksums=ChecksumHeaders(checksum_sha1=value))
    same = await copy(s3, "bucket/from", "to")
    assert same["CopyObjectResult"]["ChecksumSHA1"] == value
    other = await copy(s3, "bucket/from", "to", directives=Directives(checksum_algorithm="CRC32C"))
    wanted = checksum(Algorithm.CRC32C, b"data")
    assert other["CopyObjectResult"]["ChecksumCRC32C"] == wanted
    selection = Selection(checksum_mode="ENABLED")
    assert (await s3.get("to", selection=selection))[0]["ChecksumCRC32C"] == wanted


@pytest.mark.parametrize(
    "members",
    [
        {"directives": REPLACE},
        {"headers": ContentHeaders(storage_class="STANDARD_IA")},
        {"headers": ContentHeaders(website_redirect_location="/x")},
        {"encryption": KMS},
    ],
    ids=["metadata", "storage class", "redirect", "encryption"],
)
async def test_a_copy_onto_itself_must_change_something(s3: Any, members: dict[str, Any]) -> None:
    await s3.put("k", DATA)
    with pytest.raises(AWSError) as caught:
        await copy(s3, "/bucket/k", "k")
    assert (caught.value.code, caught.value.status) == ("InvalidRequest", 400)
    assert "copy an object to itself" in caught.value.message
    await copy(s3, "/bucket/k", "k", **members)
    assert (await s3.get("k"))[1] == DATA


async def test_a_default_of_the_bucket_s_own_counts_as_a_change(s3: Any) -> None:
    await s3.put("k", DATA, encryption=EncryptionHeaders(server_side_encryption="aws:kms"))
    # The copy is under SSE-S3, which is a change as well.
    assert "CopyObjectResult" in await copy(s3, "/bucket/k", "k")
    await configure(s3, ACCEPTING_SSE_C)  # what a new bucket of some servers has
    with pytest.raises(AWSError, match="InvalidRequest"):
        await copy(s3, "/bucket/k", "k")
    await configure(s3, DEFAULT_ENCRYPTION)
    assert "CopyObjectResult" in await copy(s3, "/bucket/k", "k")


async def configure(s3: Any, encryption: Mapping[str, Any]) -> None:
    await s3.call("PutBucketEncryption", server_side_encryption_configuration=encryption)
    s3.bucket = s3.store.bucket("bucket")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("bucket/none", "NoSuchKey"),
        ("nowhere/k", "NoSuchBucket"),
        ("bucket", "InvalidArgument"),
        ("/bucket/", "InvalidArgument"),
        ("bucket/k?versionId=" + "a" * 32, "InvalidArgument"),
    ],
)
async def test_sources_that_are_not_there(s3: Any, source: str, code: str) -> None:
    await s3.put("k", b"x")
    with pytest.raises(AWSError) as caught:
        await copy(s3, source, "to")
    assert caught.value.code == code
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("to")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"directives": Directives(metadata_directive="MERGE")}, "InvalidArgument"),
        ({"directives": Directives(tagging_directive="MERGE")}, "InvalidArgument"),
        ({"directives": Directives(checksum_algorithm="MD4")}, "InvalidRequest"),
        ({"headers": ContentHeaders(storage_class="COLD")}, "InvalidStorageClass"),
        ({"encryption": EncryptionHeaders("aws:kms", "nobodys-key")}, "KMS.NotFoundException"),
        ({"key": "k" * 1025}, "KeyTooLongError"),
    ],
)
async def test_members_that_do_not_fit(s3: Any, members: dict[str, Any], code: str) -> None:
    await s3.put("from", DATA)
    before = s3.blob_files()
    key = members.pop("key", "to")
    with pytest.raises(AWSError) as caught:
        await copy(s3, "bucket/from", key, **members)
    assert caught.value.code == code
    assert s3.blob_files() == before


@pytest.mark.parametrize(
    ("conditions", "header"),
    [
        (CopySourceConditions(copy_source_if_match="ETAG"), None),
        (CopySourceConditions(copy_source_if_match='"other"'), "If-Match"),
        (CopySourceConditions(copy_source_if_none_match="ETAG"), "If-None-Match"),
        (CopySourceConditions(copy_source_if_none_match='"other"'), None),
        (CopySourceConditions(copy_source_if_modified_since=PUT_AT), "If-Modified-Since"),
        (CopySourceConditions(copy_source_if_modified_since=AFTER), None),
        (CopySourceConditions(copy_source_if_modified_since=BEFORE), None),
        (CopySourceConditions(copy_source_if_unmodified_since=BEFORE), "If-Unmodified-Since"),
        (CopySourceConditions(copy_source_if_unmodified_since=PUT_AT), None),
        (
            CopySourceConditions(
                copy_source_if_match="ETAG", copy_source_if_unmodified_since=BEFORE
            ),
            None,
        ),
        (
            CopySourceConditions(
                copy_source_if_none_match="ETAG", copy_source_if_modified_since=BEFORE
            ),
            "If-None-Match",
        ),
    ],
)
async def test_conditions_on_the_source(s3: Any, conditions: Any, header: str | None) -> None:
    etag = (await s3.put("from", b"x"))["ETag"]
    named = {
        name: etag if getattr(conditions, name) == "ETAG" else getattr(conditions, name)
        for name in CopySourceConditions.__slots__
    }
    wanted = CopySourceConditions(**named)
    if header is None:
        await copy(s3, "bucket/from", "to", source_conditions=wanted)
        return
    with pytest.raises(AWSError) as caught:
        await copy(s3, "bucket/from", "to", source_conditions=wanted)
    assert (caught.value.code, caught.value.status) == ("PreconditionFailed", 412)
    assert caught.value.fields == {"Condition": f"x-amz-copy-source-{header}"}


async def test_conditions_on_the_target(s3: Any) -> None:
    await s3.put("from", b"new")
    await s3.put("to", b"old")
    with pytest.raises(AWSError) as caught:
        await copy(s3, "bucket/from", "to", conditions=WriteConditions(if_none_match="*"))
    assert caught.value.status == 412
    assert (await s3.get("to"))[1] == b"old"
    await copy(s3, "bucket/from", "fresh", conditions=WriteConditions(if_none_match="*"))
    assert (await s3.get("fresh"))[1] == b"new"


async def test_the_reading_is_authorized_on_the_source(s3: Any) -> None:
    other = await s3.make_bucket("other")
    await s3.put("from", b"x")
    s3.bucket = other
    await copy(s3, "bucket/from", "to")
    assert ("s3:GetObject", "bucket", "from") in s3.authorized
    s3.refuse = lambda action, key: AWSError("AccessDenied", status=403)
    with pytest.raises(AWSError, match="AccessDenied"):
        await copy(s3, "bucket/from", "again")


async def test_the_expected_owner_of_the_source(s3: Any) -> None:
    await s3.put("from", b"x")
    for owner in ("111122223333", "123456789012"):
        named = SourceNamed("bucket/from", owner)
        if owner == s3.caller.account:
            await s3.call("CopyObject", key="to", named=named)
        else:
            with pytest.raises(AWSError, match="AccessDenied"):
                await s3.call("CopyObject", key="to", named=named)


async def test_a_source_replaced_meanwhile_is_looked_for_once_more(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s3.put("from", DATA)
    opened = type(s3.store).open_blob
    misses = [BlobMissingError("first")]

    def open_blob(store: Any, ref: Any) -> Any:
        if misses:
            raise misses.pop()
        return opened(store, ref)

    monkeypatch.setattr(type(s3.store), "open_blob", open_blob)
    await copy(s3, "bucket/from", "to")
    assert (await s3.get("to"))[1] == DATA
    misses += [BlobMissingError("1"), BlobMissingError("2")]
    with pytest.raises(BlobMissingError):
        await copy(s3, "bucket/from", "again")
