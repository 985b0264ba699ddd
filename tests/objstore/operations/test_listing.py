from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS
from objstore.checksum import ChecksumHeaders
from objstore.names import owner_id
from objstore.storage import index_listing

KEYS = ["a", "b", "b/", "b/1", "b/2", "b/c/3", "d e", "ä/1", "ä/2", "\U0001f512"]
BOTH = pytest.mark.parametrize("operation", ["ListObjects", "ListObjectsV2"])


@pytest.fixture
async def filled(s3: Any) -> Any:
    for key in reversed(KEYS):
        await s3.put(key, key.encode())
    return s3


def keys(reply: Any) -> list[str]:
    return [entry["Key"] for entry in reply["Contents"]]


def prefixes(reply: Any) -> list[str]:
    return [entry["Prefix"] for entry in reply["CommonPrefixes"]]


@BOTH
async def test_keys_are_in_the_order_of_their_bytes(filled: Any, operation: str) -> None:
    reply = await filled.call(operation)
    assert keys(reply) == KEYS == sorted(KEYS, key=str.encode)
    assert (reply["Name"], reply["MaxKeys"], reply["IsTruncated"]) == ("bucket", 1000, False)
    assert reply["Prefix"] == ""


@BOTH
@pytest.mark.parametrize(
    ("members", "found", "grouped"),
    [
        ({"prefix": "b/"}, ["b/", "b/1", "b/2", "b/c/3"], []),
        ({"delimiter": "/"}, ["a", "b", "d e", "\U0001f512"], ["b/", "ä/"]),
        ({"delimiter": "/", "prefix": "b/"}, ["b/", "b/1", "b/2"], ["b/c/"]),
        ({"delimiter": "/c/"}, [*KEYS[:5], *KEYS[6:]], ["b/c/"]),
        ({"delimiter": "/", "prefix": "ä"}, [], ["ä/"]),
        ({"prefix": "nothing"}, [], []),
        ({"delimiter": ""}, KEYS, []),
        ({"max_keys": 0}, [], []),
    ],
)
async def test_prefixes_and_delimiters(
    filled: Any, operation: str, members: dict[str, Any], found: list[str], grouped: list[str]
) -> None:
    reply = await filled.call(operation, **members)
    assert (keys(reply), prefixes(reply)) == (found, grouped)
    assert reply["IsTruncated"] is False
    assert reply["Delimiter"] == (members.get("delimiter") or None)
    if operation == "ListObjectsV2":
        assert reply["KeyCount"] == len(found) + len(grouped)


@BOTH
@pytest.mark.parametrize("delimiter", [None, "/"])
@pytest.mark.parametrize("size", [1, 2, 3])
async def test_pages_join_to_the_whole(
    filled: Any, operation: str, delimiter: str | None, size: int
) -> None:
    whole = await filled.call(operation, delimiter=delimiter)
    found: list[str] = []
    grouped: list[str] = []
    further: dict[str, Any] = {}
    for _ in range(len(KEYS)):
        reply = await filled.call(operation, delimiter=delimiter, max_keys=size, **further)
        assert len(reply["Contents"]) + len(reply["CommonPrefixes"]) <= size
        found += keys(reply)
        grouped += prefixes(reply)
        if not reply["IsTruncated"]:
            break
        if operation == "ListObjectsV2":
            further = {"continuation_token": reply["NextContinuationToken"]}
        else:
            # Without a delimiter S3 gives no NextMarker: the last key is the marker.
            assert ("NextMarker" in reply) is (delimiter is not None)
            further = {"marker": reply.get("NextMarker") or keys(reply)[-1]}
    assert (found, grouped) == (keys(whole), prefixes(whole))


async def test_the_fields_of_an_entry(filled: Any) -> None:
    await filled.put("a", b"12345", checksums=ChecksumHeaders(checksum_sha1=None))
    entry = (await filled.call("ListObjectsV2"))["Contents"][0]
    etag = (await filled.call("HeadObject", key="a"))["ETag"]
    assert entry == {
        "Key": "a",
        "LastModified": datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC),
        "ETag": etag,
        "ChecksumAlgorithm": ["CRC64NVME"],
        "ChecksumType": "FULL_OBJECT",
        "Size": 5,
        "StorageClass": "STANDARD",
    }
    owner = {"ID": owner_id("123456789012"), "DisplayName": "123456789012"}
    assert (await filled.call("ListObjects"))["Contents"][0]["Owner"] == owner
    fetched = await filled.call("ListObjectsV2", fetch_owner=True)
    assert fetched["Contents"][0]["Owner"] == owner


