"""Replication configurations: what may be put, and where a new version goes.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html
"""

import re
from collections.abc import Mapping
from typing import Any

from objstore.errors import S3Error
from objstore.rules.identified import rule_id

SETTING = "replication"
RULES_MAX = 1000
REPLICATION_MINUTES = 15
BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::([A-Za-z0-9._-]{3,255})")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S{1,576}")
Document = Mapping[str, Any]

_UNIVERSAL = "for this version of Cross Region Replication configuration schema. Please refer to "
_GUIDE = "S3 Developer Guide for more information."


def check(document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration to store, each rule with an id. Raises MalformedXML, InvalidArgument,
    InvalidRequest.
    """
    rules = document["Rules"]
    if not 1 <= len(rules) <= RULES_MAX:
        raise S3Error("MalformedXML")
    kept = [_kept(rule) for rule in rules]
    if len({rule["ID"] for rule in kept}) != len(kept):
        raise S3Error("InvalidRequest", "Rule Id must be unique")
    priorities = [rule["Priority"] for rule in kept if "Priority" in rule]
    if len(set(priorities)) != len(priorities):
        raise S3Error("InvalidRequest", "Found duplicate priority in the replication rules.")
    if ROLE_ARN.fullmatch(document["Role"]) is None:
        raise S3Error("InvalidArgument", "Role must be the ARN of a role.")
    return {"Role": document["Role"], "Rules": kept}


def destination_bucket(rule: Mapping[str, Any]) -> str:
    """The name of the bucket that a checked rule replicates to."""
    found = BUCKET_ARN.fullmatch(rule["Destination"]["Bucket"])
    assert found is not None
    return found[1]


def _kept(rule: Mapping[str, Any]) -> dict[str, Any]:
    identity = rule_id(rule.get("ID"))
    if "Filter" in rule:
        if "Prefix" in rule:
            raise S3Error("MalformedXML")
        for name in ("Priority", "DeleteMarkerReplication"):
            if name not in rule:
                raise S3Error("InvalidRequest", f"{name} must be specified {_UNIVERSAL}{_GUIDE}")
        _check_filter(rule)
    elif "Prefix" not in rule:
        raise S3Error("MalformedXML")
    if rule.get("Priority", 0) < 0:
        raise S3Error("InvalidArgument", "Priority must be a nonnegative integer.")
    _check_destination(rule)
    return {"ID": identity, **rule}


def _check_filter(rule: Mapping[str, Any]) -> None:
    wanted = rule["Filter"]
    if len(wanted) > 1:
        raise S3Error("MalformedXML")
    together = wanted.get("And")
    tags = list((together or {}).get("Tags", [wanted["Tag"]] if "Tag" in wanted else []))
    if together is not None and len(tags) + ("Prefix" in together) < 2:
        raise S3Error("MalformedXML")
    if len({tag["Key"] for tag in tags}) != len(tags):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    if tags and rule["DeleteMarkerReplication"].get("Status") == "Enabled":
        raise S3Error(
            "InvalidRequest",
            "Delete marker replication is not supported if any Tag filter is specified. "
            f"Please refer to {_GUIDE}",
        )


def _check_destination(rule: Mapping[str, Any]) -> None:
    destination = rule["Destination"]
    if not BUCKET_ARN.fullmatch(destination["Bucket"]):
        raise S3Error("InvalidArgument", "Invalid bucket ARN.")
    if "AccessControlTranslation" in destination and "Account" not in destination:
        raise S3Error("InvalidArgument", "Account must be specified with AccessControlTranslation.")
    selected = rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
    encryption = destination.get("EncryptionConfiguration")
    if selected.get("Status") == "Enabled" and not (encryption or {}).get("ReplicaKmsKeyID"):
        raise S3Error(
            "InvalidRequest",
            "ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.",
        )
    if encryption is not None and selected.get("Status") != "Enabled":
        raise S3Error(
            "InvalidRequest",
            "SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.",
        )
    for member in ("ReplicationTime", "Metrics"):
        for time in (destination.get(member, {}).get(name) for name in ("Time", "EventThreshold")):
            if time is not None and time.get("Minutes") != REPLICATION_MINUTES:
                raise S3Error(
                    "InvalidArgument", f"{member} supports {REPLICATION_MINUTES} minutes only."
                )


def matching(document: Mapping[str, Any], key: str, tags: Mapping[str, str]) -> list[Document]:
    """The rules that send a new version somewhere: for each destination, the most important."""
    found: dict[str, Document] = {}
    for rule in document["Rules"]:
        if rule["Status"] != "Enabled" or not _wants(rule, key, tags):
            continue
        name = destination_bucket(rule)
        best = found.get(name)
        if best is None or rule.get("Priority", 0) > best.get("Priority", 0):
            found[name] = rule
    return list(found.values())


def sends_markers(rule: Document) -> bool:
    """Whether delete markers are replicated; by rules of the first schema they always are."""
    if "Filter" not in rule:
        return True
    return bool(rule["DeleteMarkerReplication"].get("Status") == "Enabled")


def sends_kms(rule: Document) -> bool:
    """Whether objects under KMS keys are replicated."""
    selected = rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
    return bool(selected.get("Status") == "Enabled")


def _wants(rule: Document, key: str, tags: Mapping[str, str]) -> bool:
    wanted = rule.get("Filter") or {}
    conditions = wanted.get("And") or wanted
    prefix = rule.get("Prefix", conditions.get("Prefix", ""))
    named = conditions.get("Tags", [conditions["Tag"]] if "Tag" in conditions else ())
    return key.startswith(prefix) and all(tags.get(tag["Key"]) == tag["Value"] for tag in named)
