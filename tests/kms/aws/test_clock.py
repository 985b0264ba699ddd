from datetime import UTC, datetime

from kms.aws.clock import FixedClock, ServiceClock, SystemClock, monotonic, utc


def test_service_clock_adds_its_offset_to_wall_time() -> None:
    wall = FixedClock(1_000.0)
    service = ServiceClock(wall)
    assert service.now() == 1_000.0
    service.offset_seconds = 86_400.0
    wall.advance(1)
    assert service.now() == 87_401.0


def test_system_clock_is_now() -> None:
    assert utc(SystemClock().now()).year >= 2026
    assert monotonic() <= monotonic()


def test_utc_is_aware() -> None:
    assert utc(0) == datetime(1970, 1, 1, tzinfo=UTC)
