"""Sealed blobs, format v1: a header and a sequence of AES-256-GCM chunks.

    blob     = header(128) ‖ chunk_0 ‖ … ‖ chunk_{k-1}       k = max(1, ⌈n/C⌉), C = 2^log2
    chunk_i  = AES-256-GCM(k, nonce_i, plaintext_i, AAD = header) ‖ 16-byte tag
    okm      = HKDF-SHA256(data key, salt, "objstore/v1/blob" ‖ header[0:96], 76 bytes)
             = k(32) ‖ n(12) ‖ commitment(32)
    nonce_i  = n XOR (1 if i is the last chunk else 0 ‖ 000000 ‖ u64be(i))

Pure: bytes in, bytes out; knows no file, no KMS and no S3. A data key may seal many blobs, since
each blob derives its own key from a random salt. Specification and vectors: docs/format.md.
"""

import os
import struct
from hmac import compare_digest
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms.aws.values import value_class

Buffer: TypeAlias = bytes | bytearray | memoryview

MAGIC = b"\x89OBJS\r\n\x1a"
VERSION = 1
SUITE = 1
HEADER_LENGTH = 128
TAG_LENGTH = 16
CHUNK_LOG2 = 17
CHUNK_LOG2_MIN = 12
CHUNK_LOG2_MAX = 24
CHUNKS_MAX = 1 << 32
DATA_KEY_LENGTH = 32
BLOB_ID_LENGTH = 16
SALT_LENGTH = 32
COMMITMENT_LENGTH = 32

_DERIVED = struct.Struct(">8sHHBBHQ16s32s24s")  # header[0:96]: all but the commitment
_INFO = b"objstore/v1/blob"
_NO_BYTES = bytes(24)
_NONCE_LENGTH = 12
_FINAL = 1 << 88  # The last chunk's mark: the first byte of the nonce's mask.
_SHA256 = SHA256()


class TamperedError(Exception):
    """What lies on disk is not what was sealed, or was not sealed with this key.

    `part` says where it showed: "header", "size", "commitment", "chunk", "manifest", "checksums"
    or "data key". Carries no key, no plaintext and no stored byte.
    """

    def __init__(self, part: str) -> None:
        super().__init__(f"the {part} cannot be verified")
        self.part = part


@value_class(frozen=True, slots=True)
class Header:
    """A parsed header; `raw` is its 128 bytes. Nothing in it is verified but its form."""

    raw: bytes
    chunk_log2: int
    plaintext_length: int
    blob_id: bytes
    salt: bytes
    commitment: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """Read a header. Raises TamperedError for anything that a v1 writer does not write."""
        if len(raw) != HEADER_LENGTH:
            raise TamperedError("header")
        magic, version, suite, log2, flags, length, size, blob_id, salt, zero = (
            _DERIVED.unpack_from(raw)
        )
        if (
            magic != MAGIC
            or version != VERSION
            or suite != SUITE
            or not CHUNK_LOG2_MIN <= log2 <= CHUNK_LOG2_MAX
            or flags
            or length != HEADER_LENGTH
            or size > CHUNKS_MAX << log2
            or zero != _NO_BYTES
        ):
            raise TamperedError("header")
        return cls(raw, log2, size, blob_id, salt, raw[_DERIVED.size :])


def wipe(secret: bytearray) -> None:
    """Overwrite a secret in place with zeros."""
    secret[:] = bytes(len(secret))


def sealed_size(plaintext_length: int, chunk_log2: int = CHUNK_LOG2) -> int:
    """The length in bytes of the blob that seals `plaintext_length` bytes."""
    return HEADER_LENGTH + plaintext_length + TAG_LENGTH * _chunks(plaintext_length, chunk_log2)


def seal_small(
    data_key: bytearray | memoryview, *, blob_id: bytes, plaintext: Buffer
) -> tuple[bytes, bytes]:
    """Seal a whole plaintext that fits in memory: (blob, commitment)."""
    size = len(plaintext)
    sealer = Sealer(data_key, blob_id=blob_id, plaintext_length=size)
    blob = bytearray(sealed_size(size))
    blob[:HEADER_LENGTH] = sealer.header
    sealer.seal(plaintext, memoryview(blob)[HEADER_LENGTH:])
    return bytes(blob), sealer.commitment


