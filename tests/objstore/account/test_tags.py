import pytest

from objstore.account.errors import IAMError
from objstore.account.tags import merged, read_tags, request_keys, without


def listed(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_keys_differ_by_more_than_case() -> None:
    assert read_tags(listed(a="1", b="2")) == {"a": "1", "b": "2"}
    assert read_tags(None) == {}
    assert merged({"Team": "x", "other": "y"}, {"team": "z"}) == {"other": "y", "team": "z"}
    assert without({"Team": "x", "other": "y"}, ["TEAM"]) == {"other": "y"}


def test_case_counts_where_it_is_not_folded() -> None:
    both = {"Team": "x", "team": "y"}
    assert read_tags(listed(**both), fold=str) == both
    assert merged({"Team": "x"}, {"team": "y"}, fold=str) == both
    assert without(both, ["team"], fold=str) == {"Team": "x"}
    with pytest.raises(IAMError, match="Duplicate"):
        read_tags(listed(a="1") * 2, fold=str)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (listed(a="1", A="2"), "InvalidInput"),
        (listed(a="1") * 2, "InvalidInput"),
        ([{"Key": "aws:owner", "Value": "x"}], "InvalidInput"),
        (listed(**{f"k{number}": "" for number in range(51)}), "LimitExceeded"),
    ],
)
def test_what_cannot_be_a_set_of_tags(tags: list[dict[str, str]], code: str) -> None:
    with pytest.raises(IAMError) as caught:
        read_tags(tags)
    assert caught.value.code == code


def test_an_entity_has_fifty_tags_at_most() -> None:
    old = {f"k{number}": "" for number in range(50)}
    assert len(merged(old, {"K1": "new"})) == 50
    with pytest.raises(IAMError, match="maximum limit"):
        merged(old, {"one more": ""})


def test_condition_keys_of_tags() -> None:
    assert request_keys({}) == {}
    assert request_keys({"a": "1"}) == {"aws:RequestTag/a": "1", "aws:TagKeys": ("a",)}
