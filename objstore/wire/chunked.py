"""Decodes aws-chunked bodies: framing off, every signature checked. Sans-IO.

    body    = chunk* last trailer* [signature-trailer] CRLF
    chunk   = hex-size [";chunk-signature=" hex] CRLF data CRLF
    last    = "0" [";chunk-signature=" hex] CRLF
    trailer = name ":" value CRLF

A signed chunk is released only when its signature is proved; an unsigned one as it arrives,
without a copy. The stream must hold exactly the declared length and end after the trailer. It
knows no HTTP and no credentials: a `ChunkSigner` says what the next signature must be.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import hashlib
from collections.abc import Mapping
from enum import Enum, auto
from hmac import compare_digest
from typing import Protocol

from objstore.errors import S3Error

CHUNK_HEADER_BYTES_MAX = 128
SIGNED_CHUNK_BYTES_MAX = 16 * 1024 * 1024
SIGNED_CHUNK_BYTES_MIN = 8192
TRAILER_BYTES_MAX = 2048
SIZE_DIGITS_MAX = 12
HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
SIGNATURE_TRAILER = "x-amz-trailer-signature"


class ChunkSigner(Protocol):
    """Computes expected signatures (hex) from the previous one and a SHA-256 (hex)."""

    @property
    def seed(self) -> str: ...
    def chunk_signature(self, previous: str, chunk_sha256: str) -> str: ...
    def trailer_signature(self, previous: str, trailer_sha256: str) -> str: ...


class _State(Enum):
    HEADER = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkedDecoder:
    """One aws-chunked body of `length` decoded bytes.

    `signed` bodies carry chunk signatures, which `signer` checks; None leaves them unchecked
    (permissive servers). `trailer` says whether trailing headers may follow; a signed trailer
    has a signature of its own. After an error the decoder must not be used again.
    """

    def __init__(
        self, length: int, *, signed: bool, trailer: bool, signer: ChunkSigner | None = None
    ) -> None:
        self._signed = signed
        self._signer = signer if signed else None
        self._trailer = trailer
        self._signature = signer.seed if signer is not None else ""
        self._state = _State.HEADER
        self._line = bytearray()
        self._remaining = length
        self._chunk_remaining = 0
        self._chunk_size = 0
        self._chunk_number = 0
        self._chunk_signature = ""
        self._chunk_hash = hashlib.sha256()
        self._held: list[memoryview] = []
        self._trailers: dict[str, str] = {}
        self._trailer_bytes = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Take the next bytes of the body; returns the decoded pieces that are proved.

        Pieces are views of `data`, which must not be changed while they are in use.
        Raises S3Error.
        """
        released: list[bytes | memoryview] = []
        view = memoryview(data).toreadonly()
        at = 0
        while at < len(view):
            if self._state is _State.DATA:
                at += self._take_data(view[at : at + self._chunk_remaining], released)
            elif self._state is _State.DONE:
                raise S3Error("IncompleteBody", "The request body goes on after its last chunk.")
            else:
                at = self._take_line(view, at)
        return released

    def finish(self) -> Mapping[str, str]:
        """The trailers, by lower-case name, once the body has ended. Raises S3Error."""
        if self._state is not _State.DONE:
            raise S3Error("IncompleteBody", "The request body ended before its last chunk.")
        return self._trailers

    def _take_data(self, piece: memoryview, released: list[bytes | memoryview]) -> int:
        self._chunk_remaining -= len(piece)
        if self._signer is None:
            released.append(piece)
        else:
            self._chunk_hash.update(piece)
            self._held.append(piece)
        if self._chunk_remaining == 0:
            self._verify_chunk()
            released.extend(self._held)
            self._held.clear()
            self._state = _State.DATA_END
        return len(piece)

    def _take_line(self, view: memoryview, at: int) -> int:
        """Take bytes up to a line's end, and act on the line if it is whole."""
        limit = CHUNK_HEADER_BYTES_MAX
        if self._state is _State.TRAILER:
            limit = TRAILER_BYTES_MAX - self._trailer_bytes
        room = limit - len(self._line)
        piece = bytes(view[at : at + room + 1])
        end = piece.find(b"\n")
        self._line += piece if end < 0 else piece[: end + 1]
        if len(self._line) > limit:
            raise self._bad_framing()
        if end < 0:
            return at + len(piece)
        line = bytes(self._line)
        self._line.clear()
        if self._state is _State.TRAILER:
            self._trailer_bytes += len(line)
            self._take_trailer(line)
        elif not line.endswith(b"\r\n"):
            raise self._bad_framing()
        elif self._state is _State.HEADER:
            self._take_header(line[:-2])
        elif line == b"\r\n":
            self._state = _State.HEADER
        else:
            raise self._bad_framing()
        return at + end + 1

    def _take_header(self, line: bytes) -> None:
        size_text, separator, extension = line.partition(b";")
        digits = size_text.strip(b" ")
        if not 0 < len(digits) <= SIZE_DIGITS_MAX or not HEX_DIGITS.issuperset(digits):
            raise self._bad_framing()
        size = int(digits, 16)
        name, _, value = extension.partition(b"=")
        if self._signed != (name == b"chunk-signature") or bool(separator) != self._signed:
            raise self._bad_framing()
        self._check_size(size)
        self._chunk_signature = value.decode("latin-1")
        self._chunk_size = self._chunk_remaining = size
        self._chunk_number += 1
        self._remaining -= size
        if size:
            self._state = _State.DATA
        else:
            self._verify_chunk()
            self._state = _State.TRAILER

    def _check_size(self, size: int) -> None:
        small = self._chunk_number > 0 and self._chunk_size < SIGNED_CHUNK_BYTES_MIN
        if size and self._signed and small:
            raise S3Error(
                "InvalidChunkSizeError",
                Chunk=str(self._chunk_number),
                BadChunkSizeInBytes=str(self._chunk_size),
            )
        if self._signed and size > SIGNED_CHUNK_BYTES_MAX:
            raise S3Error(
                "InvalidChunkSizeError",
                f"A chunk may have at most {SIGNED_CHUNK_BYTES_MAX} bytes",
                Chunk=str(self._chunk_number + 1),
                BadChunkSizeInBytes=str(size),
            )
        if size > self._remaining or (size == 0 and self._remaining):
            raise S3Error(
                "IncompleteBody",
                "The chunks do not add up to the length in x-amz-decoded-content-length.",
            )

    def _verify_chunk(self) -> None:
        if self._signer is None:
            return
        expected = self._signer.chunk_signature(self._signature, self._chunk_hash.hexdigest())
        if not compare_digest(expected.encode(), self._chunk_signature.encode()):
            raise S3Error("SignatureDoesNotMatch")
        self._signature = expected
        self._chunk_hash = hashlib.sha256()

    def _take_trailer(self, line: bytes) -> None:
        """Act on a line after the zero chunk; the empty one ends the body."""
        text = line.rstrip(b"\r\n").decode("latin-1")
        if text:
            self._add_trailer(text)
            return
        sealed = SIGNATURE_TRAILER in self._trailers
        if self._signed and self._trailer and not sealed:
            # Some clients put an empty line between the trailers and their signature.
            if self._trailers and self._trailer_bytes < TRAILER_BYTES_MAX:
                return
            raise S3Error("SignatureDoesNotMatch")
        self._verify_trailer()
        self._state = _State.DONE

    def _add_trailer(self, text: str) -> None:
        name, colon, value = text.partition(":")
        name = name.strip(" ").lower()
        after_the_end = SIGNATURE_TRAILER in self._trailers
        if not (self._trailer and colon and name) or name in self._trailers or after_the_end:
            raise S3Error("MalformedTrailerError")
        self._trailers[name] = value.strip(" ")

    def _verify_trailer(self) -> None:
        signature = self._trailers.pop(SIGNATURE_TRAILER, "")
        if self._signer is None or not self._trailer:
            return
        signed = "".join(f"{name}:{value}\n" for name, value in self._trailers.items())
        digest = hashlib.sha256(signed.encode("latin-1")).hexdigest()
        expected = self._signer.trailer_signature(self._signature, digest)
        if not compare_digest(expected.encode(), signature.encode()):
            raise S3Error("SignatureDoesNotMatch")

    def _bad_framing(self) -> S3Error:
        if self._state is _State.TRAILER:
            return S3Error("MalformedTrailerError")
        return S3Error("IncompleteBody", "The request body is not well-formed aws-chunked data.")
