"""What random calls are made of."""

from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from reference import PART_BYTES_MIN

BUCKETS = ("plain", "versioned", "locked")
RIGHT = "right"
"""The key that opens what is read, if any does."""

KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a/c", "a+b %41", "b", "b/b", "ü/b", "ü😀"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "b", "ü", "x"])
DELIMITERS = st.sampled_from(["", "/", "b", "a/"])
SIZES = (0, 1, 10, 1000, 16_384, 70_000)
BODIES = st.tuples(st.sampled_from("ABC"), st.sampled_from(SIZES))
PARTS = st.tuples(st.sampled_from("ABC"), st.sampled_from((*SIZES, PART_BYTES_MIN)))
NAMES = st.sampled_from(BUCKETS)
METADATA = st.dictionaries(st.sampled_from(["m", "n"]), st.sampled_from(["x", "y z"]))
TAGS = st.dictionaries(st.sampled_from(["t", "u v"]), st.sampled_from(["", "1", "a=b+c d"]))
ENCRYPTIONS = st.sampled_from(["", "", "", "AES256", "aws:kms", "customer A", "customer B"])
CUSTOMERS = st.sampled_from([RIGHT, RIGHT, RIGHT, RIGHT, "", "A", "B"])
PICKS = st.integers(0, 999)
CONDITIONS = st.sampled_from(["", "", "", "none", "match", "match", "mismatch"])
READ_CONDITIONS = st.sampled_from(["", "", "", "match", "none mismatch", "mismatch", "none match"])
RANGES = st.sampled_from(
    [(0, 0), (0, None), (3, 7), (5, 100_000), (16_383, 16_390), (None, 4), (None, 0)]
)
LOCKS = st.sampled_from(["", "GOVERNANCE", "COMPLIANCE"])
HOLDS = st.sampled_from(["OFF", "ON"])


def content(body: tuple[str, int]) -> bytes:
    letter, size = body
    return letter.encode() * size


def customer_key(name: str, prefix: str = "") -> dict[str, str]:
    """The headers of a customer's key, none for no name."""
    if not name:
        return {}
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": name * 32}


def encryption(named: str) -> dict[str, str]:
    if named.startswith("customer"):
        return customer_key(named[-1])
    return {"ServerSideEncryption": named} if named else {}


def without_nones(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def quoted(text: str) -> str:
    return quote(text, safe="")


def key_refusal(version: Any, customer: str) -> str:
    """Why a read with this customer's key, or none, is refused."""
    if bool(version.customer) != bool(customer):
        return "InvalidRequest"
    return "AccessDenied" if version.customer != customer else ""


def read_condition(condition: str, etag: str) -> tuple[dict[str, str], str]:
    matching = condition.endswith(" match") or condition == "match"
    value = etag if matching else '"0"'
    if condition.startswith("none"):
        return {"IfNoneMatch": value}, "NotModified" if matching else ""
    return {"IfMatch": value}, "" if matching else "PreconditionFailed"


def range_header(start: int | None, stop: int | None) -> str:
    return f"bytes={'' if start is None else start}-{'' if stop is None else stop}"
