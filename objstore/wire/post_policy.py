"""The policy of a form: what its fields may say, how large its file may be, until when.

Pure. The signature over the policy is checked elsewhere; here the text is taken at its word.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from objstore.errors import S3Error

CONDITIONS_MAX = 200
# Fields that no condition needs to cover, in either version of the signature.
UNCOVERED = frozenset({"file", "policy", "x-amz-signature", "signature", "awsaccesskeyid"})
UNCOVERED_PREFIXES = ("x-ignore-", "x-amz-checksum-")  # What says what the file is harms nobody.
LENGTH_RANGE = "content-length-range"
_LISTED_FIELDS = frozenset({"content-type"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`kind` is "eq" or "starts-with", `field` in lower case; `text` is as errors show it."""

    kind: str
    field: str
    value: str
    text: str

    def holds(self, value: str | None) -> bool:
        if value is None:
            return False
        if self.kind == "eq":
            return value == self.value
        if self.field in _LISTED_FIELDS:
            return all(item.strip().startswith(self.value) for item in value.split(","))
        return value.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy. `sizes` is the content-length-range, both ends included."""

    expires_at: float
    conditions: tuple[Condition, ...]
    sizes: tuple[int, int] | None

    def check(self, fields: Mapping[str, str], *, now: float) -> None:
        """Return if every condition holds and every field is covered. Raises AccessDenied.

        `fields` have lower-case names and include `bucket`.
        """
        if now >= self.expires_at:
            raise _refused("Policy expired.")
        for condition in self.conditions:
            if not condition.holds(fields.get(condition.field)):
                raise _refused(f"Policy Condition failed: {condition.text}")
        covered = {condition.field for condition in self.conditions} | UNCOVERED
        extra = [
            name
            for name in fields
            if name not in covered and not name.startswith(UNCOVERED_PREFIXES)
        ]
        if extra:
            raise _refused(f"Extra input fields: {', '.join(extra)}")


def parse_policy(encoded: str) -> Policy:
    """Read a policy as the form carries it, in base64. Raises InvalidPolicyDocument, and
    AccessDenied for conditions that can never hold.
    """
    try:
        document = json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    for name in ("expiration", "conditions"):
        if name not in document:
            raise _invalid(f"Policy missing {name}.")
    conditions = document["conditions"]
    if not isinstance(conditions, list) or len(conditions) > CONDITIONS_MAX:
        raise _invalid("Invalid 'conditions' value.")
    parsed: list[Condition] = []
    sizes: tuple[int, int] | None = None
    for entry in conditions:
        if isinstance(entry, list) and entry[:1] == [LENGTH_RANGE]:
            least, most = _sizes(entry)
            sizes = (least, most) if sizes is None else (max(least, sizes[0]), min(most, sizes[1]))
        else:
            parsed += _conditions(entry)
    return Policy(_expiration(document["expiration"]), tuple(parsed), sizes)


def _expiration(text: Any) -> float:
    if not isinstance(text, str) or not text.endswith("Z"):
        raise _invalid("Invalid 'expiration' value.")
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise _invalid("Invalid 'expiration' value.") from None


def _conditions(entry: Any) -> list[Condition]:
    if isinstance(entry, dict):
        if len(entry) != 1:
            raise _invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property "
                "specified."
            )
        [(field, value)] = entry.items()
        if not isinstance(value, str):
            raise _invalid("Invalid Simple-Condition: value must be a string.")
        return [_condition("eq", f"${field}", value)]
    if not isinstance(entry, list) or not all(isinstance(item, str) for item in entry):
        raise _invalid("Invalid Condition.")
    if len(entry) != 3:
        raise _invalid("Invalid Condition: wrong number of arguments.")
    kind = entry[0].lower()
    if kind not in ("eq", "starts-with"):
        raise _invalid(f"Invalid Condition: {entry[0]} is no operator.")
    return [_condition(kind, entry[1], entry[2])]


def _condition(kind: str, field: str, value: str) -> Condition:
    text = json.dumps([kind, field, value], ensure_ascii=False)
    if not field.startswith("$"):
        raise _refused(f"Policy Condition failed: {text}")
    return Condition(kind, field[1:].lower(), value, text)


def _sizes(entry: list[Any]) -> tuple[int, int]:
    if len(entry) != 3:
        raise _invalid("Invalid content-length-range: wrong number of arguments.")
    try:
        least, most = (int(str(item)) for item in entry[1:])
    except ValueError:
        text = json.dumps([str(item) for item in entry])
        raise _refused(f"Policy Condition failed: {text}") from None
    if least < 0 or most < least:
        raise _invalid("Invalid content-length-range.")
    return least, most


def _invalid(detail: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {detail}")


def _refused(detail: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {detail}")
