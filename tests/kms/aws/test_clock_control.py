import pytest

from kms.aws.clock import FixedClock, ServiceClock
from kms.aws.clock_control import ClockError, move, show

WALL = 1_700_000_000.0


@pytest.fixture
def clock() -> ServiceClock:
    return ServiceClock(FixedClock(WALL))


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b'{"advance_seconds": 2592000}', 2_592_000.0),
        (b'{"advance_seconds": 0.5}', 0.5),
        (b'{"now": "2023-11-14T22:13:21Z"}', 1.0),
        (b'{"now": "2023-11-14T22:13:19"}', -1.0),
        (b'{"now": "2023-11-15T00:13:20+02:00"}', 0.0),
        (b'{"reset": true}', 0.0),
    ],
)
def test_moves(clock: ServiceClock, body: bytes, offset: float) -> None:
    move(clock, body)
    assert clock.offset_seconds == offset
    assert clock.now() == WALL + offset


def test_moves_add_up_until_a_reset(clock: ServiceClock) -> None:
    for _ in range(2):
        move(clock, b'{"advance_seconds": 60}')
    assert show(clock) == {"now": "2023-11-14T22:15:20.000Z", "offset_seconds": 120.0}
    move(clock, b'{"now": "2023-11-14T22:13:25Z"}')
    assert clock.offset_seconds == 5.0
    move(clock, b'{"reset": true}')
    assert show(clock)["offset_seconds"] == 0.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "a JSON object with one of"),
        (b"[]", "a JSON object with one of"),
        (b"[" * 4_000, "a JSON object with one of"),
        (b"{}", "a JSON object with one of"),
        (b'{"advance_seconds": 1, "reset": true}', "a JSON object with one of"),
        (b'{"advance": 1}', "a JSON object with one of"),
        (b'{"advance_seconds": 1}' + b" " * 4_096, "a JSON object with one of"),
        (b'{"advance_seconds": -1}', "not negative"),
        (b'{"advance_seconds": true}', "not negative"),
        (b'{"advance_seconds": "1"}', "not negative"),
        (b'{"advance_seconds": NaN}', "not negative"),
        (b'{"advance_seconds": Infinity}', "within 100 years"),
        (b'{"advance_seconds": 1e10}', "within 100 years"),
        (b'{"now": "1900-01-01T00:00:00Z"}', "within 100 years"),
        (b'{"now": "tomorrow"}', "now is a date"),
        (b'{"now": 1700000000}', "now is a date"),
        (b'{"reset": false}', "reset is true"),
    ],
)
def test_what_is_no_move(clock: ServiceClock, body: bytes, message: str) -> None:
    move(clock, b'{"advance_seconds": 3}')
    with pytest.raises(ClockError, match=message):
        move(clock, body)
    assert clock.offset_seconds == 3.0
