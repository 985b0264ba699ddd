"""What makes a text a policy that a key may get: its form, its principals, and no lockout."""

from kms.aws.policy import Policy
from kms.errors import KMSError
from kms.key import Key
from kms.policy_text import check_policy
from kms.request import Request


def accept_policy(request: Request, key: Key, policy: str, *, bypass: bool) -> None:
    """Raise MalformedPolicyDocumentException unless `policy` may become that of `key`.

    Without `bypass`, the caller must be able to put another policy afterwards.
    """
    _check_principals(request, check_policy(policy))
    asked = request.asked("PutKeyPolicy", key)
    if not bypass and not request.authorizer.can_change_policy(asked, key, policy):
        raise KMSError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def _check_principals(request: Request, policy: Policy) -> None:
    """Users and roles that a policy names must exist; unique ids of those gone may stay."""
    for statement in policy.statements:
        for name in statement.principals.get("AWS", ()):
            if not name.startswith("arn:"):
                continue
            try:
                request.authorizer.principals.bind(name)
            except KMSError:
                raise KMSError(
                    "MalformedPolicyDocumentException",
                    "Policy contains a statement with one or more invalid principals.",
                ) from None
