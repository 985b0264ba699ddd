from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.errors import S3Error
from objstore.operations.copy import Directives, SourceNamed
from objstore.operations.multipart import CopiedPart
from objstore.operations.read import Selection
from objstore.transfer.attributes import AttributeHeaders

TAG_SET = [{"Key": "team", "Value": "blue"}, {"Key": "tier", "Value": ""}]
HEADERS = AttributeHeaders(tagging="team=blue&tier=")


async def tags_of(s3: Any, key: str, **members: Any) -> Any:
    return (await s3.call("GetObjectTagging", key=key, **members))["TagSet"]


async def test_an_object_is_tagged_and_untagged(s3: Any) -> None:
    await s3.put("k", b"data" * 10_000)
    assert await tags_of(s3, "k") == []
    await s3.call("PutObjectTagging", key="k", tagging={"TagSet": TAG_SET})
    assert await tags_of(s3, "k") == TAG_SET
    reply, body = await s3.get("k")
    assert (reply["TagCount"], body) == (2, b"data" * 10_000)
    assert (await s3.call("HeadObject", key="k"))["TagCount"] == 2
    await s3.call("DeleteObjectTagging", key="k")
    assert await tags_of(s3, "k") == []
    assert "TagCount" not in (await s3.get("k"))[0]


async def test_tags_come_with_the_object(s3: Any) -> None:
    await s3.put("k", b"", attributes=HEADERS)
    assert await tags_of(s3, "k") == TAG_SET
    assert s3.authorized[0] == ("s3:PutObjectTagging", "bucket", "k")
    await s3.put("k", b"")
    assert await tags_of(s3, "k") == []


async def test_tags_wait_for_the_end_of_an_upload(s3: Any) -> None:
    await s3.put("piece", b"data")
    created = await s3.call("CreateMultipartUpload", key="k", attributes=HEADERS)
    upload = {"key": "k", "upload_id": created["UploadId"]}
    copied = CopiedPart("bucket/piece")
    part = await s3.call("UploadPartCopy", **upload, part_number=1, copied=copied)
    document = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    await s3.call("CompleteMultipartUpload", **upload, multipart_upload=document)
    assert await tags_of(s3, "k") == TAG_SET


async def test_each_version_has_tags_of_its_own(s3: Any) -> None:
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    s3.bucket = s3.store.bucket("bucket")
    old = (await s3.put("k", b"1", attributes=HEADERS))["VersionId"]
    new = (await s3.put("k", b"2"))["VersionId"]
    reply = await s3.call(
        "PutObjectTagging", key="k", tagging={"TagSet": TAG_SET[:1]}, version_id=new
    )
    assert reply["VersionId"] == new
    assert await tags_of(s3, "k", version_id=old) == TAG_SET
    assert await tags_of(s3, "k") == TAG_SET[:1]
    await s3.call("DeleteObjectTagging", key="k", version_id=old)
    assert await tags_of(s3, "k", version_id=old) == []
    await s3.call("DeleteObject", key="k")
    nothing: dict[str, Any] = {"tagging": {"TagSet": []}}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("PutObjectTagging", nothing, "MethodNotAllowed"),
        ("GetObjectTagging", {}, "MethodNotAllowed"),
        ("DeleteObjectTagging", {}, "MethodNotAllowed"),
        ("PutObjectTagging", {**nothing, "version_id": "a" * 32}, "NoSuchVersion"),
    ]
    for operation, members, code in calls:
        with pytest.raises(AWSError, match=code) as caught:
            await s3.call(operation, key="k", **members)
        if code == "MethodNotAllowed":
            method = operation.removesuffix("ObjectTagging").upper()
            assert caught.value.fields == {"Method": method, "ResourceType": "DeleteMarker"}


@pytest.mark.parametrize(
    ("directive", "headers", "expected"),
    [
        (None, AttributeHeaders(), TAG_SET),
        ("COPY", AttributeHeaders(tagging="other=1"), TAG_SET),
        ("REPLACE", AttributeHeaders(tagging="a=1"), [{"Key": "a", "Value": "1"}]),
        ("REPLACE", AttributeHeaders(), []),
    ],
)
async def test_copies_take_tags_over_or_not(
    s3: Any, directive: str | None, headers: AttributeHeaders, expected: list[Any]
) -> None:
    await s3.put("from", b"x", attributes=HEADERS)
    s3.authorized.clear()
    await s3.call(
        "CopyObject",
        key="to",
        named=SourceNamed("bucket/from"),
        directives=Directives(tagging_directive=directive),
        attributes=headers,
    )
    assert await tags_of(s3, "to") == expected
    taken_over = ("s3:GetObjectTagging", "bucket", "from") in s3.authorized
    assert taken_over is (directive != "REPLACE")


async def test_who_may_not_see_tags_is_not_told_of_them(s3: Any) -> None:
    await s3.put("k", b"x", attributes=HEADERS)
    s3.refuse = lambda action, _: S3Error("AccessDenied") if "Tagging" in action else None
    assert "TagCount" not in (await s3.get("k"))[0]
    with pytest.raises(AWSError, match="AccessDenied"):
        await s3.put("k", b"y", attributes=HEADERS)
    assert (await s3.get("k", selection=Selection()))[1] == b"x"


async def test_a_bucket_is_tagged_and_untagged(s3: Any) -> None:
    async def tagged() -> Any:
        s3.bucket = s3.store.bucket("bucket")
        return (await s3.call("GetBucketTagging"))["TagSet"]

    calls: list[tuple[str, dict[str, Any]]] = [
        ("DeleteBucketTagging", {}),
        ("PutBucketTagging", {"tagging": {"TagSet": []}}),
    ]
    for operation, members in calls:
        await s3.call("PutBucketTagging", tagging={"TagSet": TAG_SET})
        assert await tagged() == TAG_SET
        await s3.call(operation, **members)
        with pytest.raises(AWSError) as caught:
            await tagged()
        assert (caught.value.status, caught.value.code) == (404, "NoSuchTagSet")
        assert caught.value.fields == {"BucketName": "bucket"}
