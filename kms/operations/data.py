"""Encrypt, Decrypt, ReEncrypt, GenerateDataKey(WithoutPlaintext) and GenerateRandom.

Plaintexts leave as `bytearray`s that the door wipes after rendering. Encryption contexts are
additional authenticated data; they are public and appear in the audit record.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kms.authorize import authorize_account
from kms.ciphertext import (
    KIND_DATA_KEY,
    KIND_ENCRYPT,
    Blob,
    canonical,
    parse,
    seal,
    unseal,
)
from kms.errors import KMSError
from kms.key import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, Key
from kms.request import Request

_EMPTY: Mapping[str, str] = {}
_DATA_KEY_BYTES = {"AES_256": 32, "AES_128": 16}


def encrypt(
    request: Request,
    *,
    key_id: str,
    plaintext: bytes,
    encryption_context: Mapping[str, str] = _EMPTY,
    encryption_algorithm: str = SYMMETRIC_DEFAULT,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    request.context = encryption_context
    _check_grant_tokens(grant_tokens)
    key = _encrypting(request, request.use(key_id), encryption_algorithm)
    context = canonical(encryption_context)
    _stop_if_dry(dry_run)
    return {
        "CiphertextBlob": _seal(request, key, KIND_ENCRYPT, plaintext, context),
        "KeyId": key.arn,
        "EncryptionAlgorithm": SYMMETRIC_DEFAULT,
    }


def decrypt(
    request: Request,
    *,
    ciphertext_blob: bytes | None = None,
    encryption_context: Mapping[str, str] = _EMPTY,
    key_id: str | None = None,
    encryption_algorithm: str = SYMMETRIC_DEFAULT,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    request.context = encryption_context
    _check_grant_tokens(grant_tokens)
    key, plaintext = _open(
        request,
        ciphertext_blob,
        key_id=key_id,
        context=encryption_context,
        algorithm=encryption_algorithm,
        action="Decrypt",
    )
    if dry_run:
        plaintext[:] = bytes(len(plaintext))
        _stop_if_dry(dry_run)
    return {
        "KeyId": key.arn,
        "Plaintext": plaintext,
        "EncryptionAlgorithm": SYMMETRIC_DEFAULT,
        "KeyMaterialId": request.material_id,
    }


def re_encrypt(
    request: Request,
    *,
    destination_key_id: str,
    ciphertext_blob: bytes | None = None,
    source_encryption_context: Mapping[str, str] = _EMPTY,
    source_key_id: str | None = None,
    destination_encryption_context: Mapping[str, str] = _EMPTY,
    source_encryption_algorithm: str = SYMMETRIC_DEFAULT,
    destination_encryption_algorithm: str = SYMMETRIC_DEFAULT,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    request.context = source_encryption_context
    _check_grant_tokens(grant_tokens)
    source, plaintext = _open(
        request,
        ciphertext_blob,
        key_id=source_key_id,
        context=source_encryption_context,
        algorithm=source_encryption_algorithm,
        action="ReEncryptFrom",
    )
    source_material = request.material_id
    try:
        used = request.use(destination_key_id, action="ReEncryptTo")
        target = _encrypting(request, used, destination_encryption_algorithm)
        context = canonical(destination_encryption_context)
        _stop_if_dry(dry_run)
        sealed = _seal(request, target, KIND_ENCRYPT, plaintext, context)
    finally:
        plaintext[:] = bytes(len(plaintext))
    return {
        "CiphertextBlob": sealed,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": SYMMETRIC_DEFAULT,
        "DestinationEncryptionAlgorithm": SYMMETRIC_DEFAULT,
        "SourceKeyMaterialId": source_material,
        "DestinationKeyMaterialId": target.material_id,
    }


def generate_data_key(
    request: Request,
    *,
    key_id: str,
    encryption_context: Mapping[str, str] = _EMPTY,
    key_spec: str | None = None,
    number_of_bytes: int | None = None,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    request.context = encryption_context
    if grant_tokens:
        _check_grant_tokens(grant_tokens)
    key = _encrypting(request, request.use(key_id), SYMMETRIC_DEFAULT)
    length = _data_key_length(key_spec, number_of_bytes)
    context = canonical(encryption_context)
    _stop_if_dry(dry_run)
    plaintext = bytearray(length)
    request.store.fill_random(plaintext)
    return {
        "CiphertextBlob": _seal(request, key, KIND_DATA_KEY, plaintext, context),
        "Plaintext": plaintext,
        "KeyId": key.arn,
        "KeyMaterialId": key.material_id,
    }


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
    plaintext = generated.pop("Plaintext")
    plaintext[:] = bytes(len(plaintext))
    return generated


def generate_random(request: Request, *, number_of_bytes: int | None = None) -> dict[str, Any]:
    authorize_account(request.caller, "GenerateRandom")
    if number_of_bytes is None:
        raise KMSError("ValidationException", "NumberOfBytes is required.")
    return {"Plaintext": bytearray(os.urandom(number_of_bytes))}


def _open(
    request: Request,
    ciphertext_blob: bytes | None,
    *,
    key_id: str | None,
    context: Mapping[str, str],
    algorithm: str,
    action: str,
) -> tuple[Key, bytearray]:
    """Find the key of a blob, check that it may be used, and decrypt."""
    if ciphertext_blob is None:
        raise KMSError("ValidationException", "CiphertextBlob is required.")
    named = request.resolve(key_id, action=action) if key_id is not None else None
    if named is not None:
        request.use_key(named, action=action)
    blob = parse(ciphertext_blob)
    key = _encrypting(request, _key_of(request, blob, named, action), algorithm)
    request.material_id = blob.material_id.hex()
    backing = request.store.backing_key(key.account, key.region, request.material_id)
    return key, unseal(backing, blob, canonical(context))


def _key_of(request: Request, blob: Blob, named: Key | None, action: str) -> Key:
    """The key whose material sealed `blob`, authorized and in a usable state."""
    region, material_id = request.caller.region, blob.material_id.hex()
    material = request.store.material(request.caller.account, region, material_id)
    if material is None:
        material = request.store.material_in(region, material_id)
    if named is not None:
        if material is None:
            raise KMSError("InvalidCiphertextException")
        if (material.account, material.key_id) != (named.account, named.key_id):
            raise KMSError(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this "
                "operation.",
            )
        return named
    key = request.find(material.account, material.key_id) if material is not None else None
    if key is None or key.account != request.caller.account:
        raise KMSError(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist "
            "in this region, or you are not allowed to access.",
        )
    return request.use_key(key, action=action)


def _encrypting(request: Request, key: Key, algorithm: str) -> Key:
    if key.usage != ENCRYPT_DECRYPT:
        raise KMSError(
            "InvalidKeyUsageException",
            f"{key.arn} key usage is {key.usage} which is not valid for {request.operation}.",
        )
    if algorithm != key.spec:
        raise KMSError(
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {key.spec}.",
        )
    return key


def _seal(
    request: Request, key: Key, kind: int, plaintext: bytes | bytearray, context: bytes
) -> bytes:
    request.material_id = key.material_id
    return seal(
        request.store.backing_key(key.account, key.region, key.material_id),
        material_id=bytes.fromhex(key.material_id),
        kind=kind,
        plaintext=plaintext,
        context=context,
    )


def _data_key_length(key_spec: str | None, number_of_bytes: int | None) -> int:
    if key_spec is not None and number_of_bytes is None:
        return _DATA_KEY_BYTES[key_spec]
    if number_of_bytes is not None and key_spec is None:
        return number_of_bytes
    raise KMSError("ValidationException", "Please specify either number of bytes or key spec.")


def _check_grant_tokens(grant_tokens: Sequence[str]) -> None:
    """No grants exist, so no token is valid."""
    if grant_tokens:
        raise KMSError("InvalidGrantTokenException", "The grant token is not valid.")


def _stop_if_dry(dry_run: bool) -> None:
    if dry_run:
        raise KMSError(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )
