"""The manifest: what an object version consists of, in canonical bytes with a MAC.

    manifest = head(84) ‖ key ‖ version id ‖ ETag ‖ KMS key ARN ‖ wrapped key ‖ context ‖ content
               ‖ metadata ‖ checksums ‖ checksum algorithm ‖ checksum type ‖ parts

The head holds the fixed fields and the length of each of the fields that follow, in their
order, so there is one way to write a manifest and any other is refused. Whoever can write the
disk cannot make a MAC, so wrapped keys, blobs, parts and rows cannot be exchanged unnoticed. A
data key has 32 bytes, or 64 where there are two layers of encryption (DSSE-KMS).
Pure; knows no file and no KMS. Specification, worked example and vectors: docs/format.md.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hmac import compare_digest, digest
from itertools import accumulate

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms.aws.values import value_class
from objstore.crypt import wrapped
from objstore.crypt.frames import (
    BLOB_ID_LENGTH,
    COMMITMENT_LENGTH,
    DATA_KEY_LENGTH,
    SUITE,
    TAG_LENGTH,
    TamperedError,
    wipe,
)

MAGIC = b"OMF1"
BUCKET_ID_LENGTH = 16
PARTS_MAX = 10_000
MANIFEST_BYTES_MAX = 4 << 20
SHORT_BYTES_MAX = 8 << 10
SHORT_DECODED_MAX = 512
LONG_DECODED_MAX = 8
MAC_LENGTH = 32
CHECKSUM_SALT_LENGTH = 16
BUCKET_KEY = 1  # flag: a bucket key wraps the data key
DERIVED_CHECKSUMS = 2  # flag: the checksums are sealed under the checksums key

_FIXED = struct.Struct(">4sHBB16sQQ")
_LENGTHS = struct.Struct(">11I")
_HEAD_LENGTH = _FIXED.size + _LENGTHS.size
_PART = struct.Struct(">IQ16s32s")
_LAYERED_PART = struct.Struct(">IQ16s64s")
_PART_HEAD_LENGTH = _PART.size - COMMITMENT_LENGTH
_ENTRY = struct.Struct(">HH")
_MAC_INFO = b"objstore/v1/manifest"
_CHECKSUMS_INFO = b"objstore/v1/checksums"
_CHECKSUMS_KEY_INFO = b"objstore/v1/checksums-key"
_NONCE_LENGTH = 12
_SHA256 = SHA256()


class Mode(IntEnum):
    """How the data key is protected; DSSE-KMS has two data keys and two layers."""

    SSE_S3 = 1
    SSE_KMS = 2
    DSSE_KMS = 3
    SSE_C = 4


_MODES = {int(mode): mode for mode in Mode}


@value_class(frozen=True, slots=True)
class PartEntry:
    """One blob of the object. `length` is in plaintext bytes; `number` as the client gave it.

    `commitment` is of every layer, the inner first.
    """

    number: int
    blob_id: bytes
    length: int
    commitment: bytes


@value_class(frozen=True, slots=True)
class Manifest:
    """One object version.

    `size` is the sum of the parts' lengths, `content` the system headers by wire name and
    `metadata` the user's (without prefix), `context` the encryption context that the data key is
    wrapped under, and `checksums` what `seal_checksums` made (or nothing).
    """

    bucket_id: bytes
    key: bytes
    version_id: str
    size: int
    etag: str
    created_ms: int
    mode: Mode
    kms_key_arn: str
    wrapped_key: bytes
    context: Mapping[str, str]
    content: Mapping[str, str]
    metadata: Mapping[str, str]
    checksums: bytes
    checksum_algorithm: str
    checksum_type: str
    parts: tuple[PartEntry, ...]
    flags: int = 0


@dataclass(frozen=True, slots=True)
class BindingKeys:
    """What completes a manifest without being able to open a blob: the MAC's and checksums' keys.

    Derived from a data key, which cannot be had from them. Whoever holds them wipes them.
    """

    mac: bytearray = field(repr=False)
    checksums: bytearray = field(repr=False)

    @classmethod
    def derive(cls, data_key: bytearray | memoryview) -> "BindingKeys":
        return cls(_derive(data_key, _MAC_INFO), _derive(data_key, _CHECKSUMS_KEY_INFO))

    @classmethod
    def unpack(cls, packed: bytearray) -> "BindingKeys":
        """From the bytes that `pack` made. Raises TamperedError for another length."""
        if len(packed) != 2 * DATA_KEY_LENGTH:
            raise TamperedError("data key")
        return cls(packed[:DATA_KEY_LENGTH], packed[DATA_KEY_LENGTH:])

    def pack(self) -> bytearray:
        return self.mac + self.checksums

    def wipe(self) -> None:
        wipe(self.mac)
        wipe(self.checksums)


def layers_of(mode: Mode) -> int:
    """How many times the bytes of an object are encrypted."""
    return 2 if mode is Mode.DSSE_KMS else 1


def encode(manifest: Manifest) -> bytes:
    """The canonical bytes. Raises ValueError for values that the format cannot hold."""
    if len(manifest.bucket_id) != BUCKET_ID_LENGTH:
        raise ValueError("a bucket id has 16 bytes")
    part_of = _part_of(manifest.mode)
    _check_form(manifest.mode, manifest.flags, manifest.wrapped_key)
    _check_parts(manifest.parts, manifest.size, part_of.size - _PART_HEAD_LENGTH)
    fields = (
        manifest.key,
        manifest.version_id.encode(),
        manifest.etag.encode(),
        manifest.kms_key_arn.encode(),
        manifest.wrapped_key,
        encode_map(manifest.context),
        encode_map(manifest.content),
        encode_map(manifest.metadata),
        manifest.checksums,
        manifest.checksum_algorithm.encode(),
        manifest.checksum_type.encode(),
    )
    try:
        fixed = _FIXED.pack(
            MAGIC,
            SUITE,
            _MODES[manifest.mode],
            manifest.flags,
            manifest.bucket_id,
            manifest.size,
            manifest.created_ms,
        )
        lengths = _LENGTHS.pack(*map(len, fields))
        parts = [part_of.pack(p.number, p.length, p.blob_id, p.commitment) for p in manifest.parts]
    except (struct.error, KeyError) as error:
        raise ValueError("a field is out of bounds") from error
    encoded = b"".join((fixed, lengths, *fields, *parts))
    if len(encoded) > MANIFEST_BYTES_MAX:
        raise ValueError("the manifest is too long")
    return encoded


def decode(encoded: bytes) -> Manifest:
    """Read what `encode` wrote. Raises TamperedError for anything that it would not write."""
    read = _decode_short if len(encoded) <= SHORT_BYTES_MAX else _decode_long
    try:
        return read(encoded)
    except (ValueError, struct.error):
        raise TamperedError("manifest") from None


def _decode(encoded: bytes) -> Manifest:
    magic, suite, number, flags, bucket_id, size, created_ms = _FIXED.unpack_from(encoded)
    mode = _MODES.get(number)
    if magic != MAGIC or suite != SUITE or mode is None:
        raise ValueError("not a manifest of this format")
    part_of = _part_of(mode)
    lengths = _LENGTHS.unpack_from(encoded, _FIXED.size)
    start, key, version, etag, arn, sealed, context, content, metadata, sums, algorithm, kind = (
        accumulate(lengths, initial=_HEAD_LENGTH)
    )
    if not kind <= len(encoded) <= MANIFEST_BYTES_MAX:
        raise ValueError("the lengths do not add up")
    parts = tuple(
        [
            PartEntry(number, blob_id, length, commitment)
            for number, length, blob_id, commitment in part_of.iter_unpack(encoded[kind:])
        ]
    )
    _check_form(mode, flags, encoded[arn:sealed])
    _check_parts(parts, size, part_of.size - _PART_HEAD_LENGTH)
    return Manifest(
        bucket_id,
        encoded[start:key],
        encoded[key:version].decode(),
        size,
        encoded[version:etag].decode(),
        created_ms,
        mode,
        encoded[etag:arn].decode(),
        encoded[arn:sealed],
        decode_map(encoded[sealed:context]),
        decode_map(encoded[context:content]),
        decode_map(encoded[content:metadata]),
        encoded[metadata:sums],
        encoded[sums:algorithm].decode(),
        encoded[algorithm:kind].decode(),
        parts,
        flags,
    )


# An object that is read is likely to be read again: in ranges, or after a HEAD.
_decode_short = lru_cache(SHORT_DECODED_MAX)(_decode)
_decode_long = lru_cache(LONG_DECODED_MAX)(_decode)


def authenticate(keys: "bytearray | memoryview | BindingKeys", encoded: bytes) -> bytes:
    """The manifest's MAC: HMAC-SHA256 under a key derived from the object's data key."""
    if isinstance(keys, BindingKeys):
        return digest(keys.mac, encoded, "sha256")
    key = _derive(keys, _MAC_INFO)
    try:
        return digest(key, encoded, "sha256")
    finally:
        wipe(key)


def verify(keys: "bytearray | memoryview | BindingKeys", encoded: bytes, mac: bytes) -> None:
    """Return if `mac` is the manifest's. Raises TamperedError."""
    if not compare_digest(authenticate(keys, encoded), mac):
        raise TamperedError("manifest")


