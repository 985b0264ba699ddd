"""Converters of single values."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from kms.aws.model import ServiceModel
from objstore.wire.values import converter, parse_boolean, parse_time, xform

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("SSEKMSKeyId", "ssekms_key_id"),
        ("ContentMD5", "content_md5"),
        ("IfNoneMatch", "if_none_match"),
        ("ChecksumCRC32C", "checksum_crc32_c"),
        ("ACL", "acl"),
        ("ListARNs", "list_arns"),
    ],
)
def test_names(name: str, snake: str) -> None:
    assert xform(name) == snake


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", MOMENT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MOMENT),
        ("Sun Nov  6 08:49:37 1994", MOMENT),
        (" 1994-11-06T08:49:37Z ", MOMENT),
        ("1994-11-06T08:49:37", MOMENT),
        ("1994-11-06T08:49:37.250Z", MOMENT + timedelta(milliseconds=250)),
        ("1994-11-06T09:49:37+01:00", MOMENT.astimezone(timezone(timedelta(hours=1)))),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is not None


@pytest.mark.parametrize("text", ["", "0", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "1994-13"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_time(text)


def test_booleans() -> None:
    assert parse_boolean("true") is True
    assert parse_boolean("False ") is False
    with pytest.raises(ValueError, match="not a boolean"):
        parse_boolean("1")


@pytest.mark.parametrize(
    ("shape", "text", "value"),
    [
        ("MaxKeys", " 12 ", 12),
        ("MaxKeys", "-1", -1),
        ("Size", str(2**40), 2**40),
        ("Body", "YQ==", b"a"),
        ("StorageClass", "STANDARD", "STANDARD"),
        ("ObjectKey", " a ", " a "),
    ],
)
def test_converters(s3: ServiceModel, shape: str, text: str, value: Any) -> None:
    assert converter(s3.shape(shape))(text) == value


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("MaxKeys", ""),
        ("MaxKeys", "1_0"),
        ("MaxKeys", "٣"),
        ("MaxKeys", "1" * 5000),
        ("MaxKeys", str(2**31)),
        ("Body", "="),
        ("StorageClass", "standard"),
    ],
)
def test_refused_values(s3: ServiceModel, shape: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"not|range|padding|Excess|base64"):
        converter(s3.shape(shape))(text)
