import asyncio
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import ROWS
from objstore.errors import S3Error
from objstore.operations.copy import Directives, SourceNamed
from objstore.operations.multipart import CopiedPart
from objstore.operations.read import Selection
from objstore.operations.versions import REPLICATED
from objstore.storage.records import Bucket
from objstore.transfer.conditions import DeleteConditions, WriteConditions
from objstore.transfer.locks import VERSIONING_MUST_STAY

NOT_THERE = "a" * 32


async def set_status(s3: Any, status: str) -> None:
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": status})
    s3.bucket = s3.store.bucket("bucket")


@pytest.fixture
async def versioned(s3: Any) -> Any:
    await set_status(s3, "Enabled")
    return s3


async def listed(s3: Any, **members: Any) -> tuple[list[Any], list[Any]]:
    """(version id, is latest) of all versions, and of all delete markers."""
    reply = await s3.call("ListObjectVersions", **members)
    return (
        [(row["VersionId"], row["IsLatest"]) for row in reply["Versions"]],
        [(row["VersionId"], row["IsLatest"]) for row in reply["DeleteMarkers"]],
    )


async def test_a_bucket_has_no_status_until_it_gets_one(s3: Any) -> None:
    assert await s3.call("GetBucketVersioning") == {}
    for status in ("Enabled", "Suspended"):
        await set_status(s3, status)
        assert await s3.call("GetBucketVersioning") == {"Status": status}


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"versioning_configuration": {}}, "IllegalVersioningConfigurationException"),
        (
            {"versioning_configuration": {"Status": "Enabled", "MFADelete": "Enabled"}},
            "AccessDenied",
        ),
        ({"versioning_configuration": {"Status": "Enabled"}, "mfa": "serial 1"}, "AccessDenied"),
    ],
)
async def test_refused_configurations(s3: Any, members: dict[str, Any], code: str) -> None:
    with pytest.raises(AWSError, match=code):
        await s3.call("PutBucketVersioning", **members)
    assert await s3.call("GetBucketVersioning") == {}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"object_lock": {"ObjectLockEnabled": "Enabled"}}, VERSIONING_MUST_STAY),
        ({"replication": {"Role": "", "Rules": []}}, REPLICATED),
    ],
    ids=["object lock", "replication"],
)
async def test_what_keeps_versioning_on(
    empty_s3: Any, setting: dict[str, Any], message: str
) -> None:
    settings = {"versioning": {"Status": "Enabled"}, **setting}
    await empty_s3.store.create_bucket(
        Bucket("bucket", bytes(16), "123456789012", "us-east-1", 0, settings)
    )
    empty_s3.bucket = empty_s3.store.bucket("bucket")
    with pytest.raises(AWSError) as caught:
        await set_status(empty_s3, "Suspended")
    assert (caught.value.status, caught.value.code) == (409, "InvalidBucketState")
    assert caught.value.message == message
    await set_status(empty_s3, "Enabled")


async def test_every_version_stays_readable(versioned: Any) -> None:
    first = await versioned.put("k", b"one")
    second = await versioned.put("k", b"two" * 100_000)
    assert first["VersionId"] != second["VersionId"]
    reply, body = await versioned.get("k")
    assert (reply["VersionId"], body) == (second["VersionId"], b"two" * 100_000)
    selection = Selection(version_id=first["VersionId"])
    reply, body = await versioned.get("k", selection=selection)
    assert (reply["VersionId"], body) == (first["VersionId"], b"one")
    head = await versioned.call("HeadObject", key="k", selection=selection)
    assert head["ContentLength"] == 3
    assert await listed(versioned) == (
        [(second["VersionId"], True), (first["VersionId"], False)],
        [],
    )


async def test_the_null_version_survives_and_is_replaced(s3: Any) -> None:
    reply = await s3.put("k", b"before")
    assert reply["VersionId"] is None
    await set_status(s3, "Enabled")
    kept = await s3.put("k", b"kept")
    selection = Selection(version_id="null")
    reply, body = await s3.get("k", selection=selection)
    assert (reply["VersionId"], body) == ("null", b"before")
    await set_status(s3, "Suspended")
    assert (await s3.put("k", b"after" * 10_000))["VersionId"] is None
    assert (await s3.get("k", selection=selection))[1] == b"after" * 10_000
    assert await listed(s3) == ([("null", True), (kept["VersionId"], False)], [])


