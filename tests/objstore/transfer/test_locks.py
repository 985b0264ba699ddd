from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.clock import utc
from objstore.errors import S3Error
from objstore.storage.records import Bucket, StoredObject
from objstore.transfer.locks import (
    LockHeaders,
    asked,
    check_change,
    check_configuration,
    default,
    describe_retention,
    guard,
)

NOW = 1_709_164_800_000  # 2024-02-29
DAY = 24 * 3600 * 1000
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def bucket(period: dict[str, Any] | None = None, *, locked: bool = True) -> Bucket:
    configuration: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if period is not None:
        configuration["Rule"] = {"DefaultRetention": period}
    settings = {"object_lock": configuration} if locked else {}
    return Bucket("b", bytes(16), "123456789012", "us-east-1", 0, settings)


def version(attributes: dict[str, Any]) -> StoredObject:
    return StoredObject(
        bytes(16), b"k", "null", 0, "", 0, "STANDARD", "", "", b"", b"", (), attributes
    )


def retention(mode: str, until_ms: int) -> dict[str, Any]:
    return {"retention": {"Mode": mode, "UntilMs": until_ms}}


@pytest.mark.parametrize(
    ("period", "lock"),
    [
        (None, {}),
        ({"Mode": "GOVERNANCE", "Days": 3}, retention("GOVERNANCE", NOW + 3 * DAY)),
        # The 29th of February of a year without one is the 28th.
        ({"Mode": "COMPLIANCE", "Years": 1}, retention("COMPLIANCE", NOW + 365 * DAY)),
        ({"Mode": "GOVERNANCE", "Years": 4}, retention("GOVERNANCE", NOW + (4 * 365 + 1) * DAY)),
    ],
)
def test_the_default_counts_from_now(period: dict[str, Any] | None, lock: dict[str, Any]) -> None:
    assert default(bucket(period), now_ms=NOW) == lock
    assert default(bucket(locked=False), now_ms=NOW) == {}


def test_requests_ask_for_locks() -> None:
    assert asked(LockHeaders(), bucket(locked=False), now_ms=NOW) == {}
    headers = LockHeaders("COMPLIANCE", LATER, "OFF")
    until_ms = int(LATER.timestamp() * 1000)
    assert asked(headers, bucket(), now_ms=NOW) == {
        **retention("COMPLIANCE", until_ms),
        "legal_hold": "OFF",
    }


@pytest.mark.parametrize(
    ("headers", "locked", "code", "message"),
    [
        (
            LockHeaders(object_lock_legal_hold_status="ON"),
            False,
            "InvalidRequest",
            "Bucket is missing ObjectLockConfiguration",
        ),
        (
            LockHeaders(object_lock_mode="GOVERNANCE"),
            True,
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        ),
        (
            LockHeaders(object_lock_mode="governance"),
            True,
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        ),
        (
            LockHeaders("governance", utc(NOW / 1000)),
            True,
            "InvalidArgument",
            "Unknown wormMode directive.",
        ),
        (
            LockHeaders("GOVERNANCE", utc(NOW / 1000)),
            True,
            "InvalidArgument",
            "The retain until date must be in the future!",
        ),
    ],
)
def test_refused_headers(headers: LockHeaders, locked: bool, code: str, message: str) -> None:
    with pytest.raises(S3Error) as caught:
        asked(headers, bucket(locked=locked), now_ms=NOW)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("attributes", "bypass", "refused"),
    [
        ({}, False, False),
        (retention("GOVERNANCE", NOW), False, False),
        (retention("GOVERNANCE", NOW + 1), False, True),
        (retention("GOVERNANCE", NOW + 1), True, False),
        (retention("COMPLIANCE", NOW + 1), True, True),
        (retention("COMPLIANCE", NOW), True, False),
        ({"legal_hold": "ON"}, True, True),
        ({"legal_hold": "OFF"}, False, False),
        ({**retention("GOVERNANCE", NOW + 1), "legal_hold": "ON"}, True, True),
    ],
)
def test_what_a_lock_keeps(attributes: dict[str, Any], bypass: bool, refused: bool) -> None:
    check = guard(now_ms=NOW, bypass=bypass)
    check(None)
    if not refused:
        check(version(attributes))
        return
    with pytest.raises(S3Error) as caught:
        check(version(attributes))
    assert caught.value.message == "Access Denied because object protected by object lock."


GOVERNED = retention("GOVERNANCE", NOW + DAY)
COMPLIANT = retention("COMPLIANCE", NOW + DAY)


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    # `allowed` is for a caller without bypass, and for one with it.
    [
        ({}, ("GOVERNANCE", 1), (True, True)),
        (retention("COMPLIANCE", NOW - 1), None, (True, True)),
        (GOVERNED, ("GOVERNANCE", 2 * DAY), (True, True)),
        (GOVERNED, ("GOVERNANCE", DAY), (True, True)),
        (GOVERNED, ("GOVERNANCE", DAY - 1), (False, True)),
        (GOVERNED, ("COMPLIANCE", 2 * DAY), (False, True)),
        (GOVERNED, None, (False, True)),
        (COMPLIANT, ("COMPLIANCE", 2 * DAY), (True, True)),
        (COMPLIANT, ("COMPLIANCE", DAY - 1), (False, False)),
        (COMPLIANT, ("GOVERNANCE", 2 * DAY), (False, False)),
        (COMPLIANT, None, (False, False)),
    ],
)
def test_how_a_retention_may_change(
    old: dict[str, Any], new: tuple[str, int] | None, allowed: tuple[bool, bool]
) -> None:
    wanted = None if new is None else {"Mode": new[0], "UntilMs": NOW + new[1]}
    for bypass, may in zip((False, True), allowed, strict=True):
        if may:
            check_change(old, wanted, now_ms=NOW, bypass=bypass)
        else:
            with pytest.raises(S3Error, match="AccessDenied"):
                check_change(old, wanted, now_ms=NOW, bypass=bypass)


def test_replies_show_the_retention() -> None:
    assert describe_retention(retention("GOVERNANCE", NOW)) == {
        "ObjectLockMode": "GOVERNANCE",
        "ObjectLockRetainUntilDate": utc(NOW / 1000),
    }


def configured(**default: Any) -> dict[str, Any]:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"ObjectLockEnabled": "Enabled"}, None),
        (configured(Mode="GOVERNANCE", Days=36_500), None),
        (configured(Mode="COMPLIANCE", Years=100), None),
        ({}, "MalformedXML"),
        ({"ObjectLockEnabled": "Enabled", "Rule": {}}, "MalformedXML"),
        (configured(Days=1), "MalformedXML"),
        (configured(Mode="GOVERNANCE"), "MalformedXML"),
        (configured(Mode="GOVERNANCE", Days=1, Years=1), "MalformedXML"),
        (configured(Mode="GOVERNANCE", Days=0), "InvalidArgument"),
        (configured(Mode="GOVERNANCE", Years=-1), "InvalidArgument"),
        (configured(Mode="GOVERNANCE", Days=36_501), "InvalidArgument"),
        (configured(Mode="GOVERNANCE", Years=101), "InvalidArgument"),
        (configured(DefaultEventHold={"Days": 1}), "NotImplemented"),
    ],
)
def test_configurations(configuration: dict[str, Any], code: str | None) -> None:
    if code is None:
        check_configuration(configuration)
    else:
        with pytest.raises(S3Error, match=code):
            check_configuration(configuration)
