"""Who may do what to which key. Knows no operation's members and no wire.

The decision so far: principals of the key's account may do everything to the keys that the account
made; AWS managed keys encrypt and decrypt only for their service and show only metadata; nobody
else may do anything. Policies and grants are evaluated here, behind `authorize`.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from kms.aws.identity import Caller, PrincipalKind
from kms.errors import KMSError
from kms.key import AWS, Key

_MANAGED_CRYPTOGRAPHY = frozenset(
    {
        "Encrypt",
        "Decrypt",
        "ReEncryptFrom",
        "ReEncryptTo",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
    }
)
_MANAGED_METADATA = ("Describe", "Get", "List")
_ELSEWHERE = (
    "on this resource because the resource does not exist in this Region, no resource-based "
    "policies allow access, or a resource-based policy explicitly denies access"
)


def via_s3(caller: Caller) -> bool:
    """Whether S3, in the caller's region, forwards this call."""
    return caller.via_service is not None and (
        caller.via_service == f"s3.{caller.region}.amazonaws.com"
    )


def authorize(caller: Caller, action: str, key: Key) -> None:
    """Raise AccessDeniedException unless `caller` may do `action` ("Decrypt") to `key`."""
    if caller.account != key.account or caller.principal.kind is PrincipalKind.ANONYMOUS:
        raise denied_elsewhere(caller, action)
    if key.manager != AWS:
        return
    allowed = (
        via_s3(caller) if action in _MANAGED_CRYPTOGRAPHY else action.startswith(_MANAGED_METADATA)
    )
    if not allowed:
        raise _denied(
            caller,
            action,
            f"on resource: {key.arn} because no resource-based policy allows the "
            f"kms:{action} action",
        )


def authorize_account(caller: Caller, action: str) -> None:
    """Raise AccessDeniedException unless `caller` may do what concerns no key ("ListKeys")."""
    if caller.principal.kind is PrincipalKind.ANONYMOUS:
        raise _denied(
            caller,
            action,
            f"on resource: * because no identity-based policy allows the kms:{action} action",
        )


def denied_elsewhere(caller: Caller, action: str) -> KMSError:
    """The refusal that does not tell whether another account's key exists."""
    return _denied(caller, action, _ELSEWHERE)


def _denied(caller: Caller, action: str, rest: str) -> KMSError:
    anonymous = caller.principal.kind is PrincipalKind.ANONYMOUS
    user = "anonymous" if anonymous else caller.principal.arn
    message = f"User: {user} is not authorized to perform: kms:{action} {rest}"
    return KMSError("AccessDeniedException", message)
