from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.sse import EncryptionHeaders
from objstore.errors import S3Error

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
FIRST, LAST = bytes(5 * 1024**2), b"the end"


async def attributes_of(s3: Any, *names: str, **members: Any) -> Any:
    wanted = list(names) or ALL
    return await s3.call("GetObjectAttributes", key="k", object_attributes=wanted, **members)


@pytest.mark.parametrize("encryption", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
async def test_an_object_without_parts(s3: Any, encryption: EncryptionHeaders) -> None:
    put = await s3.put("k", b"data", encryption=encryption)
    reply = await attributes_of(s3)
    assert reply["ETag"] == put["ETag"].strip('"')
    assert (reply["ObjectSize"], reply["StorageClass"]) == (4, "STANDARD")
    assert reply["ObjectParts"] is None
    assert reply["Checksum"] == {
        "ChecksumCRC64NVME": checksum(Algorithm.CRC64NVME, b"data"),
        "ChecksumType": "FULL_OBJECT",
    }
    assert reply["VersionId"] is None


async def test_only_what_is_asked_for_is_told(s3: Any) -> None:
    await s3.put("k", b"data")
    reply = await attributes_of(s3, "ObjectSize")
    assert reply.keys() == {"LastModified", "VersionId", "ObjectSize"}
    assert s3.authorized[-1] == ("s3:GetObjectAttributes", "bucket", "k")


async def parts_of(s3: Any, algorithm: Algorithm | None, kind: str | None = None) -> list[str]:
    """Upload `k` in three parts; returns their checksums."""
    created = {"checksum_algorithm": algorithm.value if algorithm else None, "checksum_type": kind}
    upload_id = await s3.begin("k", **created)
    parts: dict[int, Any] = {}
    values = []
    for number, data in ((1, FIRST), (2, FIRST), (3, LAST)):
        value = checksum(Algorithm.SHA256, data)
        sums = ChecksumHeaders(checksum_sha256=value)
        if algorithm is not Algorithm.SHA256:
            sums = ChecksumHeaders()
        parts[number] = await s3.part("k", upload_id, number, data, checksums=sums)
        values.append(value)
    await s3.complete("k", upload_id, parts)
    return values


async def test_parts_with_checksums_are_listed_page_by_page(s3: Any) -> None:
    values = await parts_of(s3, Algorithm.SHA256)
    reply = await attributes_of(s3)
    parts = reply["ObjectParts"]
    assert parts["TotalPartsCount"] == 3
    assert (parts["MaxParts"], parts["IsTruncated"]) == (1000, False)
    assert [(part["PartNumber"], part["Size"]) for part in parts["Parts"]] == [
        (1, len(FIRST)),
        (2, len(FIRST)),
        (3, len(LAST)),
    ]
    assert [part["ChecksumSHA256"] for part in parts["Parts"]] == values
    assert reply["Checksum"]["ChecksumType"] == "COMPOSITE"
    assert "-" not in reply["Checksum"]["ChecksumSHA256"]
    page = (await attributes_of(s3, max_parts=1, part_number_marker=1))["ObjectParts"]
    assert [part["PartNumber"] for part in page["Parts"]] == [2]
    assert (page["PartNumberMarker"], page["NextPartNumberMarker"]) == (1, 2)
    assert page["IsTruncated"] is True
    last = (await attributes_of(s3, max_parts=1, part_number_marker=2))["ObjectParts"]
    assert ([part["PartNumber"] for part in last["Parts"]], last["IsTruncated"]) == ([3], False)
    beyond = (await attributes_of(s3, part_number_marker=3))["ObjectParts"]
    assert (beyond["Parts"], beyond["NextPartNumberMarker"]) == ([], 0)


@pytest.mark.parametrize("algorithm", [None, Algorithm.CRC32])
async def test_other_parts_are_only_counted(s3: Any, algorithm: Algorithm | None) -> None:
    await parts_of(s3, algorithm, "FULL_OBJECT" if algorithm else None)
    assert (await attributes_of(s3))["ObjectParts"] == {"TotalPartsCount": 3}


async def test_a_version_is_asked_about(s3: Any) -> None:
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    s3.bucket = s3.store.bucket("bucket")
    old = (await s3.put("k", b"1"))["VersionId"]
    await s3.put("k", b"22")
    reply = await attributes_of(s3, "ObjectSize", version_id=old)
    assert (reply["ObjectSize"], reply["VersionId"]) == (1, old)
    assert s3.authorized[-1] == ("s3:GetObjectVersionAttributes", "bucket", "k")
    await s3.call("DeleteObject", key="k")
    with pytest.raises(AWSError, match="NoSuchKey"):
        await attributes_of(s3)


async def test_who_may_not_is_refused(s3: Any) -> None:
    await s3.put("k", b"1")
    s3.refuse = lambda action, _: S3Error("AccessDenied")
    with pytest.raises(AWSError, match="AccessDenied"):
        await attributes_of(s3)
