"""The `Principal` and `NotPrincipal` elements: whom a statement is about, and how it says so.

How a principal is named decides what else must allow the request. Naming its account only lets
the account's own policies decide; naming a role leaves its sessions under their boundary and
session policies; naming a user or one session (or, for those who are not in a session, everybody)
grants outright.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from kms.aws.arn import ARN, account_root
from kms.aws.identity import Principal, PrincipalKind

ACCOUNT_DIGITS = 12
EVERYBODY = "*"
SESSIONS = (PrincipalKind.ASSUMED_ROLE, PrincipalKind.FEDERATED)
UNIQUE_ID_PREFIXES = ("AIDA", "AROA")
_IAM_RESOURCES = ("user/", "role/")
_STS_RESOURCES = ("assumed-role/", "federated-user/")
_NOBODY: frozenset[str] = frozenset()
_ELEMENTS = {PrincipalKind.SERVICE: "Service", PrincipalKind.WEB_IDENTITY: "Federated"}


class Naming(IntEnum):
    """How a statement names a principal, from not at all to by itself."""

    NOT = 0
    ACCOUNT = 1
    ROLE = 2
    SELF = 3


NamingOf = Callable[[Principal], Naming]


def compile_principals(named: Mapping[str, Sequence[str]]) -> NamingOf:
    """The namings by `{"AWS": […], "Service": […], …}`. Raises ValueError with what is invalid.

    `{"AWS": ["*"]}` stands for a bare `"*"`. Canonical ids must have become accounts before.
    """
    listed = _listed(named)
    if EVERYBODY in listed.get("AWS", _NOBODY):
        return _everybody

    def naming(principal: Principal) -> Naming:
        names = listed.get(_element(principal))
        if names is None:
            return Naming.NOT
        if not names.isdisjoint(_own_names(principal)):
            return Naming.SELF
        if not names.isdisjoint(_issuer_names(principal)):
            return Naming.ROLE
        return Naming.NOT if names.isdisjoint(_account_names(principal)) else Naming.ACCOUNT

    return naming


def compile_exceptions(named: Mapping[str, Sequence[str]]) -> NamingOf:
    """The same for NotPrincipal: everybody but those whose every name is listed.

    A user is exempt only if its account is listed too, a session only with its role as well; who
    has a permissions boundary never is.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    listed = _listed(named)

    def naming(principal: Principal) -> Naming:
        names = listed.get(_element(principal), _NOBODY)
        groups = (_own_names(principal), _issuer_names(principal), _account_names(principal))
        listed_whole = not any(names.isdisjoint(group) for group in groups if group)
        unbounded = principal.policies.boundary is None
        exempt = unbounded and (EVERYBODY in names or listed_whole)
        return Naming.NOT if exempt else _everybody(principal)

    return naming


def rename(document: Any, names: Mapping[str, str]) -> None:
    """Put other names into the `AWS` principals of a policy that is valid, as parsed from JSON."""
    listed = document["Statement"]
    for statement in listed if isinstance(listed, list) else [listed]:
        for element in ("Principal", "NotPrincipal"):
            principals = statement.get(element)
            if isinstance(principals, dict) and "AWS" in principals:
                named = principals["AWS"]
                principals["AWS"] = (
                    names.get(named, named)
                    if isinstance(named, str)
                    else [names.get(one, one) for one in named]
                )


def _listed(named: Mapping[str, Sequence[str]]) -> Mapping[str, frozenset[str]]:
    for element, names in named.items():
        for name in names:
            if not _valid(element, name):
                raise ValueError(f'"{element}":"{name}"')
    return {element: frozenset(names) for element, names in named.items()}


def _everybody(principal: Principal) -> Naming:
    return Naming.ROLE if principal.kind in SESSIONS else Naming.SELF


def _element(principal: Principal) -> str:
    """The key of the Principal element under which this kind of principal is named."""
    return _ELEMENTS.get(principal.kind, "AWS")


def _own_names(principal: Principal) -> tuple[str, ...]:
    if principal.kind is PrincipalKind.SERVICE:
        return (principal.name,)
    return principal.arn, principal.user_id


def _issuer_names(principal: Principal) -> tuple[str, ...]:
    if principal.session is None or principal.kind not in SESSIONS:
        return ()
    return principal.session.issuer_arn, principal.session.issuer_id


def _account_names(principal: Principal) -> tuple[str, ...]:
    if not principal.account.isdigit() or _element(principal) != "AWS":
        return ()
    return principal.account, account_root(principal.account)


def _valid(element: str, name: str) -> bool:
    match element:
        case "AWS":
            return _names_principal(name)
        case "Service":
            return "." in name and "*" not in name
        case "Federated":
            return bool(name) and "*" not in name
    return False


def _names_principal(name: str) -> bool:
    if name == EVERYBODY or (len(name) == ACCOUNT_DIGITS and name.isdigit()):
        return True
    if name.startswith(UNIQUE_ID_PREFIXES):
        return name.isalnum()
    try:
        parsed = ARN.parse(name)
    except ValueError:
        return False
    if len(parsed.account) != ACCOUNT_DIGITS or not parsed.account.isdigit() or parsed.region:
        return False
    if "*" in parsed.resource or "?" in parsed.resource:
        return False
    if parsed.service == "iam":
        return parsed.resource == "root" or parsed.resource.startswith(_IAM_RESOURCES)
    return parsed.service == "sts" and parsed.resource.startswith(_STS_RESOURCES)
