"""CreateAlias, ListAliases, UpdateAlias and DeleteAlias."""

from dataclasses import replace
from typing import Any

from kms.aws import arn
from kms.errors import KMSError
from kms.key import SYMMETRIC_DEFAULT, Alias, Key, check_state
from kms.metadata import date_of
from kms.paging import marker_of, position_of
from kms.quotas import check_aliases
from kms.request import S3_ALIAS, Request
from kms.specs import GENERATE_VERIFY_MAC
from kms.store_edits import Edit

PAGE_DEFAULT = 50
PAGE_MAX = 100
_PREFIX_MESSAGE = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


def create_alias(request: Request, *, alias_name: str, target_key_id: str) -> dict[str, Any]:
    _check_name(alias_name)
    _check_target(target_key_id)
    request.allow_account("CreateAlias", _arn(request, alias_name))
    key = request.use(target_key_id)
    now = request.clock.now()
    alias = Alias(key.account, key.region, alias_name, key.key_id, now, now)

    def create(edit: Edit, stored: Key) -> Key:
        if edit.alias(alias.account, alias.region, alias.name) is not None:
            raise KMSError(
                "AlreadyExistsException", f"An alias with the name {alias.arn} already exists"
            )
        check_aliases(edit, stored)
        edit.put_alias(alias)
        return stored

    request.change(key, create)
    return {}


def update_alias(request: Request, *, alias_name: str, target_key_id: str) -> dict[str, Any]:
    _check_name(alias_name)
    _check_target(target_key_id)
    request.allow_account("UpdateAlias", _arn(request, alias_name))
    alias = _existing(request, alias_name)
    target = request.resolve(target_key_id)
    request.allow("UpdateAlias", _target(request, alias))
    request.use_key(target)
    now = request.clock.now()

    def update(edit: Edit, stored: Key) -> Key:
        found = edit.alias(alias.account, alias.region, alias.name)
        if found is None:
            raise _missing(request, alias_name)
        old = edit.key(found.account, found.region, found.key_id)
        if old is not None and (_kind(old), old.usage) != (_kind(stored), stored.usage):
            raise KMSError(
                "ValidationException",
                f"Alias {alias.arn} cannot be changed to a key of another type or usage",
            )
        if found.key_id != stored.key_id:
            check_aliases(edit, stored)
        edit.put_alias(replace(found, key_id=stored.key_id, updated_at=now))
        return stored

    request.change(target, update)
    return {}


def delete_alias(request: Request, *, alias_name: str) -> dict[str, Any]:
    _check_name(alias_name)
    request.allow_account("DeleteAlias", _arn(request, alias_name))
    alias = _existing(request, alias_name)
    key = _target(request, alias)
    request.allow("DeleteAlias", key)
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
    request.allow_account("ListAliases")
    limit = min(limit, PAGE_MAX)
    key = request.resolve_itself(key_id) if key_id is not None else None
    if key is not None and key.account != request.caller.account:
        # Its own account's keys need no other permission; others' it may not ask about.
        request.allow("ListAliases", key)
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
        "CreationDate": date_of(alias.created_at),
        "LastUpdatedDate": date_of(alias.updated_at),
    }


def _existing(request: Request, name: str) -> Alias:
    alias = request.named_alias(name)
    if alias is None:
        raise _missing(request, name)
    return alias


def _target(request: Request, alias: Alias) -> Key:
    """The key of an alias; both go together, but another process may delete them meanwhile."""
    key = request.find(alias.account, alias.key_id)
    if key is None:
        raise _missing(request, alias.name)
    return key


def _missing(request: Request, name: str) -> KMSError:
    return KMSError("NotFoundException", f"Alias {_arn(request, name)} is not found.")


def _arn(request: Request, name: str) -> str:
    """The ARN of an alias that the caller names."""
    return arn.kms_alias(request.caller.region, request.caller.account, name)


def _kind(key: Key) -> str:
    """The type of a key, as UpdateAlias sees it: symmetric, HMAC or asymmetric."""
    if key.spec == SYMMETRIC_DEFAULT or key.usage == GENERATE_VERIFY_MAC:
        return key.usage
    return "asymmetric"


def _check_name(name: str) -> None:
    if not name.startswith("alias/") or name == "alias/":
        raise KMSError("ValidationException", _PREFIX_MESSAGE)
    if name.startswith("alias/aws/"):
        raise KMSError("InvalidAliasNameException", f"{name} is reserved for AWS managed keys")


def _check_target(key_id: str) -> None:
    if "alias/" in key_id:
        raise KMSError("ValidationException", "Aliases must refer to keys. Not aliases")
