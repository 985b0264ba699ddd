"""Lifecycle configurations: what may be put, in the form in which it is kept.

Dates are kept as text, as documents show them, because settings are JSON. What the rules do to
objects is `objstore.rules.aging`'s.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from objstore.errors import S3Error
from objstore.rules.identified import rule_id

SETTING = "lifecycle"
MINIMUM_SIZE = "TransitionDefaultMinimumObjectSize"
ALL_CLASSES_128K = "all_storage_classes_128K"
MINIMUM_SIZES = (ALL_CLASSES_128K, "varies_by_storage_class")
RULES_MAX = 1000
NEWER_VERSIONS_MAX = 100
INFREQUENT_DAYS_MIN = 30
_INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.000Z"


def check(document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration to store, each rule with an id. Raises MalformedXML, InvalidArgument,
    InvalidRequest.
    """
    rules = document["Rules"]
    if not 1 <= len(rules) <= RULES_MAX:
        raise S3Error("MalformedXML")
    kept = [_kept(rule) for rule in rules]
    if len({rule["ID"] for rule in kept}) != len(kept):
        raise S3Error(
            "InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule"
        )
    return {"Rules": kept}


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """A stored configuration as a reply: its dates are dates again."""
    return {**document, "Rules": [_with_dates(rule, read_date) for rule in document["Rules"]]}


def read_date(text: str) -> datetime:
    """A stored date."""
    return datetime.strptime(text, _DATE_FORMAT).replace(tzinfo=UTC)


def _with_dates(rule: Mapping[str, Any], convert: Any) -> dict[str, Any]:
    changed = dict(rule)
    if "Date" in rule.get("Expiration", ()):
        changed["Expiration"] = {"Date": convert(rule["Expiration"]["Date"])}
    if "Transitions" in rule:
        changed["Transitions"] = [
            {**transition, "Date": convert(transition["Date"])}
            if "Date" in transition
            else transition
            for transition in rule["Transitions"]
        ]
    return changed


def _kept(rule: Mapping[str, Any]) -> dict[str, Any]:
    identity = rule_id(rule.get("ID"))
    if ("Prefix" in rule) == ("Filter" in rule):
        raise S3Error("MalformedXML")
    if not any(name in rule for name in _ACTIONS):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule")
    tagged = _check_filter(rule.get("Filter") or {})
    _check_expiration(rule.get("Expiration"), tagged=tagged)
    _check_transitions(rule)
    _check_noncurrent(rule)
    _check_abort(rule, tagged=tagged)
    return {"ID": identity, **_with_dates(rule, _midnight)}


def _check_filter(wanted: Mapping[str, Any]) -> bool:
    """Whether the filter looks at tags. Raises MalformedXML, InvalidRequest."""
    if len(wanted) > 1:
        raise S3Error("MalformedXML")
    together = wanted.get("And")
    conditions = wanted if together is None else together
    tags = conditions.get("Tags", [wanted["Tag"]] if "Tag" in wanted else [])
    if together is not None:
        others = sum(name != "Tags" for name in together)
        if len(tags) + others < 2:
            raise S3Error("MalformedXML")
    if len({tag["Key"] for tag in tags}) != len(tags):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    greater, less = (
        conditions.get(name) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
    )
    if (greater is not None and greater < 0) or (less is not None and less <= 0):
        raise S3Error("MalformedXML")
    if greater is not None and less is not None and greater >= less:
        raise S3Error(
            "InvalidRequest", "'ObjectSizeGreaterThan' must be less than 'ObjectSizeLessThan'."
        )
    return bool(tags)


def _check_expiration(expiration: Mapping[str, Any] | None, *, tagged: bool) -> None:
    if expiration is None:
        return
    if len(expiration) != 1:
        raise S3Error("MalformedXML")
    if "Days" in expiration and expiration["Days"] <= 0:
        raise S3Error("InvalidArgument", "'Days' for Expiration action must be a positive integer")
    if tagged and "ExpiredObjectDeleteMarker" in expiration:
        raise S3Error("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.")


