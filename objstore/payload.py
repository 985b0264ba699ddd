"""A request's body: received in batches, decoded and verified by whoever stores it.

Receiving is asynchronous and bounded; `decode` and `finish` are synchronous, so that they can run
in the thread that seals and writes. Nothing received is proved before `finish` has returned.
It knows ASGI's `receive`, but neither routes nor operations.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonRequestHeaders.html
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from objstore.authenticate import Authenticated, PayloadMode
from objstore.errors import S3Error
from objstore.wire.chunked import ChunkedDecoder

BATCH_BYTES = 1024 * 1024
LENGTH_DIGITS_MAX = 15

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Payload:
    """The body of one request; read once, with `batches` and `decode` or with `read`.

    `length` is that of the decoded body in bytes; `trailer_names` are the lower-case names of the
    trailing headers that the request announces. Raises S3Error if the headers give no length,
    except that no header at all means an empty body unless `length_required`; HTTP's own chunks
    are NotImplemented, as at S3, unless the decoded length is told.
    """

    def __init__(
        self,
        receive: Receive,
        authenticated: Authenticated,
        headers: Mapping[str, str],
        *,
        length_required: bool = True,
    ) -> None:
        mode = authenticated.mode
        chunked = mode not in (PayloadMode.SIGNED, PayloadMode.UNSIGNED)
        self._receive = receive
        self.length = _length(headers, chunked=chunked, required=length_required)
        self.trailer_names = _trailer_names(headers)
        self.trailers: Mapping[str, str] = {}
        self._received = 0
        self._body_sha256 = authenticated.body_sha256
        self._hash = hashlib.sha256() if mode is PayloadMode.SIGNED else None
        self._decoder = None
        if chunked:
            self._decoder = ChunkedDecoder(
                self.length,
                signed=mode is not PayloadMode.CHUNKS_UNSIGNED_TRAILER,
                trailer=mode is not PayloadMode.CHUNKS_SIGNED,
                signer=authenticated.signing,
            )

    @property
    def received(self) -> int:
        """How many bytes of the decoded body have come in so far."""
        return self._received

    async def batches(self) -> AsyncIterator[bytes]:
        """The body as it is on the wire, gathered into batches of about `BATCH_BYTES`.

        Every batch but the last has at least that much. Raises S3Error if the client leaves.
        """
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise S3Error("IncompleteBody")
            more = message.get("more_body", False)
            part = message.get("body", b"")
            if part:
                parts.append(part)
                size += len(part)
            if size >= BATCH_BYTES or (size and not more):
                yield parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                size = 0

    def decode(self, raw: bytes | bytearray) -> list[bytes | bytearray | memoryview]:
        """Strip and verify the framing of the next batch; the pieces may be views of `raw`.

        Raises S3Error. May run in another thread, one batch at a time.
        """
        pieces: list[bytes | bytearray | memoryview] = [raw]
        if self._decoder is not None:
            pieces = [*self._decoder.feed(raw)]
        for piece in pieces:
            self._received += len(piece)
            if self._hash is not None:
                self._hash.update(piece)
        if self._received > self.length:
            raise S3Error("IncompleteBody")
        return pieces

    def finish(self) -> Mapping[str, str]:
        """Verify what only the end proves; returns the trailers by lower-case name.

        Raises S3Error if the body is short, or is not what was signed.
        """
        trailers = {} if self._decoder is None else self._decoder.finish()
        if self._received != self.length:
            raise S3Error("IncompleteBody")
        if trailers.keys() != self.trailer_names:
            raise S3Error("MalformedTrailerError")
        if self._hash is not None:
            computed = self._hash.hexdigest()
            if computed != self._body_sha256:
                raise S3Error(
                    "XAmzContentSHA256Mismatch",
                    ClientComputedContentSHA256=self._body_sha256 or "",
                    S3ComputedContentSHA256=computed,
                )
        return trailers

    async def read(self, limit: int) -> bytes:
        """The whole verified body, for documents of at most `limit` bytes. Raises S3Error.

        What came after it is in `trailers`.
        """
        if self.length > limit:
            raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
        pieces: list[bytes | bytearray | memoryview] = []
        async for raw in self.batches():
            pieces += self.decode(raw)
        self.trailers = self.finish()
        return b"".join(pieces)


def _length(headers: Mapping[str, str], *, chunked: bool, required: bool) -> int:
    text = headers.get("x-amz-decoded-content-length")
    transfer_encoding = headers.get("transfer-encoding")
    if text is None or not (chunked or transfer_encoding):
        if chunked:
            raise S3Error("MissingContentLength")
        if transfer_encoding:
            raise S3Error("NotImplemented", Header="Transfer-Encoding")
        text = headers.get("content-length")
    if text is None:
        if required:
            raise S3Error("MissingContentLength")
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= LENGTH_DIGITS_MAX):
        raise S3Error("InvalidArgument", "The length of the body is not a number.")
    return int(text)


def _trailer_names(headers: Mapping[str, str]) -> frozenset[str]:
    text = headers.get("x-amz-trailer")
    if text is None:
        return frozenset()
    return frozenset(name.strip(" ").lower() for name in text.split(",") if name.strip(" "))
