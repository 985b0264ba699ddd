"""CreateGrant, ListGrants, ListRetirableGrants, RetireGrant and RevokeGrant.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kms import grant_token
from kms.authorize import denied, denied_elsewhere, pairs
from kms.aws import arn
from kms.aws.arn import ARN
from kms.aws.identity import PrincipalKind
from kms.ciphertext import canonical
from kms.errors import KMSError
from kms.grant import CREATE_GRANT, Grant, operations_for
from kms.grant_token import GRANT_ID_BYTES
from kms.key import SYMMETRIC_DEFAULT, Key, check_state
from kms.paging import marker_of, position_of
from kms.principals import is_service
from kms.quotas import exceeded
from kms.request import Request
from kms.specs import GENERATE_VERIFY_MAC
from kms.usage import check_grant_tokens, stop_if_dry

GRANTS_PER_KEY_MAX = 50_000
CONSTRAINT_PAIRS_MAX = 8
CONSTRAINT_VALUE_LENGTH_MAX = 384
PAGE_DEFAULT = 50
PAGE_MAX = 100
EQUALS, SUBSET, SOURCE_ARN = "EncryptionContextEquals", "EncryptionContextSubset", "SourceArn"


def create_grant(
    request: Request,
    *,
    key_id: str,
    operations: Sequence[str],
    grantee_principal: str | None = None,
    grantee_service_principal: str | None = None,
    retiring_principal: str | None = None,
    retiring_service_principal: str | None = None,
    constraints: Mapping[str, Any] | None = None,
    name: str = "",
    grant_tokens: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    constraints = constraints or {}
    contexts = _contexts_of(constraints)
    check_grant_tokens(request, grant_tokens)
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_operations(key, operations)
    if contexts and key.spec != SYMMETRIC_DEFAULT:
        raise _invalid(
            "EncryptionContext is supported only when creating a grant for a symmetric encryption "
            "KMS key."
        )
    grantee = _one_of(request, "Grantee", grantee_principal, grantee_service_principal)
    retiree = _one_of(request, "Retiring", retiring_principal, retiring_service_principal)
    if not grantee:
        raise _invalid("You must specify either GranteePrincipal or GranteeServicePrincipal.")
    if grantee_service_principal is not None and not (retiree and SOURCE_ARN in constraints):
        raise _invalid(
            "You must specify a SourceArn grant constraint and a retiring principal with "
            "GranteeServicePrincipal."
        )
    draft = Grant(
        os.urandom(GRANT_ID_BYTES).hex(),
        key.account,
        key.region,
        key.key_id,
        request.clock.now(),
        request.caller.account,
        name,
        grantee,
        retiree,
        tuple(dict.fromkeys(operations)),
        pairs(constraints.get(EQUALS)),
        pairs(constraints.get(SUBSET)),
        constraints.get(SOURCE_ARN, ""),
    )
    stop_if_dry(dry_run)
    grant_id = _store(request, key, draft)
    return {"GrantToken": grant_token.make(request.store, grant_id), "GrantId": grant_id}


def list_grants(
    request: Request,
    *,
    key_id: str,
    grant_id: str | None = None,
    grantee_principal: str | None = None,
    grantee_service_principal: str | None = None,
    limit: int = PAGE_DEFAULT,
    marker: str | None = None,
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_limit(limit)
    after = position_of(marker)
    _check_filter(request, "GranteeServicePrincipal", grantee_service_principal)
    wanted = _one_of(request, "Grantee", grantee_principal, grantee_service_principal)
    if grant_id is not None:
        _check_id(grant_id)
        grant = request.store.grants.get(grant_id)
        held = grant is not None and _key_name(grant) == _name(key)
        found = [grant] if grant is not None and held and wanted in ("", grant.grantee) else []
    else:
        found = request.store.grants.page(
            _name(key), grantee=wanted or None, after=after, limit=limit + 1
        )
    return _page(request, found, limit)


def list_retirable_grants(
    request: Request,
    *,
    retiring_principal: str | None = None,
    retiring_service_principal: str | None = None,
    limit: int = PAGE_DEFAULT,
    marker: str | None = None,
) -> dict[str, Any]:
    request.allow_account("ListRetirableGrants", retiring_principal or "*")
    _check_limit(limit)
    after = position_of(marker)
    _check_filter(request, "RetiringServicePrincipal", retiring_service_principal)
    try:
        retiree = _one_of(request, "Retiring", retiring_principal, retiring_service_principal)
    except KMSError:
        if retiring_principal is None or retiring_principal.startswith("arn:"):
            raise
        raise KMSError(
            "NotFoundException", f"Retiring principal {retiring_principal} could not be found"
        ) from None
    if not retiree:
        raise _invalid("You must specify RetiringPrincipal.")
    if retiring_principal is not None and _account_of(request, retiree) != request.caller.account:
        raise denied_elsewhere(request.caller, request.operation)
    found = request.store.grants.retirable(
        request.caller.region, retiree, after=after, limit=limit + 1
    )
    return _page(request, found, limit)


def retire_grant(
    request: Request,
    *,
    grant_token: str | None = None,
    key_id: str | None = None,
    grant_id: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    grant = _retired(request, grant_token, key_id, grant_id)
    key = request.find(grant.account, grant.key_id)
    if key is None:
        raise denied_elsewhere(request.caller, request.operation)
    request.key_arn = key.arn
    decision = request.authorizer.can_retire(request.asked(request.operation, key), grant)
    request.decided = decision
    if not decision.allowed:
        raise denied(request.caller, request.operation, key, decision)
    check_state(key, request.operation)
    stop_if_dry(dry_run)
    with request.store.edit() as edit:
        edit.grants.remove(grant.grant_id)
    return {}


def revoke_grant(
    request: Request, *, key_id: str, grant_id: str, dry_run: bool = False
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_id(grant_id)
    grant = request.store.grants.get(grant_id)
    if grant is None or _key_name(grant) != _name(key):
        raise _not_found(grant_id)
    stop_if_dry(dry_run)
    with request.store.edit() as edit:
        edit.grants.remove(grant_id)
    return {}


def _retired(
    request: Request, token: str | None, key_id: str | None, grant_id: str | None
) -> Grant:
    """The grant that RetireGrant names, by a token or by its id and its key."""
    if token is not None and (key_id, grant_id) == (None, None):
        found = request.store.grants.get(grant_token.read(request.store, token))
        if found is None or found.region != request.caller.region:
            raise KMSError("InvalidGrantTokenException", "The grant token is not valid.")
        return found
    if token is not None or key_id is None or grant_id is None:
        raise _invalid("You must specify either a GrantToken, or a KeyId and a GrantId.")
    _check_id(grant_id)
    key = request.resolve_itself(key_id)
    found = request.store.grants.get(grant_id)
    if found is not None and _key_name(found) == _name(key):
        return found
    if key.account != request.caller.account:
        raise denied_elsewhere(request.caller, request.operation)
    raise _not_found(grant_id)


def _store(request: Request, key: Key, draft: Grant) -> str:
    """Store a grant unless one of its name says the same; the id of the one that is in force."""
    with request.store.edit() as edit:
        stored = edit.key(key.account, key.region, key.key_id)
        if stored is None:
            raise KMSError("NotFoundException", f"Key '{key.arn}' does not exist")
        check_state(stored, CREATE_GRANT)
        if draft.name:
            for grant in edit.grants.named(_name(key), draft.name):
                if grant.same_as(draft):
                    return grant.grant_id
        usage = edit.grants.count(_name(key))
        if usage >= GRANTS_PER_KEY_MAX:
            raise exceeded("Grants per key", GRANTS_PER_KEY_MAX, usage)
        edit.grants.add(draft)
    return draft.grant_id


def _page(request: Request, found: Sequence[Grant], limit: int) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "Grants": [_entry(request, grant) for grant in found[:limit]],
        "Truncated": len(found) > limit,
    }
    if len(found) > limit:
        reply["NextMarker"] = marker_of(found[limit - 1].grant_id)
    return reply


def _entry(request: Request, grant: Grant) -> dict[str, Any]:
    shown = request.authorizer.principals.shown
    entry: dict[str, Any] = {
        "KeyId": arn.kms_key(grant.region, grant.account, grant.key_id),
        "GrantId": grant.grant_id,
        "Name": grant.name,
        "CreationDate": float(int(grant.created_at)),
        "GranteePrincipal": shown(grant.grantee),
        "IssuingAccount": arn.account_root(grant.issuer),
        "Operations": list(grant.operations),
    }
    if grant.retiree:
        entry["RetiringPrincipal"] = shown(grant.retiree)
    for role, bound in (("Grantee", grant.grantee), ("Retiring", grant.retiree)):
        if is_service(bound):
            entry[f"{role}ServicePrincipal"] = bound
    constraints = {
        EQUALS: None if grant.equals is None else dict(grant.equals),
        SUBSET: None if grant.subset is None else dict(grant.subset),
        SOURCE_ARN: grant.source_arn or None,
    }
    present = {name: value for name, value in constraints.items() if value is not None}
    if present:
        entry["Constraints"] = present
    return entry


def _one_of(request: Request, role: str, principal: str | None, service: str | None) -> str:
    """What `{role}Principal` or `{role}ServicePrincipal` is bound to; "" without either."""
    if principal is not None and service is not None:
        raise _invalid(f"You cannot specify both {role}Principal and {role}ServicePrincipal.")
    if principal is not None:
        creating = request.operation == CREATE_GRANT
        member = f"{role}Principal" if creating else ""
        return request.authorizer.principals.bind(principal, member=member)
    return service or ""


def _check_filter(request: Request, member: str, service: str | None) -> None:
    """Raise ValidationException if grants of a service are asked for by anybody but that one."""
    caller = request.caller.principal
    if service is not None and (caller.kind, caller.name) != (PrincipalKind.SERVICE, service):
        raise _invalid(f"{member} is only usable by callers in that service.")


def _account_of(request: Request, bound: str) -> str:
    """The account of a bound principal; "" of a service."""
    if is_service(bound):
        return ""
    return ARN.parse(request.authorizer.principals.shown(bound)).account


def _check_operations(key: Key, operations: Sequence[str]) -> None:
    if not operations:
        raise _invalid("You must specify at least one operation.")
    if set(operations) == {CREATE_GRANT}:
        raise _invalid("Grants must not contain only the CreateGrant operation.")
    possible = operations_for(key)
    wrong = [operation for operation in operations if operation not in possible]
    if wrong:
        symmetric = key.spec == SYMMETRIC_DEFAULT or key.usage == GENERATE_VERIFY_MAC
        raise _invalid(
            f"Operations [{', '.join(wrong)}] are not supported when creating a grant for "
            f"{'a symmetric' if symmetric else 'an asymmetric'} KMS key with key usage "
            f"{key.usage}. Valid operations are [{', '.join(possible)}]"
        )


def _contexts_of(constraints: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The encryption contexts of constraints, one at most. Raises ValidationException."""
    contexts = [constraints[name] for name in (EQUALS, SUBSET) if name in constraints]
    if len(contexts) > 1:
        raise _invalid("More than one constraint supplied")
    for context in contexts:
        if len(context) > CONSTRAINT_PAIRS_MAX:
            raise _invalid(
                f"A grant constraint can include up to {CONSTRAINT_PAIRS_MAX} encryption "
                "context pairs."
            )
        if any(len(value) > CONSTRAINT_VALUE_LENGTH_MAX for value in context.values()):
            raise _invalid(
                "An encryption context value in a grant constraint cannot exceed "
                f"{CONSTRAINT_VALUE_LENGTH_MAX} characters."
            )
        canonical(context)
    return contexts


def _check_limit(limit: int) -> None:
    if limit > PAGE_MAX:
        raise _invalid(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy "
            f"constraint: Member must have value less than or equal to {PAGE_MAX}"
        )


def _check_id(grant_id: str) -> None:
    if len(grant_id) != 2 * GRANT_ID_BYTES or not set(grant_id) <= set("0123456789abcdef"):
        raise KMSError("InvalidGrantIdException", f"Invalid grant id {grant_id}")


def _name(key: Key) -> tuple[str, str, str]:
    return key.account, key.region, key.key_id


def _key_name(grant: Grant) -> tuple[str, str, str]:
    return grant.account, grant.region, grant.key_id


def _not_found(grant_id: str) -> KMSError:
    return KMSError("NotFoundException", f"Grant ID {grant_id} not found")


def _invalid(message: str) -> KMSError:
    return KMSError("ValidationException", message)
