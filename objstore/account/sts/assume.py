"""AssumeRole: a role's session for whom its trust policy lets in.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kms.aws.arn import ARN
from kms.aws.identity import Caller, PrincipalKind
from kms.aws.policy import PolicyKind
from objstore.account.authorize import Request
from objstore.account.call import Call, Reply
from objstore.account.documents import compiled
from objstore.account.entities import ROLE, arn_of, split_arn, tags_of
from objstore.account.errors import IAMError
from objstore.account.principals import session_arn
from objstore.account.sessions import Grant
from objstore.account.sts.passing import (
    SessionTags,
    credentials_shape,
    packed_percent,
    passed_policies,
    session_tags,
)
from objstore.account.tags import TagList, request_keys
from objstore.account.trust import effective_trust
from objstore.storage.records import Identity

SECONDS_DEFAULT = 3_600
CHAINED_SECONDS_MAX = 3_600


def assume_role(
    call: Call,
    *,
    role_arn: str,
    role_session_name: str,
    duration_seconds: int | None = None,
    external_id: str | None = None,
    policy: str | None = None,
    policy_arns: Sequence[Mapping[str, str]] | None = None,
    tags: TagList | None = None,
    transitive_tag_keys: Sequence[str] | None = None,
    source_identity: str | None = None,
) -> Reply:
    """A session of a role, for a caller that its trust policy and its own policies let in."""
    calling = call.services.ticket(call.caller.access_key_id)
    found = session_tags(tags, transitive_tag_keys, calling)
    inherited = None if calling is None else calling.grant.source_identity or None
    # Who hands a source identity on sets it, too.
    keys = _keys(role_session_name, external_id, source_identity or inherited, found)
    role = _authorized(call, role_arn, keys)
    if inherited and source_identity not in (None, inherited):
        raise _refused(call.caller, "SetSourceIdentity", role_arn)
    seconds = duration_seconds or SECONDS_DEFAULT
    if call.caller.principal.kind is PrincipalKind.ASSUMED_ROLE and seconds > CHAINED_SECONDS_MAX:
        raise IAMError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining",
        )
    passed = passed_policies(call, role.account, policy, policy_arns)
    grant = Grant(
        PrincipalKind.ASSUMED_ROLE,
        role.account,
        role.unique_id,
        role_session_name,
        passed.limited,
        passed.policies,
        passed.policy_arns,
        found.all,
        found.transitive,
        source_identity or inherited or "",
    )
    return role_session(call, role, grant, seconds)


def _keys(
    role_session_name: str,
    external_id: str | None,
    source_identity: str | None,
    tags: SessionTags,
) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of the request."""
    keys: dict[str, str | tuple[str, ...]] = {
        "sts:RoleSessionName": role_session_name,
        **request_keys(tags.passed),
    }
    if external_id is not None:
        keys["sts:ExternalId"] = external_id
    if source_identity is not None:
        keys["sts:SourceIdentity"] = source_identity
    if tags.transitive:
        keys["sts:TransitiveTagKeys"] = tags.transitive
    return keys


def _authorized(call: Call, role_arn: str, keys: Mapping[str, str | tuple[str, ...]]) -> Identity:
    """The role that the caller may assume so. Raises AccessDenied, ValidationError."""
    role = find_role(call, role_arn)
    if call.caller.principal.kind is PrincipalKind.ROOT and not call.services.permissive:
        raise IAMError("AccessDenied", "Roles may not be assumed by root accounts.")
    if role is None:
        raise _refused(call.caller, "AssumeRole", role_arn)
    if call.caller.principal.kind is PrincipalKind.ROOT:
        return role
    actions = ["AssumeRole"]
    actions += ["TagSession"] if "aws:TagKeys" in keys else []
    actions += ["SetSourceIdentity"] if "sts:SourceIdentity" in keys else []
    action = first_refused(call, call.caller, role, actions, keys)
    if action is not None:
        raise _refused(call.caller, action, role_arn)
    return role


def role_session(call: Call, role: Identity, grant: Grant, seconds: int) -> Reply:
    """The reply of an operation that gives a role's session. Raises ValidationError."""
    if seconds > role.attributes["max_session_seconds"]:
        raise IAMError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    percent = packed_percent(grant)
    ticket, token = call.services.sessions.issue(grant, seconds)
    reply: Reply = {
        "Credentials": credentials_shape(ticket, token),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.unique_id}:{grant.name}",
            "Arn": session_arn(role.account, role.name, grant.name),
        },
    }
    if grant.limited or grant.tags:
        reply["PackedPolicySize"] = percent
    if grant.source_identity:
        reply["SourceIdentity"] = grant.source_identity
    return reply


def account_in(role_arn: str) -> str:
    """The account that an ARN names. Raises ValidationError for what is no ARN."""
    try:
        return ARN.parse(role_arn).account
    except ValueError:
        raise IAMError("ValidationError", f"{role_arn} is invalid") from None


def find_role(call: Call, role_arn: str) -> Identity | None:
    """The role of an ARN, in whatever account. Raises ValidationError for what is no ARN."""
    account_in(role_arn)
    parts = split_arn(role_arn, ROLE)
    if parts is None:
        return None
    account, path, name = parts
    found = call.rows.get(account, ROLE.row, name)
    exact = found is not None and (found.path, found.name) == (path, name)
    return found if exact else None


def first_refused(
    call: Call,
    caller: Caller,
    role: Identity,
    actions: Sequence[str],
    keys: Mapping[str, str | tuple[str, ...]],
) -> str | None:
    """The first of the actions that the trust policy, or the caller's own policies, refuse."""
    name = f"trust policy of {arn_of(role)}"
    trust = compiled(effective_trust(role.attributes), name, PolicyKind.TRUST)
    request = Request("", arn_of(role), role.account, tags_of(role), keys, trust)
    for action in actions:
        asked = replace(request, action=f"sts:{action}")
        call.decided = call.services.authorizer.decide(caller, asked)
        if not call.decided.allowed:
            return action
    return None


def _refused(caller: Caller, action: str, role_arn: str) -> IAMError:
    """The refusal, which tells neither why nor whether the role exists."""
    return IAMError(
        "AccessDenied",
        f"User: {caller.principal.arn} is not authorized to perform: sts:{action} on "
        f"resource: {role_arn}",
    )
