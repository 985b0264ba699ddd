"""Encrypt, Decrypt and ReEncrypt.

Plaintexts leave as `bytearray`s that the door wipes after rendering. Encryption contexts are
additional authenticated data; they are public and appear in the audit record. Only symmetric keys
have them, and only ciphertexts of symmetric keys name their key. One that is too long is refused
first of all, since policies and grants may compare it with any number of patterns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from kms.algorithms import oaep
from kms.ciphertext import KIND_ENCRYPT, NO_CONTEXT, Blob, canonical, parse, unseal
from kms.errors import KMSError
from kms.key import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, Key
from kms.recipient import deliver, recipient_of
from kms.request import Request
from kms.usage import check_fit, check_grant_tokens, named, seal_under, stop_if_dry, use_for

IGNORE_CIPHERTEXT = "IGNORE_CIPHERTEXT"
_EMPTY: Mapping[str, str] = {}


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
    context = canonical(encryption_context)
    key = use_for(request, key_id, ENCRYPT_DECRYPT, encryption_algorithm, grant_tokens=grant_tokens)
    sealed = _seal(request, key, encryption_algorithm, plaintext, context)
    stop_if_dry(dry_run)
    return {
        "CiphertextBlob": sealed,
        "KeyId": key.arn,
        "EncryptionAlgorithm": encryption_algorithm,
    }


def decrypt(
    request: Request,
    *,
    ciphertext_blob: bytes | None = None,
    encryption_context: Mapping[str, str] = _EMPTY,
    key_id: str | None = None,
    encryption_algorithm: str = SYMMETRIC_DEFAULT,
    grant_tokens: Sequence[str] = (),
    recipient: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    dry_run_modifiers: Sequence[str] = (),
) -> dict[str, Any]:
    context = canonical(encryption_context)
    check_grant_tokens(request, grant_tokens)
    if dry_run and IGNORE_CIPHERTEXT in dry_run_modifiers:
        _use_named(request, key_id, encryption_algorithm, "Decrypt")
        stop_if_dry(dry_run)
    receiver = recipient_of(recipient)
    key, plaintext = _open(
        request,
        ciphertext_blob,
        key_id=key_id,
        context=context,
        algorithm=encryption_algorithm,
        action="Decrypt",
    )
    stop_if_dry(dry_run, plaintext)
    reply: dict[str, Any] = {"KeyId": key.arn, "EncryptionAlgorithm": encryption_algorithm}
    if receiver is None:
        reply["Plaintext"] = plaintext
        if encryption_algorithm == SYMMETRIC_DEFAULT:
            reply["KeyMaterialId"] = request.material_id
    else:
        reply |= deliver(receiver, "Plaintext", plaintext)
    return reply


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
    dry_run_modifiers: Sequence[str] = (),
) -> dict[str, Any]:
    context = canonical(source_encryption_context)
    new_context = canonical(destination_encryption_context)
    check_grant_tokens(request, grant_tokens)
    if dry_run and IGNORE_CIPHERTEXT in dry_run_modifiers:
        source = _use_named(request, source_key_id, source_encryption_algorithm, "ReEncryptFrom")
        plaintext = bytearray()
    else:
        source, plaintext = _open(
            request,
            ciphertext_blob,
            key_id=source_key_id,
            context=context,
            algorithm=source_encryption_algorithm,
            action="ReEncryptFrom",
        )
    source_material = request.material_id
    try:
        target = use_for(
            request,
            destination_key_id,
            ENCRYPT_DECRYPT,
            destination_encryption_algorithm,
            action="ReEncryptTo",
        )
        sealed = _seal(request, target, destination_encryption_algorithm, plaintext, new_context)
        stop_if_dry(dry_run)
    finally:
        plaintext[:] = bytes(len(plaintext))
    reply = {
        "CiphertextBlob": sealed,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": source_encryption_algorithm,
        "DestinationEncryptionAlgorithm": destination_encryption_algorithm,
    }
    if source.spec == SYMMETRIC_DEFAULT:
        reply["SourceKeyMaterialId"] = source_material
    if target.spec == SYMMETRIC_DEFAULT:
        reply["DestinationKeyMaterialId"] = target.material_id
    return reply


def _open(
    request: Request,
    ciphertext_blob: bytes | None,
    *,
    key_id: str | None,
    context: bytes,
    algorithm: str,
    action: str,
) -> tuple[Key, bytearray]:
    """Find the key of a blob, check that it may be used, and decrypt."""
    if ciphertext_blob is None:
        raise KMSError(
            "ValidationException",
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy "
            "constraint: Member must not be null",
        )
    if algorithm != SYMMETRIC_DEFAULT:
        pair = _use_named(request, key_id, algorithm, action)
        _refuse_context(context)
        private = cast(RSAPrivateKey, request.store.private_key(pair))
        return pair, oaep.decrypt(private, algorithm, ciphertext_blob)
    given = None if key_id is None else _named(request, key_id, action)
    blob = parse(ciphertext_blob)
    key = check_fit(
        request, _key_of(request, blob, given, action), ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
    )
    request.material_id = blob.material_id.hex()
    try:
        material = request.store.derivation_key(key.account, key.region, request.material_id)
    except KeyError:
        # Of what waits for its first rotation, a Region may know the id alone.
        raise KMSError("InvalidCiphertextException") from None
    return key, unseal(material, blob, context)


def _use_named(request: Request, key_id: str | None, algorithm: str, action: str) -> Key:
    if key_id is None:
        raise KMSError("ValidationException", "KeyId must not be null")
    return check_fit(request, _named(request, key_id, action), ENCRYPT_DECRYPT, algorithm)


def _named(request: Request, key_id: str, action: str) -> Key:
    """The key that decrypts by what the request says, authorized; its ciphertext may differ."""
    if _of_another_region(request, key_id):
        raise _incorrect_key()
    return named(request, key_id, action)


def _of_another_region(request: Request, key_id: str) -> bool:
    """Whether a multi-Region key is named by its relative's ARN: only the local key decrypts."""
    parts = key_id.split(":")
    return len(parts) == 6 and parts[5].startswith("key/mrk-") and parts[3] != request.caller.region


