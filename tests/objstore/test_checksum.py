import hashlib
from base64 import b64encode
from dataclasses import fields

import pytest
from botocore import xform_name

from objstore import checksum
from objstore.checksum import Algorithm, BodySums, ChecksumHeaders, Declared, declared
from objstore.errors import S3Error

CHECK = b"123456789"
# The CRCs' published check values: https://reveng.sourceforge.io/crc-catalogue/all.htm
CHECK_VALUES = {
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
    Algorithm.CRC64NVME: "ae8b14860a799888",
    Algorithm.SHA1: hashlib.sha1(CHECK).hexdigest(),
    Algorithm.SHA256: hashlib.sha256(CHECK).hexdigest(),
    Algorithm.SHA512: hashlib.sha512(CHECK).hexdigest(),
    Algorithm.MD5: hashlib.md5(CHECK).hexdigest(),
    # Computed with the reference implementation (https://xxhash.com), canonical form.
    Algorithm.XXHASH64: "8cb841db40e6ae83",
    Algorithm.XXHASH3: "72dcb18b67a17dff",
    Algorithm.XXHASH128: "33119477ede5dcd5e9716427681d5860",
}
WRONG = b64encode(bytes(4)).decode()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_check_values(algorithm: Algorithm) -> None:
    digest = bytes.fromhex(CHECK_VALUES[algorithm])
    function = checksum.hasher(algorithm)
    for part in (b"", CHECK[:4], memoryview(CHECK)[4:7], bytearray(CHECK[7:])):
        function.update(part)
    assert function.digest() == digest
    assert checksum.checksum(algorithm, CHECK) == b64encode(digest).decode()
    assert algorithm.digest_length == len(digest)
    assert checksum.decode(algorithm, b64encode(digest).decode()) == digest
    assert checksum.decode(algorithm, b64encode(digest).decode() + "=") is None
    assert checksum.algorithm_named(algorithm.value) is algorithm


def test_the_group_has_the_names_of_the_members() -> None:
    names = {each.name for each in fields(ChecksumHeaders)}
    assert names == {xform_name(algorithm.member) for algorithm in Algorithm}
    sent = ChecksumHeaders(**{name: name for name in names}).values()
    assert sent == {each: xform_name(each.member) for each in Algorithm}
    assert Algorithm.CRC64NVME.header == "x-amz-checksum-crc64nvme"


def test_what_a_request_declares() -> None:
    value = checksum.checksum(Algorithm.CRC32, CHECK)
    digest = bytes.fromhex(CHECK_VALUES[Algorithm.CRC32])
    assert declared(ChecksumHeaders()) is None
    assert declared(ChecksumHeaders(value)) == Declared(Algorithm.CRC32, digest)
    assert declared(ChecksumHeaders(), ["x-amz-checksum-sha1"]) == Declared(Algorithm.SHA1, None)


@pytest.mark.parametrize(
    ("headers", "trailers", "text"),
    [
        (ChecksumHeaders("a"), [], "Value for x-amz-checksum-crc32 header is invalid."),
        (ChecksumHeaders(checksum_sha1=WRONG), [], "x-amz-checksum-sha1 header is invalid"),
        (ChecksumHeaders(WRONG, WRONG), [], "Expecting a single"),
        (ChecksumHeaders(WRONG), ["x-amz-checksum-crc32c"], "Expecting a single"),
        (ChecksumHeaders(), ["x-amz-meta-a"], "x-amz-trailer"),
    ],
)
def test_declarations_that_are_refused(
    headers: ChecksumHeaders, trailers: list[str], text: str
) -> None:
    with pytest.raises(S3Error, match=text) as caught:
        declared(headers, trailers)
    assert caught.value.code == "InvalidRequest"


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(S3Error, match="unsupported"):
        checksum.algorithm_named("CRC16")


def test_sums_of_a_body() -> None:
    md5 = hashlib.md5(CHECK).digest()
    promise = declared(ChecksumHeaders(checksum.checksum(Algorithm.CRC32, CHECK)))
    sums = BodySums(promise, content_md5=b64encode(md5).decode())
    sums.update(CHECK)
    done = sums.finish({})
    assert (done.md5, done.algorithm) == (md5, Algorithm.CRC32)
    assert done.value == checksum.checksum(Algorithm.CRC32, CHECK)


def test_nothing_is_computed_that_nobody_wants() -> None:
    sums = BodySums(None)
    sums.update(CHECK)
    assert sums.finish({}) == checksum.Sums(None, None, None)


def test_the_default_algorithm_stands_in() -> None:
    sums = BodySums(None, md5=True, default=Algorithm.CRC64NVME)
    sums.update(CHECK)
    value = checksum.checksum(Algorithm.CRC64NVME, CHECK)
    assert sums.finish({}) == checksum.Sums(hashlib.md5(CHECK).digest(), Algorithm.CRC64NVME, value)


def test_a_trailing_checksum() -> None:
    def finish(trailers: dict[str, str]) -> checksum.Sums:
        sums = BodySums(Declared(Algorithm.CRC32, None))
        sums.update(CHECK)
        return sums.finish(trailers)

    good = checksum.checksum(Algorithm.CRC32, CHECK)
    assert finish({"x-amz-checksum-crc32": good}).value == good
    with pytest.raises(S3Error, match="The CRC32 you specified did not match the calculated"):
        finish({"x-amz-checksum-crc32": WRONG})
    with pytest.raises(S3Error, match="trailing header is invalid"):
        finish({})


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_wrong_checksum_is_a_bad_digest(algorithm: Algorithm) -> None:
    sums = BodySums(Declared(algorithm, bytes(algorithm.digest_length)))
    sums.update(CHECK)
    with pytest.raises(S3Error) as caught:
        sums.finish({})
    assert caught.value.code == "BadDigest"
    assert caught.value.message.startswith(f"The {algorithm.value} you specified")


def test_content_md5() -> None:
    for value in ("", "x", b64encode(bytes(15)).decode(), b64encode(bytes(17)).decode()):
        with pytest.raises(S3Error, match="InvalidDigest"):
            BodySums(None, content_md5=value)
    sums = BodySums(None, content_md5=b64encode(bytes(16)).decode())
    sums.update(CHECK)
    with pytest.raises(S3Error, match="BadDigest") as caught:
        sums.finish({})
    assert (
        caught.value.fields["CalculatedDigest"] == b64encode(hashlib.md5(CHECK).digest()).decode()
    )


def test_composite() -> None:
    parts = [b"a" * 10, b"b"]
    values = [checksum.checksum(Algorithm.SHA256, part) for part in parts]
    joined = b"".join(hashlib.sha256(part).digest() for part in parts)
    expected = b64encode(hashlib.sha256(joined).digest()).decode() + "-2"
    assert checksum.composite(Algorithm.SHA256, values) == expected


@pytest.mark.parametrize("algorithm", [each for each in Algorithm if each.full_object])
def test_full_object(algorithm: Algorithm) -> None:
    parts = [b"a" * 100, b"", b"bcd", CHECK]
    pairs = [(checksum.checksum(algorithm, part), len(part)) for part in parts]
    whole = checksum.checksum(algorithm, b"".join(parts))
    assert checksum.full_object(algorithm, pairs) == whole


def test_only_crcs_combine() -> None:
    combine = {algorithm for algorithm in Algorithm if algorithm.full_object}
    assert combine == {Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME}
