"""What lifecycle rules do to versions and uploads as time goes by.

Pure: judges one version at a time against a moment that callers bring along. Days count from a
version's creation, or from when it stopped being the newest, and end at the next midnight (UTC).
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from objstore.rules.lifecycle import ALL_CLASSES_128K, MINIMUM_SIZE, read_date

SMALL_BYTES = 128 * 1024
LATEST_MS = 253_402_214_400_000  # 9999-12-31T00:00:00Z
# Classes in the order in which objects may move, and those that small objects may move to when
# the minimum size varies by class.
_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
_FOR_SMALL = frozenset({"GLACIER", "DEEP_ARCHIVE"})

Document = Mapping[str, Any]
Tags = Mapping[str, str]


class Fate(Enum):
    """What is due: EXPIRE ends a newest version (a delete marker hides it where versions are
    kept), REMOVE destroys one for good, TRANSITION changes its storage class.
    """

    EXPIRE = auto()
    REMOVE = auto()
    TRANSITION = auto()


@dataclass(frozen=True, slots=True)
class Due:
    """What is due for one version, and by which rule."""

    fate: Fate
    rule: str
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A version as rules see it. `tags` is asked only if a rule has tags.

    `superseded_ms` is when a newer version came, None for the newest; `newer` is how many
    noncurrent versions are newer than it; `alone` says that its key has no other version.
    """

    key: str
    size: int
    created_ms: int
    storage_class: str
    tags: Callable[[], Tags]
    delete_marker: bool = False
    superseded_ms: int | None = None
    newer: int = 0
    alone: Callable[[], bool] = lambda: False


