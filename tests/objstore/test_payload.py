import hashlib
from collections.abc import MutableMapping
from typing import Any

import pytest

from kms.aws import sigv4
from objstore.authenticate import Authenticated, PayloadMode
from objstore.errors import S3Error
from objstore.payload import BATCH_BYTES, Payload, Receive

KEY = sigv4.signing_key("secret", "20260101", "us-east-1", "s3")
UNSIGNED = Authenticated(None, "us-east-1", PayloadMode.UNSIGNED, None, None)
TRAILER = Authenticated(None, "us-east-1", PayloadMode.CHUNKS_UNSIGNED_TRAILER, None, None)
CHUNKED_BODY = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
CHUNKED = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}


def signed(body: bytes) -> Authenticated:
    digest = hashlib.sha256(body).hexdigest()
    return Authenticated(None, "us-east-1", PayloadMode.SIGNED, digest, None)


def receiver(*parts: bytes, disconnect: bool = False) -> Receive:
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if disconnect:
        messages.append({"type": "http.disconnect"})
    elif messages:
        messages[-1]["more_body"] = False
    else:
        messages.append({"type": "http.request"})
    queue = iter(messages)

    async def receive() -> MutableMapping[str, Any]:
        return next(queue)

    return receive


async def test_small_bodies_are_read_whole() -> None:
    for authenticated in (UNSIGNED, signed(b"hello")):
        payload = Payload(receiver(b"he", b"llo"), authenticated, {"content-length": "5"})
        assert payload.length == 5
        assert await payload.read(5) == b"hello"


async def test_a_chunked_body_loses_its_framing() -> None:
    payload = Payload(receiver(CHUNKED_BODY), TRAILER, CHUNKED)
    assert payload.length == 5
    assert payload.trailer_names == {"x-amz-checksum-crc32"}
    pieces = [piece async for raw in payload.batches() for piece in payload.decode(raw)]
    assert b"".join(pieces) == b"hello"
    assert payload.finish() == {"x-amz-checksum-crc32": "NhCmhg=="}


async def test_chunk_signatures_are_checked() -> None:
    signing = sigv4.SigningContext(KEY, "scope", "20260101T000000Z", "0" * 64)
    strict = Authenticated(None, "us-east-1", PayloadMode.CHUNKS_SIGNED, None, signing)
    body = b"5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n"
    headers = {"x-amz-decoded-content-length": "5"}
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        await Payload(receiver(body), strict, headers).read(5)
    permissive = Authenticated(None, "us-east-1", PayloadMode.CHUNKS_SIGNED, None, None)
    assert await Payload(receiver(body), permissive, headers).read(5) == b"hello"


async def test_batches_are_gathered() -> None:
    part = b"x" * 65536
    count = BATCH_BYTES // len(part)
    payload = Payload(
        receiver(*[part] * (2 * count + 1)),
        UNSIGNED,
        {"content-length": str(2 * BATCH_BYTES + len(part))},
    )
    sizes = [len(batch) async for batch in payload.batches()]
    assert sizes == [BATCH_BYTES, BATCH_BYTES, len(part)]


async def test_a_body_in_one_message_is_not_copied() -> None:
    body = b"x" * 4096
    payload = Payload(receiver(body), UNSIGNED, {"content-length": "4096"})
    (batch,) = [batch async for batch in payload.batches()]
    (piece,) = payload.decode(batch)
    assert piece is body


async def test_no_length_means_no_body_where_that_is_allowed() -> None:
    payload = Payload(receiver(), UNSIGNED, {}, length_required=False)
    assert (payload.length, await payload.read(10)) == (0, b"")


@pytest.mark.parametrize(
    ("authenticated", "headers", "code"),
    [
        (UNSIGNED, {}, "MissingContentLength"),
        (UNSIGNED, {"transfer-encoding": "chunked"}, "NotImplemented"),
        (TRAILER, {"content-length": "5"}, "MissingContentLength"),
        (UNSIGNED, {"content-length": "-1"}, "InvalidArgument"),
        (UNSIGNED, {"content-length": "9" * 16}, "InvalidArgument"),
        (TRAILER, {"x-amz-decoded-content-length": "\u0665"}, "InvalidArgument"),
    ],
)
def test_lengths_that_are_refused(
    authenticated: Authenticated, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(S3Error) as caught:
        Payload(receiver(), authenticated, headers)
    assert caught.value.code == code


async def test_transfer_encoding_with_a_decoded_length() -> None:
    headers = {"transfer-encoding": "chunked", "x-amz-decoded-content-length": "5"}
    assert await Payload(receiver(b"hello"), UNSIGNED, headers).read(9) == b"hello"


FIVE = {"content-length": "5"}


@pytest.mark.parametrize(
    ("authenticated", "headers", "body", "code"),
    [
        (UNSIGNED, FIVE, b"hell", "IncompleteBody"),
        (UNSIGNED, FIVE, b"hello!", "IncompleteBody"),
        (signed(b"hello"), FIVE, b"hellO", "XAmzContentSHA256Mismatch"),
        (UNSIGNED, {"content-length": "9"}, b"", "MaxMessageLengthExceeded"),
        (TRAILER, CHUNKED, CHUNKED_BODY[:-2], "IncompleteBody"),
        (TRAILER, {**CHUNKED, "x-amz-trailer": "x-amz-a"}, CHUNKED_BODY, "MalformedTrailerError"),
        (TRAILER, CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
    ],
)
async def test_bodies_that_are_refused(
    authenticated: Authenticated, headers: dict[str, str], body: bytes, code: str
) -> None:
    payload = Payload(receiver(body), authenticated, headers)
    with pytest.raises(S3Error) as caught:
        await payload.read(8)
    assert caught.value.code == code


async def test_a_mismatch_names_both_digests() -> None:
    payload = Payload(receiver(b"hellO"), signed(b"hello"), FIVE)
    with pytest.raises(S3Error) as caught:
        await payload.read(5)
    assert caught.value.fields == {
        "ClientComputedContentSHA256": hashlib.sha256(b"hello").hexdigest(),
        "S3ComputedContentSHA256": hashlib.sha256(b"hellO").hexdigest(),
    }


async def test_a_client_that_leaves_is_an_incomplete_body() -> None:
    with pytest.raises(S3Error, match="IncompleteBody"):
        await Payload(receiver(b"he", disconnect=True), UNSIGNED, FIVE).read(5)
