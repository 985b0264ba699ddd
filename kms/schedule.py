"""What happens to keys by the passing of time, on the service's clock.

A deletion window ends, a rotation is due, imported material expires, a replica has been created.
`Service` calls `run` before each call, so no answer depends on when somebody swept; every change
carries the date at which it was due. Keys are independent: a step writes one key and, for a
multi-Region key, its relatives. No step unwraps a material, so a damaged one stops no other key.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kms.aws.audit import AuditSink, new_event_id
from kms.aws.clock import monotonic
from kms.key import (
    ORIGIN_EXTERNAL,
    Due,
    Key,
    KeyState,
    Material,
    MaterialState,
)
from kms.material import generate
from kms.root import RootError
from kms.store import Store
from kms.store_connection import StoreError
from kms.store_edits import Edit

LOG = logging.getLogger("kms.schedule")
EVENT_SOURCE = "kms.amazonaws.com"
DAY_SECONDS = 86_400
RETRY_SECONDS = 1.0
KEYS_PER_TRANSACTION_MAX = 500
AUTOMATIC = "AUTOMATIC"
ON_DEMAND = "ON_DEMAND"
SYNCHRONIZE = "SynchronizeMultiRegionKey"

Event = Mapping[str, Any]
Step = Callable[["Schedule", Edit, Key, float], list[Event]]


class Schedule:
    """Brings the keys of a store up to date, and tells the audit what it did."""

    def __init__(self, store: Store, audit: AuditSink) -> None:
        self._store = store
        self._audit = audit
        self._retry_at = 0.0

    def catch_up(self, now: float) -> None:
        """`run`, but if that fails it stops no call: keys stay as they are a while.

        A key that was to be deleted is unusable anyway, and look-ups refuse expired material.
        """
        if monotonic() < self._retry_at:
            return
        try:
            self.run(now)
        except (RootError, StoreError):
            self._retry_at = monotonic() + RETRY_SECONDS
            LOG.exception("what is due to keys could not be done")

    def run(self, now: float) -> int:
        """Do everything that was due at `now`; answers how many steps that took."""
        steps = 0
        while self._store.next_due_at <= now:
            events: list[Event] = []
            with self._store.edit() as edit:
                for key in edit.due(now, KEYS_PER_TRANSACTION_MAX):
                    events += self._step(edit, key)
                    steps += 1
            for event in events:
                if event["eventName"] == "DeleteKey":
                    self._store.usage.forget(event["keyArn"])
                self._audit.record(event)
        return steps

    def _step(self, edit: Edit, stale: Key) -> list[Event]:
        """Do what is due first to one key, which an earlier step may have changed or removed."""
        key = edit.key(stale.account, stale.region, stale.key_id)
        if key is None or key != stale:
            return []
        assert key.due is not None
        assert key.due_at is not None
        return STEPS[key.due](self, edit, key, key.due_at)

    def _settle(self, edit: Edit, key: Key, at: float) -> list[Event]:
        """Creating or Updating is over."""
        state = resting_state(key, edit.materials(key))
        edit.put_key(replace(key, state=state, settles_at=None))
        return []

    def _expire(self, edit: Edit, key: Key, at: float) -> list[Event]:
        """Imported material reached its ValidTo: its bytes go, its record stays."""
        events: list[Event] = []
        for material in edit.materials(key):
            if material.expires_at is not None and material.expires_at <= at:
                edit.put_material(replace(material, wrapped=b"", expires_at=None))
                events.append(_event("DeleteExpiredKeyMaterial", key, at, material.material_id))
        edit.put_key(after_materials_changed(key, edit.materials(key)))
        return events

    def _rotate_on_demand(self, edit: Edit, key: Key, at: float) -> list[Event]:
        return self._rotate(edit, replace(key, on_demand_at=None), at, ON_DEMAND)

    def _rotate_automatically(self, edit: Edit, key: Key, at: float) -> list[Event]:
        assert key.rotation_period_days is not None
        following = at + key.rotation_period_days * DAY_SECONDS
        return self._rotate(edit, replace(key, next_rotation_at=following), at, AUTOMATIC)

    def _rotate(self, edit: Edit, key: Key, at: float, kind: str) -> list[Event]:
        """Give `key`, and its relatives in other Regions, a new current material."""
        edit.put_key(key)
        family = edit.related(key) if key.multi_region else [key]
        if key.origin == ORIGIN_EXTERNAL:
            pending = [found for found in edit.materials(key) if not found.bound]
            if not pending:
                return []
            material_id = pending[0].material_id
        else:
            material_id = self._add_material(edit, family, at)
        events: list[Event] = []
        for member in family:
            _promote(edit, member, material_id, at, kind)
            name = "RotateKey" if member.region == key.region else SYNCHRONIZE
            events.append(_rotation_event(name, member, at, material_id, kind))
        return events

    def _add_material(self, edit: Edit, family: list[Key], at: float) -> str:
        """New material for related keys, wrapped for each of them, that none uses yet."""
        backing = generate(family[0].spec)
        material_id = self._store.identify(family[0].key_id, backing)
        for member in family:
            number = 1 + max((found.number for found in edit.materials(member)), default=0)
            draft = Material(
                material_id,
                member.account,
                member.region,
                member.key_id,
                member.spec,
                member.usage,
                b"",
                at,
                number=number,
                state=MaterialState.PENDING_ROTATION,
            )
            edit.put_material(self._store.wrap(draft, bytearray(backing)))
        backing[:] = bytes(len(backing))
        return material_id

    def _delete(self, edit: Edit, key: Key, at: float) -> list[Event]:
        """The waiting period is over: the key and everything of it is destroyed."""
        edit.remove_key(key)
        if key.multi_region:
            _start_waiting(edit, key, at)
            tell_of_pending(edit, edit.related(key))
        return [_event("DeleteKey", key, at, "")]


def resting_state(key: Key, materials: list[Material]) -> KeyState:
    """What an enabled `key` with `materials` is: PendingImport if it lacks any that it needs."""
    if key.origin != ORIGIN_EXTERNAL:
        return KeyState.ENABLED
    bound = [material for material in materials if material.bound]
    complete = bool(bound) and all(material.wrapped for material in bound)
    return KeyState.ENABLED if complete else KeyState.PENDING_IMPORT


def after_materials_changed(key: Key, materials: list[Material]) -> Key:
    """`key` with the state and the dates that follow from its imported `materials`."""
    resting = resting_state(key, materials)
    state = key.state
    if resting is KeyState.PENDING_IMPORT and state in (KeyState.ENABLED, KeyState.DISABLED):
        state = KeyState.PENDING_IMPORT
    elif state is KeyState.PENDING_IMPORT:
        state = resting
    dates = [material.expires_at for material in materials if material.expires_at is not None]
    return replace(key, state=state, expires_at=min(dates, default=None))


def tell_of_pending(edit: Edit, family: Sequence[Key]) -> None:
    """Let related keys show whether all of them have the material that waits for its rotation."""
    copies = [found for member in family for found in edit.materials(member) if not found.bound]
    complete = all(copy.wrapped for copy in copies)
    state = MaterialState.PENDING_ROTATION if complete else MaterialState.PENDING_IMPORTS
    for copy in copies:
        if copy.state is not state:
            edit.put_material(replace(copy, state=state))


def _promote(edit: Edit, key: Key, material_id: str, at: float, kind: str) -> None:
    """Make a pending material of `key` the current one."""
    for material in edit.materials(key):
        if material.material_id == material_id:
            edit.put_material(
                replace(material, state=MaterialState.CURRENT, rotation_type=kind, rotated_at=at)
            )
        elif material.state is MaterialState.CURRENT:
            edit.put_material(replace(material, state=MaterialState.NON_CURRENT))
    rotated = replace(key, material_id=material_id)
    edit.put_key(after_materials_changed(rotated, edit.materials(key)))


def _start_waiting(edit: Edit, gone: Key, at: float) -> None:
    """The primary key's own waiting period begins when its last replica is gone."""
    family = edit.related(gone)
    if len(family) != 1 or family[0].state is not KeyState.PENDING_REPLICA_DELETION:
        return
    primary = family[0]
    assert primary.pending_window_days is not None
    deletion_at = at + primary.pending_window_days * DAY_SECONDS
    edit.put_key(replace(primary, state=KeyState.PENDING_DELETION, deletion_at=deletion_at))


def _event(name: str, key: Key, at: float, material_id: str) -> dict[str, Any]:
    return {
        "eventSource": EVENT_SOURCE,
        "eventName": name,
        "eventType": "AwsServiceEvent",
        "eventTime": at,
        "eventID": new_event_id(),
        "account": key.account,
        "region": key.region,
        "keyArn": key.arn,
        "keyMaterialId": material_id,
        "serviceEventDetails": {"keyId": key.key_id},
    }


def _rotation_event(name: str, key: Key, at: float, material_id: str, kind: str) -> Event:
    event = _event(name, key, at, material_id)
    if name == SYNCHRONIZE:
        event["eventType"] = "AwsApiCall"
    event["serviceEventDetails"] = {
        "keyId": key.key_id,
        "keyOrigin": key.origin,
        "rotationType": kind,
        "previousKeyMaterialId": key.material_id,
        "currentKeyMaterialId": material_id,
    }
    return event


STEPS: Mapping[Due, Step] = {
    Due.SETTLED: Schedule._settle,
    Due.EXPIRED: Schedule._expire,
    Due.ROTATED_ON_DEMAND: Schedule._rotate_on_demand,
    Due.ROTATED: Schedule._rotate_automatically,
    Due.DELETED: Schedule._delete,
}
