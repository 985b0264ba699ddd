import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.crypt.manifest import decode
from objstore.crypt.sse import EncryptionHeaders
from objstore.errors import S3Error
from objstore.operations.copy import SourceNamed
from objstore.operations.rename import Destination, RenameSource
from objstore.transfer.attributes import AttributeHeaders
from objstore.transfer.content import ContentHeaders

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
BUCKET_KEY = EncryptionHeaders(server_side_encryption="aws:kms", bucket_key_enabled=True)
DSSE = EncryptionHeaders(server_side_encryption="aws:kms:dsse")
DATA = b"0123456789abcdef" * 20_000
BEFORE = datetime(2023, 11, 1, tzinfo=UTC)
PUT_AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def rename(s3: Any, source: str, key: str, **members: Any) -> Any:
    return await s3.call("RenameObject", key=key, source=RenameSource(source), **members)


@pytest.mark.parametrize(
    "encryption",
    [EncryptionHeaders(), KMS, BUCKET_KEY, DSSE],
    ids=["SSE-S3", "SSE-KMS", "bucket key", "DSSE"],
)
@pytest.mark.parametrize("size", [4, len(DATA)])
async def test_everything_goes_along(s3: Any, size: int, encryption: EncryptionHeaders) -> None:
    headers = ContentHeaders(metadata={"a": "b"}, storage_class="STANDARD_IA")
    tags = AttributeHeaders(tagging="x=1")
    await s3.put("old", DATA[:size], encryption=encryption, headers=headers, attributes=tags)
    before, _ = await s3.get("old")
    blobs = s3.blob_files()
    s3.clock.advance(60)
    await rename(s3, "/bucket/old", "new name")
    after, body = await s3.get("new name")
    assert body == DATA[:size]
    ignored = {"Body"}
    assert {n: v for n, v in after.items() if n not in ignored} == {
        n: v for n, v in before.items() if n not in ignored
    }
    assert s3.blob_files() == blobs
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("old")
    assert (await s3.call("ListObjectsV2"))["KeyCount"] == 1


@pytest.mark.parametrize(
    ("encryption", "before", "after"),
    [
        (KMS, "arn:aws:s3:::bucket/old", "arn:aws:s3:::bucket/new"),
        (BUCKET_KEY, "arn:aws:s3:::bucket", "arn:aws:s3:::bucket/new"),
        (DSSE, "arn:aws:s3:::bucket/old", None),
    ],
    ids=["SSE-KMS", "bucket key", "DSSE"],
)
async def test_the_context_stays_until_the_key_changes(
    s3: Any, encryption: EncryptionHeaders, before: str, after: str | None
) -> None:
    """KMS is asked under the ARN that the object was written under, whatever its name is now."""

    def context() -> str:
        row = s3.store.object(s3.bucket.bucket_id, b"new")
        return str(decode(row.manifest).context["aws:s3:arn"])

    await s3.put("old", DATA, encryption=encryption)
    await rename(s3, "old", "new")
    assert context() == before
    assert (await s3.get("new"))[1] == DATA
    reply = await s3.call("HeadObject", key="new")
    wanted = {"SSEKMS": {"KMSKeyArn": reply["SSEKMSKeyId"]}}
    if after is None:
        with pytest.raises(AWSError):
            await s3.call("UpdateObjectEncryption", key="new", object_encryption=wanted)
        return
    await s3.call("UpdateObjectEncryption", key="new", object_encryption=wanted)
    assert context() == after
    assert (await s3.get("new"))[1] == DATA
    copied = SourceNamed("bucket/new")
    await s3.call("CopyObject", key="copy", named=copied, encryption=encryption)
    assert (await s3.get("copy"))[1] == DATA


@pytest.mark.parametrize("text", ["old%20%C3%BC", "/old%20ü", "bucket/old%20%C3%BC"])
async def test_how_a_source_is_named(s3: Any, text: str) -> None:
    await s3.put("old ü", b"data")
    await rename(s3, text, "new")
    assert (await s3.get("new"))[1] == b"data"
    assert ("s3:DeleteObject", "bucket", "old ü") in s3.authorized


