"""CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, and scheduling a key's deletion."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kms.aws import arn
from kms.errors import KMSError
from kms.key import (
    ENCRYPT_DECRYPT,
    ORIGIN_AWS_KMS,
    ORIGIN_EXTERNAL,
    SYMMETRIC_DEFAULT,
    Key,
    KeyState,
    check_state,
)
from kms.material import generate
from kms.metadata import date_of, key_metadata
from kms.operations.tags import check_tags
from kms.paging import marker_of, position_of
from kms.policy_check import with_policy
from kms.policy_text import default_policy
from kms.quotas import check_quota
from kms.request import Request
from kms.schedule import DAY_SECONDS, resting_state
from kms.specs import NOT_IMPORTED, SPECS
from kms.store_edits import Edit
from kms.usage import check_grant_tokens

PENDING_WINDOW_DAYS_MIN = 7
PENDING_WINDOW_DAYS_MAX = 30
PAGE_DEFAULT = 100
OWN_KEYS = "SELF"


def create_key(
    request: Request,
    *,
    policy: str | None = None,
    description: str = "",
    key_usage: str | None = None,
    customer_master_key_spec: str | None = None,
    key_spec: str | None = None,
    origin: str = ORIGIN_AWS_KMS,
    bypass_policy_lockout_safety_check: bool = False,
    tags: Sequence[Mapping[str, str]] = (),
    multi_region: bool = False,
) -> dict[str, Any]:
    request.allow_account("CreateKey")
    if tags:
        request.allow_account("TagResource")
    spec, usage = _kind(key_spec, customer_master_key_spec, key_usage, origin)
    checked_tags = check_tags(tags)
    account, region, now = request.caller.account, request.caller.region, request.clock.now()
    key = Key(
        account,
        region,
        f"mrk-{uuid.uuid4().hex}" if multi_region else str(uuid.uuid4()),
        now,
        "",
        default_policy(account),
        state=KeyState.PENDING_IMPORT if origin == ORIGIN_EXTERNAL else KeyState.ENABLED,
        description=description,
        usage=usage,
        spec=spec,
        origin=origin,
        tags=checked_tags,
        primary_region=region if multi_region else "",
    )
    if policy is not None:
        key = with_policy(request, key, policy, bypass=bypass_policy_lockout_safety_check)
    material = None
    if origin == ORIGIN_AWS_KMS:
        material = request.store.new_material(key, generate(spec), now)
        key = replace(key, material_id=material.material_id)
    with request.store.edit() as edit:
        check_quota(edit, account, region)
        edit.add_key(key)
        if material is not None:
            edit.put_material(material)
    request.key_arn = key.arn
    return {"KeyMetadata": key_metadata(request.store, key)}


def describe_key(
    request: Request, *, key_id: str, grant_tokens: Sequence[str] = ()
) -> dict[str, Any]:
    check_grant_tokens(request, grant_tokens)
    return {"KeyMetadata": key_metadata(request.store, request.use(key_id))}


def get_key_last_usage(request: Request, *, key_id: str) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    use = request.store.usage.last(key.arn)
    # A replica that was made again starts afresh under its old name.
    shown = {}
    if use is not None and use.used_at >= key.created_at:
        shown = {
            "Operation": use.operation,
            "Timestamp": date_of(use.used_at),
            "CloudTrailEventId": use.event_id,
            "KmsRequestId": use.request_id,
        }
    return {
        "KeyId": key.key_id,
        "KeyLastUsage": shown,
        "TrackingStartDate": date_of(key.created_at),
        "KeyCreationDate": date_of(key.created_at),
    }


def list_keys(
    request: Request,
    *,
    limit: int = PAGE_DEFAULT,
    marker: str | None = None,
    resource_owners: Sequence[str] = (OWN_KEYS,),
) -> dict[str, Any]:
    request.allow_account("ListKeys")
    account, region = request.caller.account, request.caller.region
    found = request.store.keys(account, region, after=position_of(marker), limit=limit + 1)
    if OWN_KEYS not in resource_owners:
        # Nobody shares keys here: there is no Resource Access Manager.
        found = []
    page = [
        {"KeyId": key_id, "KeyArn": arn.kms_key(region, account, key_id)}
        for key_id in found[:limit]
    ]
    reply: dict[str, Any] = {"Keys": page, "Truncated": len(found) > limit}
    if len(found) > limit:
        reply["NextMarker"] = marker_of(found[limit - 1])
    return reply


def update_key_description(request: Request, *, key_id: str, description: str) -> dict[str, Any]:
    request.change(
        request.own(key_id), lambda edit, stored: replace(stored, description=description)
    )
    return {}


def enable_key(request: Request, *, key_id: str) -> dict[str, Any]:
    now = request.clock.now()

    def enable(edit: Edit, stored: Key) -> Key:
        if stored.state is KeyState.ENABLED:
            return stored
        # A rotation that came due meanwhile happens at once.
        following = stored.next_rotation_at
        if following is not None:
            following = max(following, now)
        return replace(stored, state=KeyState.ENABLED, next_rotation_at=following)

    request.change(request.own(key_id), enable)
    return {}


def disable_key(request: Request, *, key_id: str) -> dict[str, Any]:
    request.change(
        request.own(key_id), lambda edit, stored: replace(stored, state=KeyState.DISABLED)
    )
    return {}


def schedule_key_deletion(
    request: Request, *, key_id: str, pending_window_in_days: int = PENDING_WINDOW_DAYS_MAX
) -> dict[str, Any]:
    if not PENDING_WINDOW_DAYS_MIN <= pending_window_in_days <= PENDING_WINDOW_DAYS_MAX:
        raise KMSError(
            "ValidationException",
            "PendingWindowInDays must be between "
            f"{PENDING_WINDOW_DAYS_MIN} and {PENDING_WINDOW_DAYS_MAX} days",
        )
    deletion_at = request.clock.now() + pending_window_in_days * DAY_SECONDS

    def schedule(edit: Edit, stored: Key) -> Key:
        waits_for_replicas = (
            stored.multi_region and not stored.replica and len(edit.related(stored)) > 1
        )
        if waits_for_replicas:
            state, date = KeyState.PENDING_REPLICA_DELETION, None
        else:
            state, date = KeyState.PENDING_DELETION, deletion_at
        return replace(
            stored,
            state=state,
            deletion_at=date,
            pending_window_days=pending_window_in_days,
            settles_at=None,
        )

    key = request.change(request.own(key_id), schedule)
    reply: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyState": key.state.value,
        "PendingWindowInDays": pending_window_in_days,
    }
    if key.deletion_at is not None:
        reply["DeletionDate"] = date_of(key.deletion_at)
    return reply


def cancel_key_deletion(request: Request, *, key_id: str) -> dict[str, Any]:
    def cancel(edit: Edit, stored: Key) -> Key:
        state = resting_state(stored, edit.materials(stored))
        if state is KeyState.ENABLED:
            state = KeyState.DISABLED
        return replace(stored, state=state, deletion_at=None, pending_window_days=None)

    return {"KeyId": request.change(request.own(key_id), cancel).arn}


def _kind(
    key_spec: str | None, old_spec: str | None, usage: str | None, origin: str
) -> tuple[str, str]:
    """The spec and the usage of a new key. Raises what AWS refuses a combination with."""
    if key_spec is not None and old_spec is not None:
        raise KMSError(
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
            "CustomerMasterKeySpec is deprecated.",
        )
    spec = key_spec or old_spec or SYMMETRIC_DEFAULT
    if spec not in SPECS:
        raise KMSError("UnsupportedOperationException", f"KeySpec {spec} is not supported")
    if usage is None:
        if spec != SYMMETRIC_DEFAULT:
            raise KMSError(
                "ValidationException",
                "You must specify a KeyUsage value for all KMS keys except for symmetric "
                "encryption keys.",
            )
        usage = ENCRYPT_DECRYPT
    if usage not in SPECS[spec]:
        raise KMSError(
            "ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {spec}"
        )
    if origin not in (ORIGIN_AWS_KMS, ORIGIN_EXTERNAL):
        raise KMSError("UnsupportedOperationException", f"Origin {origin} is not supported")
    if origin == ORIGIN_EXTERNAL and spec in NOT_IMPORTED:
        raise KMSError(
            "ValidationException", f"KeySpec {spec} is not supported for Origin {ORIGIN_EXTERNAL}"
        )
    return spec, usage
