from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Principal, PrincipalKind
from objstore.checksum import Algorithm, ChecksumHeaders, checksum
from objstore.crypt.sse import EncryptionHeaders
from objstore.names import owner_id
from objstore.operations import uploads
from objstore.transfer.attributes import AttributeHeaders

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
OWNER = {"ID": owner_id("123456789012"), "DisplayName": "123456789012"}
NOW = datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)


async def test_an_aborted_upload_is_gone_with_its_parts(s3: Any) -> None:
    upload_id = await s3.begin("k")
    await s3.part("k", upload_id, 1, b"x" * 100_000)
    assert await s3.call("AbortMultipartUpload", key="k", upload_id=upload_id) == {}
    assert s3.store.part(upload_id, 1) is None
    for operation in ("AbortMultipartUpload", "ListParts"):
        with pytest.raises(AWSError) as caught:
            await s3.call(operation, key="k", upload_id=upload_id)
        assert (caught.value.code, caught.value.status) == ("NoSuchUpload", 404)


async def test_an_abort_may_depend_on_the_time(s3: Any) -> None:
    upload_id = await s3.begin("k")
    members = {"key": "k", "upload_id": upload_id}
    wrong = datetime(2023, 11, 14, tzinfo=UTC)
    with pytest.raises(AWSError) as caught:
        await s3.call("AbortMultipartUpload", **members, if_match_initiated_time=wrong)
    assert caught.value.status == 412
    right = NOW.replace(microsecond=0)
    await s3.call("AbortMultipartUpload", **members, if_match_initiated_time=right)


async def test_parts_are_listed_by_number(s3: Any) -> None:
    upload_id = await s3.begin("k")
    for number in (10, 2, 10_000):
        await s3.part("k", upload_id, number, b"x" * number)
    members = {"key": "k", "upload_id": upload_id}
    whole = await s3.call("ListParts", **members)
    assert [part["PartNumber"] for part in whole["Parts"]] == [2, 10, 10_000]
    assert [part["Size"] for part in whole["Parts"]] == [2, 10, 10_000]
    assert whole["Parts"][0]["LastModified"] == NOW
    assert (whole["Owner"], whole["Initiator"]) == (OWNER, OWNER)
    assert (whole["MaxParts"], whole["IsTruncated"]) == (1000, False)
    assert whole["StorageClass"] == "STANDARD"
    first = await s3.call("ListParts", **members, max_parts=2)
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 10)
    second = await s3.call("ListParts", **members, part_number_marker=10)
    assert [part["PartNumber"] for part in second["Parts"]] == [10_000]
    assert (second["IsTruncated"], second["PartNumberMarker"]) == (False, 10)


async def test_users_are_named_by_their_arn(s3: Any) -> None:
    user = Principal(
        PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/bob", "AIDABOB", "bob"
    )
    s3.caller = replace(s3.caller, principal=user)
    upload_id = await s3.begin("k")
    listed = await s3.call("ListMultipartUploads")
    parts = await s3.call("ListParts", key="k", upload_id=upload_id)
    for reply in (listed["Uploads"][0], parts):
        initiator = {"ID": user.arn, "DisplayName": "bob"}
        assert (reply["Initiator"], reply["Owner"]) == (initiator, OWNER)


async def test_uploads_of_nobody_known_are_listed(s3: Any) -> None:
    s3.caller = replace(s3.caller, principal=ANONYMOUS)
    upload_id = await s3.begin("k")
    listed = await s3.call("ListMultipartUploads")
    parts = await s3.call("ListParts", key="k", upload_id=upload_id)
    for reply in (listed["Uploads"][0], parts):
        assert (reply["Initiator"], reply["Owner"]) == ({"ID": uploads.ANONYMOUS_ID}, OWNER)


