"""Checksums that clients send and S3 keeps: ten algorithms, and MD5 for Content-MD5 and ETags.

A checksum's wire form is the base64 of its digest, CRCs big-endian. Of several parts it is either
COMPOSITE (the checksum of the parts' digests, with `-N`) or FULL_OBJECT (CRCs only, combined from
the parts' without reading them again). It knows neither HTTP nor storage.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from awscrt import checksums as crt

from kms.aws.values import value_class
from objstore.errors import S3Error

Bytes = bytes | bytearray | memoryview
MD5_LENGTH = 16
HEADER_PREFIX = "x-amz-checksum-"


class Algorithm(Enum):
    """The algorithms; values as in `x-amz-checksum-algorithm`."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"
    MD5 = "MD5"
    XXHASH64 = "XXHASH64"
    XXHASH3 = "XXHASH3"
    XXHASH128 = "XXHASH128"

    @property
    def member(self) -> str:
        """The member of inputs and outputs that carries it, such as `ChecksumCRC32`."""
        return f"Checksum{self.value}"

    @property
    def header(self) -> str:
        """The header or trailing header that carries it."""
        return HEADER_PREFIX + self.value.lower()

    @property
    def digest_length(self) -> int:
        """The length of a digest in bytes."""
        return _DIGEST_LENGTHS[self]

    @property
    def full_object(self) -> bool:
        """Whether the checksum of an object follows from those of its parts."""
        return self in _COMBINERS


_DIGEST_LENGTHS = {
    Algorithm.CRC32: 4,
    Algorithm.CRC32C: 4,
    Algorithm.CRC64NVME: 8,
    Algorithm.SHA1: 20,
    Algorithm.SHA256: 32,
    Algorithm.SHA512: 64,
    Algorithm.MD5: MD5_LENGTH,
    Algorithm.XXHASH64: 8,
    Algorithm.XXHASH3: 8,
    Algorithm.XXHASH128: 16,
}
_BY_HEADER = {algorithm.header: algorithm for algorithm in Algorithm}
_COMBINERS: Mapping[Algorithm, Callable[[int, int, int], int]] = {
    Algorithm.CRC32: crt.combine_crc32,
    Algorithm.CRC32C: crt.combine_crc32c,
    Algorithm.CRC64NVME: crt.combine_crc64nvme,
}


