from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.crypt.sse import EncryptionHeaders
from objstore.transfer.conditions import DeleteConditions

KMS = EncryptionHeaders(server_side_encryption="aws:kms")


async def delete_objects(s3: Any, *entries: dict[str, Any], quiet: bool = False) -> Any:
    return await s3.call("DeleteObjects", delete={"Objects": list(entries), "Quiet": quiet})


def keys(reply: Any, member: str) -> list[str]:
    return [entry["Key"] for entry in reply[member]]


async def test_what_is_deleted_is_gone(s3: Any) -> None:
    await s3.put("k", b"data" * 10_000, encryption=KMS)
    await s3.call("DeleteObject", key="k")
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("k")
    assert (await s3.call("ListObjectsV2"))["KeyCount"] == 0


async def test_deleting_nothing_is_no_error(s3: Any) -> None:
    assert await s3.call("DeleteObject", key="never-was") == {}
    assert await s3.call("DeleteObject", key="never-was", version_id="null")
    with pytest.raises(AWSError, match="KeyTooLongError"):
        await s3.call("DeleteObject", key="k" * 1025)


async def test_the_null_version_is_the_object_of_an_unversioned_bucket(s3: Any) -> None:
    await s3.put("k", b"data")
    with pytest.raises(AWSError, match="InvalidArgument"):
        await s3.call("DeleteObject", key="k", version_id="a" * 32)
    assert (await s3.get("k"))[1] == b"data"
    assert (await s3.call("DeleteObject", key="k", version_id="null"))["VersionId"] == "null"
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("k")


@pytest.mark.parametrize(
    ("key", "if_match", "code", "status"),
    [
        ("k", '"other"', "PreconditionFailed", 412),
        ("none", '"other"', "NoSuchKey", 404),
        ("none", "*", "NoSuchKey", 404),
        ("k", "*", None, 0),
        ("k", "ETAG", None, 0),
    ],
)
async def test_conditions(s3: Any, key: str, if_match: str, code: str | None, status: int) -> None:
    etag = (await s3.put("k", b"data"))["ETag"]
    condition = etag if if_match == "ETAG" else if_match
    if code is None:
        await s3.call("DeleteObject", key=key, conditions=DeleteConditions(condition))
        assert (await s3.call("ListObjectsV2"))["KeyCount"] == 0
        return
    with pytest.raises(AWSError) as caught:
        await s3.call("DeleteObject", key=key, conditions=DeleteConditions(condition))
    assert (caught.value.code, caught.value.status) == (code, status)
    assert (await s3.get("k"))[1] == b"data"


async def test_many_at_once(s3: Any) -> None:
    for key in ("a", "b/ü", "kept"):
        await s3.put(key, b"x")
    reply = await delete_objects(s3, {"Key": "a"}, {"Key": "b/ü"}, {"Key": "never-was"})
    assert keys(reply, "Deleted") == ["a", "b/ü", "never-was"]
    assert reply["Errors"] == []
    listed = await s3.call("ListObjectsV2")
    assert [entry["Key"] for entry in listed["Contents"]] == ["kept"]


async def test_each_key_has_its_own_outcome(s3: Any) -> None:
    etag = (await s3.put("a", b"x"))["ETag"]
    await s3.put("b", b"x")
    s3.refuse = lambda action, key: (
        AWSError("AccessDenied", "Access Denied", status=403) if key == "secret" else None
    )
    entries = (
        {"Key": "a", "ETag": etag},
        {"Key": "b", "ETag": '"other"'},
        {"Key": "none", "ETag": '"other"'},
        {"Key": "secret"},
        {"Key": "k" * 1025},
    )
    for quiet in (False, True):
        reply = await delete_objects(s3, *entries, quiet=quiet)
        assert keys(reply, "Deleted") == ([] if quiet else ["a"])
        assert [(error["Key"][:6], error["Code"]) for error in reply["Errors"]] == [
            ("b", "PreconditionFailed"),
            ("none", "NoSuchKey"),
            ("secret", "AccessDenied"),
            ("kkkkkk", "KeyTooLongError"),
        ]
        await s3.put("a", b"x")


@pytest.mark.parametrize("count", [0, 1001])
async def test_at_most_a_thousand_at_once(s3: Any, count: int) -> None:
    with pytest.raises(AWSError, match="MalformedXML"):
        await delete_objects(s3, *({"Key": str(number)} for number in range(count)))
