"""Deletion windows here; rotation, imports and Regions with their operations."""

import logging
import math
from typing import Any

import apsw
import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.errors import KMSError
from kms.service import Service
from kms.store_root import IDENTITY

DAY = 86_400


def names(audit: MemorySink) -> list[tuple[str, str]]:
    return [
        (event["eventName"], event["keyArn"])
        for event in audit.events
        if event.get("eventType") == "AwsServiceEvent"
    ]


def test_a_window_ends_for_its_key_alone(
    client: Any, service: Service, clock: FixedClock, audit: MemorySink
) -> None:
    due, kept = client.key(), client.key()
    client("CreateAlias", alias_name="alias/due", target_key_id=due)
    client("CreateAlias", alias_name="alias/kept", target_key_id=kept)
    client("ScheduleKeyDeletion", key_id=due, pending_window_in_days=7)
    client("ScheduleKeyDeletion", key_id=kept, pending_window_in_days=8)
    clock.advance(7 * DAY - 1)
    assert service.schedule.run(clock.now()) == 0
    clock.advance(1)
    due_at = clock.now()
    clock.advance(5)
    assert service.schedule.run(clock.now()) == 1
    assert names(audit) == [("DeleteKey", due)]
    assert audit.events[-1]["eventTime"] == due_at
    assert [key["KeyArn"] for key in client("ListKeys")["Keys"]] == [kept]
    named = {alias["AliasName"] for alias in client("ListAliases")["Aliases"]}
    assert named == {"alias/aws/s3", "alias/kept"}


@pytest.mark.parametrize("operation", ["ListKeys", "ListAliases", "DescribeKey"])
def test_calls_see_what_is_due_without_a_sweep(
    client: Any, clock: FixedClock, operation: str
) -> None:
    arn = client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    clock.advance(7 * DAY)
    if operation == "DescribeKey":
        with pytest.raises(KMSError, match="does not exist"):
            client(operation, key_id=arn)
    else:
        assert arn not in str(client(operation))
        assert "alias/a'" not in str(client(operation))


def test_a_destroyed_key_takes_its_material_off_the_disk(
    client: Any, service: Service, clock: FixedClock, tmp_path: Any
) -> None:
    arn = client.key()
    material_id = client("DescribeKey", key_id=arn)["KeyMetadata"]["CurrentKeyMaterialId"]
    found = service.store.material("111122223333", "us-east-1", material_id)
    assert found is not None
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    clock.advance(7 * DAY)
    service.schedule.run(clock.now())
    for path in tmp_path.iterdir():
        assert found.wrapped not in path.read_bytes()


def test_many_keys_are_due_at_once(
    client: Any, service: Service, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms.schedule.KEYS_PER_TRANSACTION_MAX", 2)
    for _ in range(5):
        client("ScheduleKeyDeletion", key_id=client.key(), pending_window_in_days=7)
    clock.advance(30 * DAY)
    assert service.schedule.run(clock.now()) == 5
    assert service.store.next_due_at == math.inf


def test_a_store_that_cannot_be_written_stops_no_call(
    client: Any, service: Service, clock: FixedClock, tmp_path: Any, caplog: Any
) -> None:
    due, kept = client.key(), client.key()
    client("ScheduleKeyDeletion", key_id=due, pending_window_in_days=7)
    clock.advance(7 * DAY)
    service.store._connection.set_busy_timeout(0)
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.CRITICAL):
        assert client("GenerateDataKey", key_id=kept, number_of_bytes=32)["KeyId"] == kept
        with pytest.raises(KMSError, match="pending deletion"):
            client("GenerateDataKey", key_id=due, number_of_bytes=32)
    raw.execute("ROLLBACK")
    raw.close()
    service.schedule._retry_at = 0.0
    with pytest.raises(KMSError, match="does not exist"):
        client("DescribeKey", key_id=due)


def test_a_secret_that_is_damaged_stops_no_call(
    client: Any, service: Service, clock: FixedClock, tmp_path: Any, caplog: Any
) -> None:
    due, kept = client.key(), client.key()
    client("EnableKeyRotation", key_id=due, rotation_period_in_days=90)
    raw = apsw.Connection(str(tmp_path / "keys.db"))
    raw.execute("UPDATE settings SET value=x'00' WHERE name=?", (IDENTITY,))
    raw.close()
    clock.advance(90 * DAY)
    with caplog.at_level(logging.CRITICAL):
        assert client("GenerateDataKey", key_id=kept, number_of_bytes=32)["KeyId"] == kept