def _derive(data_key: bytearray | memoryview, info: bytes) -> bytearray:
    key = bytearray(DATA_KEY_LENGTH)
    HKDF(_SHA256, len(key), None, info).derive_into(data_key, key)
    return key


def open_manifest_checksums(data_key: bytearray, manifest: Manifest) -> dict[str, str]:
    """The checksums that a manifest keeps sealed, by name. Raises TamperedError."""
    binding = manifest.version_id.encode()
    if not manifest.flags & DERIVED_CHECKSUMS:
        return open_checksums(data_key, manifest.checksums, binding=binding)
    key = _derive(data_key, _CHECKSUMS_KEY_INFO)
    try:
        return open_checksums(key, manifest.checksums, binding=binding)
    finally:
        wipe(key)


def seal_checksums(
    data_key: bytearray | memoryview, sums: Mapping[str, str], *, binding: bytes
) -> bytes:
    """Encrypt checksum values, which tell of the content, so that only key holders see them.

    `data_key` may also be the checksums key that is derived from it. `binding` names what they
    belong to (a version id, an upload's part); opening wants the same.
    """
    salt = os.urandom(CHECKSUM_SALT_LENGTH)
    aead, nonce = _checksums_cipher(data_key, salt)
    return salt + aead.encrypt(nonce, encode_map(sums), binding)


