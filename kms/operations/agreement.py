"""DeriveSharedSecret, Encapsulate and Decapsulate: secrets that two parties share."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from kms.algorithms.agreement import agree
from kms.algorithms.encapsulation import decapsulate as open_secret
from kms.algorithms.encapsulation import encapsulate as make_secret
from kms.algorithms.keys import MLKEMPrivateKey
from kms.recipient import deliver, recipient_of
from kms.request import Request
from kms.specs import ENCAPSULATE_DECAPSULATE, KEY_AGREEMENT
from kms.usage import stop_if_dry, use_for


def derive_shared_secret(
    request: Request,
    *,
    key_id: str,
    key_agreement_algorithm: str,
    public_key: bytes,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
    recipient: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    key = use_for(
        request, key_id, KEY_AGREEMENT, key_agreement_algorithm, grant_tokens=grant_tokens
    )
    receiver = recipient_of(recipient)
    private = cast(EllipticCurvePrivateKey, request.store.private_key(key))
    secret = agree(private, public_key)
    stop_if_dry(dry_run, secret)
    return {
        "KeyId": key.arn,
        **deliver(receiver, "SharedSecret", secret),
        "KeyAgreementAlgorithm": key_agreement_algorithm,
        "KeyOrigin": key.origin,
    }


def encapsulate(
    request: Request,
    *,
    key_id: str,
    encapsulation_algorithm: str,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(
        request, key_id, ENCAPSULATE_DECAPSULATE, encapsulation_algorithm, grant_tokens=grant_tokens
    )
    stop_if_dry(dry_run)
    secret, ciphertext = make_secret(cast(MLKEMPrivateKey, request.store.private_key(key)))
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": ciphertext,
        "EncapsulationAlgorithm": encapsulation_algorithm,
    }


def decapsulate(
    request: Request,
    *,
    key_id: str,
    encapsulation_algorithm: str,
    shared_secret_ciphertext_blob: bytes,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(
        request, key_id, ENCAPSULATE_DECAPSULATE, encapsulation_algorithm, grant_tokens=grant_tokens
    )
    private = cast(MLKEMPrivateKey, request.store.private_key(key))
    secret = open_secret(private, shared_secret_ciphertext_blob)
    stop_if_dry(dry_run, secret)
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "EncapsulationAlgorithm": encapsulation_algorithm,
    }
