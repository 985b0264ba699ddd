"""What makes a text a policy that a key may get: its form, its principals, and no lockout."""

from dataclasses import replace

from kms.aws.policy import Policy
from kms.errors import KMSError
from kms.key import Key
from kms.policy_text import Pairs, check_policy
from kms.request import Request

UNIQUE_IDS = ("AIDA", "AROA")


def with_policy(request: Request, key: Key, policy: str, *, bypass: bool) -> Key:
    """`key` with a policy that it may get. Raises MalformedPolicyDocumentException.

    Without `bypass`, the caller must be able to put another policy afterwards.
    """
    bound = _bound(request, check_policy(policy))
    changed = replace(key, policy=policy, bound=bound)
    asked = request.asked("PutKeyPolicy", key)
    if not bypass and not request.authorizer.can_change_policy(asked, changed):
        raise KMSError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )
    return changed


def _bound(request: Request, policy: Policy) -> Pairs:
    """The users and roles that a policy names, which must exist; those of unique ids may be gone.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    bound: dict[str, str] = {}
    for statement in policy.statements:
        for name in statement.principals.get("AWS", ()):
            if not name.startswith("arn:"):
                continue
            try:
                unique_id = request.authorizer.principals.bind(name)
            except KMSError:
                raise KMSError(
                    "MalformedPolicyDocumentException",
                    "Policy contains a statement with one or more invalid principals.",
                ) from None
            if unique_id.startswith(UNIQUE_IDS) and ":" not in unique_id:
                bound[name] = unique_id
    return tuple(bound.items())