def open_small(
    data_key: bytearray | memoryview,
    blob: Buffer,
    *,
    blob_id: bytes,
    plaintext_length: int,
    commitment: bytes,
) -> bytes:
    """The plaintext of a whole blob. Raises TamperedError."""
    sealed = memoryview(blob)
    opener = Opener(
        data_key,
        bytes(sealed[:HEADER_LENGTH]),
        blob_id=blob_id,
        size=len(sealed),
        plaintext_length=plaintext_length,
        commitment=commitment,
    )
    out = bytearray(plaintext_length)
    opener.open(sealed[HEADER_LENGTH:], 0, out)
    return bytes(out)


class Sealer:
    """Seals one blob in order. The data key is not needed (nor kept) after the constructor.

    Write `header` first, then what `seal` yields. Not for use by two threads at once.
    """

    __slots__ = ("_aead", "_chunks", "_next", "_nonce", "_rest", "chunk_length", "header")

    def __init__(
        self,
        data_key: bytearray | memoryview,
        *,
        blob_id: bytes,
        plaintext_length: int,
        salt: bytes | None = None,
        chunk_log2: int = CHUNK_LOG2,
    ) -> None:
        """`salt` is random unless a test vector fixes it. Raises ValueError for bad sizes."""
        if salt is None:
            salt = os.urandom(SALT_LENGTH)
        if len(blob_id) != BLOB_ID_LENGTH or len(salt) != SALT_LENGTH:
            raise ValueError("a blob id has 16 bytes and a salt 32")
        self._chunks = _chunks(plaintext_length, chunk_log2)
        self._rest = plaintext_length
        self._next = 0
        self.chunk_length = 1 << chunk_log2
        derived = _DERIVED.pack(
            MAGIC,
            VERSION,
            SUITE,
            chunk_log2,
            0,
            HEADER_LENGTH,
            plaintext_length,
            blob_id,
            salt,
            _NO_BYTES,
        )
        self._aead, self._nonce, commitment = _derive(data_key, salt, derived)
        self.header = derived + commitment

    @property
    def commitment(self) -> bytes:
        """32 bytes that only this data key and header have; they belong in the manifest."""
        return self.header[_DERIVED.size :]

    @property
    def finished(self) -> bool:
        """Whether the last chunk has been sealed."""
        return self._next == self._chunks

    def seal(self, plaintext: Buffer, out: bytearray | memoryview) -> int:
        """Seal the next chunks into `out`; returns how many bytes that took.

        `plaintext` is a whole number of chunks, or all that is left. An empty blob is sealed by
        one call with no bytes. Raises ValueError past the declared length, for a piece of a
        chunk, or if `out` is too small; nothing is sealed then.
        """
        source, target = memoryview(plaintext), memoryview(out)
        size, length = len(source), self.chunk_length
        if size > self._rest:
            raise ValueError("more plaintext than declared")
        if size != self._rest and size % length:
            raise ValueError("neither whole chunks nor all the rest")
        count = self._chunks - self._next if size == self._rest else size // length
        if len(target) < size + count * TAG_LENGTH:
            raise ValueError("the output buffer is too small")
        written = 0
        for start in range(0, count * length, length):
            nonce = _nonce(self._nonce, self._next, self._chunks)
            piece = source[start : start + length]
            end = written + len(piece) + TAG_LENGTH
            self._aead.encrypt_into(nonce, piece, self.header, target[written:end])
            self._next += 1
            written = end
        self._rest -= size
        return written


