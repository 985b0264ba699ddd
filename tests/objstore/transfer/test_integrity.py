from base64 import b64encode
from hashlib import md5
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.checksum import Algorithm, ChecksumHeaders, Declared, checksum
from objstore.payload import Payload
from objstore.transfer.integrity import NO_CHECKSUM_HEADERS, Digests, body_digests, shown

DATA = b"some bytes that matter"
SHA256 = checksum(Algorithm.SHA256, DATA)
CRC64 = checksum(Algorithm.CRC64NVME, DATA)


class Body:
    """As much of a payload as digests look at."""

    def __init__(self, *trailer_names: str) -> None:
        self.trailer_names = frozenset(trailer_names)


def digests(headers: ChecksumHeaders, *trailer_names: str, **options: Any) -> Digests:
    body: Payload = Body(*trailer_names)  # type: ignore[assignment]
    options = {"content_md5": None, "want_md5": False, **options}
    return body_digests(body, headers, options.pop("content_md5"), **options)


def fed(made: Digests, trailers: dict[str, str] | None = None) -> Digests:
    for at in range(0, len(DATA), 5):
        made.update(DATA[at : at + 5])
    made.verify(trailers or {})
    return made


def test_without_a_declaration_the_default_is_kept() -> None:
    made = fed(digests(NO_CHECKSUM_HEADERS))
    assert (made.algorithm, made.checksum) == (Algorithm.CRC64NVME, CRC64)
    assert (made.verified, made.md5) == (None, None)


def test_the_declared_algorithm_is_kept_and_verified() -> None:
    made = fed(digests(ChecksumHeaders(checksum_sha256=SHA256)))
    assert (made.algorithm, made.checksum) == (Algorithm.SHA256, SHA256)
    assert made.verified == (Algorithm.SHA256, SHA256)


def test_an_upload_keeps_its_own_algorithm_beside_the_declared_one() -> None:
    headers = ChecksumHeaders(checksum_sha256=SHA256)
    made = fed(digests(headers, kept=Algorithm.CRC64NVME))
    assert (made.algorithm, made.checksum) == (Algorithm.CRC64NVME, CRC64)
    assert made.verified == (Algorithm.SHA256, SHA256)


def test_a_trailing_checksum() -> None:
    trailers = {"x-amz-checksum-sha256": SHA256}
    made = fed(digests(NO_CHECKSUM_HEADERS, "x-amz-checksum-sha256"), trailers)
    assert made.verified == (Algorithm.SHA256, SHA256)


@pytest.mark.parametrize("kept", [None, Algorithm.CRC64NVME, Algorithm.SHA256])
@pytest.mark.parametrize("trailing", [False, True])
def test_other_bytes_than_declared(kept: Algorithm | None, trailing: bool) -> None:
    other = checksum(Algorithm.SHA256, b"other")
    name = "x-amz-checksum-sha256"
    if trailing:
        made = digests(NO_CHECKSUM_HEADERS, name, kept=kept)
    else:
        made = digests(ChecksumHeaders(checksum_sha256=other), kept=kept)
    with pytest.raises(AWSError) as caught:
        fed(made, {name: other} if trailing else {})
    assert caught.value.code == "BadDigest"
    assert "SHA256" in caught.value.message


@pytest.mark.parametrize(
    ("content_md5", "code"),
    [
        (b64encode(md5(DATA).digest()).decode(), None),
        (b64encode(md5(b"x").digest()).decode(), "BadDigest"),
        ("not base64", "InvalidDigest"),
        ("", "InvalidDigest"),
    ],
)
def test_content_md5(content_md5: str, code: str | None) -> None:
    if code is None:
        made = fed(digests(NO_CHECKSUM_HEADERS, content_md5=content_md5))
        assert made.md5 == md5(DATA).hexdigest()
    else:
        with pytest.raises(AWSError) as caught:
            fed(digests(NO_CHECKSUM_HEADERS, content_md5=content_md5))
        assert caught.value.code == code


def test_an_md5_for_the_etag() -> None:
    assert fed(digests(NO_CHECKSUM_HEADERS, want_md5=True)).md5 == md5(DATA).hexdigest()
    assert (
        fed(
            Digests(Declared(Algorithm.SHA256, None), kept=Algorithm.CRC32),
            {"x-amz-checksum-sha256": SHA256},
        ).md5
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (("", "x"), {}),
        (("CRC32", None), {}),
        (("CRC32", "x"), {"ChecksumCRC32": "x"}),
        ((Algorithm.SHA1, "x", "COMPOSITE"), {"ChecksumSHA1": "x", "ChecksumType": "COMPOSITE"}),
    ],
)
def test_members_that_show_a_checksum(arguments: Any, members: dict[str, str]) -> None:
    assert shown(*arguments) == members
