"""What cryptographic operations have in common: which key fits, grant tokens, blobs, DryRun."""

from collections.abc import Sequence

from kms import grant_token
from kms.ciphertext import seal
from kms.errors import KMSError
from kms.key import Key, check_state
from kms.request import Request
from kms.specs import SPECS

# Algorithms of the API that the cryptography library lacks, by the spec that would have them.
UNSUPPORTED_ALGORITHMS = frozenset({("ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512")})


def use_for(
    request: Request,
    key_id: str,
    usage: str,
    algorithm: str,
    *,
    grant_tokens: Sequence[str] = (),
    action: str | None = None,
) -> Key:
    """The key that `key_id` names: authorized, in a usable state, and for `algorithm`.

    Raises what `named` and `check_fit` raise, and InvalidGrantTokenException.
    """
    check_grant_tokens(request, grant_tokens)
    return check_fit(request, named(request, key_id, action), usage, algorithm)


def named(request: Request, key_id: str, action: str | None = None) -> Key:
    """The key that `key_id` names, authorized for `action`, by default the operation."""
    key = request.resolve(key_id, action=action)
    request.allow(action or request.operation, key)
    return key


def check_fit(request: Request, key: Key, usage: str, algorithm: str) -> Key:
    """Raise what KMS refuses `key` with: first for its usage, then its state, then `algorithm`."""
    check_usage(request, key, usage)
    check_state(key, request.operation)
    if algorithm not in SPECS[key.spec][usage]:
        if (key.spec, algorithm) in UNSUPPORTED_ALGORITHMS:
            raise KMSError("UnsupportedOperationException", f"{algorithm} is not supported")
        raise KMSError(
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {key.spec}.",
        )
    return key


def check_usage(request: Request, key: Key, usage: str) -> None:
    """Raise InvalidKeyUsageException unless `key` is for `usage`."""
    if key.usage != usage:
        raise KMSError(
            "InvalidKeyUsageException",
            f"{key.arn} key usage is {key.usage} which is not valid for {request.operation}.",
        )


def check_grant_tokens(request: Request, grant_tokens: Sequence[str]) -> None:
    """Raise InvalidGrantTokenException for a token that was never given out.

    What a token's grant permits is in force without it.
    """
    for token in grant_tokens:
        grant_token.read(request.store, token)


def seal_under(
    request: Request, key: Key, kind: int, plaintext: bytes | bytearray, context: bytes
) -> bytes:
    """The blob of `plaintext` under a symmetric `key`; `context` is canonical."""
    request.material_id = key.material_id
    return seal(
        request.store.derivation_key(key.account, key.region, key.material_id),
        material_id=bytes.fromhex(key.material_id),
        kind=kind,
        plaintext=plaintext,
        context=context,
    )


def stop_if_dry(dry_run: bool, *secrets: bytearray) -> None:
    """Call it when nothing is left but to answer; `secrets` that nobody will get are wiped."""
    if dry_run:
        for secret in secrets:
            secret[:] = bytes(len(secret))
        raise KMSError(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )
