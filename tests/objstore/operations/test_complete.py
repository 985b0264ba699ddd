from base64 import b64decode
from hashlib import md5, sha256
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, checksum, composite
from objstore.crypt.sse import EncryptionHeaders
from objstore.operations.read import Selection
from objstore.transfer.conditions import WriteConditions
from objstore.wire.values import xform

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
WHOLE = 5 * 1024**2
FIRST = bytes(range(256)) * (WHOLE // 256)
LAST = b"the end"
FULL, COMPOSITE = "FULL_OBJECT", "COMPOSITE"


async def two_parts(s3: Any, key: str = "k", **members: Any) -> tuple[str, dict[int, Any]]:
    """An upload of two parts, each with a checksum if the upload has an algorithm."""
    upload_id = await s3.begin(key, **members)
    parts: dict[int, Any] = {}
    for number, data in ((2, LAST), (1, FIRST)):
        sums = checksum_headers(members.get("checksum_algorithm"), data)
        parts[number] = await s3.part(key, upload_id, number, data, checksums=sums)
    return upload_id, {1: parts[1], 2: parts[2]}


def checksum_headers(algorithm: str | None, data: bytes) -> ChecksumHeaders:
    if algorithm is None:
        return ChecksumHeaders()
    named = Algorithm(algorithm)
    return ChecksumHeaders(**{xform(named.member): checksum(named, data)})


@pytest.mark.parametrize("encryption", [EncryptionHeaders(), KMS], ids=["SSE-S3", "SSE-KMS"])
async def test_parts_become_one_object(s3: Any, encryption: Any) -> None:
    upload_id, parts = await two_parts(s3, "a b/ü", encryption=encryption)
    reply = await s3.complete("a b/ü", upload_id, parts)
    assert reply["Location"] == "http://127.0.0.1:9000/bucket/a%20b/%C3%BC"
    assert (reply["Bucket"], reply["Key"]) == ("bucket", "a b/ü")
    assert reply["ETag"].endswith('-2"')
    assert reply["ChecksumCRC64NVME"] == checksum(Algorithm.CRC64NVME, FIRST + LAST)
    got, body = await s3.get("a b/ü")
    assert body == FIRST + LAST
    assert (got["ETag"], got["ContentLength"]) == (reply["ETag"], len(body))
    if encryption != KMS:
        joined = md5(md5(FIRST).digest() + md5(LAST).digest()).hexdigest()
        assert reply["ETag"] == f'"{joined}-2"'
    with pytest.raises(AWSError, match="NoSuchUpload"):
        await s3.part("a b/ü", upload_id, 3, b"")


async def test_a_span_over_the_seam_of_two_parts(s3: Any) -> None:
    upload_id, parts = await two_parts(s3, encryption=KMS)
    await s3.complete("k", upload_id, parts)
    text = f"bytes={WHOLE - 3}-{WHOLE + 2}"
    reply, body = await s3.get("k", selection=Selection(range=text))
    assert body == FIRST[-3:] + LAST[:3]
    assert reply["ContentRange"] == f"bytes {WHOLE - 3}-{WHOLE + 2}/{WHOLE + len(LAST)}"
    second, body = await s3.get("k", selection=Selection(part_number=2))
    assert (body, second["PartsCount"]) == (LAST, 2)
    assert second["ContentRange"] == f"bytes {WHOLE}-{WHOLE + 6}/{WHOLE + 7}"


async def test_only_the_parts_that_are_named_count(s3: Any) -> None:
    upload_id = await s3.begin("k")
    etags = {number: (await s3.part("k", upload_id, number, FIRST))["ETag"] for number in (3, 9)}
    etags[10_000] = (await s3.part("k", upload_id, 10_000, LAST))["ETag"]
    await s3.complete("k", upload_id, {9: etags[9], 10_000: etags[10_000]})
    assert (await s3.get("k"))[1] == FIRST + LAST
    # Part 3 goes with the upload; its file is collected in the background.
    assert s3.store.part(upload_id, 3) is None


@pytest.mark.parametrize(
    ("numbers", "kind", "refused"),
    [
        ((1, 2), "COMPOSITE", False),
        ((1, 3), "COMPOSITE", True),
        ((2, 3), "COMPOSITE", True),
        ((2, 9), "FULL_OBJECT", False),
    ],
)
async def test_parts_with_checksums_of_their_own_are_counted_without_a_gap(
    s3: Any, numbers: tuple[int, int], kind: str, refused: bool
) -> None:
    upload_id = await s3.begin("k", checksum_algorithm="CRC32", checksum_type=kind)
    entries = {}
    for number, data in zip(numbers, (FIRST, LAST), strict=True):
        sums = checksum_headers("CRC32", data)
        part = await s3.part("k", upload_id, number, data, checksums=sums)
        entries[number] = {name: part[name] for name in ("ETag", "ChecksumCRC32")}
    if refused:
        with pytest.raises(AWSError) as caught:
            await s3.complete("k", upload_id, entries)
        assert (caught.value.code, caught.value.status) == ("InvalidPartOrder", 400)
        return
    await s3.complete("k", upload_id, entries)
    assert (await s3.get("k"))[1] == FIRST + LAST


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({2: "LAST", 1: "FIRST"}, "InvalidPartOrder"),
        ({1: "FIRST", 3: "LAST"}, "InvalidPart"),
        ({1: "LAST", 2: "LAST"}, "InvalidPart"),
        ({1: '"00000000000000000000000000000000"'}, "InvalidPart"),
        ({}, "MalformedXML"),
    ],
)
async def test_refused_completions_leave_the_upload(
    s3: Any, parts: dict[int, str], code: str
) -> None:
    upload_id, etags = await two_parts(s3)
    by_name = {"FIRST": etags[1], "LAST": etags[2]}
    named = {number: by_name.get(etag, etag) for number, etag in parts.items()}
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, named)
    assert (caught.value.code, caught.value.status) == (code, 400)
    with pytest.raises(AWSError, match="NoSuchKey"):
        await s3.get("k")
    await s3.complete("k", upload_id, etags)


