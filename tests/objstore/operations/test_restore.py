from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import STATUS
from objstore.operations.copy import SourceNamed
from objstore.transfer.content import ContentHeaders

DAY_SECONDS = 24 * 3600
EXPIRY = 'ongoing-request="false", expiry-date="{}"'


async def archived(s3: Any, storage_class: str = "GLACIER") -> Any:
    await s3.put("k", b"data", headers=ContentHeaders(storage_class=storage_class))
    return s3


async def restore(s3: Any, **request: Any) -> Any:
    return await s3.call("RestoreObject", key="k", restore_request=request)


async def test_an_archived_object_is_restored_for_some_days(s3: Any) -> None:
    await archived(s3)
    with pytest.raises(AWSError, match="InvalidObjectState"):
        await s3.get("k")
    with pytest.raises(AWSError) as caught:
        await s3.call("CopyObject", key="to", named=SourceNamed("bucket/k"))
    assert (caught.value.status, caught.value.code) == (403, "ObjectNotInActiveTierError")
    assert (await s3.call("HeadObject", key="k"))["StorageClass"] == "GLACIER"
    assert await restore(s3, Days=1, GlacierJobParameters={"Tier": "Bulk"}) == {STATUS: 202}
    reply, body = await s3.get("k")
    assert (body, reply["StorageClass"]) == (b"data", "GLACIER")
    assert reply["Restore"] == EXPIRY.format("Thu, 16 Nov 2023 00:00:00 GMT")
    assert await restore(s3, Days=3) == {}
    head = await s3.call("HeadObject", key="k")
    assert head["Restore"] == EXPIRY.format("Sat, 18 Nov 2023 00:00:00 GMT")
    s3.clock.advance(4 * DAY_SECONDS)
    assert "Restore" not in await s3.call("HeadObject", key="k")
    with pytest.raises(AWSError, match="InvalidObjectState"):
        await s3.get("k")
    assert await restore(s3, Days=1) == {STATUS: 202}


async def test_a_restored_object_is_brought_back_by_copying_it(s3: Any) -> None:
    await archived(s3, "DEEP_ARCHIVE")
    await restore(s3, Days=1)
    headers = ContentHeaders(storage_class="STANDARD")
    await s3.call("CopyObject", key="k", named=SourceNamed("bucket/k"), headers=headers)
    s3.clock.advance(5 * DAY_SECONDS)
    assert (await s3.get("k"))[1] == b"data"


@pytest.mark.parametrize(
    ("storage_class", "request_", "code"),
    [
        ("STANDARD", {"Days": 1}, "InvalidObjectState"),
        ("GLACIER_IR", {"Days": 1}, "InvalidObjectState"),
        ("GLACIER", {}, "MalformedXML"),
        ("GLACIER", {"Days": 0}, "InvalidArgument"),
        ("DEEP_ARCHIVE", {"Days": 1, "Tier": "Expedited"}, "InvalidArgument"),
        ("GLACIER", {"Type": "SELECT"}, "NotImplemented"),
    ],
)
async def test_refused_requests(
    s3: Any, storage_class: str, request_: dict[str, Any], code: str
) -> None:
    await archived(s3, storage_class)
    with pytest.raises(AWSError, match=code):
        await restore(s3, **request_)
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.call("RestoreObject", key="none", restore_request={"Days": 1})


async def test_listings_tell_of_restored_copies_if_asked(s3: Any) -> None:
    await archived(s3)
    await s3.put("other", b"")
    await restore(s3, Days=1)
    for operation, member in (
        ("ListObjects", "Contents"),
        ("ListObjectsV2", "Contents"),
        ("ListObjectVersions", "Versions"),
    ):
        plain = (await s3.call(operation))[member]
        assert not any("RestoreStatus" in entry for entry in plain)
        asked = await s3.call(operation, optional_object_attributes=["RestoreStatus"])
        archived_entry, other = asked[member]
        assert archived_entry["RestoreStatus"]["IsRestoreInProgress"] is False
        assert "RestoreStatus" not in other
