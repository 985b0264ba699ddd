import fnmatch
from collections.abc import Iterator

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from kms.aws.context import Context, given
from kms.aws.policy_pattern import (
    ANY,
    ONE,
    Variable,
    any_of,
    arn_matcher,
    folded,
    glob,
    keys_of,
    matcher,
    tokenize,
)

CONTEXT = Context(
    given(
        {
            "aws:username": "bob",
            "aws:PrincipalTag/star": "*",
            "aws:PrincipalTag/colon": "a:b",
            "aws:CalledVia": ("x", "y"),
        }
    )
)


def matches(pattern: str, text: str) -> bool:
    return matcher(tokenize(pattern, wildcards=True, variables=True))(text, CONTEXT)


def matches_arn(pattern: str, text: str) -> bool:
    return arn_matcher(tokenize(pattern, wildcards=True, variables=True))(text, CONTEXT)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "ABC", False),
        ("abc", "abcd", False),
        ("*", "", True),
        ("a*", "a", True),
        ("a*", "ab", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("*a", "ab", False),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXcYb", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("??", "a", False),
        ("*?", "", False),
        ("*?", "a", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("home/${aws:username}/*", "home/bob/x", True),
        ("home/${aws:username}/*", "home/eve/x", False),
        ("home/${AWS:UserName}", "home/bob", True),
        ("${aws:PrincipalTag/star}", "anything", False),
        ("${aws:PrincipalTag/star}", "*", True),
        ("${aws:PrincipalTag/none}", "", False),
        ("x${aws:PrincipalTag/none}", "x", False),
        ("${aws:PrincipalTag/none, 'all'}", "all", True),
        ("${aws:username, 'all'}", "bob", True),
        ("${aws:CalledVia}", "x", False),
        ("${*}${?}${$}", "*?$", True),
        ("${*}", "a", False),
        ("$x", "$x", True),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "*", True),
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k:l/m", True),
        ("arn:aws:s3:::b*/k", "arn:aws:s3:::b/x/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:us-east-1::b/k", False),
        ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:key/1", True),
        ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:999922223333:key/1", False),
        # A wildcard does not leave its part of the ARN.
        ("arn:aws:*:key/1", "arn:aws:kms:us-east-1:111122223333:key/1", False),
        ("arn:aws:kms:*:key/1", "arn:aws:kms:us-east-1:111122223333:key/1", False),
        # An incomplete ARN stands for all that begin so.
        ("arn:aws:s3", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3", "arn:aws:kms:::k", False),
        ("arn:aws:s3:::b/*", "*", False),
        ("arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::bob/k", True),
        ("arn:aws:s3::${aws:PrincipalTag/colon}:x", "arn:aws:s3::a:b:x", False),
        ("arn:aws:iam::${aws:PrincipalTag/none}:root", "arn:aws:iam:::root", False),
        ("${aws:username}", "bob", True),
    ],
)
def test_arn_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches_arn(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern", ["${aws:username", "${}", "${ }", "${aws:${x}}", "${a:b, x}", "${a:b, 'x}"]
)
def test_bad_variables(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"variable|default"):
        tokenize(pattern, wildcards=True, variables=True)


def test_tokens_of_each_kind() -> None:
    text = "a*?${aws:UserName, 'X'}"
    assert tokenize(text, wildcards=True, variables=True) == (
        "a",
        ANY,
        ONE,
        Variable("aws:username", "X"),
    )
    assert tokenize(text, wildcards=False, variables=False) == tuple(text)
    assert keys_of(tokenize(text, wildcards=True, variables=True)) == {"aws:username"}
    assert folded(("A", ANY, Variable("k", "X"))) == ("a", ANY, Variable("k", "x"))


@cases(
    st.text(alphabet="ab*?", max_size=12),
    st.text(alphabet="ab", max_size=16),
)
def test_globs_agree_with_another_matcher(pattern: str, text: str) -> None:
    tokens = tokenize(pattern, wildcards=True, variables=False)
    expected = fnmatch.fnmatchcase(text, pattern)
    assert glob([t for t in tokens if not isinstance(t, Variable)])(text) is expected
    assert matcher(tokens)(text, CONTEXT) is expected


@cases(
    st.lists(st.text(alphabet="ab*?", max_size=6), max_size=5),
    st.text(alphabet="ab", max_size=10),
)
def test_one_of_several_globs(patterns: list[str], text: str) -> None:
    templates = [tokenize(pattern, wildcards=True, variables=False) for pattern in patterns]
    expected = any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
    assert any_of(templates)(text, CONTEXT) is expected
    plain = [[t for t in tokens if not isinstance(t, Variable)] for tokens in templates]
    assert glob(*plain)(text) is expected


def test_one_of_several_patterns_with_variables() -> None:
    texts = ("a*", "home/${aws:username}", "c", "*d?")
    matches_one = any_of([tokenize(text, wildcards=True, variables=True) for text in texts])
    for text, expected in (("ab", True), ("home/bob", True), ("c", True), ("xdy", True)):
        assert matches_one(text, CONTEXT) is expected
    for text in ("b", "home/eve", "cc", "d"):
        assert matches_one(text, CONTEXT) is False


def test_a_value_that_is_too_long_is_not_tried() -> None:
    """Else a few characters of a policy are a pattern of as many as a header has."""

    class Long(str):
        __slots__ = ()

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("the value was put into the pattern")

    template = tokenize("*${aws:useragent}", wildcards=True, variables=True)
    for value, text in ((Long("a" * 9), "a" * 8), (Long("a" * 2_049), "a" * 9_999)):
        context = Context({"aws:useragent": value}.get)
        assert matcher(template)(text, context) is False
    fitting = Context({"aws:useragent": "a" * 2_048}.get)
    assert matcher(template)("a" * 9_999, fitting) is True
    repeated = tokenize("${aws:useragent}" * 3, wildcards=True, variables=True)
    assert matcher(repeated)("aaaa", Context({"aws:useragent": "aa"}.get)) is False


@pytest.mark.parametrize(
    "patterns",
    [["a*" * 200 + "b"], ["*" + "a" * 512 + "b"], ["a?*" * 99], ["*b", "*?c", "a" * 99 + "*"] * 99],
)
def test_each_character_is_looked_at_once(patterns: list[str]) -> None:
    looks = 0

    class Counted(str):
        __slots__ = ()

        def __iter__(self) -> Iterator[str]:
            nonlocal looks
            for character in str.__iter__(self):
                looks += 1
                yield character

    text = "a" * 1_024
    templates = [tokenize(pattern, wildcards=True, variables=False) for pattern in patterns]
    plain = [[t for t in tokens if not isinstance(t, Variable)] for tokens in templates]
    assert glob(*plain)(Counted(text)) is patterns[-1].endswith("*")
    assert looks == len(text)
