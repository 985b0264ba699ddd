import hashlib
from collections.abc import Mapping

import pytest

from kms.aws import sigv4
from objstore.errors import S3Error
from objstore.wire.chunked import ChunkedDecoder

SIGNER = sigv4.SigningContext(
    sigv4.signing_key("secret", "20260101", "us-east-1", "s3"),
    "20260101/us-east-1/s3/aws4_request",
    "20260101T000000Z",
    "0" * 64,
)
TRAILERS = {"x-amz-checksum-crc32c": "sOO8/Q=="}
DATA = bytes(range(256)) * 80


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def frame(*chunks: bytes, signed: bool = True, trailers: Mapping[str, str] | None = None) -> bytes:
    """An aws-chunked body as a good client makes it."""
    out, signature = b"", SIGNER.seed
    for chunk in (*chunks, b""):
        out += f"{len(chunk):x}".encode()
        if signed:
            signature = SIGNER.chunk_signature(signature, sha256(chunk))
            out += f";chunk-signature={signature}".encode()
        out += b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    text = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
    out += text.replace("\n", "\r\n").encode()
    if signed and trailers is not None:
        seal = SIGNER.trailer_signature(signature, sha256(text.encode()))
        out += f"x-amz-trailer-signature:{seal}\r\n".encode()
    return out + b"\r\n"


def decode(
    body: bytes,
    *,
    length: int = len(DATA),
    signed: bool = True,
    trailer: bool = False,
    step: int = 0,
    signer: sigv4.SigningContext | None = SIGNER,
) -> tuple[bytes, Mapping[str, str]]:
    decoder = ChunkedDecoder(length, signed=signed, trailer=trailer, signer=signer)
    step = step or len(body) or 1
    out = b""
    for at in range(0, len(body), step):
        out += b"".join(bytes(piece) for piece in decoder.feed(body[at : at + step]))
    return out, decoder.finish()


@pytest.mark.parametrize("step", [0, 1, 7, 4096])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("trailers", [None, TRAILERS])
def test_good_bodies_at_every_cut(
    step: int, signed: bool, trailers: Mapping[str, str] | None
) -> None:
    body = frame(DATA[:10000], DATA[10000:], signed=signed, trailers=trailers)
    trailer = trailers is not None
    assert decode(body, signed=signed, trailer=trailer, step=step) == (DATA, trailers or {})


@pytest.mark.parametrize("signed", [True, False])
def test_an_empty_body_is_one_zero_chunk(signed: bool) -> None:
    assert decode(frame(signed=signed), length=0, signed=signed) == (b"", {})


def test_a_signed_chunk_is_held_until_it_is_proved() -> None:
    body = frame(DATA)
    decoder = ChunkedDecoder(len(DATA), signed=True, trailer=False, signer=SIGNER)
    assert decoder.feed(body[:20000]) == []
    assert b"".join(decoder.feed(body[20000:])) == DATA


def test_unsigned_data_is_not_copied() -> None:
    body = frame(DATA, signed=False)
    decoder = ChunkedDecoder(len(DATA), signed=False, trailer=True)
    (piece,) = decoder.feed(body)
    assert isinstance(piece, memoryview)
    assert piece.obj is body


def test_a_permissive_server_takes_any_signature() -> None:
    body = frame(DATA, trailers=TRAILERS).replace(b"signature=", b"signature=x")
    assert decode(body, trailer=True, signer=None) == (DATA, TRAILERS)


def test_an_empty_line_may_precede_the_signature_of_the_trailer() -> None:
    body = frame(DATA, trailers=TRAILERS)
    body = body.replace(b"\r\nx-amz-trailer-signature", b"\n\r\nx-amz-trailer-signature")
    assert decode(body, trailer=True) == (DATA, TRAILERS)


