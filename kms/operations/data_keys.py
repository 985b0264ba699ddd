"""GenerateDataKey, GenerateDataKeyPair, both WithoutPlaintext, and GenerateRandom.

Plaintext keys leave as `bytearray`s that the door wipes after rendering.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kms.algorithms.keys import PRIVATE_KEY_SPECS, generate_private, private_der, public_der
from kms.ciphertext import KIND_DATA_KEY, canonical
from kms.errors import KMSError
from kms.key import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, Key, check_state
from kms.recipient import deliver, recipient_of
from kms.request import Request
from kms.usage import check_grant_tokens, check_usage, named, seal_under, stop_if_dry

_EMPTY: Mapping[str, str] = {}
_DATA_KEY_BYTES = {"AES_256": 32, "AES_128": 16}


def generate_data_key(
    request: Request,
    *,
    key_id: str,
    encryption_context: Mapping[str, str] = _EMPTY,
    key_spec: str | None = None,
    number_of_bytes: int | None = None,
    grant_tokens: Sequence[str] = (),
    recipient: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    context = canonical(encryption_context)
    key = _wrapping(request, key_id, grant_tokens)
    length = _data_key_length(key_spec, number_of_bytes)
    _check_wraps(request, key)
    receiver = recipient_of(recipient)
    stop_if_dry(dry_run)
    plaintext = bytearray(length)
    request.store.fill_random(plaintext)
    reply: dict[str, Any] = {
        "CiphertextBlob": _seal(request, key, plaintext, context),
        "KeyId": key.arn,
    }
    return _delivered(request, reply, receiver, "Plaintext", plaintext)


def generate_data_key_without_plaintext(
    request: Request,
    *,
    key_id: str,
    encryption_context: Mapping[str, str] = _EMPTY,
    key_spec: str | None = None,
    number_of_bytes: int | None = None,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    generated = generate_data_key(
        request,
        key_id=key_id,
        encryption_context=encryption_context,
        key_spec=key_spec,
        number_of_bytes=number_of_bytes,
        grant_tokens=grant_tokens,
        dry_run=dry_run,
    )
    return _without(generated, "Plaintext")


def generate_data_key_pair(
    request: Request,
    *,
    key_id: str,
    key_pair_spec: str,
    encryption_context: Mapping[str, str] = _EMPTY,
    grant_tokens: Sequence[str] = (),
    recipient: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    context = canonical(encryption_context)
    key = _wrapping(request, key_id, grant_tokens)
    _check_wraps(request, key)
    if key_pair_spec not in PRIVATE_KEY_SPECS:
        raise KMSError("UnsupportedOperationException", f"{key_pair_spec} is not supported")
    receiver = recipient_of(recipient)
    stop_if_dry(dry_run)
    pair = generate_private(key_pair_spec)
    plaintext = private_der(pair)
    reply: dict[str, Any] = {
        "PrivateKeyCiphertextBlob": _seal(request, key, plaintext, context),
        "PublicKey": public_der(pair),
        "KeyId": key.arn,
        "KeyPairSpec": key_pair_spec,
    }
    return _delivered(request, reply, receiver, "PrivateKeyPlaintext", plaintext)


def generate_data_key_pair_without_plaintext(
    request: Request,
    *,
    key_id: str,
    key_pair_spec: str,
    encryption_context: Mapping[str, str] = _EMPTY,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    generated = generate_data_key_pair(
        request,
        key_id=key_id,
        key_pair_spec=key_pair_spec,
        encryption_context=encryption_context,
        grant_tokens=grant_tokens,
        dry_run=dry_run,
    )
    return _without(generated, "PrivateKeyPlaintext")


def generate_random(
    request: Request,
    *,
    number_of_bytes: int | None = None,
    recipient: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    request.allow_account("GenerateRandom")
    if number_of_bytes is None:
        raise KMSError("ValidationException", "NumberOfBytes is required.")
    receiver = recipient_of(recipient)
    plaintext = bytearray(number_of_bytes)
    request.store.fill_random(plaintext)
    return deliver(receiver, "Plaintext", plaintext)


def _wrapping(request: Request, key_id: str, grant_tokens: Sequence[str]) -> Key:
    """The key, authorized, that will wrap what is generated if `_check_wraps` lets it."""
    check_grant_tokens(request, grant_tokens)
    return named(request, key_id)


def _check_wraps(request: Request, key: Key) -> None:
    """Raise what KMS refuses `key` with, unless it is usable and symmetric."""
    check_usage(request, key, ENCRYPT_DECRYPT)
    check_state(key, request.operation)
    if key.spec != SYMMETRIC_DEFAULT:
        raise KMSError(
            "InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK"
        )


def _seal(request: Request, key: Key, plaintext: bytearray, context: bytes) -> bytes:
    """The blob of a fresh key, which is wiped if there can be none."""
    try:
        return seal_under(request, key, KIND_DATA_KEY, plaintext, context)
    except BaseException:
        plaintext[:] = bytes(len(plaintext))
        raise


def _without(generated: dict[str, Any], member: str) -> dict[str, Any]:
    """The answer without its plaintext key, which is wiped."""
    plaintext = generated.pop(member)
    plaintext[:] = bytes(len(plaintext))
    return generated


def _delivered(
    request: Request,
    reply: dict[str, Any],
    receiver: RSAPublicKey | None,
    member: str,
    plaintext: bytearray,
) -> dict[str, Any]:
    """`reply` with the key and its material's id, or the key sealed and, as at AWS, no id."""
    if receiver is None:
        reply[member] = plaintext
        reply["KeyMaterialId"] = request.material_id
    else:
        reply |= deliver(receiver, member, plaintext)
    return reply


def _data_key_length(key_spec: str | None, number_of_bytes: int | None) -> int:
    if key_spec is not None and number_of_bytes is None:
        return _DATA_KEY_BYTES[key_spec]
    if number_of_bytes is not None and key_spec is None:
        return number_of_bytes
    raise KMSError("ValidationException", "Please specify either number of bytes or key spec.")
