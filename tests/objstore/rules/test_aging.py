"""What is due for a version: by age, date, size, tags, number; and what comes first."""

from datetime import UTC, datetime
from typing import Any

import pytest

from objstore.rules.aging import LATEST_MS, Due, Fate, Version, abortion, decide, due_ms, expiration

DAY = 24 * 3600 * 1000
MIDNIGHT = 20_000 * DAY
NOON = MIDNIGHT + DAY // 2
EXPIRE, REMOVE = Due(Fate.EXPIRE, "r"), Due(Fate.REMOVE, "r")


def rule(**members: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"ID": "r", "Status": "Enabled", "Filter": {}}
    if "Prefix" in members:
        del base["Filter"]
    return {**base, **members}


def version(**members: Any) -> Version:
    base: dict[str, Any] = {
        "key": "logs/a",
        "size": 1 << 20,
        "created_ms": NOON,
        "storage_class": "STANDARD",
        "tags": dict,
    }
    return Version(**{**base, **members})


def judged(one: Version, days: float, *rules: dict[str, Any], **document: Any) -> Due | None:
    """What is due `days` after the version was made."""
    rules_of = {"Rules": list(rules), **document}
    return decide(rules_of, one, now_ms=NOON + int(days * DAY), day_ms=DAY)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        (MIDNIGHT, 1, MIDNIGHT + DAY),
        (MIDNIGHT + 1, 1, MIDNIGHT + 2 * DAY),
        (NOON, 0, MIDNIGHT + DAY),
        (NOON, 3, MIDNIGHT + 4 * DAY),
        (NOON, 2**31 - 1, LATEST_MS),
    ],
)
def test_days_end_at_the_next_midnight(start: int, days: int, due: int) -> None:
    assert due_ms(start, days, DAY) == due