def due_ms(start_ms: int, days: int, day_ms: int) -> int:
    """The midnight at which `days` after a moment are over; the last that dates can tell, if later.

    Days are integers of 32 bits, which lead past the year 9999.
    """
    return min(-(-(start_ms + days * day_ms) // day_ms) * day_ms, LATEST_MS)


def decide(document: Document, version: Version, *, now_ms: int, day_ms: int) -> Due | None:
    """What is due for a version; destroying it comes before moving it."""
    rules = [rule for rule in _enabled(document) if _wants(rule, version)]
    if version.superseded_ms is not None:
        return _noncurrent(document, rules, version, now_ms, day_ms)
    if version.delete_marker:
        return _lonely_marker(rules, version, now_ms, day_ms)
    found = _first(_expirations(rules, version, day_ms))
    if found is not None and found[0] <= now_ms:
        return Due(Fate.EXPIRE, found[1])
    moves = [
        (_when(move, version.created_ms, day_ms), move["StorageClass"], rule)
        for rule in rules
        for move in rule.get("Transitions", ())
    ]
    return _coldest(document, version, moves, now_ms)


def expiration(document: Document, version: Version, *, day_ms: int) -> tuple[int, str] | None:
    """When a newest version expires, and by which rule; None if by none."""
    rules = [rule for rule in _enabled(document) if _wants(rule, version)]
    return _first(_expirations(rules, version, day_ms))


def abortion(
    document: Document, key: str, initiated_ms: int, *, day_ms: int
) -> tuple[int, str] | None:
    """When an upload that is not completed is aborted, and by which rule; None if by none."""
    return _first(
        (due_ms(initiated_ms, abort["DaysAfterInitiation"], day_ms), rule["ID"])
        for rule in _enabled(document)
        if (abort := rule.get("AbortIncompleteMultipartUpload")) is not None
        and key.startswith(_prefix(rule))
    )


def _enabled(document: Document) -> Iterator[Document]:
    return (rule for rule in document["Rules"] if rule["Status"] == "Enabled")


def _prefix(rule: Document) -> str:
    conditions = _conditions(rule)
    prefix: str = rule.get("Prefix", conditions.get("Prefix", ""))
    return prefix


def _conditions(rule: Document) -> Document:
    wanted: Document = rule.get("Filter") or {}
    return wanted.get("And") or wanted


def _wants(rule: Document, version: Version) -> bool:
    """Whether a rule is about this version. Markers have neither size nor tags."""
    if not version.key.startswith(_prefix(rule)):
        return False
    conditions = _conditions(rule)
    greater, less = (
        conditions.get(name) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
    )
    tags = conditions.get("Tags", [conditions["Tag"]] if "Tag" in conditions else ())
    if version.delete_marker:
        return greater is None and less is None and not tags
    if (greater is not None and version.size <= greater) or (
        less is not None and version.size >= less
    ):
        return False
    return not tags or all(version.tags().get(tag["Key"]) == tag["Value"] for tag in tags)


def _when(action: Document, start_ms: int, day_ms: int) -> int:
    """When an action with Days or a Date is due."""
    if "Date" in action:
        return int(read_date(action["Date"]).timestamp() * 1000)
    return due_ms(start_ms, action["Days"], day_ms)


def _expirations(rules: list[Document], version: Version, day_ms: int) -> Iterator[tuple[int, str]]:
    for rule in rules:
        action = rule.get("Expiration", {})
        if "Days" in action or "Date" in action:
            yield _when(action, version.created_ms, day_ms), rule["ID"]


def _first(moments: Iterator[tuple[int, str]]) -> tuple[int, str] | None:
    return min(moments, key=lambda moment: moment[0], default=None)


def _lonely_marker(rules: list[Document], version: Version, now_ms: int, day_ms: int) -> Due | None:
    """A delete marker that hides nothing any more."""
    by_age = _first(_expirations(rules, version, day_ms))
    named = [
        rule["ID"] for rule in rules if rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker")
    ]
    if by_age is not None and by_age[0] <= now_ms:
        named.append(by_age[1])
    return Due(Fate.REMOVE, named[0]) if named and version.alone() else None


def _noncurrent(
    document: Document, rules: list[Document], version: Version, now_ms: int, day_ms: int
) -> Due | None:
    assert version.superseded_ms is not None
    since_ms = version.superseded_ms
    for rule in rules:
        action = rule.get("NoncurrentVersionExpiration")
        if action is None or version.newer < action.get("NewerNoncurrentVersions", 0):
            continue
        # Who names only how many are kept still gives each of the others its first day.
        if due_ms(since_ms, action.get("NoncurrentDays", 1), day_ms) <= now_ms:
            return Due(Fate.REMOVE, rule["ID"])
    if version.delete_marker:
        return None
    moves = [
        (due_ms(since_ms, move["NoncurrentDays"], day_ms), move["StorageClass"], rule)
        for rule in rules
        for move in rule.get("NoncurrentVersionTransitions", ())
        if version.newer >= move.get("NewerNoncurrentVersions", 0)
    ]
    return _coldest(document, version, moves, now_ms)


def _coldest(
    document: Document,
    version: Version,
    moves: list[tuple[int, str, Document]],
    now_ms: int,
) -> Due | None:
    """The coldest class that is due and colder than where the version is."""
    rank = _rank(version.storage_class)
    found = [
        (_CLASSES.index(storage_class), storage_class, rule["ID"])
        for when, storage_class, rule in moves
        if when <= now_ms
        and _CLASSES.index(storage_class) > rank
        and _large_enough(document, rule, version.size, storage_class)
    ]
    if not found:
        return None
    _, storage_class, identity = max(found)
    return Due(Fate.TRANSITION, identity, storage_class)


def _rank(storage_class: str) -> int:
    """Reduced redundancy moves like standard."""
    return _CLASSES.index(storage_class) if storage_class in _CLASSES else 0


def _large_enough(document: Document, rule: Document, size: int, storage_class: str) -> bool:
    """Whether an object of this size moves there: small ones cost more than they save.

    A rule that speaks of sizes itself overrides the minimum.
    """
    if size >= SMALL_BYTES or any(name.startswith("ObjectSize") for name in _conditions(rule)):
        return True
    if document.get(MINIMUM_SIZE, ALL_CLASSES_128K) == ALL_CLASSES_128K:
        return False
    return storage_class in _FOR_SMALL
