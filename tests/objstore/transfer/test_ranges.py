import pytest

from kms.aws.errors import AWSError
from objstore.transfer.ranges import parse_copy_range, parse_range, part_span

IGNORED = "ignored"
REFUSED = "refused"


@pytest.mark.parametrize(
    ("text", "size", "wanted"),
    [
        ("bytes=0-9", 100, (0, 10)),
        ("bytes=0-0", 1, (0, 1)),
        ("bytes=90-", 100, (90, 100)),
        ("bytes=90-1000", 100, (90, 100)),
        ("bytes=99-99", 100, (99, 100)),
        ("bytes=-1", 100, (99, 100)),
        ("bytes=-100", 100, (0, 100)),
        ("bytes=-1000", 100, (0, 100)),
        ("bytes=100-", 100, REFUSED),
        ("bytes=100-200", 100, REFUSED),
        ("bytes=-0", 100, REFUSED),
        ("bytes=0-", 0, REFUSED),
        ("bytes=0-0", 0, REFUSED),
        ("bytes=-1", 0, REFUSED),
        ("bytes=5-4", 100, IGNORED),
        ("bytes=-", 100, IGNORED),
        ("bytes=a-b", 100, IGNORED),
        ("bytes=0-1,3-4", 100, IGNORED),
        ("bytes = 0-1", 100, IGNORED),
        ("lines=0-1", 100, IGNORED),
        ("bytes=٣-٤", 100, IGNORED),
        ("bytes=0-" + "9" * 19, 100, (0, 100)),
        ("bytes=0-" + "9" * 20, 100, IGNORED),
        ("", 100, IGNORED),
    ],
)
def test_ranges(text: str, size: int, wanted: tuple[int, int] | str) -> None:
    if wanted == REFUSED:
        with pytest.raises(AWSError) as caught:
            parse_range(text, size)
        assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
        assert caught.value.fields == {"RangeRequested": text, "ActualObjectSize": str(size)}
    else:
        assert parse_range(text, size) == (None if wanted == IGNORED else wanted)


def test_copy_ranges_begin_inside() -> None:
    with pytest.raises(AWSError) as caught:
        parse_copy_range("bytes=10-10", 10)
    assert caught.value.code == "InvalidRequest"
    assert caught.value.message == "The specified copy range is invalid for the source object size"
    assert caught.value.fields == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=5-5", (5, 6)),
        ("bytes=0-10", None),
        ("bytes=5-4", None),
        ("bytes=5-", None),
        ("bytes=-5", None),
        ("0-5", None),
    ],
)
def test_copy_ranges_lie_inside(text: str, wanted: tuple[int, int] | None) -> None:
    if wanted is not None:
        assert parse_copy_range(text, 10) == wanted
        return
    with pytest.raises(AWSError) as caught:
        parse_copy_range(text, 10)
    assert caught.value.code == "InvalidArgument"
    assert caught.value.fields == {
        "ArgumentName": "x-amz-copy-source-range",
        "ArgumentValue": text,
    }


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (1, (0, 5)),
        (2, (5, 5)),
        (3, (5, 8)),
        (4, "InvalidPartNumber"),
        (10_000, "InvalidPartNumber"),
        (0, "InvalidArgument"),
        (-1, "InvalidArgument"),
        (10_001, "InvalidArgument"),
    ],
)
def test_parts(number: int, wanted: tuple[int, int] | str) -> None:
    if isinstance(wanted, tuple):
        assert part_span(number, [5, 0, 3]) == wanted
        return
    with pytest.raises(AWSError) as caught:
        part_span(number, [5, 0, 3])
    assert caught.value.code == wanted