def _incorrect_key() -> KMSError:
    return KMSError(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )


def _key_of(request: Request, blob: Blob, given: Key | None, action: str) -> Key:
    """The key whose material sealed `blob`, authorized; `given` is what the request named."""
    region, material_id = request.caller.region, blob.material_id.hex()
    material = request.store.material(request.caller.account, region, material_id)
    if material is None:
        material = request.store.material_in(region, material_id)
    if given is not None:
        if material is None:
            raise KMSError("InvalidCiphertextException")
        if (material.account, material.key_id) != (given.account, given.key_id):
            raise _incorrect_key()
        return given
    key = request.find(material.account, material.key_id) if material is not None else None
    if key is None:
        raise _refers_to_nothing()
    try:
        request.allow(action, key)
    except KMSError:
        if key.account == request.caller.account:
            raise
        # The caller named no key, so even the id of another account's would be news.
        raise _refers_to_nothing() from None
    return key


def _refers_to_nothing() -> KMSError:
    return KMSError(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist "
        "in this region, or you are not allowed to access.",
    )


def _seal(
    request: Request,
    key: Key,
    algorithm: str,
    plaintext: bytes | bytearray,
    context: bytes,
) -> bytes:
    if algorithm != SYMMETRIC_DEFAULT:
        _refuse_context(context)
        private = cast(RSAPrivateKey, request.store.private_key(key))
        return oaep.encrypt(private.public_key(), algorithm, plaintext)
    return seal_under(request, key, KIND_ENCRYPT, plaintext, context)


def _refuse_context(context: bytes) -> None:
    if context != NO_CONTEXT:
        raise KMSError(
            "ValidationException",
            "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.",
        )
