"""A key as the API describes it: KeyMetadata."""

import math
from collections.abc import Sequence
from typing import Any

from kms.key import ORIGIN_EXTERNAL, Key, KeyState
from kms.specs import ALGORITHM_MEMBERS, SPECS
from kms.store import Store


def date_of(seconds: float) -> float:
    """A date as the API gives it, in whole milliseconds."""
    return math.floor(seconds * 1_000) / 1_000


def key_metadata(store: Store, key: Key) -> dict[str, Any]:
    """The API's KeyMetadata; members that a key does not have are left out."""
    described: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": date_of(key.created_at),
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state.value,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        ALGORITHM_MEMBERS[key.usage]: list(SPECS[key.spec][key.usage]),
        "MultiRegion": key.multi_region,
    }
    if key.multi_region:
        described["MultiRegionConfiguration"] = _multi_region(key, store.related(key))
    if key.deletion_at is not None:
        described["DeletionDate"] = date_of(key.deletion_at)
    elif key.pending_window_days is not None:
        described["PendingDeletionWindowInDays"] = key.pending_window_days
    if key.rotates and key.material_id and key.state is not KeyState.CREATING:
        described["CurrentKeyMaterialId"] = key.material_id
    if key.origin == ORIGIN_EXTERNAL:
        described |= _expiration(store, key)
    return described


def _multi_region(key: Key, related: Sequence[Key]) -> dict[str, Any]:
    places = {other.region: {"Arn": other.arn, "Region": other.region} for other in related}
    primary = places.pop(key.primary_region)
    return {
        "MultiRegionKeyType": "REPLICA" if key.replica else "PRIMARY",
        "PrimaryKey": primary,
        "ReplicaKeys": list(places.values()),
    }


def _expiration(store: Store, key: Key) -> dict[str, Any]:
    """Present only while every material that the key uses is imported."""
    bound = [material for material in store.materials(key) if material.bound]
    if not bound or not all(material.wrapped for material in bound):
        return {}
    dates = [material.expires_at for material in bound if material.expires_at is not None]
    if not dates:
        return {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": date_of(min(dates))}
