"""Sign and Verify."""

from collections.abc import Sequence
from typing import Any

from kms.algorithms import signatures
from kms.algorithms.signatures import MessageType
from kms.request import Request
from kms.specs import SIGN_VERIFY
from kms.usage import stop_if_dry, use_for


def sign(
    request: Request,
    *,
    key_id: str,
    message: bytes,
    signing_algorithm: str,
    message_type: str = MessageType.RAW,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(request, key_id, SIGN_VERIFY, signing_algorithm, grant_tokens=grant_tokens)
    kind = MessageType(message_type)
    signatures.check(signing_algorithm, key.spec, message, kind)
    stop_if_dry(dry_run)
    private = request.store.private_key(key)
    return {
        "KeyId": key.arn,
        "Signature": signatures.sign(private, signing_algorithm, message, kind),
        "SigningAlgorithm": signing_algorithm,
    }


def verify(
    request: Request,
    *,
    key_id: str,
    message: bytes,
    signature: bytes,
    signing_algorithm: str,
    message_type: str = MessageType.RAW,
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    key = use_for(request, key_id, SIGN_VERIFY, signing_algorithm, grant_tokens=grant_tokens)
    kind = MessageType(message_type)
    signatures.check(signing_algorithm, key.spec, message, kind)
    private = request.store.private_key(key)
    signatures.verify(private, signing_algorithm, signature, message, kind)
    stop_if_dry(dry_run)
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": signing_algorithm}
