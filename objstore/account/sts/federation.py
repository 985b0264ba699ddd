"""Sessions of users themselves, and of people whom a user vouches for.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html and
https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
"""

from collections.abc import Mapping, Sequence

from kms.aws.identity import PrincipalKind
from objstore.account.authorize import Request
from objstore.account.call import Call, Reply
from objstore.account.errors import IAMError
from objstore.account.principals import federated_arn
from objstore.account.sessions import Grant
from objstore.account.sts.passing import (
    credentials_shape,
    packed_percent,
    passed_policies,
    session_tags,
)
from objstore.account.tags import TagList, request_keys

SECONDS_DEFAULT = 43_200
ROOT_SECONDS_MAX = 3_600


def get_session_token(call: Call, *, duration_seconds: int | None = None) -> Reply:
    """Temporary credentials of a user or root; no permission is needed."""
    seconds = _seconds(call, duration_seconds)
    principal = call.caller.principal
    grant = Grant(principal.kind, call.account, principal.user_id)
    ticket, token = call.services.sessions.issue(grant, seconds)
    return {"Credentials": credentials_shape(ticket, token)}


def _seconds(call: Call, asked: int | None) -> int:
    """How long the session lasts. Raises AccessDenied for a caller who is a session itself."""
    principal = call.caller.principal
    if principal.session is not None:
        raise IAMError("AccessDenied", f"Cannot call {call.operation} with session credentials")
    seconds = asked or SECONDS_DEFAULT
    return min(seconds, ROOT_SECONDS_MAX) if principal.kind is PrincipalKind.ROOT else seconds


def get_federation_token(
    call: Call,
    *,
    name: str,
    duration_seconds: int | None = None,
    policy: str | None = None,
    policy_arns: Sequence[Mapping[str, str]] | None = None,
    tags: TagList | None = None,
) -> Reply:
    """Credentials for somebody else, who may do what both the caller and the policies may."""
    seconds = _seconds(call, duration_seconds)
    arn = federated_arn(call.account, name)
    found = session_tags(tags, None, None)
    keys = request_keys(found.passed)
    call.allow(arn, keys=keys)
    if found.passed:
        tagging = Request("sts:TagSession", arn, call.account, {}, keys)
        call.services.authorizer.allow(call.caller, tagging)
    passed = passed_policies(call, call.account, policy, policy_arns)
    grant = Grant(
        PrincipalKind.FEDERATED,
        call.account,
        call.caller.principal.user_id,
        name,
        True,
        passed.policies,
        passed.policy_arns,
        found.all,
    )
    percent = packed_percent(grant) if passed.limited or found.all else 0
    ticket, token = call.services.sessions.issue(grant, seconds)
    return {
        "Credentials": credentials_shape(ticket, token),
        "FederatedUser": {"FederatedUserId": f"{call.account}:{name}", "Arn": arn},
        "PackedPolicySize": percent,
    }
