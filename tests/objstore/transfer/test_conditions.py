from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from objstore.storage.records import StoredObject
from objstore.transfer.conditions import (
    NO_WRITE_CONDITIONS,
    CopySourceConditions,
    ReadConditions,
    WriteConditions,
    check_copy_source,
    check_read,
    matches,
    upload_check,
    write_check,
)

STORED = StoredObject(
    bucket_id=b"B" * 16,
    key=b"k",
    version_id="null",
    size=1,
    etag="abc",
    modified_ms=1_700_000_000_900,
    storage_class="STANDARD",
    checksum_algorithm="",
    checksum_type="",
    manifest=b"",
    mac=b"",
    blobs=(),
)
MARKER = replace(STORED, delete_marker=True, etag="")
BEFORE = datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC)
SAME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
AFTER = datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
FUTURE = datetime(2023, 11, 14, 22, 13, 23, tzinfo=UTC)
CLOCK = FixedClock(1_700_000_002.0)


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ('"abc"', True),
        ("abc", True),
        ('W/"abc"', True),
        ("*", True),
        ('"x", "abc"', True),
        ('"x","y"', False),
        ("", False),
        ('"ABC"', False),
        ('"abc', True),
    ],
)
def test_etags_in_headers(header: str, holds: bool) -> None:
    assert matches(header, "abc") is holds


# The precedence of RFC 9110, section 13.2.2, as in AWS's table of conditional reads.
@pytest.mark.parametrize(
    ("conditions", "status", "failed"),
    [
        (ReadConditions(), 200, ""),
        (ReadConditions(if_match='"abc"'), 200, ""),
        (ReadConditions(if_match='"x"'), 412, "If-Match"),
        (ReadConditions(if_none_match='"x"'), 200, ""),
        (ReadConditions(if_none_match='"abc"'), 304, ""),
        (ReadConditions(if_none_match="*"), 304, ""),
        (ReadConditions(if_modified_since=BEFORE), 200, ""),
        (ReadConditions(if_modified_since=SAME), 304, ""),
        (ReadConditions(if_modified_since=AFTER), 304, ""),
        (ReadConditions(if_modified_since=FUTURE), 200, ""),
        (ReadConditions(if_none_match='"abc"', if_modified_since=FUTURE), 304, ""),
        (ReadConditions(if_unmodified_since=BEFORE), 412, "If-Unmodified-Since"),
        (ReadConditions(if_unmodified_since=SAME), 200, ""),
        (ReadConditions(if_match='"abc"', if_unmodified_since=BEFORE), 200, ""),
        (ReadConditions(if_match='"x"', if_unmodified_since=AFTER), 412, "If-Match"),
        (ReadConditions(if_none_match='"abc"', if_modified_since=BEFORE), 304, ""),
        (ReadConditions(if_none_match='"x"', if_modified_since=AFTER), 200, ""),
        (ReadConditions(if_match='"x"', if_none_match='"abc"'), 412, "If-Match"),
        (ReadConditions(if_match='"abc"', if_none_match='"abc"'), 304, ""),
    ],
)
def test_reads(conditions: ReadConditions, status: int, failed: str) -> None:
    if status == 200:
        check_read(conditions, STORED, CLOCK)
        return
    with pytest.raises(AWSError) as caught:
        check_read(conditions, STORED, CLOCK)
    assert caught.value.status == status
    if status == 412:
        assert caught.value.fields == {"Condition": failed}
    else:
        assert caught.value.headers == {
            "ETag": '"abc"',
            "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        }


@pytest.mark.parametrize(
    ("conditions", "failed"),
    [
        (CopySourceConditions(), None),
        (CopySourceConditions(copy_source_if_match='"x"'), "If-Match"),
        (CopySourceConditions(copy_source_if_none_match='"abc"'), "If-None-Match"),
        (CopySourceConditions(copy_source_if_modified_since=SAME), "If-Modified-Since"),
        (CopySourceConditions(copy_source_if_modified_since=FUTURE), None),
        (CopySourceConditions(copy_source_if_unmodified_since=BEFORE), "If-Unmodified-Since"),
        (CopySourceConditions('"abc"', None, None, BEFORE), None),
        (CopySourceConditions(None, '"abc"', BEFORE, None), "If-None-Match"),
    ],
)
def test_a_copy_is_never_unmodified(conditions: CopySourceConditions, failed: str | None) -> None:
    if failed is None:
        check_copy_source(conditions, STORED, CLOCK)
        return
    with pytest.raises(AWSError) as caught:
        check_copy_source(conditions, STORED, CLOCK)
    assert caught.value.status == 412
    assert caught.value.fields == {"Condition": f"x-amz-copy-source-{failed}"}


@pytest.mark.parametrize(
    "conditions",
    [
        WriteConditions(if_match="*"),
        WriteConditions(if_none_match='"abc"'),
        WriteConditions(if_match='"abc"', if_none_match="*"),
    ],
)
def test_write_conditions_that_s3_does_not_take(conditions: WriteConditions) -> None:
    with pytest.raises(AWSError) as caught:
        write_check(conditions, "k")
    assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)
    assert caught.value.fields["Header"] in ("If-Match", "If-None-Match", "If-Match,If-None-Match")