async def test_an_upload_without_an_algorithm_takes_no_checksums(s3: Any) -> None:
    upload_id = await s3.begin("k")
    sums = checksum_headers("CRC32C", LAST)
    part = await s3.part("k", upload_id, 1, LAST, checksums=sums)
    entry = {"PartNumber": 1, "ETag": part["ETag"]}
    for name in ("ChecksumCRC32C", "ChecksumCRC64NVME"):
        document = {"Parts": [{**entry, name: "AAAAAA=="}]}
        with pytest.raises(AWSError) as caught:
            await s3.call(
                "CompleteMultipartUpload",
                key="k",
                upload_id=upload_id,
                multipart_upload=document,
            )
        assert caught.value.code == "InvalidPart"
        assert caught.value.fields["ETag"] == part["ETag"].strip('"')
    with pytest.raises(AWSError, match="using the null checksum mode"):
        await s3.complete("k", upload_id, {1: part["ETag"]}, checksum_type="FULL_OBJECT")
    await s3.complete("k", upload_id, {1: part["ETag"]}, checksums=sums)


async def test_a_completion_needs_a_document(s3: Any) -> None:
    upload_id, _ = await two_parts(s3)
    with pytest.raises(AWSError, match="InvalidRequest: You must specify at least one part"):
        await s3.call("CompleteMultipartUpload", key="k", upload_id=upload_id)


async def test_a_part_is_named_once(s3: Any) -> None:
    upload_id, parts = await two_parts(s3)
    twice = {"Parts": [{"PartNumber": 1, "ETag": parts[1]["ETag"]}] * 2}
    with pytest.raises(AWSError, match="InvalidPartOrder"):
        await s3.call(
            "CompleteMultipartUpload", key="k", upload_id=upload_id, multipart_upload=twice
        )
    nameless = {"Parts": [{"PartNumber": 1}]}
    with pytest.raises(AWSError, match="MalformedXML"):
        await s3.call(
            "CompleteMultipartUpload", key="k", upload_id=upload_id, multipart_upload=nameless
        )


async def test_every_part_but_the_last_is_large(s3: Any) -> None:
    upload_id = await s3.begin("k")
    small = await s3.part("k", upload_id, 1, FIRST[:-1])
    last = await s3.part("k", upload_id, 2, LAST)
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, {1: small["ETag"], 2: last["ETag"]})
    assert caught.value.code == "EntityTooSmall"
    assert caught.value.fields == {
        "ProposedSize": str(WHOLE - 1),
        "MinSizeAllowed": str(WHOLE),
        "PartNumber": "1",
        "ETag": small["ETag"].strip('"'),
    }
    await s3.complete("k", upload_id, {2: last["ETag"]})
    assert (await s3.get("k"))[1] == LAST


