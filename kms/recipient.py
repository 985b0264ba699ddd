"""Answers for an attested environment: sealed to the public key in its attestation document.

The document is a COSE_Sign1 whose payload is a CBOR map; only its `public_key`, an RSA key, is
used. Neither the signature nor the certificate chain to the Nitro root, the PCRs or the age are
verified, so an answer is as good as the permission of the caller who asked. The envelope is CMS
EnvelopedData with the layout of AWS's own answers, indefinite lengths included:

```
30 80 OID envelopedData  a0 80 30 80  INTEGER 2
  SET { SEQUENCE { INTEGER 2, [0] SHA-256 of the public key (32), RSAES-OAEP, OCTETS wrapped key } }
  30 80 OID data  SEQUENCE { OID aes256-CBC, OCTETS iv(16) }  a0 80 OCTETS content  00 00 (5 times)
```
RSAES-OAEP has SHA-256 and MGF1 with SHA-256. Sources: RFC 5652 §6, RFC 4055 §4.1, RFC 9052 §4.2,
https://github.com/aws/aws-nitro-enclaves-nsm-api/blob/main/docs/attestation_process.md
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from kms.algorithms import oaep
from kms.errors import KMSError
from kms.root import random_bytes

KEY_BITS_MIN = 2_048
KEY_BITS_MAX = 8_192
_ALGORITHM = "RSAES_OAEP_SHA_256"
_CONTENT_KEY_BYTES = 32
_IV_BYTES = 16
_BLOCK_BITS = 128
_COSE_SIGN1_TAG = b"\xd2"  # tag 18, which may be left out
_COSE_SIGN1_MEMBERS = 4
_OID_ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
_OID_DATA = bytes.fromhex("06092a864886f70d010701")
_OID_AES256_CBC = bytes.fromhex("060960864801650304012a")
_RSAES_OAEP = bytes.fromhex(
    "303c06092a864886f70d010107302fa00f300d06096086480165030402010500"
    "a11c301a06092a864886f70d010108300d06096086480165030402010500"
)
_VERSION_2 = b"\x02\x01\x02"


def recipient_of(recipient: Mapping[str, Any] | None) -> RSAPublicKey | None:
    """The key to answer to; None if the answer is for the caller. Raises ValidationException."""
    if recipient is None:
        return None
    try:
        document = _loaded(recipient["AttestationDocument"].removeprefix(_COSE_SIGN1_TAG))
        if len(document) != _COSE_SIGN1_MEMBERS:
            raise ValueError
        key = load_der_public_key(_loaded(document[2])["public_key"])
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm):
        raise _invalid() from None
    if not isinstance(key, RSAPublicKey) or not KEY_BITS_MIN <= key.key_size <= KEY_BITS_MAX:
        raise _invalid()
    return key


def deliver(recipient: RSAPublicKey | None, member: str, secret: bytearray) -> dict[str, Any]:
    """The members of an answer that carry `secret`, which is wiped if it leaves sealed."""
    if recipient is None:
        return {member: secret}
    envelope = seal(recipient, secret)
    secret[:] = bytes(len(secret))
    return {"CiphertextForRecipient": envelope}


def seal(recipient: RSAPublicKey, secret: bytearray) -> bytes:
    """`secret` in an envelope that only the private key of `recipient` opens."""
    key = random_bytes(_CONTENT_KEY_BYTES)
    iv = os.urandom(_IV_BYTES)
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    content = encryptor.update(padder.update(secret) + padder.finalize()) + encryptor.finalize()
    wrapped = oaep.encrypt(recipient, _ALGORITHM, key)
    key[:] = bytes(len(key))
    spki = recipient.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = hashlib.sha256(spki).digest()
    information = _VERSION_2 + _tlv(0x80, name) + _RSAES_OAEP + _tlv(0x04, wrapped)
    return b"".join(
        (
            b"\x30\x80" + _OID_ENVELOPED_DATA + b"\xa0\x80\x30\x80" + _VERSION_2,
            _tlv(0x31, _tlv(0x30, information)),
            b"\x30\x80" + _OID_DATA + _tlv(0x30, _OID_AES256_CBC + _tlv(0x04, iv)),
            b"\xa0\x80" + _tlv(0x04, content),
            bytes(2 * 5),
        )
    )


class _Untagged(dict[int, Any]):
    """Refuses every tag. Fractions, patterns and references take more time than bytes tell."""

    def __missing__(self, tag: int) -> Any:
        def refuse(decoder: object) -> None:
            raise ValueError(f"tag {tag}")

        return refuse


def _loaded(data: bytes) -> Any:
    try:
        return cbor2.loads(data, semantic_decoders=_Untagged())
    except (cbor2.CBORDecodeError, RecursionError):
        raise ValueError("not CBOR") from None


def _invalid() -> KMSError:
    return KMSError("ValidationException", "The attestation document is not valid.")


def _tlv(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + value
