"""Automatic rotation, rotation on demand, and the list of a key's materials.

Rotation dates belong to the primary of a multi-Region key; replicas show them. What happens when a
date comes is in `kms.schedule`. Source:
https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
"""

from dataclasses import replace
from typing import Any

from kms.errors import KMSError
from kms.key import ORIGIN_EXTERNAL, Key, KeyState, Material, MaterialState, check_state
from kms.metadata import date_of
from kms.paging import marker_of, position_of
from kms.request import Request
from kms.schedule import DAY_SECONDS
from kms.store_edits import Edit

PERIOD_DAYS_DEFAULT = 365
ON_DEMAND_ROTATIONS_MAX = 25
CONFLICT_SECONDS = 20 * 60
PAGE_DEFAULT = 100
ALL_KEY_MATERIAL = "ALL_KEY_MATERIAL"
_PENDING_DELETION = (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)


def enable_key_rotation(
    request: Request, *, key_id: str, rotation_period_in_days: int | None = None
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_rotates(request, key)
    _check_generated(key)

    def enable(edit: Edit, stored: Key) -> Key:
        _check_primary(request, stored)
        running = stored.rotation_period_days
        period = rotation_period_in_days or running or PERIOD_DAYS_DEFAULT
        if period == running:
            return stored
        following = request.clock.now() + period * DAY_SECONDS
        return replace(stored, rotation_period_days=period, next_rotation_at=following)

    request.change(key, enable)
    return {}


def disable_key_rotation(request: Request, *, key_id: str) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_primary(request, key)
    _check_generated(key)

    def disable(edit: Edit, stored: Key) -> Key:
        _check_primary(request, stored)
        return replace(stored, rotation_period_days=None, next_rotation_at=None)

    request.change(key, disable)
    return {}


def get_key_rotation_status(request: Request, *, key_id: str) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    holder = request.store.key(key.account, key.primary_region, key.key_id) if key.replica else key
    assert holder is not None
    period = holder.rotation_period_days
    status: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": False}
    following = holder.next_rotation_at
    waits = key.state in _PENDING_DELETION or holder.state in _PENDING_DELETION
    if period is not None and following is not None and not waits:
        status["KeyRotationEnabled"] = True
        status["RotationPeriodInDays"] = period
        status["NextRotationDate"] = date_of(following)
    if holder.on_demand_at is not None:
        status["OnDemandRotationStartDate"] = date_of(holder.on_demand_at)
    return status


def rotate_key_on_demand(request: Request, *, key_id: str) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    _check_rotates(request, key)
    now = request.clock.now()

    def begin(edit: Edit, stored: Key) -> Key:
        _check_primary(request, stored)
        if stored.on_demand_at is not None:
            return stored
        _check_on_demand(stored, edit.materials(stored), now)
        count = stored.on_demand_rotations + 1
        return replace(stored, on_demand_at=now, on_demand_rotations=count)

    request.change(key, begin)
    return {"KeyId": key.arn}


def list_key_rotations(
    request: Request,
    *,
    key_id: str,
    include_key_material: str | None = None,
    limit: int = PAGE_DEFAULT,
    marker: str | None = None,
) -> dict[str, Any]:
    key = request.own(key_id)
    check_state(key, request.operation)
    if include_key_material is not None and not key.rotates:
        raise KMSError(
            "ValidationException",
            "Input parameter includeKeyMaterial can only be used with symmetric keys.",
        )
    everything = include_key_material == ALL_KEY_MATERIAL
    after = position_of(marker)
    found = [
        material
        for material in request.store.materials(key)
        if (everything or material.rotated_at is not None) and _position(material) > after
    ]
    page = found[:limit]
    reply: dict[str, Any] = {
        "Rotations": [_entry(key, material) for material in page],
        "Truncated": len(found) > limit,
    }
    if len(found) > limit:
        reply["NextMarker"] = marker_of(_position(page[-1]))
    return reply


def _entry(key: Key, material: Material) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.material_id,
        "KeyMaterialState": material.state.value,
    }
    if material.rotated_at is not None:
        entry["RotationDate"] = date_of(material.rotated_at)
        entry["RotationType"] = material.rotation_type
    if key.origin == ORIGIN_EXTERNAL:
        entry["ImportState"] = "IMPORTED" if material.wrapped else "PENDING_IMPORT"
        if material.description:
            entry["KeyMaterialDescription"] = material.description
        if material.expires_at is not None:
            entry["ExpirationModel"] = "KEY_MATERIAL_EXPIRES"
            entry["ValidTo"] = date_of(material.expires_at)
        elif material.wrapped:
            entry["ExpirationModel"] = "KEY_MATERIAL_DOES_NOT_EXPIRE"
    return entry


def _position(material: Material) -> str:
    return f"{material.number:010}"


def _check_rotates(request: Request, key: Key) -> None:
    if not key.rotates:
        raise KMSError("UnsupportedOperationException")
    _check_primary(request, key)


def _check_primary(request: Request, key: Key) -> None:
    """Rotation is the primary's business, which a key may stop being before its transaction."""
    if key.replica:
        raise KMSError(
            "UnsupportedOperationException",
            f"{key.arn} is a multi-region replica key which is not valid for {request.operation}.",
        )


def _check_generated(key: Key) -> None:
    """Imported material has no schedule."""
    if key.origin == ORIGIN_EXTERNAL:
        raise KMSError(
            "UnsupportedOperationException",
            f"{key.arn} origin is {key.origin} which is not valid for this operation.",
        )


def _check_on_demand(key: Key, materials: list[Material], now: float) -> None:
    if key.origin == ORIGIN_EXTERNAL and not any(
        material.state is MaterialState.PENDING_ROTATION for material in materials
    ):
        raise KMSError(
            "KMSInvalidStateException",
            f"No available key material pending rotation for the key: {key.arn}.",
        )
    if key.on_demand_rotations >= ON_DEMAND_ROTATIONS_MAX:
        raise KMSError(
            "LimitExceededException",
            "The on-demand rotations limit has been reached for the given keyId. No more "
            f"on-demand rotations can be performed for this key: {key.arn}",
        )
    if key.next_rotation_at is not None and key.next_rotation_at - now <= CONFLICT_SECONDS:
        raise KMSError(
            "ConflictException",
            "An automatic rotation of this key is in progress or scheduled to begin within the "
            "next 20 minutes.",
        )