EXPIRES = {"Expiration": {"Days": 3}}
TAGGED = {"Filter": {"Tag": {"Key": "k", "Value": "v"}}}
BOTH = {"Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "k", "Value": "v"}]}}}
SIZED = {"Filter": {"And": {"ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 20}}}

EXPIRATIONS: list[tuple[dict[str, Any], dict[str, Any], float, bool]] = [
    (rule(**EXPIRES), {}, 3.4, False),
    (rule(**EXPIRES), {}, 3.5, True),
    (rule(**EXPIRES, Status="Disabled"), {}, 9, False),
    (rule(**EXPIRES, Prefix="logs/"), {}, 4, True),
    (rule(**EXPIRES, Prefix="other/"), {}, 9, False),
    (rule(**EXPIRES, Filter={"Prefix": "logs/"}), {}, 4, True),
    (rule(**EXPIRES, Filter={"Prefix": "Logs/"}), {}, 4, False),
    (rule(**EXPIRES, **TAGGED), {}, 4, False),
    (rule(**EXPIRES, **TAGGED), {"tags": lambda: {"k": "v", "l": "w"}}, 4, True),
    (rule(**EXPIRES, **TAGGED), {"tags": lambda: {"k": "w"}}, 4, False),
    (rule(**EXPIRES, **BOTH), {"tags": lambda: {"k": "v"}}, 4, True),
    (rule(**EXPIRES, **BOTH), {"tags": lambda: {"k": "v"}, "key": "x"}, 4, False),
    (rule(**EXPIRES, **SIZED), {"size": 10}, 4, False),
    (rule(**EXPIRES, **SIZED), {"size": 11}, 4, True),
    (rule(**EXPIRES, **SIZED), {"size": 20}, 4, False),
    (rule(Expiration={"Date": "2024-10-05T00:00:00.000Z"}), {}, 0, False),
    (rule(Expiration={"Date": "2024-10-04T00:00:00.000Z"}), {}, 0, True),
    (rule(Expiration={"ExpiredObjectDeleteMarker": True}), {}, 9, False),
]


@pytest.mark.parametrize(("of", "members", "days", "due"), EXPIRATIONS)
def test_expirations(of: dict[str, Any], members: dict[str, Any], days: float, due: bool) -> None:
    assert datetime.fromtimestamp(NOON / 1000, UTC) == datetime(2024, 10, 4, 12, tzinfo=UTC)
    assert judged(version(**members), days, of) == (EXPIRE if due else None)


MARKERS: list[tuple[dict[str, Any], bool, float, bool]] = [
    (rule(Expiration={"ExpiredObjectDeleteMarker": True}), True, 0, True),
    (rule(Expiration={"ExpiredObjectDeleteMarker": True}), False, 0, False),
    (rule(Expiration={"ExpiredObjectDeleteMarker": False}), True, 9, False),
    (rule(**EXPIRES), True, 3.4, False),
    (rule(**EXPIRES), True, 3.5, True),
    (rule(**EXPIRES), False, 9, False),
    (rule(**EXPIRES, **TAGGED), True, 9, False),
    (rule(**EXPIRES, **SIZED), True, 9, False),
    (rule(NoncurrentVersionExpiration={"NoncurrentDays": 1}), True, 9, False),
]


@pytest.mark.parametrize(("of", "alone", "days", "due"), MARKERS)
def test_markers_that_hide_nothing(of: dict[str, Any], alone: bool, days: float, due: bool) -> None:
    marker = version(delete_marker=True, size=0, alone=lambda: alone)
    assert judged(marker, days, of) == (REMOVE if due else None)


NONCURRENT: list[tuple[dict[str, Any], int, float, bool]] = [
    ({"NoncurrentDays": 2}, 0, 2.4, False),
    ({"NoncurrentDays": 2}, 0, 2.5, True),
    ({"NoncurrentDays": 2, "NewerNoncurrentVersions": 2}, 1, 9, False),
    ({"NoncurrentDays": 2, "NewerNoncurrentVersions": 2}, 2, 9, True),
    ({"NewerNoncurrentVersions": 1}, 1, 0.4, False),
    ({"NewerNoncurrentVersions": 1}, 1, 1.5, True),
]


@pytest.mark.parametrize("marker", [False, True])
@pytest.mark.parametrize(("action", "newer", "days", "due"), NONCURRENT)
def test_noncurrent_versions(
    action: dict[str, Any], newer: int, days: float, due: bool, marker: bool
) -> None:
    """Age counts from when the version was superseded, not from when it was made."""
    old = version(
        created_ms=NOON - 100 * DAY, superseded_ms=NOON, newer=newer, delete_marker=marker
    )
    found = judged(old, days, rule(NoncurrentVersionExpiration=action), rule(**EXPIRES))
    assert found == (REMOVE if due else None)


def moves(*pairs: tuple[int, str]) -> dict[str, Any]:
    return rule(Transitions=[{"Days": days, "StorageClass": to} for days, to in pairs])


LADDER = moves((30, "STANDARD_IA"), (60, "GLACIER"), (90, "DEEP_ARCHIVE"))
ANY_SIZE = {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
TRANSITIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], float, str | None]] = [
    (LADDER, {}, {}, 29, None),
    (LADDER, {}, {}, 31, "STANDARD_IA"),
    (LADDER, {}, {}, 100, "DEEP_ARCHIVE"),
    (LADDER, {}, {"storage_class": "STANDARD_IA"}, 31, None),
    (LADDER, {}, {"storage_class": "REDUCED_REDUNDANCY"}, 31, "STANDARD_IA"),
    (LADDER, {}, {"storage_class": "GLACIER"}, 61, None),
    (LADDER, {}, {"size": 128 * 1024 - 1}, 61, None),
    (LADDER, {}, {"size": 128 * 1024}, 61, "GLACIER"),
    (LADDER, ANY_SIZE, {"size": 5}, 31, None),
    (LADDER, ANY_SIZE, {"size": 5}, 61, "GLACIER"),
    ({**LADDER, "Filter": {"ObjectSizeGreaterThan": 1}}, {}, {"size": 5}, 31, "STANDARD_IA"),
    ({**LADDER, "Expiration": {"Days": 50}}, {}, {}, 31, "STANDARD_IA"),
]


@pytest.mark.parametrize(("of", "document", "members", "days", "to"), TRANSITIONS)
def test_transitions(
    of: dict[str, Any],
    document: dict[str, Any],
    members: dict[str, Any],
    days: float,
    to: str | None,
) -> None:
    expected = None if to is None else Due(Fate.TRANSITION, "r", to)
    assert judged(version(**members), days, of, **document) == expected


def test_noncurrent_versions_move_too() -> None:
    action = {"NoncurrentDays": 30, "StorageClass": "GLACIER_IR", "NewerNoncurrentVersions": 1}
    of = rule(NoncurrentVersionTransitions=[action])
    old = version(created_ms=0, superseded_ms=NOON, newer=1)
    assert judged(old, 31, of) == Due(Fate.TRANSITION, "r", "GLACIER_IR")
    assert judged(version(superseded_ms=NOON, newer=0), 31, of) is None
    assert judged(version(superseded_ms=NOON, newer=1, delete_marker=True), 31, of) is None


def test_destroying_comes_before_moving() -> None:
    gone = {**LADDER, "Expiration": {"Days": 91}}
    assert judged(version(), 92, gone) == EXPIRE


def test_the_earliest_expiration_is_told() -> None:
    rules = [rule(**EXPIRES), rule(ID="sooner", Expiration={"Days": 1}, Prefix="logs/")]
    document = {"Rules": [{**rule(**EXPIRES), "ID": "r"}, rules[1]]}
    assert expiration(document, version(), day_ms=DAY) == (MIDNIGHT + 2 * DAY, "sooner")
    assert expiration(document, version(key="x"), day_ms=DAY) == (MIDNIGHT + 4 * DAY, "r")
    assert expiration({"Rules": [LADDER]}, version(), day_ms=DAY) is None


def test_uploads_are_aborted() -> None:
    document = {
        "Rules": [
            rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}, Prefix="logs/"),
            rule(
                ID="off",
                Status="Disabled",
                AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1},
            ),
            rule(**EXPIRES),
        ]
    }
    assert abortion(document, "logs/a", NOON, day_ms=DAY) == (MIDNIGHT + 8 * DAY, "r")
    assert abortion(document, "other", NOON, day_ms=DAY) is None
