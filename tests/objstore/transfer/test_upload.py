from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.call import Call
from objstore.checksum import Algorithm, checksum, composite
from objstore.crypt.customer_keys import NO_CUSTOMER_KEY
from objstore.crypt.data_keys import Envelope
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import BindingKeys, Manifest, Mode
from objstore.crypt.sse import EncryptionHeaders
from objstore.storage.records import BlobRef, Part, Upload
from objstore.transfer import upload as upload_module
from objstore.transfer.publish import COMPOSITE, FULL_OBJECT, Description
from objstore.transfer.receive import Received
from objstore.transfer.upload import (
    Recipe,
    check_part_number,
    checksum_type_of,
    find_upload,
    join_parts,
    joined_etag,
    kept_algorithm,
    make_recipe,
    open_binding_keys,
    open_part,
    open_upload_key,
    read_recipe,
    seal_part,
)

KMS = EncryptionHeaders(server_side_encryption="aws:kms")
KEY = bytearray(range(32))


def call_of(s3: Any) -> Call:
    return Call(s3.caller, s3.services, s3._authorize, s3.bucket, s3.trace)


@pytest.mark.parametrize("number", [1, 10_000])
def test_part_numbers(number: int) -> None:
    check_part_number(number)


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_numbers_that_no_part_has(number: int) -> None:
    with pytest.raises(AWSError) as caught:
        check_part_number(number)
    assert caught.value.fields == {"ArgumentName": "partNumber", "ArgumentValue": str(number)}


@pytest.mark.parametrize(
    ("algorithm", "wanted", "chosen"),
    [
        (None, None, ""),
        ("CRC32", None, COMPOSITE),
        ("CRC32", FULL_OBJECT, FULL_OBJECT),
        ("CRC32C", COMPOSITE, COMPOSITE),
        ("CRC64NVME", None, FULL_OBJECT),
        ("SHA1", None, COMPOSITE),
        ("SHA256", COMPOSITE, COMPOSITE),
    ],
)
def test_types_of_checksums(algorithm: str | None, wanted: str | None, chosen: str) -> None:
    assert checksum_type_of(algorithm, wanted) == chosen


@pytest.mark.parametrize(
    ("algorithm", "wanted"),
    [
        (None, COMPOSITE),
        ("CRC64NVME", COMPOSITE),
        ("SHA1", FULL_OBJECT),
        ("SHA256", FULL_OBJECT),
        ("CRC32", "PARTIAL"),
        ("MD5SUM", None),
    ],
)
def test_types_that_s3_does_not_have(algorithm: str | None, wanted: str | None) -> None:
    with pytest.raises(AWSError, match="InvalidRequest"):
        checksum_type_of(algorithm, wanted)


async def test_an_upload_is_found_by_bucket_key_and_id(s3: Any) -> None:
    upload_id = await s3.begin("k")
    call = call_of(s3)
    assert find_upload(call, upload_id, "k").key == b"k"
    other = await s3.make_bucket("other")
    for target, key, wanted in (
        (s3.bucket, "other", upload_id),
        (s3.bucket, "k", "nobody"),
        (other, "k", upload_id),
    ):
        call.target = target
        with pytest.raises(AWSError) as caught:
            find_upload(call, wanted, key)
        assert caught.value.fields == {"UploadId": wanted}


async def test_the_recipe_holds_what_the_object_will_be(s3: Any) -> None:
    recipe = make_recipe(
        s3.services.data_keys,
        Envelope(Mode.SSE_S3, "", b"wrapped", {"a": "b"}, bytearray(KEY)),
        upload_id="u",
        bucket=s3.bucket,
        key=b"k",
        created_ms=5,
        description=Description({"content-type": "text/plain"}, {"m": "1"}, "STANDARD"),
        checksum_algorithm="SHA1",
        checksum_type=COMPOSITE,
    )
    upload = Upload("u", s3.bucket.bucket_id, b"k", 5, "", "STANDARD", "SHA1", COMPOSITE, recipe)
    assert read_recipe(upload).sealed_keys == b""
    read = read_recipe(upload).manifest
    assert (read.key, read.wrapped_key, read.context) == (b"k", b"wrapped", {"a": "b"})
    assert (read.content, read.metadata) == ({"content-type": "text/plain"}, {"m": "1"})
    assert (read.parts, read.size) == ((), 0)


