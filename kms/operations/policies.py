"""GetKeyPolicy and ListKeyPolicies: a key has one policy, named `default`."""

from typing import Any

from kms.errors import KMSError
from kms.paging import position_of
from kms.policy_text import POLICY_NAME
from kms.request import Request


def get_key_policy(
    request: Request, *, key_id: str, policy_name: str = POLICY_NAME
) -> dict[str, Any]:
    key = request.use(key_id)
    if policy_name != POLICY_NAME:
        raise KMSError("NotFoundException", f"No such policy exists {policy_name}")
    return {"Policy": key.policy, "PolicyName": POLICY_NAME}


def list_key_policies(
    request: Request, *, key_id: str, limit: int = 100, marker: str | None = None
) -> dict[str, Any]:
    request.use(key_id)
    after = position_of(marker)
    names = [POLICY_NAME] if after < POLICY_NAME else []
    return {"PolicyNames": names[:limit], "Truncated": False}