SIGNED = frame(DATA[:8192], DATA[8192:])
SEALED = frame(DATA, trailers=TRAILERS)
PLAIN = frame(DATA, signed=False, trailers=TRAILERS)
ZERO = b"0;chunk-signature="
SECOND = SIGNED.index(b"3000;chunk-signature=")
LAST = SIGNED.index(b"\r\n" + ZERO) + 2
REFUSED = [
    ("changed data", SIGNED.replace(DATA[:10], DATA[1:11], 1), "SignatureDoesNotMatch"),
    (
        "reordered",
        SIGNED[SECOND:LAST] + SIGNED[:SECOND] + SIGNED[LAST:],
        "SignatureDoesNotMatch",
    ),
    ("no last chunk", SIGNED[: SIGNED.index(ZERO)], "IncompleteBody"),
    ("cut in data", SIGNED[:5000], "IncompleteBody"),
    ("cut last line", SIGNED[:-2], "IncompleteBody"),
    ("more after the end", SIGNED + b"0", "IncompleteBody"),
    ("bad last signature", SIGNED[:-10] + b"00000000\r\n\r\n"[-10:], "SignatureDoesNotMatch"),
    ("no signature", frame(DATA, signed=False), "IncompleteBody"),
    ("small chunk", frame(DATA[:8191], DATA[8191:]), "InvalidChunkSizeError"),
    ("short", frame(DATA[:-1]), "IncompleteBody"),
    ("long", frame(DATA + b"x"), "IncompleteBody"),
    ("more than a chunk", SIGNED[: SECOND - 2] + b"x" + SIGNED[SECOND - 2 :], "IncompleteBody"),
    ("a line for the end of a chunk", SIGNED[: SECOND - 2] + b"x\r\n", "IncompleteBody"),
    ("long header", b"0" * 129, "IncompleteBody"),
    ("no digits", b"\r\n", "IncompleteBody"),
    ("sign", b"-1;chunk-signature=\r\n", "IncompleteBody"),
    ("underscore", b"1_0;chunk-signature=\r\n", "IncompleteBody"),
    ("bare newline", b"0;chunk-signature=\n", "IncompleteBody"),
    ("17 MiB", b"1100000;chunk-signature=\r\n", "InvalidChunkSizeError"),
    ("4 GiB", b"fffffffffff;chunk-signature=\r\n", "InvalidChunkSizeError"),
    ("trailer not expected", SEALED, "MalformedTrailerError"),
    ("empty", b"", "IncompleteBody"),
]


@pytest.mark.parametrize(("body", "code"), [x[1:] for x in REFUSED], ids=[x[0] for x in REFUSED])
@pytest.mark.parametrize("step", [0, 1])
def test_signed_bodies_that_are_refused(body: bytes, code: str, step: int) -> None:
    with pytest.raises(S3Error) as caught:
        decode(body, step=step)
    assert caught.value.code == code


TRAILER_REFUSED = [
    ("changed", SEALED.replace(b"sOO8", b"sOO9"), True, "SignatureDoesNotMatch"),
    (
        "unsealed",
        SEALED[: SEALED.index(b"x-amz-trailer")] + b"\r\n",
        True,
        "IncompleteBody",
    ),
    ("none at all", frame(DATA), True, "SignatureDoesNotMatch"),
    (
        "after the seal",
        SEALED[:-2] + b"x-amz-checksum-crc32:a\r\n\r\n",
        True,
        "MalformedTrailerError",
    ),
    ("twice", PLAIN[:-2] + b"x-amz-checksum-crc32c:a\r\n\r\n", False, "MalformedTrailerError"),
    ("no colon", PLAIN[:-2] + b"x\r\n\r\n", False, "MalformedTrailerError"),
    ("too long", PLAIN[:-2] + b"x:" + b"y" * 2048, False, "MalformedTrailerError"),
    ("cut", PLAIN[:-2], False, "IncompleteBody"),
    ("signed chunk", frame(DATA), False, "IncompleteBody"),
]


@pytest.mark.parametrize(
    ("body", "signed", "code"),
    [x[1:] for x in TRAILER_REFUSED],
    ids=[x[0] for x in TRAILER_REFUSED],
)
def test_trailers_that_are_refused(body: bytes, signed: bool, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        decode(body, signed=signed, trailer=True)
    assert caught.value.code == code