async def test_a_delete_marker_hides_the_key_and_goes_again(versioned: Any) -> None:
    put = await versioned.put("k", b"data")
    deleted = await versioned.call("DeleteObject", key="k")
    assert deleted["DeleteMarker"] is True
    marker = deleted["VersionId"]
    assert await listed(versioned) == ([(put["VersionId"], False)], [(marker, True)])
    rows = (await versioned.call("ListObjectVersions"))[ROWS]
    assert [name for name, _ in rows] == ["DeleteMarkers", "Versions"]
    assert (await versioned.call("ListObjectsV2"))["KeyCount"] == 0
    with pytest.raises(AWSError) as caught:
        await versioned.get("k")
    assert (caught.value.status, caught.value.code) == (404, "NoSuchKey")
    assert caught.value.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": marker}
    with pytest.raises(AWSError) as caught:
        await versioned.get("k", selection=Selection(version_id=marker))
    assert (caught.value.status, caught.value.code) == (405, "MethodNotAllowed")
    assert caught.value.fields == {"Method": "GET", "ResourceType": "DeleteMarker"}
    assert caught.value.headers == {
        "x-amz-delete-marker": "true",
        "x-amz-version-id": marker,
        "allow": "DELETE",
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
    }
    gone = await versioned.call("DeleteObject", key="k", version_id=marker)
    assert gone == {"DeleteMarker": True, "VersionId": marker}
    assert (await versioned.get("k"))[1] == b"data"


async def test_a_version_that_is_deleted_is_gone(versioned: Any) -> None:
    put = await versioned.put("k", b"data" * 10_000)
    version_id = put["VersionId"]
    for _ in range(2):
        reply = await versioned.call("DeleteObject", key="k", version_id=version_id)
        assert reply == {"VersionId": version_id}
    with pytest.raises(AWSError) as caught:
        await versioned.get("k", selection=Selection(version_id=version_id))
    assert (caught.value.status, caught.value.code) == (404, "NoSuchVersion")
    assert caught.value.fields == {"Key": "k", "VersionId": version_id}
    assert await listed(versioned) == ([], [])


async def test_a_suspended_bucket_has_one_null_marker(s3: Any) -> None:
    await set_status(s3, "Enabled")
    kept = await s3.put("k", b"kept")
    await set_status(s3, "Suspended")
    await s3.put("k", b"replaced")
    for _ in range(2):
        reply = await s3.call("DeleteObject", key="k")
        assert reply == {"DeleteMarker": True, "VersionId": "null"}
    assert await listed(s3) == ([(kept["VersionId"], False)], [("null", True)])


async def test_a_list_of_deletes_tells_of_each_key(versioned: Any) -> None:
    put = await versioned.put("old", b"1")
    marker = (await versioned.call("DeleteObject", key="old"))["VersionId"]
    entries = [
        {"Key": "new"},
        {"Key": "old", "VersionId": put["VersionId"]},
        {"Key": "old", "VersionId": marker},
        {"Key": "old", "VersionId": NOT_THERE},
        {"Key": "old", "VersionId": "?"},
        {"Key": "old", "ETag": "x"},
    ]
    reply = await versioned.call("DeleteObjects", delete={"Objects": entries})
    new, version, of_marker, missing = reply["Deleted"]
    assert (new["Key"], new["DeleteMarker"]) == ("new", True)
    assert len(new["DeleteMarkerVersionId"]) == 32
    assert version == {"Key": "old", "VersionId": put["VersionId"]}
    assert of_marker == {
        "Key": "old",
        "VersionId": marker,
        "DeleteMarker": True,
        "DeleteMarkerVersionId": marker,
    }
    assert missing == {"Key": "old", "VersionId": NOT_THERE}
    assert [error["Code"] for error in reply["Errors"]] == ["NoSuchVersion", "NoSuchKey"]
    quiet = await versioned.call(
        "DeleteObjects", delete={"Objects": [*entries[4:5], {"Key": "x"}], "Quiet": True}
    )
    assert (quiet["Deleted"], len(quiet["Errors"])) == ([], 1)


