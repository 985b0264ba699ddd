"""Expected results are those of AWS's page on condition operators."""

import pytest

from kms.aws.conditions import OPERATORS, ConditionError, compile_condition
from kms.aws.context import Context, given

KEY = "s3:prefix"
ROLE = "arn:aws:iam::111122223333:role/R"

# Operator, the policy's values, the request's value (None: missing), whether it holds.
CASES: list[tuple[str, list[str], str | tuple[str, ...] | None, bool]] = [
    ("StringEquals", ["a"], "a", True),
    ("StringEquals", ["a"], "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", ["a*"], "ab", False),
    ("StringEquals", ["a"], None, False),
    ("stringequals", ["a"], "a", True),
    ("StringNotEquals", ["a"], "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a"], None, True),
    ("StringEqualsIgnoreCase", ["aB"], "Ab", True),
    ("StringEqualsIgnoreCase", ["aİb"], "AİB", True),
    ("StringNotEqualsIgnoreCase", ["aB"], "Ab", False),
    ("StringNotEqualsIgnoreCase", ["aB"], "Abc", True),
    ("StringLike", ["home/*"], "home/x", True),
    ("StringLike", ["home/?"], "home/xy", False),
    ("StringLike", ["x", "home/*"], "home/", True),
    ("StringNotLike", ["home/*"], "home/x", False),
    ("StringNotLike", ["home/*"], None, True),
    ("NumericEquals", ["10"], "10.0", True),
    ("NumericEquals", ["10"], "ten", False),
    ("NumericEquals", ["10"], "1_0", False),
    ("NumericEquals", ["10"], "\N{FULLWIDTH DIGIT ONE}0", False),
    ("NumericEquals", ["10"], "+1e1", True),
    ("NumericNotEquals", ["10"], "11", True),
    ("NumericNotEquals", ["10"], "10", False),
    ("NumericLessThan", ["10"], "9", True),
    ("NumericLessThan", ["10"], "10", False),
    ("NumericLessThanEquals", ["10"], "10", True),
    ("NumericGreaterThan", ["10"], "9", False),
    ("NumericGreaterThan", ["10"], "100", True),
    ("NumericGreaterThanEquals", ["10"], "10", True),
    ("NumericGreaterThanEquals", ["10"], "NaN", False),
    ("NumericLessThan", ["10"], None, False),
    ("DateEquals", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:00Z", True),
    ("DateEquals", ["1767225600"], "2026-01-01T00:00:00Z", True),
    ("DateEquals", ["2026-01-01"], "1767225600", True),
    ("DateEquals", ["2026-01-01T00:00:00.1231Z"], "2026-01-01T00:00:00.1239Z", True),
    ("DateEquals", ["2026-01-01T00:00:00Z"], "1767225600.0009", True),
    ("DateEquals", ["2026-01-01T00:00:00.123Z"], "2026-01-01T00:00:00.124Z", False),
    ("DateLessThan", ["1e999999"], "2026-01-01T00:00:00Z", True),
    ("DateGreaterThan", ["1e11"], "1e12", True),
    ("IpAddress", ["192.000.002.0/024"], "192.0.2.1", True),
    ("IpAddress", ["192.0.2.0/+24"], "192.0.2.1", True),
    ("NotIpAddress", ["192.000.002.001"], "192.0.2.1", False),
    ("DateNotEquals", ["2026-01-01"], "2026-01-02", True),
    ("DateLessThan", ["2026-01-01T00:00:00Z"], "2025-12-31T23:59:59Z", True),
    ("DateLessThan", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:00Z", False),
    ("DateLessThanEquals", ["2026-01-01T00:00:00Z"], "2026-01-01T01:00:00+01:00", True),
    ("DateGreaterThan", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:01Z", True),
    ("DateGreaterThan", ["2026-01-01T00:00:00Z"], "soon", False),
    ("DateGreaterThanEquals", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:00Z", True),
    ("Bool", ["true"], "true", True),
    ("Bool", ["True"], "true", True),
    ("Bool", ["false"], "true", False),
    ("Bool", ["false"], None, False),
    ("BoolIfExists", ["false"], None, True),
    ("BinaryEquals", ["QmluYXJ5"], "QmluYXJ5", True),
    ("BinaryEquals", ["QmluYXJ5"], "Qmlu", False),
    ("BinaryEquals", ["QmluYXJ5"], "?", False),
    ("IpAddress", ["203.0.113.0/24"], "203.0.113.9", True),
    ("IpAddress", ["203.0.113.0/24"], "203.0.114.9", False),
    ("IpAddress", ["203.0.113.7"], "203.0.113.7", True),
    ("IpAddress", ["2001:db8::/32"], "2001:db8::1", True),
    ("IpAddress", ["203.0.113.0/24"], "::ffff:203.0.113.9", True),
    ("IpAddress", ["203.0.113.0/24"], "2001:db8::1", False),
    ("IpAddress", ["203.0.113.0/24"], "nowhere", False),
    ("IpAddress", ["203.0.113.0/24"], None, False),
    ("NotIpAddress", ["203.0.113.0/24"], "203.0.114.9", True),
    ("NotIpAddress", ["203.0.113.0/24"], "203.0.113.9", False),
    ("NotIpAddress", ["203.0.113.0/24"], None, True),
    ("ArnEquals", [ROLE], ROLE, True),
    ("ArnEquals", ["arn:aws:iam::*:role/*"], ROLE, True),
    ("ArnLike", ["arn:aws:iam::*:role/?"], ROLE, True),
    ("ArnLike", ["arn:aws:*:role/R"], ROLE, False),
    ("ArnLike", ["*"], ROLE, True),
    ("ArnLike", ["*"], "R", False),
    ("ArnLike", ["*"], "arn:aws:s3:::" + "a" * 2_035, True),
    ("ArnLike", ["*"], "arn:aws:s3:::" + "a" * 2_036, False),
    ("ArnLike", ["arn:aws:iam"], ROLE, False),
    ("ArnLike", ["arn:aws:iam::*:role/*"], None, False),
    ("ArnNotEquals", [ROLE], ROLE, False),
    ("ArnNotLike", ["arn:aws:iam::*:user/*"], ROLE, True),
    ("ArnNotLike", ["arn:aws:iam::*:user/*"], None, True),
    ("Null", ["true"], None, True),
    ("Null", ["true"], "a", False),
    ("Null", ["false"], "a", True),
    ("Null", ["false"], None, False),
    ("Null", ["true"], (), True),
    ("StringEqualsIfExists", ["a"], None, True),
    ("StringEqualsIfExists", ["a"], "b", False),
    ("StringNotEqualsIfExists", ["a"], None, True),
    # Multivalued keys.
    ("StringEquals", ["a"], ("a", "b"), True),
    ("StringNotEquals", ["a"], ("a", "b"), False),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
    ("ForAllValues:StringEquals", ["a"], None, True),
    ("ForAllValues:StringEquals", ["a"], "a", True),
    ("ForAllValues:StringNotEquals", ["a"], ("b", "c"), True),
    ("ForAllValues:StringNotEquals", ["a"], ("a", "c"), False),
    ("ForAllValues:StringLike", ["x*"], ("x1", "x2"), True),
    ("ForAllValues:StringEqualsIfExists", ["a"], None, True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c", "b"), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c", "d"), False),
    ("ForAnyValue:StringEquals", ["a"], None, False),
    ("ForAnyValue:StringEqualsIfExists", ["a"], None, True),
    ("ForAnyValue:StringNotEquals", ["a"], ("a", "b"), True),
    ("ForAnyValue:StringNotEquals", ["a"], ("a",), False),
    ("ForAnyValue:StringNotEquals", ["a"], None, False),
    ("foranyvalue:stringlike", ["a*"], ("b", "ab"), True),
    # Variables.
    ("StringEquals", ["${aws:username}"], "bob", True),
    ("StringEquals", ["${aws:username}/x"], "eve/x", False),
    ("StringLike", ["${aws:username}/*"], "bob/x", True),
    ("StringEqualsIgnoreCase", ["${aws:PrincipalTag/T}"], "RED", True),
    ("StringEquals", ["${aws:PrincipalTag/none}"], "", False),
    ("StringNotEquals", ["${aws:PrincipalTag/none}"], "x", True),
    ("ArnEquals", ["arn:aws:iam::111122223333:user/${aws:username}"], ROLE, False),
    ("ArnEquals", ["${aws:PrincipalArn}"], ROLE, True),
]


@pytest.mark.parametrize(("operator", "values", "value", "expected"), CASES)
def test_operators(
    operator: str, values: list[str], value: str | tuple[str, ...] | None, expected: bool
) -> None:
    condition = compile_condition(operator, "S3:Prefix", values, variables=True)
    known: dict[str, str | tuple[str, ...]] = {
        "aws:username": "bob",
        "aws:PrincipalTag/T": "Red",
        "aws:PrincipalArn": ROLE,
    }
    if value is not None:
        known[KEY] = value
    assert condition.holds(Context(given(known))) is expected
    assert KEY in condition.keys


def test_every_operator_has_a_case() -> None:
    tried = {
        operator.lower().removesuffix("ifexists").rpartition(":")[2] for operator, _, _, _ in CASES
    }
    assert tried == {*OPERATORS, "null"}


def test_variables_are_text_in_the_older_version() -> None:
    condition = compile_condition("StringEquals", KEY, ["${aws:username}"], variables=False)
    assert condition.holds(Context(given({KEY: "${aws:username}"})))
    assert condition.keys == {KEY}


def test_keys_that_a_condition_reads() -> None:
    condition = compile_condition("StringLike", KEY, ["${aws:userName}/*"], variables=True)
    assert condition.keys == {KEY, "aws:username"}


@pytest.mark.parametrize(
    ("operator", "key", "value", "part"),
    [
        ("StringIs", KEY, "a", "operator"),
        ("", KEY, "a", "operator"),
        ("ForSomeValues:StringEquals", KEY, "a", "operator"),
        ("ForAnyValue:Null", KEY, "true", "operator"),
        ("NullIfExists", KEY, "true", "operator"),
        ("StringEquals", "prefix", "a", "key"),
        ("Null", KEY, "maybe", "value"),
        ("Bool", KEY, "maybe", "value"),
        ("NumericEquals", KEY, "ten", "value"),
        ("NumericEquals", KEY, "9" * 65, "value"),
        ("NumericEquals", KEY, "Infinity", "value"),
        ("DateEquals", KEY, "soon", "value"),
        ("DateEquals", KEY, "2026-13-01", "value"),
        ("BinaryEquals", KEY, "?", "value"),
        ("IpAddress", KEY, "300.1.1.1", "value"),
        ("StringEquals", KEY, "${aws:username", "value"),
    ],
)
def test_conditions_without_sense(operator: str, key: str, value: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(operator, key, [value], variables=True)
    assert caught.value.part == part