async def test_what_is_replaced_is_gone(s3: Any) -> None:
    await s3.put("old", b"old" * 10_000)
    await s3.put("new", b"new" * 10_000)
    await rename(s3, "old", "new")
    assert (await s3.get("new"))[1] == b"old" * 10_000
    await s3.store.run(s3.store._collect)
    assert len(s3.blob_files()) == 1


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({}, None),
        ({"destination_if_none_match": "*"}, "PreconditionFailed"),
        ({"destination_if_match": "*"}, None),
        ({"destination_if_match": '"other"'}, "PreconditionFailed"),
        ({"destination_if_unmodified_since": BEFORE}, "PreconditionFailed"),
        ({"destination_if_modified_since": PUT_AT}, "PreconditionFailed"),
    ],
)
async def test_conditions_on_what_is_there(
    s3: Any, conditions: dict[str, Any], code: str | None
) -> None:
    await s3.put("old", b"old")
    await s3.put("new", b"new")
    destination = Destination(**conditions)
    if code is None:
        await rename(s3, "old", "new", destination=destination)
        assert (await s3.get("new"))[1] == b"old"
    else:
        with pytest.raises(AWSError, match=code):
            await rename(s3, "old", "new", destination=destination)
        assert (await s3.get("old"))[1] == b"old"


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({"destination_if_none_match": "*"}, None),
        ({"destination_if_unmodified_since": BEFORE}, None),
        ({"destination_if_match": "*"}, "NoSuchKey"),
        ({"destination_if_modified_since": BEFORE}, "PreconditionFailed"),
    ],
)
async def test_conditions_on_what_is_not_there(
    s3: Any, conditions: dict[str, Any], code: str | None
) -> None:
    await s3.put("old", b"old")
    destination = Destination(**conditions)
    if code is None:
        await rename(s3, "old", "new", destination=destination)
    else:
        with pytest.raises(AWSError, match=code):
            await rename(s3, "old", "new", destination=destination)


@pytest.mark.parametrize(
    ("conditions", "header"),
    [
        ({"source_if_match": '"other"'}, "If-Match"),
        ({"source_if_none_match": "*"}, "If-None-Match"),
        ({"source_if_modified_since": PUT_AT}, "If-Modified-Since"),
        ({"source_if_unmodified_since": BEFORE}, "If-Unmodified-Since"),
    ],
)
async def test_conditions_on_the_source(s3: Any, conditions: dict[str, Any], header: str) -> None:
    await s3.put("old", b"old")
    with pytest.raises(AWSError) as caught:
        await s3.call("RenameObject", key="new", source=RenameSource("old", **conditions))
    assert caught.value.fields == {"Condition": f"x-amz-rename-source-{header}"}


@pytest.mark.parametrize(
    ("source", "key", "code"),
    [
        ("none", "new", "NoSuchKey"),
        ("", "new", "InvalidArgument"),
        ("%FF", "new", "InvalidArgument"),
        ("old", "old", "InvalidRequest"),
        ("old", "new/", "InvalidRequest"),
        ("old", "k" * 1025, "KeyTooLongError"),
    ],
)
async def test_refused_names(s3: Any, source: str, key: str, code: str) -> None:
    await s3.put("old", b"old")
    with pytest.raises(AWSError, match=code):
        await rename(s3, source, key)


async def test_buckets_with_versions_do_not_rename(s3: Any) -> None:
    await s3.put("old", b"old")
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Suspended"})
    s3.bucket = s3.store.bucket("bucket")
    with pytest.raises(AWSError, match="InvalidRequest"):
        await rename(s3, "old", "new")


async def test_a_token_makes_repeating_harmless(s3: Any) -> None:
    await s3.put("old", b"old")
    await rename(s3, "old", "new", client_token="token-1")
    await s3.put("old", b"another")
    await rename(s3, "old", "new", client_token="token-1")
    assert (await s3.get("old"))[1] == b"another"
    assert (await s3.get("new"))[1] == b"old"
    for token, code in (("token-1", "IdempotencyParameterMismatch"), ("a b", "InvalidArgument")):
        with pytest.raises(AWSError, match=code):
            await rename(s3, "old", "third", client_token=token)
    await rename(s3, "old", "third", client_token="token-2")


async def test_one_of_two_renames_wins(s3: Any) -> None:
    await s3.put("old", b"old")
    results = await asyncio.gather(
        *(rename(s3, "old", f"new{n}") for n in range(4)), return_exceptions=True
    )
    lost = [error.code for error in results if isinstance(error, AWSError)]
    assert len(lost) == 3
    assert set(lost) <= {"ConditionalRequestConflict", "NoSuchKey"}
    assert (await s3.call("ListObjectsV2"))["KeyCount"] == 1


async def test_who_may_not_delete_may_not_rename(s3: Any) -> None:
    await s3.put("old", b"old")
    s3.refuse = lambda action, _: S3Error("AccessDenied") if action == "s3:DeleteObject" else None
    with pytest.raises(AWSError, match="AccessDenied"):
        await rename(s3, "old", "new")