async def test_deletes_ask_for_the_permission_on_versions(versioned: Any) -> None:
    entries = [{"Key": "a"}, {"Key": "b", "VersionId": NOT_THERE}]
    await versioned.call("DeleteObjects", delete={"Objects": entries})
    assert versioned.authorized == [
        ("s3:DeleteObject", "bucket", "a"),
        ("s3:DeleteObjectVersion", "bucket", "b"),
    ]


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (DeleteConditions(if_match="*"), None),
        (DeleteConditions(if_match="other"), "PreconditionFailed"),
        (DeleteConditions(if_match_size=4), None),
        (DeleteConditions(if_match_size=5), "PreconditionFailed"),
    ],
)
async def test_conditions_judge_the_newest_version(
    versioned: Any, conditions: DeleteConditions, code: str | None
) -> None:
    with pytest.raises(AWSError, match="NoSuchKey"):
        await versioned.call(
            "DeleteObject", key="k", conditions=DeleteConditions(if_match='"whatever"')
        )
    await versioned.put("k", b"data")
    if code is None:
        reply = await versioned.call("DeleteObject", key="k", conditions=conditions)
        assert reply["DeleteMarker"] is True
        with pytest.raises(AWSError, match="PreconditionFailed"):
            await versioned.call("DeleteObject", key="k", conditions=DeleteConditions("*"))
    else:
        with pytest.raises(AWSError, match=code):
            await versioned.call("DeleteObject", key="k", conditions=conditions)
        assert (await versioned.get("k"))[1] == b"data"


async def test_only_one_of_many_conditional_writers_wins(versioned: Any) -> None:
    first = await versioned.put("k", b"0")
    condition = WriteConditions(if_match=first["ETag"])
    results = await asyncio.gather(
        *(versioned.put("k", b"%d" % n, conditions=condition) for n in range(1, 9)),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, dict)]
    lost = [result for result in results if isinstance(result, AWSError)]
    assert (len(won), {error.code for error in lost}) == (1, {"PreconditionFailed"})
    assert len((await listed(versioned))[0]) == 2