def open_checksums(
    data_key: bytearray | memoryview, sealed: bytes, *, binding: bytes
) -> dict[str, str]:
    """What `seal_checksums` sealed under the same key and binding. Raises TamperedError."""
    if len(sealed) < CHECKSUM_SALT_LENGTH + TAG_LENGTH:
        raise TamperedError("checksums")
    aead, nonce = _checksums_cipher(data_key, sealed[:CHECKSUM_SALT_LENGTH])
    try:
        return decode_map(aead.decrypt(nonce, sealed[CHECKSUM_SALT_LENGTH:], binding))
    except (InvalidTag, ValueError, struct.error):
        raise TamperedError("checksums") from None


def encode_map(values: Mapping[str, str]) -> bytes:
    """Entries in ascending order of their names' UTF-8 bytes: u16 ‖ u16 ‖ name ‖ value.

    Raises ValueError for names or values over 65,535 bytes.
    """
    if not values:
        return b""
    pieces: list[bytes] = []
    for name, value in sorted((name.encode(), value.encode()) for name, value in values.items()):
        if len(name) > 0xFFFF or len(value) > 0xFFFF:
            raise ValueError("a name or value is too long")
        pieces += (_ENTRY.pack(len(name), len(value)), name, value)
    return b"".join(pieces)


def decode_map(encoded: bytes) -> dict[str, str]:
    """Read what `encode_map` wrote. Raises ValueError or struct.error for anything else."""
    values: dict[str, str] = {}
    at, end, previous = 0, len(encoded), None
    while at < end:
        name_length, value_length = _ENTRY.unpack_from(encoded, at)
        middle = at + 4 + name_length
        name = encoded[at + 4 : middle]
        at = middle + value_length
        if at > end or (previous is not None and name <= previous):
            raise ValueError("not a canonical map")
        values[name.decode()] = encoded[middle:at].decode()
        previous = name
    return values


def _part_of(mode: Mode) -> struct.Struct:
    return _PART if mode is not Mode.DSSE_KMS else _LAYERED_PART


def _check_form(mode: Mode, flags: int, wrapped_key: bytes) -> None:
    """Flags and wrapped keys have the forms that their mode allows, and no others."""
    if flags & ~(BUCKET_KEY | DERIVED_CHECKSUMS):
        raise ValueError("unknown flags")
    if flags & BUCKET_KEY:
        _, sealed = wrapped.split(wrapped_key)
        if mode is not Mode.SSE_KMS or len(sealed) != wrapped.SEALED_BY_BUCKET_KEY_LENGTH:
            raise ValueError("not a bucket key")
    elif mode is Mode.DSSE_KMS:
        wrapped.split(wrapped_key)
    elif mode is Mode.SSE_C and len(wrapped_key) != wrapped.CUSTOMER_FORM_LENGTH:
        raise ValueError("not a customer's key")


def _check_parts(parts: tuple[PartEntry, ...], size: int, commitment_length: int) -> None:
    """Parts ascend, fit, and add up. No parts at all is a manifest still being collected."""
    if len(parts) > PARTS_MAX:
        raise ValueError("too many parts")
    total, previous = 0, -1
    for part in parts:
        if (
            part.number <= previous
            or len(part.blob_id) != BLOB_ID_LENGTH
            or len(part.commitment) != commitment_length
        ):
            raise ValueError("the parts are not in order")
        previous = part.number
        total += part.length
    if previous > PARTS_MAX or total != size:
        raise ValueError("the parts do not add up")


def _checksums_cipher(data_key: bytearray | memoryview, salt: bytes) -> tuple[AESGCM, bytes]:
    """A key and nonce of their own for every sealing, so no nonce can repeat."""
    okm = bytearray(DATA_KEY_LENGTH + _NONCE_LENGTH)
    try:
        HKDF(_SHA256, len(okm), salt, _CHECKSUMS_INFO).derive_into(data_key, okm)
        return AESGCM(memoryview(okm)[:DATA_KEY_LENGTH]), bytes(okm[DATA_KEY_LENGTH:])
    finally:
        wipe(okm)
