from typing import Any

from kms.aws.clock import FixedClock
from kms.schedule import sweep
from kms.service import Service


def test_sweep_destroys_what_is_due(client: Any, service: Service, clock: FixedClock) -> None:
    due, kept = client.key(), client.key()
    client("ScheduleKeyDeletion", key_id=due, pending_window_in_days=7)
    client("ScheduleKeyDeletion", key_id=kept, pending_window_in_days=8)
    assert sweep(service.store, clock.now()) == 0
    clock.advance(7 * 86_400)
    assert sweep(service.store, clock.now()) == 1
    assert [key["KeyArn"] for key in client("ListKeys")["Keys"]] == [kept]
