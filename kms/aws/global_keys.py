"""The global condition keys that are about the caller and the time: `aws:PrincipalArn` and so on.

Keys about the resource and the request's own members (`aws:ResourceTag/…`, `aws:RequestTag/…`)
come from the service that knows them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Callable, Mapping

from kms.aws.clock import Clock, utc
from kms.aws.context import Source, Value, tag_value
from kms.aws.identity import Caller, PrincipalKind

PRINCIPAL_TAG = "aws:principaltag/"
_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ASSUMED_ROLE: "AssumedRole",
    PrincipalKind.FEDERATED: "FederatedUser",
    PrincipalKind.ANONYMOUS: "Anonymous",
}
# The services that tell whom they call for; S3 is not among them.
_TELLING = frozenset({"athena", "backup", "cloudformation", "dynamodb", "kms", "ssm-guiconnect"})


def caller_keys(caller: Caller, clock: Clock) -> Source:
    """The source of a caller's keys."""

    def value(key: str) -> Value:
        find = KEYS.get(key)
        if find is not None:
            return find(caller, clock)
        if key.startswith(PRINCIPAL_TAG):
            return tag_value(caller.principal.tags, key[len(PRINCIPAL_TAG) :])
        return None

    return value


def _principal_arn(caller: Caller, clock: Clock) -> Value:
    """A session's role, not the session itself."""
    del clock
    principal = caller.principal
    if principal.kind is PrincipalKind.ASSUMED_ROLE and principal.session is not None:
        return principal.session.issuer_arn
    known = principal.kind in _TYPES and principal.kind is not PrincipalKind.ANONYMOUS
    return principal.arn if known else None


def _account(caller: Caller, clock: Clock) -> Value:
    del clock
    return caller.account if caller.account.isdigit() else None


def _userid(caller: Caller, clock: Clock) -> Value:
    del clock
    if caller.principal.kind is PrincipalKind.ANONYMOUS:
        return "anonymous"
    return None if caller.principal.kind is PrincipalKind.SERVICE else caller.principal.user_id


def _username(caller: Caller, clock: Clock) -> Value:
    del clock
    return caller.principal.name if caller.principal.kind is PrincipalKind.USER else None


def _service_name(caller: Caller, clock: Clock) -> Value:
    del clock
    return caller.principal.name if caller.principal.kind is PrincipalKind.SERVICE else None


def _called_via(caller: Caller, clock: Clock) -> Value:
    del clock
    service = (caller.via_service or "").partition(".")[0]
    return f"{service}.amazonaws.com" if service in _TELLING else None


def _called_via_all(caller: Caller, clock: Clock) -> Value:
    service = _called_via(caller, clock)
    return (service,) if isinstance(service, str) else None


def _source_ip(caller: Caller, clock: Clock) -> Value:
    """The client's address; when a service forwards the request it is not the client's."""
    del clock
    return caller.source_ip or None if caller.via_service is None else None


def _secure(caller: Caller, clock: Clock) -> Value:
    del clock
    return _boolean(caller.secure or caller.via_service is not None)


def _mfa_present(caller: Caller, clock: Clock) -> Value:
    del clock
    session = caller.principal.session
    return None if session is None else _boolean(session.mfa_at is not None)


def _mfa_age(caller: Caller, clock: Clock) -> Value:
    session = caller.principal.session
    if session is None or session.mfa_at is None:
        return None
    return str(int(clock.now() - session.mfa_at))


def _issued(caller: Caller, clock: Clock) -> Value:
    del clock
    session = caller.principal.session
    return None if session is None else _iso(session.created_at)


def _source_identity(caller: Caller, clock: Clock) -> Value:
    del clock
    session = caller.principal.session
    return None if session is None else session.source_identity or None


def _provider(caller: Caller, clock: Clock) -> Value:
    del clock
    session = caller.principal.session
    return None if session is None else session.federated_provider or None


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _iso(seconds: float) -> str:
    return f"{utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


KEYS: Mapping[str, Callable[[Caller, Clock], Value]] = {
    "aws:calledvia": _called_via_all,
    "aws:calledviafirst": _called_via,
    "aws:calledvialast": _called_via,
    "aws:currenttime": lambda caller, clock: _iso(clock.now()),
    "aws:epochtime": lambda caller, clock: str(int(clock.now())),
    "aws:federatedprovider": _provider,
    "aws:multifactorauthage": _mfa_age,
    "aws:multifactorauthpresent": _mfa_present,
    "aws:principalaccount": _account,
    "aws:principalarn": _principal_arn,
    "aws:principalisawsservice": lambda caller, clock: _boolean(
        caller.principal.kind is PrincipalKind.SERVICE
    ),
    "aws:principalservicename": _service_name,
    "aws:principaltype": lambda caller, clock: _TYPES.get(caller.principal.kind),
    "aws:requestedregion": lambda caller, clock: caller.region or None,
    "aws:securetransport": _secure,
    "aws:sourceaccount": lambda caller, clock: caller.source_account or None,
    "aws:sourcearn": lambda caller, clock: caller.source_arn or None,
    "aws:sourceidentity": _source_identity,
    "aws:sourceip": _source_ip,
    "aws:tokenissuetime": _issued,
    "aws:useragent": lambda caller, clock: caller.user_agent or None,
    "aws:userid": _userid,
    "aws:username": _username,
    "aws:viaawsservice": lambda caller, clock: _boolean(caller.via_service is not None),
}
