"""S3 Bucket Keys: short-lived keys between a KMS key and the data keys of a bucket's objects.

    KMS key ─wraps─> bucket key (context: the bucket's ARN) ─wraps─> data key of each object
    sealed data key = nonce (12, random) ‖ AES-256-GCM(HKDF(bucket key), nonce, data key, place)

There is one per requester, KMS key and context, and every object carries its own wrapped copy, so
nothing but the KMS is needed to read it. While a bucket key is in use, the KMS makes no key and
writes no event; it is still asked, each time, whether the requester may use the KMS key and whether
that can be used. So what happens to a key, a policy or a grant shows at once, in every worker.
Only cipher objects are kept. Specification: docs/format.md.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms.aws.clock import monotonic
from kms.aws.errors import AWSError
from kms.aws.identity import Caller
from objstore.crypt.frames import DATA_KEY_LENGTH, TamperedError, wipe
from objstore.crypt.wrapped import NONCE_LENGTH, join, split

SECONDS_MAX = 300
USES_MAX = 1 << 20  # far below the 2^32 random nonces that one AES-GCM key may have
KEPT_MAX = 1024
_INFO = b"objstore/v1/bucket-key"


class Made(Protocol):
    """A key that the KMS made or opened."""

    @property
    def plaintext(self) -> bytearray: ...
    @property
    def wrapped(self) -> bytes: ...
    @property
    def key_arn(self) -> str: ...


class Keys(Protocol):
    """What is needed of a KMS."""

    def generate_data_key(
        self, caller: Caller, *, key_id: str, context: Mapping[str, str]
    ) -> Made: ...

    def open_data_key(
        self, caller: Caller, *, wrapped: bytes, context: Mapping[str, str]
    ) -> Made: ...

    def permit(
        self, caller: Caller, *, operation: str, key_id: str, context: Mapping[str, str]
    ) -> str: ...


@dataclass(slots=True)
class BucketKey:
    """A bucket key in use. `expires` is on the monotonic clock."""

    wrapped: bytes
    key_arn: str
    aead: AESGCM = field(repr=False)
    expires: float
    uses: int = 0


class BucketKeys:
    """The bucket keys in use in this process. Belongs to the thread of its KMS."""

    def __init__(self, kms: Keys, *, now: Callable[[], float] = monotonic) -> None:
        self._kms = kms
        self._now = now
        # In the order of their expiry, since all live equally long.
        self._sealing: dict[Hashable, BucketKey] = {}
        self._opening: dict[Hashable, BucketKey] = {}

    def seal(
        self,
        caller: Caller,
        data_key: bytearray,
        *,
        key_id: str,
        context: Mapping[str, str],
        place: bytes,
    ) -> tuple[bytes, str]:
        """The wrapped form of a data key that belongs to `place`, and the KMS key's ARN.

        Raises the KMS's refusals.
        """
        name = (_requester(caller), key_id, tuple(context.items()))
        key = self._known(self._sealing, name, caller, "GenerateDataKey", key_id, context)
        if key is None:
            made = self._kms.generate_data_key(caller, key_id=key_id, context=context)
            key = self._keep(self._sealing, name, made)
        key.uses += 1
        nonce = os.urandom(NONCE_LENGTH)
        return join(key.wrapped, nonce + key.aead.encrypt(nonce, data_key, place)), key.key_arn

    def open(
        self, caller: Caller, wrapped_key: bytes, *, context: Mapping[str, str], place: bytes
    ) -> bytearray:
        """The data key, which the caller wipes. Raises TamperedError and the KMS's refusals."""
        try:
            wrapped, sealed = split(wrapped_key)
        except ValueError:
            raise TamperedError("data key") from None
        name = (_requester(caller), wrapped, tuple(context.items()))
        key = self._known(self._opening, name, caller, "Decrypt", None, context)
        if key is None:
            opened = self._kms.open_data_key(caller, wrapped=wrapped, context=context)
            key = self._keep(self._opening, name, opened)
        data_key = bytearray(DATA_KEY_LENGTH)
        try:
            key.aead.decrypt_into(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], place, data_key)
        except (InvalidTag, ValueError):
            raise TamperedError("data key") from None
        return data_key

    def _known(
        self,
        kept: dict[Hashable, BucketKey],
        name: Hashable,
        caller: Caller,
        operation: str,
        key_id: str | None,
        context: Mapping[str, str],
    ) -> BucketKey | None:
        """A bucket key that may go on being used; one that may not is forgotten."""
        self._forget_expired(kept)
        key = kept.get(name)
        if key is None:
            return None
        if key.uses < USES_MAX:
            try:
                used = self._kms.permit(
                    caller, operation=operation, key_id=key_id or key.key_arn, context=context
                )
            except AWSError:
                # The call that follows refuses by itself, and is on record.
                used = ""
            if used == key.key_arn:
                return key
        del kept[name]
        return None

    def _keep(self, kept: dict[Hashable, BucketKey], name: Hashable, made: Made) -> BucketKey:
        try:
            aead = _cipher(made.plaintext)
        finally:
            wipe(made.plaintext)
        if len(kept) >= KEPT_MAX:
            del kept[next(iter(kept))]
        key = kept[name] = BucketKey(made.wrapped, made.key_arn, aead, self._now() + SECONDS_MAX)
        return key

    def _forget_expired(self, kept: dict[Hashable, BucketKey]) -> None:
        now = self._now()
        while kept:
            oldest = next(iter(kept))
            if kept[oldest].expires > now:
                return
            del kept[oldest]


def _requester(caller: Caller) -> tuple[str, str, str]:
    """Whose bucket key it is: sessions of the same name may have different permissions."""
    return caller.principal.arn, caller.access_key_id, caller.region


def _cipher(bucket_key: bytearray) -> AESGCM:
    if len(bucket_key) != DATA_KEY_LENGTH:
        raise TamperedError("data key")
    key = bytearray(DATA_KEY_LENGTH)
    try:
        HKDF(SHA256(), len(key), None, _INFO).derive_into(bucket_key, key)
        return AESGCM(key)
    finally:
        wipe(key)