async def test_what_is_deleted_while_it_is_written_is_a_conflict(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await s3.put("k", b"0")
    publish = s3.store.put_object

    async def delete_first(new: Any, **checks: Any) -> None:
        await s3.store.delete_object(new.bucket_id, new.key, version_id=None)
        await publish(new, **checks)

    monkeypatch.setattr(s3.store, "put_object", delete_first)
    with pytest.raises(AWSError) as caught:
        await s3.put("k", b"1", conditions=WriteConditions(if_match=first["ETag"]))
    assert (caught.value.status, caught.value.code) == (409, "ConditionalRequestConflict")


async def test_an_old_version_is_restored_by_copying_it(versioned: Any) -> None:
    old = await versioned.put("k", b"old")
    await versioned.put("k", b"new")
    source = SourceNamed(f"bucket/k?versionId={old['VersionId']}")
    reply = await versioned.call("CopyObject", key="k", named=source)
    assert reply["CopySourceVersionId"] == old["VersionId"]
    assert reply["VersionId"] not in (None, old["VersionId"])
    assert (await versioned.get("k"))[1] == b"old"
    assert ("s3:GetObjectVersion", "bucket", "k") in versioned.authorized
    newest = SourceNamed(f"bucket/k?versionId={reply['VersionId']}")
    with pytest.raises(AWSError, match="InvalidRequest"):
        await versioned.call("CopyObject", key="k", named=newest)


async def test_a_delete_marker_cannot_be_copied(versioned: Any) -> None:
    await versioned.put("k", b"data")
    marker = (await versioned.call("DeleteObject", key="k"))["VersionId"]
    for text, code in (
        (f"bucket/k?versionId={marker}", "InvalidRequest"),
        ("bucket/k", "NoSuchKey"),
    ):
        with pytest.raises(AWSError, match=code):
            await versioned.call(
                "CopyObject", key="to", named=SourceNamed(text), directives=Directives()
            )


async def test_an_upload_becomes_a_version(versioned: Any) -> None:
    old = await versioned.put("k", b"old")
    upload_id = (await versioned.call("CreateMultipartUpload", key="k"))["UploadId"]
    source = f"bucket/k?versionId={old['VersionId']}"
    part = await versioned.call(
        "UploadPartCopy",
        key="k",
        upload_id=upload_id,
        part_number=1,
        copied=CopiedPart(source),
    )
    assert part["CopySourceVersionId"] == old["VersionId"]
    document = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    members = {"key": "k", "upload_id": upload_id, "multipart_upload": document}
    done = await versioned.call("CompleteMultipartUpload", **members)
    again = await versioned.call("CompleteMultipartUpload", **members)
    assert len(done["VersionId"]) == 32
    assert again["VersionId"] == done["VersionId"]
    assert await listed(versioned) == ([(done["VersionId"], True), (old["VersionId"], False)], [])


async def test_pages_of_versions_go_on_where_they_ended(versioned: Any) -> None:
    ids = [(await versioned.put("a", b"%d" % n))["VersionId"] for n in range(3)]
    await versioned.put("b/1", b"")
    await versioned.put("c", b"")
    marker = (await versioned.call("DeleteObject", key="c"))["VersionId"]
    seen: list[str] = []
    members: dict[str, Any] = {"max_keys": 2, "delimiter": "/"}
    while True:
        reply = await versioned.call("ListObjectVersions", **members)
        seen += [row["VersionId"] for row in reply["Versions"]]
        seen += [row["VersionId"] for row in reply["DeleteMarkers"]]
        seen += [row["Prefix"] for row in reply["CommonPrefixes"]]
        assert (reply["MaxKeys"], reply["Name"], reply["Delimiter"]) == (2, "bucket", "/")
        if not reply["IsTruncated"]:
            break
        members["key_marker"] = reply["NextKeyMarker"]
        members["version_id_marker"] = reply["NextVersionIdMarker"]
    assert seen[:4] == [ids[2], ids[1], ids[0], "b/"]
    assert seen[4] == marker or seen[5] == marker
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"version_id_marker": NOT_THERE},
            "A version-id marker cannot be specified without a key marker.",
        ),
        ({"key_marker": "k", "version_id_marker": ""}, "A version-id marker cannot be empty."),
    ],
)
async def test_refused_markers(s3: Any, members: dict[str, Any], message: str) -> None:
    with pytest.raises(AWSError) as caught:
        await s3.call("ListObjectVersions", **members)
    assert (caught.value.code, caught.value.message) == ("InvalidArgument", message)


async def test_an_unversioned_bucket_lists_null_versions(s3: Any) -> None:
    await s3.put("a b", b"data")
    reply = await s3.call("ListObjectVersions", encoding_type="url")
    (row,) = reply["Versions"]
    assert (row["Key"], row["VersionId"], row["IsLatest"]) == ("a%20b", "null", True)
    assert (row["Size"], row["StorageClass"]) == (4, "STANDARD")
    assert (await s3.call("ListObjectVersions", max_keys=0))["Versions"] == []


async def test_comparing_etags_takes_the_permission_to_read(versioned: Any) -> None:
    put = await versioned.put("k", b"data")
    versioned.refuse = lambda action, _: S3Error("AccessDenied") if "Get" in action else None
    match = DeleteConditions(if_match=put["ETag"])
    with pytest.raises(AWSError, match="AccessDenied"):
        await versioned.call("DeleteObject", key="k", conditions=match)
    with pytest.raises(AWSError, match="AccessDenied"):
        await versioned.put("k", b"new", conditions=WriteConditions(if_match=put["ETag"]))
    await versioned.call("DeleteObject", key="k", conditions=DeleteConditions(if_match="*"))
    await versioned.put("k", b"new", conditions=WriteConditions(if_none_match="*"))


async def test_a_null_version_is_copied_without_its_id(s3: Any) -> None:
    await s3.put("k", b"data")
    await set_status(s3, "Suspended")
    reply = await s3.call("CopyObject", key="to", named=SourceNamed("bucket/k"))
    assert (reply["CopySourceVersionId"], reply["VersionId"]) == (None, "null")
