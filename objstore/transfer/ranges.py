"""Which bytes of an object a client asks for: `Range`, `If-Range`, part numbers, copy ranges.

Pure. All results are half-open `(start, stop)` pairs of plaintext offsets.
Sources: RFC 9110 §14.1.2, https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

import re
from collections.abc import Sequence

from objstore.errors import S3Error
from objstore.names import http_date

PART_NUMBER_MAX = 10_000
_DIGITS_MAX = 19  # enough for every 63-bit offset; longer numbers are no ranges
_RANGE = re.compile(rf"bytes=(\d{{0,{_DIGITS_MAX}}})-(\d{{0,{_DIGITS_MAX}}})", re.ASCII)
_COPY_RANGE = re.compile(rf"bytes=(\d{{1,{_DIGITS_MAX}}})-(\d{{1,{_DIGITS_MAX}}})", re.ASCII)

Span = tuple[int, int]


def parse_range(text: str, size: int) -> Span | None:
    """The span that a `Range` header asks of an object of `size` bytes.

    None if the header is to be ignored, which is what HTTP asks for when it is malformed, names
    another unit or lists several ranges. Raises InvalidRange if no byte of it exists.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        if last and int(last) < start:
            return None
        stop = min(int(last) + 1, size) if last else size
    elif last:
        start, stop = max(size - int(last), 0), size
    else:
        return None
    if start >= stop:
        raise S3Error("InvalidRange", RangeRequested=text, ActualObjectSize=str(size))
    return start, stop


def is_of(if_range: str, etag: str, modified_ms: int) -> bool:
    """Whether a range is of the object that an `If-Range` header names, by ETag or by date.

    If it is not, the whole is sent: bytes of another object must not be added to those that are
    there. Only what this server has said itself counts (RFC 9110 §13.1.5).
    """
    return if_range.strip() in (f'"{etag}"', http_date(modified_ms))


def parse_copy_range(text: str, size: int) -> Span:
    """The span of `x-amz-copy-source-range`, which must be whole and lie inside the source."""
    match = _COPY_RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    start, stop = int(match[1]), int(match[2]) + 1
    if start >= size:
        raise S3Error(
            "InvalidRequest", "The specified copy range is invalid for the source object size"
        )
    if stop > size:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    return start, stop


def part_span(number: int, lengths: Sequence[int]) -> Span:
    """The span of part `number`, counted from 1, of an object whose parts have these lengths.

    Raises InvalidArgument for a number that no object can have, InvalidPartNumber for one that
    this object does not have.
    """
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=str(number),
        )
    if number > len(lengths):
        raise S3Error(
            "InvalidPartNumber",
            PartNumberRequested=str(number),
            ActualPartCount=str(len(lengths)),
        )
    start = sum(lengths[: number - 1])
    return start, start + lengths[number - 1]