def _check_transitions(rule: Mapping[str, Any]) -> None:
    transitions = rule.get("Transitions", ())
    classes = [transition.get("StorageClass") for transition in transitions]
    if None in classes or any(("Days" in one) == ("Date" in one) for one in transitions):
        raise S3Error("MalformedXML")
    where = f"filter '{_described(rule)}'"
    if len(set(classes)) != len(classes):
        raise S3Error(
            "InvalidRequest",
            "'StorageClass' must be different for 'Transition' actions in same 'Rule' with "
            f"{where}",
        )
    timed = [*transitions, *([rule["Expiration"]] if "Expiration" in rule else ())]
    if any("Days" in one for one in timed) and any("Date" in one for one in timed):
        raise S3Error(
            "InvalidRequest",
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle "
            f"rule for {where}",
        )
    for transition in transitions:
        _check_transition_days(transition.get("Days"), transition["StorageClass"], "Transition")
    latest = max((transition.get("Days", -1) for transition in transitions), default=-1)
    expires = rule.get("Expiration", {}).get("Days")
    if expires is not None and latest >= expires:
        raise S3Error(
            "InvalidArgument",
            f"'Days' in the Expiration action for {where} must be greater than 'Days' in the "
            "Transition action",
        )


def _check_transition_days(days: int | None, storage_class: str, action: str) -> None:
    name = "NoncurrentDays" if action.startswith("Noncurrent") else "Days"
    if days is None:
        return
    if days < 0:
        raise S3Error("InvalidArgument", f"'{name}' for {action} action must be nonnegative")
    if storage_class in _INFREQUENT and days < INFREQUENT_DAYS_MIN:
        raise S3Error(
            "InvalidArgument",
            f"'{name}' in {action} action must be greater than or equal to {INFREQUENT_DAYS_MIN} "
            f"for storageClass '{storage_class}'",
        )


def _check_noncurrent(rule: Mapping[str, Any]) -> None:
    expiration = rule.get("NoncurrentVersionExpiration")
    if expiration is not None:
        if not expiration:
            raise S3Error("MalformedXML")
        if expiration.get("NoncurrentDays", 1) <= 0:
            raise S3Error(
                "InvalidArgument",
                "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive "
                "integer",
            )
        _check_newer(expiration, rule, "NoncurrentVersionExpiration")
    for transition in rule.get("NoncurrentVersionTransitions", ()):
        if "StorageClass" not in transition or "NoncurrentDays" not in transition:
            raise S3Error("MalformedXML")
        _check_transition_days(
            transition["NoncurrentDays"], transition["StorageClass"], "NoncurrentVersionTransition"
        )
        _check_newer(transition, rule, "NoncurrentVersionTransition")


def _check_newer(action: Mapping[str, Any], rule: Mapping[str, Any], name: str) -> None:
    newer = action.get("NewerNoncurrentVersions")
    if newer is None:
        return
    if not 1 <= newer <= NEWER_VERSIONS_MAX:
        raise S3Error(
            "InvalidArgument",
            f"'NewerNoncurrentVersions' for {name} action must be between 1 and "
            f"{NEWER_VERSIONS_MAX}",
        )
    if "Filter" not in rule:
        raise S3Error(
            "InvalidRequest", "NewerNoncurrentVersions requires a Filter element in the rule"
        )


def _check_abort(rule: Mapping[str, Any], *, tagged: bool) -> None:
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is None:
        return
    if "DaysAfterInitiation" not in abort:
        raise S3Error("MalformedXML")
    if abort["DaysAfterInitiation"] <= 0:
        raise S3Error(
            "InvalidArgument",
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive "
            "integer",
        )
    wanted = rule.get("Filter") or {}
    conditions = wanted.get("And") or wanted
    if tagged or any(name.startswith("ObjectSize") for name in conditions):
        what = "Tags" if tagged else "object size"
        raise S3Error(
            "InvalidRequest", f"AbortIncompleteMultipartUpload cannot be specified with {what}."
        )


def _midnight(moment: datetime) -> str:
    """A date to store. Raises InvalidArgument for any other time of the day than midnight UTC."""
    moment = moment.astimezone(UTC)
    text = moment.strftime(_DATE_FORMAT)
    if moment.timetz() != datetime.min.replace(tzinfo=UTC).timetz():
        raise S3Error(
            "InvalidArgument",
            "'Date' must be at midnight GMT",
            ArgumentName="Date",
            ArgumentValue=text,
        )
    return text


def _described(rule: Mapping[str, Any]) -> str:
    """The filter as AWS's messages name it."""
    wanted = rule.get("Filter") or {}
    conditions = wanted.get("And") or wanted
    prefix = rule.get("Prefix", conditions.get("Prefix", ""))
    return f"(prefix={prefix})"
