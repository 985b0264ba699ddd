"""PutKeyPolicy, GetKeyPolicy and ListKeyPolicies: a key has one policy, named `default`."""

from dataclasses import replace
from typing import Any

from kms.errors import KMSError
from kms.key import check_state
from kms.paging import position_of
from kms.policy_check import with_policy
from kms.policy_text import POLICY_NAME, renamed
from kms.request import Request

RAM_POLICY_NAME = "AWS_RAM"


def put_key_policy(
    request: Request,
    *,
    key_id: str,
    policy: str,
    policy_name: str = POLICY_NAME,
    bypass_policy_lockout_safety_check: bool = False,
) -> dict[str, Any]:
    key = request.own(key_id)
    if policy_name == RAM_POLICY_NAME:
        raise KMSError(
            "ValidationException", "The AWS_RAM policy can only be managed by the RAM service"
        )
    _check_name(policy_name)
    changed = with_policy(request, key, policy, bypass=bypass_policy_lockout_safety_check)
    request.change(key, lambda edit, stored: replace(stored, policy=policy, bound=changed.bound))
    return {}


def get_key_policy(
    request: Request, *, key_id: str, policy_name: str = POLICY_NAME
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_name(policy_name)
    # Users and roles that are gone, or renamed, are shown as what they are now.
    shown = request.authorizer.principals.shown
    names = {name: now for name, unique_id in key.bound if (now := shown(unique_id)) != name}
    return {"Policy": renamed(key.policy, names), "PolicyName": POLICY_NAME}


def list_key_policies(
    request: Request, *, key_id: str, limit: int = 100, marker: str | None = None
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    after = position_of(marker)
    names = [POLICY_NAME] if after < POLICY_NAME else []
    return {"PolicyNames": names[:limit], "Truncated": False}


def _check_name(policy_name: str) -> None:
    if policy_name != POLICY_NAME:
        raise KMSError("NotFoundException", f"No such policy exists {policy_name}")