async def test_a_part_is_replaced_by_the_last_of_its_number(s3: Any) -> None:
    upload_id = await s3.begin("k")
    first = await s3.part("k", upload_id, 1, b"first")
    second = await s3.part("k", upload_id, 1, b"second")
    with pytest.raises(AWSError, match="InvalidPart"):
        await s3.complete("k", upload_id, {1: first["ETag"]})
    await s3.complete("k", upload_id, {1: second["ETag"]})
    assert (await s3.get("k"))[1] == b"second"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (Algorithm.CRC32, COMPOSITE),
        (Algorithm.CRC32, FULL),
        (Algorithm.CRC32C, FULL),
        (Algorithm.CRC64NVME, FULL),
        (Algorithm.SHA1, COMPOSITE),
        (Algorithm.SHA256, COMPOSITE),
        (Algorithm.SHA512, COMPOSITE),
        (Algorithm.MD5, COMPOSITE),
        (Algorithm.XXHASH64, COMPOSITE),
        (Algorithm.XXHASH3, COMPOSITE),
        (Algorithm.XXHASH128, COMPOSITE),
    ],
)
async def test_checksums_of_the_whole(s3: Any, algorithm: Algorithm, kind: str) -> None:
    created = {"checksum_algorithm": algorithm.value, "checksum_type": kind}
    upload_id, parts = await two_parts(s3, **created)
    sums = [checksum(algorithm, data) for data in (FIRST, LAST)]
    wanted = checksum(algorithm, FIRST + LAST)
    if kind == COMPOSITE:
        wanted = composite(algorithm, sums)
    named = ChecksumHeaders(**{xform(algorithm.member): wanted})
    bad = checksum_headers(algorithm.value, b"other")
    other = Algorithm.SHA1 if algorithm is not Algorithm.SHA1 else Algorithm.SHA256
    for wrong in (bad, checksum_headers(other.value, FIRST + LAST)):
        with pytest.raises(AWSError, match=f"BadDigest: The {algorithm.value.lower()} you"):
            await s3.complete("k", upload_id, parts, checksums=wrong)
    reply = await s3.complete("k", upload_id, parts, checksums=named, checksum_type=kind)
    assert (reply[algorithm.member], reply["ChecksumType"]) == (wanted, kind)
    selection = Selection(checksum_mode="ENABLED")
    got = await s3.call("HeadObject", key="k", selection=selection)
    assert (got[algorithm.member], got["ChecksumType"]) == (wanted, kind)
    part = Selection(checksum_mode="ENABLED", part_number=2)
    of_part = (await s3.call("HeadObject", key="k", selection=part)).get(algorithm.member)
    assert of_part == (sums[1] if kind == COMPOSITE else None)


async def test_checksums_of_the_parts_are_compared(s3: Any) -> None:
    upload_id = await s3.begin("k", checksum_algorithm="SHA256")
    sums = checksum_headers("SHA256", LAST)
    part = await s3.part("k", upload_id, 1, LAST, checksums=sums)
    entry = {"PartNumber": 1, "ETag": part["ETag"]}
    with pytest.raises(AWSError, match="It was missing for part 1 in the request"):
        await s3.complete("k", upload_id, {1: part["ETag"]})
    other = {"Parts": [{**entry, "ChecksumCRC32": "AAAAAA=="}]}
    with pytest.raises(AWSError, match="The crc32 you specified for part 1 did not match what we"):
        await s3.call(
            "CompleteMultipartUpload", key="k", upload_id=upload_id, multipart_upload=other
        )
    wrong = ChecksumHeaders(checksum_sha256="bad")
    with pytest.raises(AWSError, match="BadDigest"):  # the whole is compared first
        await s3.complete("k", upload_id, {1: part["ETag"]}, checksums=wrong)
    good = checksum(Algorithm.SHA256, LAST)
    assert b64decode(good) == sha256(LAST).digest()
    for value in (checksum(Algorithm.SHA256, b""), good):
        document = {"Parts": [{**entry, "ChecksumSHA256": value}]}
        members = {"key": "k", "upload_id": upload_id, "multipart_upload": document}
        if value == good:
            await s3.call("CompleteMultipartUpload", **members)
        else:
            with pytest.raises(AWSError, match="InvalidPart"):
                await s3.call("CompleteMultipartUpload", **members)


@pytest.mark.parametrize(
    "members", [{"mpu_object_size": 1}, {"checksum_type": COMPOSITE}], ids=lambda m: next(iter(m))
)
async def test_what_is_said_of_the_whole_must_hold(s3: Any, members: dict[str, Any]) -> None:
    upload_id, parts = await two_parts(s3, checksum_algorithm="CRC64NVME")
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts, **members)
    assert (caught.value.code, caught.value.status) == ("InvalidRequest", 400)
    await s3.complete("k", upload_id, parts, mpu_object_size=len(FIRST + LAST), checksum_type=FULL)