@pytest.mark.parametrize(
    ("ownership", "acl", "theirs"),
    [
        ("ObjectWriter", None, True),
        ("ObjectWriter", "bucket-owner-full-control", True),
        ("BucketOwnerPreferred", None, True),
        ("BucketOwnerPreferred", "bucket-owner-full-control", False),
        ("BucketOwnerEnforced", None, False),
    ],
)
async def test_an_upload_belongs_to_whom_its_object_will(
    s3: Any, ownership: str, acl: str | None, theirs: bool
) -> None:
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    await s3.call("PutBucketOwnershipControls", ownership_controls=controls)
    s3.bucket = s3.store.bucket("bucket")
    writer = "444455556666"
    s3.speak_for(writer)
    upload_id = await s3.begin("k", attributes=AttributeHeaders(acl=acl))
    writers = {"ID": owner_id(writer), "DisplayName": writer}
    listed = await s3.call("ListMultipartUploads")
    parts = await s3.call("ListParts", key="k", upload_id=upload_id)
    for reply in (listed["Uploads"][0], parts):
        assert reply["Owner"] == (writers if theirs else OWNER)
        assert reply["Initiator"] == writers


@pytest.mark.parametrize("max_parts", [0, 5000])
async def test_page_sizes_of_parts(s3: Any, max_parts: int) -> None:
    upload_id = await s3.begin("k")
    await s3.part("k", upload_id, 1, b"x")
    reply = await s3.call("ListParts", key="k", upload_id=upload_id, max_parts=max_parts)
    assert len(reply["Parts"]) == min(max_parts, 1)
    assert (reply["MaxParts"], reply["IsTruncated"]) == (min(max_parts, 1000), False)


async def test_checksums_of_parts_need_the_key(s3: Any) -> None:
    plain = await s3.begin("plain", encryption=KMS)
    await s3.part("plain", plain, 1, b"data")
    named = await s3.begin("named", encryption=KMS, checksum_algorithm="CRC32")
    sums = ChecksumHeaders(checksum_crc32=checksum(Algorithm.CRC32, b"data"))
    await s3.part("named", named, 1, b"data", checksums=sums)
    reply = await s3.call("ListParts", key="named", upload_id=named)
    assert (reply["ChecksumAlgorithm"], reply["ChecksumType"]) == ("CRC32", "COMPOSITE")
    assert reply["Parts"][0]["ChecksumCRC32"] == checksum(Algorithm.CRC32, b"data")

    def refuse(*arguments: Any, **members: Any) -> bytearray:
        raise AWSError("KMS.DisabledException")

    s3.services = type(s3.services)(
        **{
            **{name: getattr(s3.services, name) for name in type(s3.services).__slots__},
            "data_keys": type("Refusing", (), {"open": refuse})(),
        }
    )
    without = await s3.call("ListParts", key="plain", upload_id=plain)
    assert "ChecksumCRC64NVME" not in without["Parts"][0]
    with pytest.raises(AWSError, match=r"KMS\.DisabledException"):
        await s3.call("ListParts", key="named", upload_id=named)


