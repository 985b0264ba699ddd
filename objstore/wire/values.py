"""Values of headers, query parameters and document texts: from wire strings to Python.

A converter takes the string and returns the value or raises ValueError; who calls it knows where
the string stood and so which error to report.

Source: https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kms.aws.model import Shape

Converter = Callable[[str], Any]
_INTEGER_BOUNDS = {"integer": 2**31, "long": 2**63}
_DIGITS_MAX = 20
_ACRONYMS = re.compile("[A-Z]{2,}s$")  # ARNs, ACLs
_WORD_START = re.compile("(?<=[^_])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


def xform(name: str) -> str:
    """An AWS name in snake_case, as boto3 spells it (`SSEKMSKeyId` is `ssekms_key_id`)."""
    name = _ACRONYMS.sub(lambda found: "_" + found.group().lower(), name)
    return _WORD_START.sub("_", name).lower()


def parse_time(text: str) -> datetime:
    """An HTTP date or an ISO 8601 time as an aware time; UTC if it names no zone."""
    text = text.strip()
    try:
        moment = _moment(text)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"not a time: {error}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _moment(text: str) -> datetime:
    if text[:1].isalpha():
        return parsedate_to_datetime(text)
    return datetime.fromisoformat(text)


def parse_boolean(text: str) -> bool:
    """`true` or `false`, in any case."""
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise ValueError("not a boolean")
    return lowered == "true"


def _integer(bound: int) -> Converter:
    def convert(text: str) -> int:
        text = text.strip()
        digits = text[1:] if text[:1] == "-" else text
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS_MAX:
            raise ValueError("not an integer")
        value = int(text)
        if not -bound <= value < bound:
            raise ValueError("out of range")
        return value

    return convert


def _enumeration(allowed: frozenset[str]) -> Converter:
    def convert(text: str) -> str:
        if text not in allowed:
            raise ValueError("not one of the enumeration")
        return text

    return convert


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _text(text: str) -> str:
    return text


def converter(shape: Shape, *, open_enums: frozenset[str] = frozenset()) -> Converter:
    """The converter of a scalar shape. Raises KeyError for a type that is not scalar."""
    if shape.type == "string":
        if shape.enum and shape.name not in open_enums:
            return _enumeration(frozenset(shape.enum))
        return _text
    if shape.type in _INTEGER_BOUNDS:
        return _integer(_INTEGER_BOUNDS[shape.type])
    fixed: dict[str, Converter] = {
        "boolean": parse_boolean,
        "timestamp": parse_time,
        "blob": _blob,
        "float": float,
        "double": float,
    }
    return fixed[shape.type]