IDENTITY = ("Location", "Bucket", "Key", "ETag", "VersionId")


async def test_completing_again_gives_the_same_identity(s3: Any) -> None:
    upload_id, parts = await two_parts(s3)
    first = await s3.complete("k", upload_id, parts)
    again = await s3.complete("k", upload_id, parts)
    sums = ("ChecksumCRC64NVME", "ChecksumType")
    assert again == {name: first[name] for name in (*IDENTITY, *sums)}
    with pytest.raises(AWSError, match="NoSuchUpload"):
        await s3.complete("other", upload_id, parts)
    with pytest.raises(AWSError, match="NoSuchUpload"):
        await s3.complete("k", "nobody", parts)


@pytest.mark.parametrize(
    ("conditions", "code", "status"),
    [
        (WriteConditions(if_none_match="*"), "PreconditionFailed", 412),
        (WriteConditions(if_match='"other"'), "PreconditionFailed", 412),
        (WriteConditions(if_none_match='"etag"'), "NotImplemented", 501),
    ],
)
async def test_conditions(s3: Any, conditions: WriteConditions, code: str, status: int) -> None:
    old = await s3.put("k", b"old")
    upload_id, parts = await two_parts(s3)
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts, conditions=conditions)
    assert (caught.value.code, caught.value.status) == (code, status)
    await s3.complete("k", upload_id, parts, conditions=WriteConditions(if_match=old["ETag"]))
    assert (await s3.get("k"))[1] == FIRST + LAST


async def test_what_others_wrote_since_the_upload_began_is_a_conflict(s3: Any) -> None:
    upload_id, parts = await two_parts(s3)
    s3.clock.advance(1)
    new = await s3.put("k", b"in the meantime")
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts, conditions=WriteConditions(if_match=new["ETag"]))
    assert (caught.value.code, caught.value.status) == ("ConditionalRequestConflict", 409)
    upload_id, parts = await two_parts(s3)
    await s3.complete("k", upload_id, parts, conditions=WriteConditions(if_match=new["ETag"]))


async def test_a_condition_on_a_missing_key_is_not_found(s3: Any) -> None:
    upload_id, parts = await two_parts(s3)
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts, conditions=WriteConditions(if_match='"x"'))
    assert (caught.value.code, caught.value.status) == ("NoSuchKey", 404)


async def test_a_condition_that_fails_at_the_end_is_told_inside_a_200(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, parts = await two_parts(s3)
    find = type(s3.store).object
    await s3.put("k", b"in the meantime")

    def missed(store: Any, *arguments: Any, **named: Any) -> Any:
        """What the early check would have seen just before the other write."""
        return None

    monkeypatch.setattr(type(s3.store), "object", missed)
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts, conditions=WriteConditions(if_none_match="*"))
    assert (caught.value.code, caught.value.status) == ("PreconditionFailed", 200)
    monkeypatch.setattr(type(s3.store), "object", find)
    assert (await s3.get("k"))[1] == b"in the meantime"


async def test_a_part_replaced_meanwhile_is_no_part_of_the_object(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, parts = await two_parts(s3)
    old = s3.store.parts(upload_id, after=0, limit=10)
    await s3.part("k", upload_id, 2, b"replaced")
    monkeypatch.setattr(type(s3.store), "parts", lambda *_, **__: old)
    with pytest.raises(AWSError) as caught:
        await s3.complete("k", upload_id, parts)
    assert (caught.value.code, caught.value.status) == ("InvalidPart", 400)
    assert s3.store.upload(upload_id) is not None


async def test_completing_again_tells_no_checksum_of_what_is_gone_or_closed(s3: Any) -> None:
    key = s3.make_key()
    named = EncryptionHeaders(server_side_encryption="aws:kms", ssekms_key_id=key)
    upload_id, parts = await two_parts(s3, encryption=named)
    await s3.complete("k", upload_id, parts)
    s3.kms_call("DisableKey", KeyId=key)
    assert (await s3.complete("k", upload_id, parts)).keys() == set(IDENTITY)
    s3.kms_call("EnableKey", KeyId=key)
    assert "ChecksumCRC64NVME" in await s3.complete("k", upload_id, parts)
    await s3.put("k", b"another")
    assert (await s3.complete("k", upload_id, parts)).keys() == set(IDENTITY)
