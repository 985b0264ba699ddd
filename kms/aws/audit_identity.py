"""CloudTrail's `userIdentity`: who made a call, by the kind of principal. Pure.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from typing import Any

from kms.aws.clock import utc
from kms.aws.identity import Caller, Principal, PrincipalKind, Session

INTERNAL = "AWS Internal"
ANONYMOUS_ID = "ANONYMOUS_PRINCIPAL"
_ISSUERS = {PrincipalKind.ASSUMED_ROLE: "Role", PrincipalKind.FEDERATED: "IAMUser"}

Identity = dict[str, Any]


def user_identity(caller: Caller) -> Identity:
    """The identity as the caller's own account sees it."""
    principal = caller.principal
    match principal.kind:
        case PrincipalKind.SERVICE:
            return {"type": principal.kind.value, "invokedBy": principal.name}
        case PrincipalKind.ANONYMOUS:
            return {"type": principal.kind.value, "principalId": "", "accountId": ANONYMOUS_ID}
    identity: Identity = {
        "type": principal.kind.value,
        "principalId": principal.user_id,
        "arn": principal.arn,
        "accountId": principal.account,
    }
    if caller.access_key_id:
        identity["accessKeyId"] = caller.access_key_id
    if principal.kind is PrincipalKind.USER:
        identity["userName"] = principal.name
    if principal.session is not None:
        identity["sessionContext"] = _session_context(principal, principal.session)
    if caller.via_service is not None:
        identity["invokedBy"] = forwarder(caller.via_service)
    return identity


def foreign_identity(caller: Caller) -> Identity:
    """The identity as the account of the resource sees a caller of another account."""
    principal = caller.principal
    identity = {
        "type": PrincipalKind.ANONYMOUS.value,
        "principalId": principal.user_id,
        "accountId": principal.account,
    }
    if caller.via_service is not None:
        identity["invokedBy"] = forwarder(caller.via_service)
    return identity


def web_identity(provider: str, audience: str, subject: str) -> Identity:
    """The identity of who brought a token of an OpenID Connect issuer."""
    return {
        "type": PrincipalKind.WEB_IDENTITY.value,
        "principalId": f"{provider}:{audience}:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }


def forwarder(via_service: str) -> str:
    """How a service that forwards a caller's request is named: `fas.s3.amazonaws.com`."""
    return f"fas.{via_service.partition('.')[0]}.amazonaws.com"


def user_name(identity: Identity) -> str:
    """What LookupEvents calls the user; "" if the identity has no name."""
    match identity.get("type"):
        case "Root":
            return "root"
        case "AssumedRole" | "FederatedUser":
            return str(identity["principalId"]).partition(":")[2]
    return str(identity.get("userName", ""))


def _session_context(principal: Principal, session: Session) -> Identity:
    context: Identity = {}
    issuer = _ISSUERS.get(principal.kind)
    if issuer is not None:
        if session.issuer_id == principal.account:
            issuer = "Root"
        context["sessionIssuer"] = {
            "type": issuer,
            "principalId": session.issuer_id,
            "arn": session.issuer_arn,
            "accountId": principal.account,
            "userName": session.issuer_name,
        }
    if session.federated_provider:
        provider = session.federated_provider
        context["webIdFederationData"] = {"federatedProvider": provider, "attributes": {}}
    if session.source_identity:
        context["sourceIdentity"] = session.source_identity
    context["attributes"] = {
        "creationDate": utc(session.created_at).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "mfaAuthenticated": "false" if session.mfa_at is None else "true",
    }
    return context