class Hasher(Protocol):
    """An incremental checksum, as hashlib's."""

    def update(self, data: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _CRC:
    __slots__ = ("_function", "_length", "_value")

    def __init__(self, function: Callable[[Bytes, int], int], length: int) -> None:
        self._function = function
        self._length = length
        self._value = 0

    def update(self, data: Bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._length, "big")


class _XXHash:
    __slots__ = ("_hash",)

    def __init__(self, make: Callable[[], crt.XXHash]) -> None:
        self._hash = make()

    def update(self, data: Bytes, /) -> None:
        self._hash.update(bytes(data))  # awscrt takes no views here

    def digest(self) -> bytes:
        digest: bytes = self._hash.finalize()
        return digest


# zlib's CRC-32 is faster than awscrt's; awscrt's other two run at memory speed.
_HASHERS: Mapping[Algorithm, Callable[[], Hasher]] = {
    Algorithm.CRC32: partial(_CRC, zlib.crc32, 4),
    Algorithm.CRC32C: partial(_CRC, crt.crc32c, 4),
    Algorithm.CRC64NVME: partial(_CRC, crt.crc64nvme, 8),
    Algorithm.SHA1: partial(hashlib.sha1, usedforsecurity=False),
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512: hashlib.sha512,
    Algorithm.MD5: partial(hashlib.md5, usedforsecurity=False),
    Algorithm.XXHASH64: partial(_XXHash, crt.XXHash.new_xxhash64),
    Algorithm.XXHASH3: partial(_XXHash, crt.XXHash.new_xxhash3_64),
    Algorithm.XXHASH128: partial(_XXHash, crt.XXHash.new_xxhash3_128),
}


def hasher(algorithm: Algorithm) -> Hasher:
    """A new incremental checksum."""
    return _HASHERS[algorithm]()


def encode(digest: bytes) -> str:
    """The wire form of a digest."""
    return b64encode(digest).decode()


def decode(algorithm: Algorithm, value: str) -> bytes | None:
    """The digest of a wire form; None if it is not one."""
    return _decode(value, algorithm.digest_length)


def _decode(value: str, length: int) -> bytes | None:
    try:
        digest = b64decode(value, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == length else None


def checksum(algorithm: Algorithm, data: Bytes) -> str:
    """The checksum of `data`, in wire form."""
    function = hasher(algorithm)
    function.update(data)
    return encode(function.digest())


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of an `x-amz-checksum-algorithm`. Raises S3Error for one that is not kept."""
    try:
        return Algorithm(name)
    except ValueError:
        raise S3Error(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid "
            f"types: [{', '.join(algorithm.value for algorithm in Algorithm)}]",
        ) from None


@dataclass(frozen=True, slots=True)
class ChecksumHeaders:
    """The checksum members of an input; a handler's parameter group."""

    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None

    def values(self) -> dict[Algorithm, str]:
        """The checksums that were sent."""
        pairs = (
            (Algorithm.CRC32, self.checksum_crc32),
            (Algorithm.CRC32C, self.checksum_crc32_c),
            (Algorithm.CRC64NVME, self.checksum_crc64_nvme),
            (Algorithm.SHA1, self.checksum_sha1),
            (Algorithm.SHA256, self.checksum_sha256),
            (Algorithm.SHA512, self.checksum_sha512),
            (Algorithm.MD5, self.checksum_md5),
            (Algorithm.XXHASH64, self.checksum_xxhash64),
            (Algorithm.XXHASH3, self.checksum_xxhash3),
            (Algorithm.XXHASH128, self.checksum_xxhash128),
        )
        return {algorithm: value for algorithm, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Declared:
    """The checksum that a client promises; `digest` is None if a trailing header will tell it."""

    algorithm: Algorithm
    digest: bytes | None


def declared(headers: ChecksumHeaders, trailer_names: Iterable[str] = ()) -> Declared | None:
    """The one checksum that a request declares; None if it declares none.

    `trailer_names` are `Payload.trailer_names`. Raises S3Error for more than one checksum, for
    one that is not base64 of the right length, and for a trailing header that is no checksum.
    """
    return _declared(headers.values(), trailer_names)


def _declared(values: Mapping[Algorithm, str], trailer_names: Iterable[str]) -> Declared | None:
    trailing = []
    for name in trailer_names:
        if name not in _BY_HEADER:
            raise S3Error(
                "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
            )
        trailing.append(_BY_HEADER[name])
    if len(values) + len(trailing) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if trailing:
        return Declared(trailing[0], None)
    for algorithm, value in values.items():
        return Declared(algorithm, _valid(algorithm, value, "header"))
    return None


def _valid(algorithm: Algorithm, value: str, place: str) -> bytes:
    digest = decode(algorithm, value)
    if digest is None:
        raise S3Error("InvalidRequest", f"Value for {algorithm.header} {place} is invalid.")
    return digest


def content_md5_digest(value: str) -> bytes:
    """The digest of a `Content-MD5` header. Raises InvalidDigest."""
    digest = _decode(value, MD5_LENGTH)
    if digest is None:
        raise S3Error("InvalidDigest", **{"Content-MD5": value})  # type: ignore[arg-type]
    return digest


@value_class(frozen=True, slots=True)
class Sums:
    """What a body added up to. `md5` is None unless it was asked for or declared.

    `algorithm` and `value` (wire form) are those that were declared, or else the default.
    """

    md5: bytes | None
    algorithm: Algorithm | None
    value: str | None


class BodySums:
    """Computes the sums of one body and checks them against what its sender declared.

    `md5` asks for an MD5 even if `content_md5` declares none; `default` is the algorithm of a
    body whose sender declares none. Raises S3Error if `content_md5` is no MD5.
    """

    def __init__(
        self,
        promise: Declared | None,
        *,
        content_md5: str | None = None,
        md5: bool = False,
        default: Algorithm | None = None,
    ) -> None:
        self._promise = promise
        self._content_md5 = content_md5
        self._expected_md5 = None if content_md5 is None else content_md5_digest(content_md5)
        self._algorithm = default if promise is None else promise.algorithm
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 or content_md5 is not None else None
        self._hasher = None if self._algorithm is None else hasher(self._algorithm)

    def update(self, data: Bytes) -> None:
        if self._hasher is not None:
            self._hasher.update(data)
        if self._md5 is not None:
            self._md5.update(data)

    def finish(self, trailers: Mapping[str, str]) -> Sums:
        """The sums; `trailers` are what `Payload.finish` returned. Raises S3Error (BadDigest)."""
        md5 = None if self._md5 is None else self._md5.digest()
        if md5 is not None and self._expected_md5 not in (None, md5):
            raise S3Error(
                "BadDigest", ExpectedDigest=self._content_md5 or "", CalculatedDigest=encode(md5)
            )
        if self._algorithm is None or self._hasher is None:
            return Sums(md5, None, None)
        digest = self._hasher.digest()
        if self._promise is not None and self._promised(self._promise, trailers) != digest:
            raise bad_digest(self._algorithm)
        return Sums(md5, self._algorithm, encode(digest))

    def _promised(self, promise: Declared, trailers: Mapping[str, str]) -> bytes:
        if promise.digest is not None:
            return promise.digest
        return _valid(
            promise.algorithm, trailers.get(promise.algorithm.header, ""), "trailing header"
        )


def check_document(
    document: bytes,
    headers: Mapping[str, str],
    *,
    trailer_names: Iterable[str],
    trailers: Mapping[str, str],
    required: bool,
) -> None:
    """Return if a document is what its sender meant to send, by what the request declares.

    Raises InvalidRequest if a checksum is `required` and none is declared, BadDigest if it is
    another, InvalidDigest if it is none.
    """
    values = {_BY_HEADER[name]: text for name, text in headers.items() if name in _BY_HEADER}
    promise = _declared(values, trailer_names)
    content_md5 = headers.get("content-md5")
    if promise is None and content_md5 is None:
        if required:
            raise S3Error(
                "InvalidRequest",
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            )
        return
    sums = BodySums(promise, content_md5=content_md5)
    sums.update(document)
    sums.finish(trailers)


def bad_digest(algorithm: Algorithm) -> S3Error:
    return S3Error(
        "BadDigest",
        f"The {algorithm.value} you specified did not match the calculated checksum.",
    )


def composite(algorithm: Algorithm, values: Sequence[str]) -> str:
    """The COMPOSITE checksum of parts whose checksums are `values`, in wire form with `-N`."""
    joined = b"".join(b64decode(value) for value in values)
    return f"{checksum(algorithm, joined)}-{len(values)}"


def full_object(algorithm: Algorithm, parts: Iterable[tuple[str, int]]) -> str:
    """The FULL_OBJECT checksum of parts given as (checksum, length in bytes). CRCs only."""
    combine = _COMBINERS[algorithm]
    total = 0
    for value, length in parts:
        total = combine(total, int.from_bytes(b64decode(value), "big"), length)
    return encode(total.to_bytes(algorithm.digest_length, "big"))
