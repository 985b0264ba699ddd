"""The layout of a ciphertext blob of a symmetric key, and the cryptography inside. Pure.

```
01 02 | kind | 00 78 | key material id (32) | 01 | N (16, random) | u32be length | DER
DER = SEQUENCE { OID encryptedData, [0] { SEQUENCE { INTEGER 0,
        SEQUENCE { OID data, SEQUENCE { OID aes256-GCM, SEQUENCE { OCTETS nonce(12), INTEGER 16 }},
        [0] content }}}}
```
kind is 02 (Encrypt, ReEncrypt) or 03 (data keys). content is AES-256-GCM over eleven zero bytes and
the plaintext, then the 16-byte tag; the zeros make GCM commit to its key and are checked. The key
is K = SP 800-108 counter mode, HMAC-SHA256 (material, label "kms/v1/encrypt", context N, 256 bits),
used once. AAD = everything before the DER, then the canonical encryption context:
u32be count, then for each pair, sorted by the key's UTF-8 bytes: u32be length, key, u32be length,
value. The lengths keep {"a": "bc"} and {"ab": "c"} apart. A blob has one encoding: every other byte
string is refused. The layout is the one seen in AWS's ciphertexts; theirs and ours do not decrypt
each other. Sources: NIST SP 800-108r1 §4.1, RFC 5652 §8, RFC 5084 §3.2,
https://docs.aws.amazon.com/kms/latest/cryptographic-details/encrypt-operation.html
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from kms.aws.values import value_class
from kms.errors import KMSError

KIND_ENCRYPT = 2
KIND_DATA_KEY = 3
PLAINTEXT_BYTES_MAX = 4096
CONTEXT_BYTES_MAX = 8192
MATERIAL_BYTES = 32
NO_CONTEXT = b"\0\0\0\0"

_SHA256 = SHA256()
_LABEL = b"kms/v1/encrypt"
_COMMITMENT = bytes(11)
_TAG_LENGTH = 16
_OVERHEAD = len(_COMMITMENT) + _TAG_LENGTH
_SALT_LENGTH = 16
_NONCE_LENGTH = 12
_LAYOUTS_MAX = 64
_ID_START = 5
_SALT_START = _ID_START + 32 + 1
_LENGTH_START = _SALT_START + _SALT_LENGTH
_HEADER_LENGTH = _LENGTH_START + 4
_STARTS = {
    kind: bytes((1, 2, kind, 0, 0x78)) for kind in (KIND_ENCRYPT, KIND_DATA_KEY)
}  # fmt: skip
_OID_ENCRYPTED_DATA = bytes.fromhex("06092a864886f70d010706")
_OID_DATA = bytes.fromhex("06092a864886f70d010701")
_OID_AES256_GCM = bytes.fromhex("060960864801650304012e")
_ALGORITHM_START = bytes.fromhex("301e") + _OID_AES256_GCM + bytes.fromhex("3011040c")
_TAG_LENGTH_INTEGER = bytes.fromhex("020110")


@dataclass(frozen=True, slots=True)
class Layout:
    """The bytes of a blob that depend only on the length of its plaintext."""

    length: bytes  # of the DER, u32be
    before: bytes  # DER up to the nonce
    after: bytes  # DER from the nonce to the content
    size: int  # of the whole blob


@value_class(frozen=True, slots=True)
class Blob:
    """A parsed ciphertext blob; nothing in it is authenticated yet."""

    kind: int
    material_id: bytes
    header: bytes
    salt: bytes
    nonce: bytes
    content: bytes = field(repr=False)


def canonical(context: Mapping[str, str]) -> bytes:
    """The encryption context as unambiguous bytes. Raises ValidationException if it is too long."""
    if not context:
        return NO_CONTEXT
    parts = [len(context).to_bytes(4)]
    try:
        pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    except UnicodeEncodeError:
        raise KMSError("ValidationException", "EncryptionContext is not valid Unicode") from None
    for name, value in pairs:
        parts += (len(name).to_bytes(4), name, len(value).to_bytes(4), value)
    joined = b"".join(parts)
    if len(joined) > CONTEXT_BYTES_MAX:
        raise KMSError(
            "ValidationException",
            f"EncryptionContext is longer than {CONTEXT_BYTES_MAX} bytes",
        )
    return joined


def derivation(material: bytes | bytearray) -> HMAC:
    """What a blob's key is derived with: HMAC-SHA256 set up with the material.

    Worth keeping, since setting it up takes longer than deriving. OpenSSL wipes it when it goes.
    """
    return HMAC(material, _SHA256)


def seal(
    material: HMAC,
    *,
    material_id: bytes,
    kind: int,
    plaintext: bytes | bytearray,
    context: bytes,
) -> bytes:
    """A blob of `plaintext` under `material` (a `derivation`); `context` is canonical."""
    layout = _layout(len(plaintext))
    fresh = os.urandom(_SALT_LENGTH + _NONCE_LENGTH)
    salt, nonce = fresh[:_SALT_LENGTH], fresh[_SALT_LENGTH:]
    header = b"".join((_STARTS[kind], material_id, b"\x01", salt, layout.length))
    committed = bytearray(_COMMITMENT)
    committed += plaintext
    content = AESGCM(_derive(material, salt)).encrypt(nonce, committed, header + context)
    committed[:] = bytearray(len(committed))
    return b"".join((header, layout.before, nonce, layout.after, content))


def parse(blob: bytes) -> Blob:
    """Take a blob apart. Raises InvalidCiphertextException for what `seal` would not write."""
    size = len(blob)
    layout = _layout_of_size(size)
    kind = blob[2] if size > _HEADER_LENGTH else 0
    if (
        layout is None
        or blob[:_ID_START] != _STARTS.get(kind)
        or blob[_SALT_START - 1] != 1
        or blob[_LENGTH_START:_HEADER_LENGTH] != layout.length
    ):
        raise KMSError("InvalidCiphertextException")
    nonce_start = _HEADER_LENGTH + len(layout.before)
    nonce_end = nonce_start + _NONCE_LENGTH
    content_start = nonce_end + len(layout.after)
    if (
        blob[_HEADER_LENGTH:nonce_start] != layout.before
        or blob[nonce_end:content_start] != layout.after
    ):
        raise KMSError("InvalidCiphertextException")
    return Blob(
        kind,
        blob[_ID_START : _SALT_START - 1],
        blob[:_HEADER_LENGTH],
        blob[_SALT_START:_LENGTH_START],
        blob[nonce_start:nonce_end],
        blob[content_start:],
    )


def unseal(material: HMAC, blob: Blob, context: bytes) -> bytearray:
    """The plaintext of `blob`; the caller wipes it. Raises InvalidCiphertextException."""
    plaintext = bytearray(len(blob.content) - _TAG_LENGTH)
    try:
        AESGCM(_derive(material, blob.salt)).decrypt_into(
            blob.nonce, blob.content, blob.header + context, plaintext
        )
    except InvalidTag:
        raise KMSError("InvalidCiphertextException") from None
    if not plaintext.startswith(_COMMITMENT):
        raise KMSError("InvalidCiphertextException")
    del plaintext[: len(_COMMITMENT)]
    return plaintext


def _derive(material: HMAC, salt: bytes) -> bytes:
    """SP 800-108 counter mode; 256 bits are one block of HMAC-SHA256, so there is one counter."""
    mac = material.copy()
    mac.update(b"\0\0\0\x01" + _LABEL + b"\0" + salt + b"\0\0\x01\0")
    return mac.finalize()


@lru_cache(maxsize=_LAYOUTS_MAX)
def _layout(plaintext_length: int) -> Layout:
    after = _TAG_LENGTH_INTEGER + b"\x80" + _der_length(plaintext_length + _OVERHEAD)
    content_length = plaintext_length + _OVERHEAD
    before = _ALGORITHM_START
    rest = _NONCE_LENGTH + len(after) + content_length
    for tag, prefix in (
        (b"\x30", _OID_DATA),
        (b"\x30", b"\x02\x01\x00"),
        (b"\xa0", b""),
        (b"\x30", _OID_ENCRYPTED_DATA),
    ):
        before, pending = prefix + before, len(prefix) + len(before) + rest
        before = _wrapped(tag, pending) + before
    length = len(before) + rest
    return Layout(length.to_bytes(4), before, after, _HEADER_LENGTH + length)


def _wrapped(tag: bytes, length: int) -> bytes:
    return tag + _der_length(length)


@lru_cache(maxsize=_LAYOUTS_MAX)
def _layout_of_size(size: int) -> Layout | None:
    """The layout of a blob of `size` bytes; None if no plaintext makes a blob that long."""
    # The DER lengths add between 67 and 77 bytes to the header, nonce and content.
    for plaintext_length in range(size - 180, size - 140):
        if 1 <= plaintext_length <= PLAINTEXT_BYTES_MAX:
            layout = _layout(plaintext_length)
            if layout.size == size:
                return layout
    return None


def _der_length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    if length < 0x100:
        return bytes((0x81, length))
    return b"\x82" + length.to_bytes(2)