class Opener:
    """Opens one blob, any chunks in any order. The data key is not kept.

    Not for use by two threads at once.
    """

    __slots__ = ("_aead", "_chunks", "_header", "_nonce", "chunk_length", "plaintext_length")

    def __init__(
        self,
        data_key: bytearray | memoryview,
        header: bytes,
        *,
        blob_id: bytes,
        size: int,
        plaintext_length: int,
        commitment: bytes,
    ) -> None:
        """Verify all that can be before the first byte; raises TamperedError.

        `size` is the blob's length in bytes on disk; blob id, plaintext length and commitment
        are what the (verified) manifest says.
        """
        parsed = Header.parse(header)
        if parsed.blob_id != blob_id:
            raise TamperedError("header")
        log2 = parsed.chunk_log2
        chunks = max(1, -(-plaintext_length >> log2))
        if (
            parsed.plaintext_length != plaintext_length
            or size != HEADER_LENGTH + plaintext_length + TAG_LENGTH * chunks
        ):
            raise TamperedError("size")
        self._aead, self._nonce, derived = _derive(data_key, parsed.salt, header[: _DERIVED.size])
        if not (compare_digest(derived, parsed.commitment) and compare_digest(derived, commitment)):
            raise TamperedError("commitment")
        self._header = header
        self._chunks = chunks
        self.chunk_length = 1 << log2
        self.plaintext_length = plaintext_length

    def span(self, start: int, stop: int) -> tuple[int, int, int]:
        """Where the chunks of plaintext[start:stop] lie: (offset, length, first chunk).

        Offset and length are in bytes of the blob. What `open` yields for them starts at
        plaintext offset `first chunk * chunk_length`. Raises ValueError for an empty range,
        except (0, 0) of an empty blob, and for one outside of the plaintext.
        """
        if not 0 <= start < stop <= self.plaintext_length and not (
            start == stop == self.plaintext_length == 0
        ):
            raise ValueError("the range is not within the plaintext")
        step = self.chunk_length + TAG_LENGTH
        first = start // self.chunk_length
        last = max(stop - 1, 0) // self.chunk_length
        end = self.plaintext_length + self._chunks * TAG_LENGTH
        offset = first * step
        return HEADER_LENGTH + offset, min((last + 1) * step, end) - offset, first

    def open(self, sealed: Buffer, first_chunk: int, out: bytearray | memoryview) -> int:
        """Open consecutive whole chunks into `out`; returns how many plaintext bytes they hold.

        Raises TamperedError, and then `out` holds zeros instead of what was opened so far.
        Raises ValueError if `out` is too small or there is no such chunk.
        """
        source, target = memoryview(sealed), memoryview(out)
        length, step = self.chunk_length, self.chunk_length + TAG_LENGTH
        if not 0 <= first_chunk < self._chunks or not source:
            raise ValueError("no such chunk")
        end = self.plaintext_length + self._chunks * TAG_LENGTH
        stop = first_chunk * step + len(source)
        if stop > end or (stop != end and len(source) % step):
            raise TamperedError("size")
        count = -(-len(source) // step)
        size = len(source) - count * TAG_LENGTH
        if len(target) < size:
            raise ValueError("the output buffer is too small")
        try:
            for index in range(count):
                at = index * length
                self._aead.decrypt_into(
                    _nonce(self._nonce, first_chunk + index, self._chunks),
                    source[index * step : (index + 1) * step],
                    self._header,
                    target[at : min(at + length, size)],
                )
        except InvalidTag:
            target[:size] = bytes(size)
            raise TamperedError("chunk") from None
        return size


def _chunks(plaintext_length: int, chunk_log2: int) -> int:
    if not CHUNK_LOG2_MIN <= chunk_log2 <= CHUNK_LOG2_MAX:
        raise ValueError("the chunk size is out of bounds")
    if not 0 <= plaintext_length <= CHUNKS_MAX << chunk_log2:
        raise ValueError("the plaintext length is out of bounds")
    return max(1, -(-plaintext_length >> chunk_log2))


def _derive(
    data_key: bytearray | memoryview, salt: bytes, derived: bytes
) -> tuple[AESGCM, int, bytes]:
    """The blob's cipher, nonce base and commitment; no copy of its key is left behind."""
    if len(data_key) != DATA_KEY_LENGTH:
        raise ValueError("a data key has 32 bytes")
    okm = bytearray(DATA_KEY_LENGTH + _NONCE_LENGTH + COMMITMENT_LENGTH)
    try:
        HKDF(_SHA256, len(okm), salt, _INFO + derived).derive_into(data_key, okm)
        return (
            AESGCM(memoryview(okm)[:32]),
            int.from_bytes(okm[32:44], "big"),
            bytes(okm[44:]),
        )
    finally:
        wipe(okm)


def _nonce(base: int, index: int, chunks: int) -> bytes:
    mask = index | _FINAL if index == chunks - 1 else index
    return (base ^ mask).to_bytes(_NONCE_LENGTH, "big")
