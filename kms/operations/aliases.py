"""CreateAlias, ListAliases, UpdateAlias and DeleteAlias."""

from typing import Any

from kms.authorize import authorize, authorize_account
from kms.aws import arn
from kms.errors import KMSError
from kms.key import Alias, check_state
from kms.paging import marker_of, position_of
from kms.request import S3_ALIAS, Request

ALIASES_PER_KEY_MAX = 50
PAGE_DEFAULT = 50
_PREFIX_MESSAGE = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


def create_alias(request: Request, *, alias_name: str, target_key_id: str) -> dict[str, Any]:
    _check_name(alias_name)
    _check_target(target_key_id)
    key = request.use(target_key_id)
    now = request.clock.now()
    caller = request.caller
    alias = Alias(caller.account, caller.region, alias_name, key.key_id, now, now)
    request.named_alias(alias_name)
    refusal = request.store.add_alias(alias, per_key_max=ALIASES_PER_KEY_MAX)
    if refusal == "exists":
        raise KMSError(
            "AlreadyExistsException", f"An alias with the name {alias.arn} already exists"
        )
    if refusal == "limit":
        raise KMSError("LimitExceededException", f"{key.arn} has too many aliases")
    return {}


def update_alias(request: Request, *, alias_name: str, target_key_id: str) -> dict[str, Any]:
    _check_name(alias_name)
    _check_target(target_key_id)
    alias = _existing(request, alias_name)
    target = request.resolve(target_key_id)
    old = request.find(alias.account, alias.key_id)
    assert old is not None
    authorize(request.caller, "UpdateAlias", old)
    request.use_key(target)
    if (old.usage, old.spec == target.spec) != (target.usage, True):
        raise KMSError(
            "ValidationException",
            f"Alias {alias.arn} cannot be changed to a key of another type or usage",
        )
    request.store.retarget_alias(alias, target.key_id, request.clock.now())
    return {}


def delete_alias(request: Request, *, alias_name: str) -> dict[str, Any]:
    _check_name(alias_name)
    alias = _existing(request, alias_name)
    key = request.find(alias.account, alias.key_id)
    assert key is not None
    authorize(request.caller, "DeleteAlias", key)
    check_state(key, "DeleteAlias")
    request.store.delete_alias(alias)
    return {}


def list_aliases(
    request: Request,
    *,
    key_id: str | None = None,
    limit: int = PAGE_DEFAULT,
    marker: str | None = None,
) -> dict[str, Any]:
    authorize_account(request.caller, "ListAliases")
    key = request.use(key_id) if key_id is not None else None
    after = position_of(marker)
    account, region = request.caller.account, request.caller.region
    found = request.store.aliases(
        account, region, key_id=key.key_id if key else None, after=after, limit=limit + 1
    )
    entries = [_entry(alias) for alias in found]
    if key is None and after < S3_ALIAS and request.named_alias(S3_ALIAS) is None:
        entries.append(
            {"AliasName": S3_ALIAS, "AliasArn": arn.kms_alias(region, account, S3_ALIAS)}
        )
        entries.sort(key=lambda entry: str(entry["AliasName"]))
    reply: dict[str, Any] = {"Aliases": entries[:limit], "Truncated": len(entries) > limit}
    if len(entries) > limit:
        reply["NextMarker"] = marker_of(str(entries[limit - 1]["AliasName"]))
    return reply


def _entry(alias: Alias) -> dict[str, Any]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created_at,
        "LastUpdatedDate": alias.updated_at,
    }


def _existing(request: Request, name: str) -> Alias:
    alias = request.named_alias(name)
    if alias is None:
        missing = arn.kms_alias(request.caller.region, request.caller.account, name)
        raise KMSError("NotFoundException", f"Alias {missing} is not found.")
    return alias


def _check_name(name: str) -> None:
    if not name.startswith("alias/") or name == "alias/":
        raise KMSError("ValidationException", _PREFIX_MESSAGE)
    if name.startswith("alias/aws/"):
        raise KMSError("InvalidAliasNameException", f"{name} is reserved for AWS managed keys")


def _check_target(key_id: str) -> None:
    if "alias/" in key_id:
        raise KMSError("ValidationException", "Aliases must refer to keys. Not aliases")