def test_no_condition_is_no_check() -> None:
    assert write_check(NO_WRITE_CONDITIONS, "k") is None


@pytest.mark.parametrize(
    ("conditions", "replaced", "code", "fields"),
    [
        (WriteConditions(if_match='"abc"'), STORED, None, {}),
        (
            WriteConditions(if_match='"x"'),
            STORED,
            "PreconditionFailed",
            {"Condition": "If-Match"},
        ),
        (WriteConditions(if_match='"abc"'), None, "NoSuchKey", {"Key": "k"}),
        (WriteConditions(if_match='"abc"'), MARKER, "NoSuchKey", {"Key": "k"}),
        (WriteConditions(if_none_match="*"), None, None, {}),
        (WriteConditions(if_none_match="*"), MARKER, None, {}),
        (
            WriteConditions(if_none_match="*"),
            STORED,
            "PreconditionFailed",
            {"Condition": "If-None-Match"},
        ),
    ],
)
def test_writes(
    conditions: WriteConditions,
    replaced: StoredObject | None,
    code: str | None,
    fields: dict[str, Any],
) -> None:
    check = write_check(conditions, "k")
    assert check is not None
    if code is None:
        check(replaced)
        return
    with pytest.raises(AWSError) as caught:
        check(replaced)
    assert (caught.value.code, caught.value.fields) == (code, fields)


@pytest.mark.parametrize(
    ("conditions", "replaced", "code"),
    [
        (WriteConditions(if_match='"abc"'), STORED, None),
        (WriteConditions(if_match='"x"'), STORED, "PreconditionFailed"),
        (WriteConditions(if_match='"abc"'), None, "NoSuchKey"),
        (WriteConditions(if_none_match="*"), None, None),
        (WriteConditions(if_none_match="*"), MARKER, None),
    ],
)
def test_completions(
    conditions: WriteConditions, replaced: StoredObject | None, code: str | None
) -> None:
    check = upload_check(conditions, "k", begun_ms=STORED.modified_ms)
    assert check is not None
    if code is None:
        check(replaced)
    else:
        with pytest.raises(AWSError, match=code):
            check(replaced)
    if code is None and replaced is not None:
        later = upload_check(conditions, "k", begun_ms=STORED.modified_ms - 1)
        assert later is not None
        with pytest.raises(AWSError) as caught:
            later(replaced)
        assert (caught.value.code, caught.value.status) == ("ConditionalRequestConflict", 409)
        header = "If-Match" if conditions.if_match else "If-None-Match"
        assert caught.value.fields == {"Condition": header, "Key": "k"}


def test_a_completion_without_conditions_has_no_check() -> None:
    assert upload_check(NO_WRITE_CONDITIONS, "k", begun_ms=0) is None
