"""AssumeRoleWithWebIdentity: a role's session for whom an OpenID Connect issuer vouches.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kms.aws.identity import Principal, PrincipalKind
from objstore.account.call import Call, Reply
from objstore.account.entities import PROVIDER, arn_of
from objstore.account.errors import IAMError
from objstore.account.oidc import Identity
from objstore.account.sessions import Grant
from objstore.account.sts.assume import (
    SECONDS_DEFAULT,
    account_in,
    find_role,
    first_refused,
    role_session,
)
from objstore.account.sts.passing import SessionTags, passed_policies, session_tags
from objstore.account.tags import request_keys
from objstore.storage.records import Identity as Provider

TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"


async def assume_role_with_web_identity(
    call: Call,
    *,
    role_arn: str,
    role_session_name: str,
    web_identity_token: str,
    duration_seconds: int | None = None,
    policy: str | None = None,
    policy_arns: Sequence[Mapping[str, str]] | None = None,
) -> Reply:
    """A session of a role that trusts the token's issuer.

    The request itself is not signed: only who holds a valid token learns whether there is a role.
    """
    issuer = call.services.issuers.issuer_of(web_identity_token)
    provider = _provider(call, account_in(role_arn), issuer)
    identity = await call.services.issuers.verify(
        web_identity_token, provider.attributes["clients"]
    )
    role = find_role(call, role_arn)
    if role is None:
        raise _refused("AssumeRoleWithWebIdentity")
    provider_arn = arn_of(provider)
    principal = Principal(
        PrincipalKind.WEB_IDENTITY,
        role.account,
        provider_arn,
        f"{provider_arn}:{identity.audience}:{identity.subject}",
    )
    tags, source_identity = _tags(identity), _source_identity(identity)
    keys = {**_keys(provider.name, identity, role_session_name), **request_keys(tags.passed)}
    actions = ["AssumeRoleWithWebIdentity", *(["TagSession"] if tags.passed else [])]
    if source_identity:
        keys["sts:SourceIdentity"] = source_identity
        actions.append("SetSourceIdentity")
    action = first_refused(call, replace(call.caller, principal=principal), role, actions, keys)
    if action is not None:
        raise _refused(action)
    passed = passed_policies(call, role.account, policy, policy_arns)
    grant = Grant(
        PrincipalKind.ASSUMED_ROLE,
        role.account,
        role.unique_id,
        role_session_name,
        passed.limited,
        passed.policies,
        passed.policy_arns,
        tags.all,
        tags.transitive,
        source_identity,
        provider_arn,
    )
    return role_session(call, role, grant, duration_seconds or SECONDS_DEFAULT) | {
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audience,
        "Provider": provider_arn,
    }


def _provider(call: Call, account: str, issuer: str) -> Provider:
    """What an account knows of an issuer. Raises InvalidIdentityToken."""
    name = issuer.removeprefix("https://").rstrip("/")
    provider = call.rows.get(account, PROVIDER.row, name)
    if provider is None or not issuer.startswith("https://"):
        text = f"No OpenIDConnect provider found in your account for {issuer}"
        raise IAMError("InvalidIdentityToken", text)
    return provider


def _refused(action: str) -> IAMError:
    return IAMError("AccessDenied", f"Not authorized to perform sts:{action}")


def _keys(
    name: str, identity: Identity, role_session_name: str
) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of a token: the provider's name and a claim's."""
    keys: dict[str, str | tuple[str, ...]] = {
        "sts:RoleSessionName": role_session_name,
        f"{name}:sub": identity.subject,
        f"{name}:aud": identity.audience,
    }
    methods = identity.claims.get("amr")
    if isinstance(methods, list):
        keys[f"{name}:amr"] = tuple(str(method) for method in methods)
    if "azp" in identity.claims and isinstance(identity.claims.get("aud"), str):
        keys[f"{name}:oaud"] = identity.claims["aud"]
    return keys


def _tags(identity: Identity) -> SessionTags:
    """The session tags in a token. Raises InvalidIdentityToken, InvalidParameterValue."""
    claim = identity.claims.get(TAGS_CLAIM, {})
    try:
        named: Mapping[str, Any] = claim.get("principal_tags", {})
        tags = [{"Key": key, "Value": _one(value)} for key, value in named.items()]
        transitive = [str(key) for key in claim.get("transitive_tag_keys", [])]
    except (AttributeError, IndexError, KeyError, TypeError):
        raise IAMError("InvalidIdentityToken", f"The claim {TAGS_CLAIM} is not valid") from None
    return session_tags(tags, transitive, None)


def _one(value: Any) -> str:
    """A tag's value, which may be in a list. Raises IndexError, TypeError."""
    found = value if isinstance(value, str) else value[0]
    if not isinstance(found, str):
        raise TypeError("a tag's value is a text")
    return found


def _source_identity(identity: Identity) -> str:
    source_identity = identity.claims.get(SOURCE_IDENTITY_CLAIM, "")
    return source_identity if isinstance(source_identity, str) else ""
