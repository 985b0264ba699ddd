"""ReplicateKey and UpdatePrimaryRegion.

Related keys share their id, spec, usage, origin, materials and rotation; each has its own policy,
description, tags, aliases, grants and state. Both operations write all related keys in one
transaction. Source:
https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kms.errors import KMSError
from kms.key import ORIGIN_EXTERNAL, Key, KeyState, Material, check_state
from kms.metadata import key_metadata
from kms.operations.tags import check_tags
from kms.policy_check import with_policy
from kms.policy_text import default_policy
from kms.quotas import check_quota
from kms.request import Request
from kms.schedule import tell_of_pending
from kms.store_edits import Edit

CREATING_SECONDS = 5
UPDATING_SECONDS = 5
PARTITION_PREFIXES = ("cn-", "us-gov-", "us-iso", "eu-iso", "eusc-")


def replicate_key(
    request: Request,
    *,
    key_id: str,
    replica_region: str,
    policy: str | None = None,
    bypass_policy_lockout_safety_check: bool = False,
    description: str = "",
    tags: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    key = request.own(key_id)
    _check_replicates(key)
    _check_region(key, replica_region)
    there = _creating(request, key, replica_region)
    there.allow_account("CreateKey")
    if tags:
        there.allow_account("TagResource")
    now = request.clock.now()
    draft = replace(
        key,
        region=replica_region,
        created_at=now,
        policy=default_policy(key.account),
        bound=(),
        state=KeyState.CREATING,
        description=description,
        tags=check_tags(tags),
        rotation_period_days=None,
        next_rotation_at=None,
        on_demand_at=None,
        on_demand_rotations=0,
        expires_at=None,
        settles_at=now + CREATING_SECONDS,
    )
    if policy is not None:
        draft = with_policy(there, draft, policy, bypass=bypass_policy_lockout_safety_check)

    def copy(edit: Edit, stored: Key) -> Key:
        _check_replicates(stored)
        if edit.key(key.account, replica_region, key.key_id) is not None:
            raise KMSError(
                "AlreadyExistsException",
                "You can create only one replica of each primary key in each AWS Region.",
            )
        check_quota(edit, key.account, replica_region)
        edit.add_key(replace(draft, material_id=stored.material_id))
        for material in edit.materials(stored):
            _copy_material(request, edit, material, replica_region, origin=stored.origin)
        tell_of_pending(edit, edit.related(stored))
        return stored

    request.change(key, copy)
    replica = request.store.key(key.account, replica_region, key.key_id)
    assert replica is not None
    return _described(request, replica)


def update_primary_region(request: Request, *, key_id: str, primary_region: str) -> dict[str, Any]:
    key = request.own(key_id)
    _check_primary(key)
    check_state(key, request.operation)
    if primary_region == key.region:
        return {}
    missing = KMSError(
        "ValidationException",
        f"{key.key_id} does not have a replica key in the specified Region.",
    )
    replica = request.store.key(key.account, primary_region, key.key_id)
    if replica is None:
        raise missing
    request.in_region(primary_region).allow(request.operation, replica)
    settles_at = request.clock.now() + UPDATING_SECONDS

    def exchange(edit: Edit, stored: Key) -> Key:
        _check_primary(stored)
        successor = edit.key(key.account, primary_region, key.key_id)
        if successor is None:
            raise missing
        check_state(successor, request.operation)
        for member in edit.related(stored):
            edit.put_key(replace(member, primary_region=primary_region))
        edit.put_key(
            replace(
                successor,
                primary_region=primary_region,
                state=KeyState.UPDATING,
                settles_at=settles_at,
                rotation_period_days=stored.rotation_period_days,
                next_rotation_at=stored.next_rotation_at,
                on_demand_at=stored.on_demand_at,
                on_demand_rotations=stored.on_demand_rotations,
            )
        )
        return replace(
            stored,
            primary_region=primary_region,
            state=KeyState.UPDATING,
            settles_at=settles_at,
            rotation_period_days=None,
            next_rotation_at=None,
            on_demand_at=None,
            on_demand_rotations=0,
        )

    request.change(key, exchange)
    return {}


def _creating(request: Request, key: Key, region: str) -> Request:
    """The request as what makes a key like `key` in another Region, where that is let or not."""
    arguments = {
        **request.arguments,
        "key_spec": key.spec,
        "key_usage": key.usage,
        "origin": key.origin,
        "multi_region": True,
    }
    return replace(request.in_region(region), arguments=arguments)


def _described(request: Request, replica: Key) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "ReplicaKeyMetadata": key_metadata(request.store, replica),
        "ReplicaPolicy": replica.policy,
    }
    if replica.tags:
        reply["ReplicaTags"] = [{"TagKey": name, "TagValue": value} for name, value in replica.tags]
    return reply


def _check_replicates(key: Key) -> None:
    """Raise UnsupportedOperationException unless `key` is a primary."""
    if not key.multi_region or key.replica:
        raise KMSError(
            "UnsupportedOperationException", f"{key.arn} is not a multi-region primary key."
        )


def _check_primary(key: Key) -> None:
    """The same in the words of UpdatePrimaryRegion."""
    if not key.multi_region or key.replica:
        raise KMSError("KMSInvalidStateException", f"{key.arn} is not a multi-Region primary key.")


def _check_region(key: Key, region: str) -> None:
    """Raise ValidationException for a Region that cannot have a replica of `key`."""
    if region == key.region:
        raise KMSError(
            "ValidationException",
            f"{region} cannot have a replica because it contains the primary.",
        )
    if _partition(region) != _partition(key.region):
        raise KMSError(
            "ValidationException",
            "The replica key Region must be in the same AWS partition as the primary key Region.",
        )


def _partition(region: str) -> str:
    """What the name of a Region begins with where AWS keeps it apart, "" elsewhere."""
    return next((prefix for prefix in PARTITION_PREFIXES if region.startswith(prefix)), "")


def _copy_material(
    request: Request, edit: Edit, material: Material, region: str, *, origin: str
) -> None:
    """Give the replica in `region` the material itself, or the id of what it must import."""
    draft = replace(material, region=region, wrapped=b"", expires_at=None)
    if origin == ORIGIN_EXTERNAL:
        edit.put_material(draft)
        return
    name = (material.account, material.region, material.material_id)
    edit.put_material(request.store.wrap(draft, bytearray(request.store.backing_key(*name))))