CHANGES = ["mac", "manifest", "bucket_id", "key", "time", "algorithm", "type", "of another"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("algorithm", [None, "CRC32"])
async def test_a_changed_recipe_is_refused(
    s3: Any, change: str, algorithm: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = s3.store.upload(await s3.begin("k", encryption=KMS, checksum_algorithm=algorithm))
    other = s3.store.upload(await s3.begin("other", encryption=KMS, checksum_algorithm=algorithm))
    recipe = upload.recipe
    changed: dict[str, dict[str, Any]] = {
        "mac": {"recipe": recipe.replace(read_recipe(upload).mac, bytes(32))},
        "manifest": {"recipe": recipe.replace(b"binary/octet", b"Binary/octet")},
        "bucket_id": {"bucket_id": b"X" * 16},
        "key": {"key": b"other"},
        "time": {"initiated_ms": 1},
        "algorithm": {"checksum_algorithm": "SHA1"},
        "type": {"checksum_type": "OTHER"},
        "of another": {"recipe": other.recipe},
    }
    moved = replace(upload, **changed[change])
    wiped: list[bytearray] = []
    monkeypatch.setattr(upload_module, "wipe", wiped.append)
    call = call_of(s3)
    with pytest.raises(TamperedError):
        open_upload_key(call, moved, read_recipe(moved))
    assert len(wiped) == 1
    with pytest.raises(TamperedError):
        open_binding_keys(call, moved, read_recipe(moved), NO_CUSTOMER_KEY)
    assert len(open_upload_key(call, upload, read_recipe(upload))) == 32
    assert open_binding_keys(call, upload, read_recipe(upload), NO_CUSTOMER_KEY).mac


async def test_completing_asks_for_the_data_key_only_for_checksums(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = s3.store.upload(await s3.begin("k", encryption=KMS))
    summed = s3.store.upload(await s3.begin("k", encryption=KMS, checksum_algorithm="CRC32"))

    def refuse(*arguments: Any, **named: Any) -> bytearray:
        raise AWSError("AccessDenied", status=403)

    call = call_of(s3)
    data_key = open_upload_key(call, plain, read_recipe(plain))
    monkeypatch.setattr(type(s3.services.data_keys), "open", refuse)
    opened = open_binding_keys(call, plain, read_recipe(plain), NO_CUSTOMER_KEY)
    assert opened == BindingKeys.derive(data_key)
    with pytest.raises(AWSError, match="AccessDenied"):
        open_binding_keys(call, summed, read_recipe(summed), NO_CUSTOMER_KEY)


def recipe_of(mode: Mode = Mode.SSE_S3) -> Recipe:
    """A recipe of which only the mode counts."""
    fields: dict[str, Any] = dict.fromkeys(Manifest.__dataclass_fields__)
    return Recipe(b"", b"", b"", Manifest(**{**fields, "mode": mode}))


BINDING = BindingKeys.derive(KEY)


def part(number: int, data: bytes, algorithm: Algorithm, upload_id: str = "u") -> Part:
    value = checksum(algorithm, data)
    blob = BlobRef(number.to_bytes(16), 1, 1, 0)
    received = Received(blob, None, bytes(32), len(data), None, algorithm.value, value, None)
    etag = md5(data).hexdigest()
    sealed = seal_part(KEY, upload_id, number, etag, received)
    return Part(upload_id, number, len(data), etag, 0, blob, sealed)


def test_checksums_of_parts_are_sealed_to_their_place() -> None:
    one = part(1, b"data", Algorithm.SHA256)
    opened = open_part(BINDING, recipe_of(), one)
    assert opened == ("SHA256", checksum(Algorithm.SHA256, b"data"))
    for moved in (
        replace(one, number=2),
        replace(one, upload_id="v"),
        replace(one, size=5),
        replace(one, etag="other"),
        replace(one, blob=replace(one.blob, blob_id=bytes(16))),
        replace(one, sealed=b"X" + one.sealed[1:]),
    ):
        with pytest.raises(TamperedError, match="checksums"):
            open_part(BINDING, recipe_of(), moved)


def upload_of(algorithm: str, kind: str) -> Upload:
    return Upload("u", b"B" * 16, b"k", 0, "", "STANDARD", algorithm, kind, b"")


def test_the_kept_algorithm() -> None:
    assert kept_algorithm(upload_of("", "")) is Algorithm.CRC64NVME
    assert kept_algorithm(upload_of("SHA1", COMPOSITE)) is Algorithm.SHA1


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("", ""),
        ("CRC32", COMPOSITE),
        ("CRC32", FULL_OBJECT),
        ("CRC32C", FULL_OBJECT),
        ("CRC64NVME", FULL_OBJECT),
        ("SHA256", COMPOSITE),
    ],
)
def test_joining(algorithm: str, kind: str) -> None:
    named = Algorithm(algorithm or "CRC64NVME")
    datas = {3: b"first", 7: b"", 9: b"third part"}
    parts = [part(number, data, named) for number, data in datas.items()]
    joined = join_parts(BINDING, upload_of(algorithm, kind), recipe_of(), parts)
    values = [checksum(named, data) for data in datas.values()]
    whole = checksum(named, b"firstthird part")
    if kind == COMPOSITE:
        whole = composite(named, values)
    assert joined.checksums[named.value] == whole
    assert joined.checksum_type == (kind or FULL_OBJECT)
    per_part = {str(number): value for number, value in zip(datas, values, strict=True)}
    shown = {name: value for name, value in joined.checksums.items() if name != named.value}
    assert shown == (per_part if algorithm else {})
    assert [(entry.number, entry.length) for entry in joined.parts] == [(3, 5), (7, 0), (9, 10)]
    assert joined.etag == joined_etag([one.etag for one in parts])


def test_the_etag_of_parts() -> None:
    digests = [md5(b"a").digest(), md5(b"b").digest()]
    wanted = md5(b"".join(digests)).hexdigest()
    assert joined_etag([digest.hex() for digest in digests]) == f"{wanted}-2"