@pytest.fixture
async def begun(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Uploads of a few keys, two of them of the same key."""
    s3.ids = [(key, await s3.begin(key)) for key in ("a", "b/1", "b/2", "c", "c", "ü")]
    s3.ids.sort(key=lambda pair: (pair[0].encode(), pair[1]))
    return s3


def listed(reply: Any) -> list[tuple[str, str]]:
    return [(upload["Key"], upload["UploadId"]) for upload in reply["Uploads"]]


def prefixes(reply: Any) -> list[str]:
    return [entry["Prefix"] for entry in reply["CommonPrefixes"]]


async def test_uploads_are_listed_by_key_and_id(begun: Any) -> None:
    reply = await begun.call("ListMultipartUploads")
    assert listed(reply) == begun.ids
    assert reply["Uploads"][0] == {
        "UploadId": begun.ids[0][1],
        "Key": "a",
        "Initiated": NOW,
        "StorageClass": "STANDARD",
        "Owner": OWNER,
        "Initiator": OWNER,
        "ChecksumAlgorithm": None,
        "ChecksumType": None,
    }
    assert (reply["MaxUploads"], reply["IsTruncated"]) == (1000, False)
    assert (reply["NextKeyMarker"], reply["NextUploadIdMarker"]) == begun.ids[-1]
    assert reply["Prefix"] is None


async def test_uploads_of_one_key_are_listed_as_they_began(s3: Any) -> None:
    began = []
    for _ in range(5):
        began.append(await s3.begin("k"))
        s3.clock.advance(1)
    reply = await s3.call("ListMultipartUploads")
    assert [upload["UploadId"] for upload in reply["Uploads"]] == began
    assert len(set(began)) == 5


async def test_an_empty_page_of_uploads_has_empty_markers(s3: Any) -> None:
    reply = await s3.call("ListMultipartUploads", prefix="p")
    assert (reply["NextKeyMarker"], reply["NextUploadIdMarker"]) == ("", "")
    assert reply["Prefix"] == "p"


async def test_an_upload_marks_a_place_among_those_of_its_key(begun: Any) -> None:
    (_, first), (_, second) = begun.ids[:2]
    with pytest.raises(AWSError) as caught:
        await begun.call("ListMultipartUploads", key_marker="a", upload_id_marker=second)
    assert (caught.value.code, caught.value.message) == (
        "InvalidArgument",
        "Invalid uploadId marker",
    )
    await begun.call("AbortMultipartUpload", key="a", upload_id=first)
    reply = await begun.call("ListMultipartUploads", key_marker="a", upload_id_marker=first)
    assert listed(reply) == begun.ids[1:]


@pytest.mark.parametrize("delimiter", [None, "/"])
@pytest.mark.parametrize("size", [1, 2])
async def test_pages_of_uploads_join_to_the_whole(
    begun: Any, delimiter: str | None, size: int
) -> None:
    found: list[tuple[str, str]] = []
    grouped: list[str] = []
    marker, upload_marker = None, None
    for _ in range(len(begun.ids)):
        reply = await begun.call(
            "ListMultipartUploads",
            delimiter=delimiter,
            max_uploads=size,
            key_marker=marker,
            upload_id_marker=upload_marker,
        )
        found += listed(reply)
        grouped += prefixes(reply)
        if not reply["IsTruncated"]:
            break
        marker, upload_marker = reply["NextKeyMarker"], reply["NextUploadIdMarker"]
    wanted = begun.ids if delimiter is None else [pair for pair in begun.ids if "/" not in pair[0]]
    assert (found, grouped) == (wanted, ["b/"] if delimiter else [])


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"prefix": "b"}, ["b/1", "b/2"]),
        ({"key_marker": "b/2"}, ["c", "c", "ü"]),
        ({"upload_id_marker": "zzz"}, ["a", "b/1", "b/2", "c", "c", "ü"]),
        ({"encoding_type": "url", "key_marker": "c"}, ["%C3%BC"]),
        ({"max_uploads": 0}, []),
    ],
)
async def test_uploads_are_narrowed(begun: Any, members: dict[str, Any], found: list[str]) -> None:
    reply = await begun.call("ListMultipartUploads", **members)
    assert [key for key, _ in listed(reply)] == found


@pytest.mark.parametrize("members", [{"max_uploads": -1}, {"encoding_type": "x"}])
async def test_listings_refuse_bad_arguments(s3: Any, members: dict[str, Any]) -> None:
    with pytest.raises(AWSError, match="InvalidArgument"):
        await s3.call("ListMultipartUploads", **members)


async def test_a_page_has_at_most_a_thousand_uploads(s3: Any) -> None:
    reply = await s3.call("ListMultipartUploads", max_uploads=uploads.UPLOADS_LISTED_MAX + 1)
    assert reply["MaxUploads"] == uploads.UPLOADS_LISTED_MAX
