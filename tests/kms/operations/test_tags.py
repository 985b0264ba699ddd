from typing import Any

import pytest

RESERVED = ("TagException", "Tags beginning with aws: are reserved")
INVALID = ("TagException", "Invalid tag")


def tags(*names: str, value: str = "") -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name in names]


def test_tagging_adds_and_replaces(client: Any) -> None:
    arn = client.key(tags=tags("b", "a"))
    assert client("TagResource", key_id=arn, tags=tags("c", "a", value="new")) == {}
    listed = client("ListResourceTags", key_id=arn)
    assert listed == {
        "Tags": tags("a", value="new") + tags("b") + tags("c", value="new"),
        "Truncated": False,
    }
    assert client("UntagResource", key_id=arn, tag_keys=["a", "c", "absent"]) == {}
    assert client("ListResourceTags", key_id=arn)["Tags"] == tags("b")


def test_characters_of_tags(client: Any) -> None:
    every = [{"TagKey": "Größe 大 ٣", "TagValue": "_.:/=+-@ \u3000"}]
    assert client("ListResourceTags", key_id=client.key(tags=every))["Tags"] == every


def test_listing_in_pages(client: Any) -> None:
    arn = client.key(tags=tags("a", "b", "c"))
    first = client("ListResourceTags", key_id=arn, limit=2)
    assert first["Truncated"] is True
    second = client("ListResourceTags", key_id=arn, limit=2, marker=first["NextMarker"])
    assert second == {"Tags": tags("c"), "Truncated": False}
    assert client.refused("ListResourceTags", key_id=arn, marker="x") == (
        "InvalidMarkerException",
        "",
    )


@pytest.mark.parametrize(
    ("added", "refusal"),
    [
        (tags("a", "a"), ("TagException", "Duplicate tag keys")),
        (tags(*(f"n{number}" for number in range(50))), ("TagException", "Too many tags")),
        (tags(*(f"n{number}" for number in range(51))), ("TagException", "Too many tags")),
        (tags("AWS:x"), RESERVED),
        (tags("owner", value="Me & mine"), INVALID),
        (tags("a,b"), INVALID),
        (tags("a\tb"), INVALID),
    ],
)
def test_tags_that_cannot_be(
    client: Any, added: list[dict[str, str]], refusal: tuple[str, str]
) -> None:
    arn = client.key(tags=tags("first"))
    assert client.refused("TagResource", key_id=arn, tags=added) == refusal
    assert client("ListResourceTags", key_id=arn)["Tags"] == tags("first")


def test_reserved_tags_cannot_be_removed_either(client: Any) -> None:
    assert client.refused("UntagResource", key_id=client.key(), tag_keys=["aws:x"]) == RESERVED