async def test_the_anonymous_are_not_told_who_owns_what(filled: Any) -> None:
    reply = await filled.call("ListObjects")
    assert (reply["Region"], "Owner" in reply["Contents"][0]) == ("us-east-1", True)
    filled.caller = replace(filled.caller, principal=ANONYMOUS)
    assert "Owner" not in (await filled.call("ListObjects"))["Contents"][0]


async def test_a_listing_starts_after_a_key(filled: Any) -> None:
    reply = await filled.call("ListObjectsV2", start_after="b/2")
    assert keys(reply) == KEYS[5:]
    assert reply["StartAfter"] == "b/2"
    between = await filled.call("ListObjectsV2", start_after="b0")
    assert keys(between) == KEYS[6:]
    # A token outranks where the first page was to start.
    first = await filled.call("ListObjectsV2", start_after="b/2", max_keys=1)
    second = await filled.call(
        "ListObjectsV2", start_after="b/2", continuation_token=first["NextContinuationToken"]
    )
    assert keys(second) == KEYS[6:]
    assert second["ContinuationToken"] == first["NextContinuationToken"]
    assert "StartAfter" not in second


@pytest.mark.parametrize("marker", ["b/", "b/1"])
async def test_a_marker_inside_a_common_prefix_skips_it(filled: Any, marker: str) -> None:
    reply = await filled.call("ListObjects", delimiter="/", marker=marker)
    assert (keys(reply), prefixes(reply)) == (["d e", "\U0001f512"], ["ä/"])
    assert reply["Marker"] == marker
    newer = await filled.call("ListObjectsV2", delimiter="/", start_after=marker)
    assert (keys(newer), prefixes(newer)) == (keys(reply), prefixes(reply))


@BOTH
async def test_names_are_percent_encoded_on_request(filled: Any, operation: str) -> None:
    await filled.put("n\x01/+%", b"")
    reply = await filled.call(operation, encoding_type="url", delimiter="ä")
    assert reply["EncodingType"] == "url"
    assert reply["Delimiter"] == "%C3%A4"
    assert "d%20e" in keys(reply)
    assert "n%01/%2B%25" in keys(reply)
    assert prefixes(reply) == ["%C3%A4"]


@BOTH
@pytest.mark.parametrize(
    ("members", "name"),
    [({"encoding_type": "gzip"}, "encoding-type"), ({"max_keys": -1}, "max-keys")],
)
async def test_arguments_that_do_not_fit(
    s3: Any, operation: str, members: dict[str, Any], name: str
) -> None:
    with pytest.raises(AWSError) as caught:
        await s3.call(operation, **members)
    assert (caught.value.code, caught.value.fields["ArgumentName"]) == ("InvalidArgument", name)


@pytest.mark.parametrize("token", ["", "bad", "ZZZZ"])
async def test_tokens_are_not_made_up(s3: Any, token: str) -> None:
    with pytest.raises(AWSError) as caught:
        await s3.call("ListObjectsV2", continuation_token=token)
    assert caught.value.fields["ArgumentName"] == "continuation-token"


@BOTH
async def test_a_page_has_at_most_a_thousand_keys(s3: Any, operation: str) -> None:
    assert (await s3.call(operation, max_keys=5000))["MaxKeys"] == 1000


async def test_a_short_page_says_where_the_next_one_starts(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_listing, "HIDDEN_STEPPED_MAX", 2)
    await s3.call("PutBucketVersioning", versioning_configuration={"Status": "Enabled"})
    s3.bucket = s3.store.bucket("bucket")
    for key in ("a", "b", "c"):
        await s3.call("DeleteObject", key=key)
    await s3.put("d", b"data")
    first = await s3.call("ListObjects")
    assert (first["Contents"], first["IsTruncated"], first["NextMarker"]) == ([], True, "b")
    second = await s3.call("ListObjects", marker="b")
    assert [entry["Key"] for entry in second["Contents"]] == ["d"]
    assert second["IsTruncated"] is False
