"""Whether a body is what its client meant to send, and the checksum that is kept of it.

What the client declares and what the server keeps may differ: an upload has one algorithm, and
objects whose client names none get CRC-64/NVME.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from collections.abc import Mapping
from typing import Any, Protocol

from objstore.checksum import (
    Algorithm,
    BodySums,
    ChecksumHeaders,
    Declared,
    declared,
    encode,
    hasher,
)
from objstore.crypt.frames import Buffer

NO_CHECKSUM_HEADERS = ChecksumHeaders()
DEFAULT_ALGORITHM = Algorithm.CRC64NVME


class Digests:
    """Hashes a body as it passes and compares the outcome with what was declared.

    After `verify`, `checksum` is the kept value in base64, `verified` the algorithm and value
    that the client declared (None if it declared none), and `md5` the MD5 in hexadecimal, None
    unless `want_md5` or a Content-MD5 asked for it. `declared` tells whether the client said
    anything that the body can be held against.
    """

    def __init__(
        self,
        promise: Declared | None,
        *,
        kept: Algorithm,
        content_md5: str | None = None,
        want_md5: bool = False,
    ) -> None:
        self.algorithm = kept
        self.declared = promise is not None or content_md5 is not None
        self.want_md5 = want_md5
        self.checksum = ""
        self.md5: str | None = None
        self.verified: tuple[Algorithm, str] | None = None
        self._promise = promise
        self._sums = BodySums(promise, content_md5=content_md5, md5=want_md5, default=kept)
        other = promise is not None and promise.algorithm is not kept
        self._kept = hasher(kept) if other else None

    def update(self, data: Buffer) -> None:
        self._sums.update(data)
        if self._kept is not None:
            self._kept.update(data)

    def verify(self, trailers: Mapping[str, str]) -> None:
        """Raises BadDigest unless the bytes are the ones that the client meant to send."""
        sums = self._sums.finish(trailers)
        self.md5 = None if sums.md5 is None else sums.md5.hex()
        value = sums.value or ""
        if self._promise is not None:
            self.verified = (self._promise.algorithm, value)
        self.checksum = value if self._kept is None else encode(self._kept.digest())


class Announcing(Protocol):
    """A body whose sender may announce checksums that come after it."""

    @property
    def trailer_names(self) -> frozenset[str]: ...


def body_digests(
    body: Announcing,
    headers: ChecksumHeaders,
    content_md5: str | None,
    *,
    want_md5: bool,
    kept: Algorithm | None = None,
) -> Digests:
    """The digests of a request's body, whose checksum is in a header or announced as a trailer.

    `kept` is the algorithm of the upload that the body is a part of; an object of its own keeps
    the client's algorithm, or else the default.
    """
    promise = declared(headers, body.trailer_names)
    if kept is None:
        kept = DEFAULT_ALGORITHM if promise is None else promise.algorithm
    return Digests(promise, kept=kept, content_md5=content_md5, want_md5=want_md5)


def shown(
    algorithm: str | Algorithm, value: str | None, checksum_type: str | None = None
) -> dict[str, Any]:
    """The members of a reply that show a checksum; none without one."""
    if not algorithm or value is None:
        return {}
    members: dict[str, Any] = {Algorithm(algorithm).member: value}
    if checksum_type:
        members["ChecksumType"] = checksum_type
    return members
