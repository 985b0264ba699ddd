from collections.abc import Callable
from typing import Any

import pytest

from objstore.errors import S3Error
from objstore.transfer import tags


def document(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("", {}),
        ("b=1&a", {"a": "", "b": "1"}),
        ("a=x+y%2Fz", {"a": "x y/z"}),
        ("%C3%BC=%E6%9D%B1", {"ü": "東"}),
    ],
)
def test_headers(header: str, named: dict[str, str]) -> None:
    assert tags.from_header(header) == named


@pytest.mark.parametrize("header", ["a=1&a=2", "a&a=", "%FF=1", "&".join(["a=1"] * 60), "a=1,b=2"])
def test_refused_headers(header: str) -> None:
    with pytest.raises(S3Error) as caught:
        tags.from_header(header)
    assert caught.value.code == "InvalidArgument"
    assert caught.value.fields == {"ArgumentName": "x-amz-tagging", "ArgumentValue": header}


@pytest.mark.parametrize(
    ("pairs", "code", "fields"),
    [
        ([("k" * 128, "v" * 256)], None, {}),
        ([("+-=._:/@ ü", "")], None, {}),
        ([(f"{n}", "") for n in range(10)], None, {}),
        ([(f"{n}", "") for n in range(11)], "BadRequest", {}),
        ([("k" * 129, "")], "InvalidTag", {"TagKey": "k" * 129}),
        ([("", "v")], "InvalidTag", {"TagKey": ""}),
        ([("k", "v" * 257)], "InvalidTag", {"TagKey": "k", "TagValue": "v" * 257}),
        ([("k&", "v")], "InvalidTag", {"TagKey": "k&"}),
        ([("k", "v\t")], "InvalidTag", {"TagKey": "k", "TagValue": "v\t"}),
        ([("AWS:x", "v")], "InvalidTag", {"TagKey": "AWS:x"}),
        ([("k", "1"), ("k", "2")], "InvalidTag", {"TagKey": "k"}),
    ],
)
def test_documents_of_objects(
    pairs: list[tuple[str, str]], code: str | None, fields: dict[str, str]
) -> None:
    if code is None:
        named = tags.from_document(document(*pairs))
        assert (named, list(named)) == (dict(pairs), sorted(dict(pairs)))
        assert tags.document(dict(pairs)) == document(*pairs)["TagSet"]
        return
    with pytest.raises(S3Error) as caught:
        tags.from_document(document(*pairs))
    assert (caught.value.code, caught.value.fields) == (code, fields)


def test_buckets_may_have_fifty() -> None:
    tags.check_bucket(document(*((f"{n}", "") for n in range(50))))
    with pytest.raises(S3Error, match="cannot be greater than 50"):
        tags.check_bucket(document(*((f"{n}", "") for n in range(51))))


@pytest.mark.parametrize(
    ("check", "message", "fields"),
    [
        (tags.from_document, "Your TagKey cannot be prefixed with aws:", {"TagKey": "aws:x"}),
        (
            tags.check_bucket,
            "System tags cannot be added/updated by requester",
            {"TagKey": "aws:x"},
        ),
        (tags.check_new_bucket, "User-defined tag keys can't start with", {}),
    ],
)
def test_tags_of_aws_are_refused_in_three_ways(
    check: Callable[[Any], Any], message: str, fields: dict[str, str]
) -> None:
    with pytest.raises(S3Error) as caught:
        check(document(("aws:x", "v")))
    assert caught.value.message.startswith(message)
    assert (caught.value.code, caught.value.fields) == ("InvalidTag", fields)


def test_a_document_without_a_set_has_no_tags() -> None:
    assert tags.from_document({}) == {}
