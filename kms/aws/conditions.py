"""Condition operators: the `Condition` element of a statement, compiled to closures once.

All operators, all keys of an operator must hold; of a key's values in the policy one must match,
or none for a negated operator. A missing key fails an operator, passes a negated one and any
`…IfExists`. Without `ForAllValues:` or `ForAnyValue:` a multivalued key matches if one of its
values does.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import floor
from operator import eq, ge, gt, le, lt
from typing import Any

from kms.aws.context import Context
from kms.aws.policy_pattern import (
    ARN_PARTS,
    Matcher,
    Template,
    any_of,
    arn_matcher,
    folded,
    keys_of,
    tokenize,
)

NUMBER_LENGTH_MAX = 64
ARN_CHARACTERS_MAX = 2_048
_DIGITS_MAX = 12  # of the seconds of a date; those of longer numbers need not be exact
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_IPV4 = re.compile(r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?:/\+?(?P<bits>[0-9]{1,3}))?")

Test = Callable[[str, Context], bool]
"""Whether one value of the request matches one of the policy's."""

Compile = Callable[[Sequence[str], bool], tuple[Test, frozenset[str]]]
"""A policy's values, and whether `${` is special, to a test and the keys its variables name."""

Compare = Callable[[Any, Any], bool]


class ConditionError(Exception):
    """A condition that makes no sense: `operator`, `key` or `value` says what does not."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(part, text)
        self.part = part
        self.text = text


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key; `keys` are the keys that it reads, those of variables included."""

    operator: str
    key: str
    values: tuple[str, ...]
    holds: Callable[[Context], bool]
    keys: frozenset[str]


def compile_condition(
    operator: str, key: str, values: Sequence[str], *, variables: bool
) -> Condition:
    """Compile `{operator: {key: values}}`. Raises ConditionError."""
    quantifier, _, name = operator.rpartition(":")
    name, lowered = name.lower(), key.lower()
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if ":" not in key:
        raise ConditionError("key", key)
    if name == "null" and not quantifier and not if_exists:
        holds = _null(lowered, values)
        return Condition(operator, lowered, tuple(values), holds, frozenset({lowered}))
    family = OPERATORS.get(name)
    if family is None or quantifier.lower() not in _QUANTIFIERS:
        raise ConditionError("operator", operator)
    make, negated = family
    test, named = make(values, variables)
    quantify = _QUANTIFIERS[quantifier.lower()]
    return Condition(
        operator,
        lowered,
        tuple(values),
        quantify(lowered, test, negated, if_exists),
        named | {lowered},
    )


def _null(key: str, values: Sequence[str]) -> Callable[[Context], bool]:
    wanted = {_boolean(value) for value in values}
    return lambda context: (context.get(key) is None) in wanted


def _one(key: str, test: Test, negated: bool, if_exists: bool) -> Callable[[Context], bool]:
    when_missing = negated or if_exists

    def holds(context: Context) -> bool:
        value = context.get(key)
        if value is None:
            return when_missing
        if isinstance(value, str):
            return test(value, context) is not negated
        return any(test(item, context) for item in value) is not negated

    return holds


def _all(key: str, test: Test, negated: bool, if_exists: bool) -> Callable[[Context], bool]:
    del if_exists  # A key without values has none that fails.

    def holds(context: Context) -> bool:
        return all(test(item, context) is not negated for item in _several(context.get(key)))

    return holds


def _any(key: str, test: Test, negated: bool, if_exists: bool) -> Callable[[Context], bool]:
    def holds(context: Context) -> bool:
        value = context.get(key)
        if value is None:
            return if_exists
        return any(test(item, context) is not negated for item in _several(value))

    return holds


_QUANTIFIERS = {"": _one, "forallvalues": _all, "foranyvalue": _any}


def _several(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _strings(*, wildcards: bool, fold: bool) -> Compile:
    def make(values: Sequence[str], variables: bool) -> tuple[Test, frozenset[str]]:
        templates = [_template(value, wildcards, variables) for value in values]
        named = frozenset[str]().union(*map(keys_of, templates))
        if fold:
            return _folding(any_of([folded(template) for template in templates])), named
        return any_of(templates), named

    return make


def _template(value: str, wildcards: bool, variables: bool) -> Template:
    try:
        return tokenize(value, wildcards=wildcards, variables=variables)
    except ValueError:
        raise ConditionError("value", value) from None


def _first(matchers: Iterable[Matcher]) -> Test:
    listed = tuple(matchers)
    if len(listed) == 1:
        return listed[0]
    return lambda value, context: any(match(value, context) for match in listed)


def _folding(test: Test) -> Test:
    # A variable's value keeps its case, so the context is folded too.
    return lambda value, context: test(value.lower(), Context(lambda key: _lower(context, key)))


def _lower(context: Context, key: str) -> str | tuple[str, ...] | None:
    value = context.get(key)
    return value.lower() if isinstance(value, str) else value


def _arns(values: Sequence[str], variables: bool) -> tuple[Test, frozenset[str]]:
    templates = [_template(value, True, variables) for value in values]
    named = frozenset[str]().union(*map(keys_of, templates))
    test = _first(arn_matcher(template) for template in templates if _complete(template))

    def is_like(value: str, context: Context) -> bool:
        may_be_one = len(value) <= ARN_CHARACTERS_MAX and value.count(":") >= ARN_PARTS - 1
        return may_be_one and test(value, context)

    return is_like, named


def _complete(template: Template) -> bool:
    """Whether this can be a whole ARN; here, unlike in Resource, parts are not filled up."""
    return len(template) == 1 or template.count(":") >= ARN_PARTS - 1 or bool(keys_of(template))


def _parsed(parse: Callable[[str], Any], compare: Compare) -> Compile:
    """Operators that compare what the texts stand for; what stands for nothing never matches."""

    def make(values: Sequence[str], variables: bool) -> tuple[Test, frozenset[str]]:
        del variables
        limits = []
        for value in values:
            parsed = parse(value)
            if parsed is None:
                raise ConditionError("value", value)
            limits.append(parsed)

        def test(value: str, context: Context) -> bool:
            del context
            parsed = parse(value)
            return parsed is not None and any(compare(parsed, limit) for limit in limits)

        return test, frozenset()

    return make


def _number(text: str) -> Decimal | None:
    try:
        plain = len(text) <= NUMBER_LENGTH_MAX and _NUMBER.fullmatch(text) is not None
        return Decimal(text) if plain else None
    except InvalidOperation:
        return None


def _date(text: str) -> float | None:
    """Milliseconds since 1970, from seconds or a date of ISO 8601; UTC unless it says otherwise.

    What is less than one is nothing.
    """
    number = _number(text)
    if number is not None and "-" not in text[1:]:
        return floor(number * 1_000) if number.adjusted() < _DIGITS_MAX else float(number) * 1_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ConditionError("value", text)
    return lowered == "true"


def _maybe_boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _binary(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def network_of(text: str) -> IPv4Network | IPv6Network:
    """The addresses that a value of `IpAddress` stands for. Raises ValueError.

    The numbers of an IPv4 network may have zeros in front of them.
    """
    found = _IPV4.fullmatch(text)
    if found is not None:
        text = ".".join(str(int(part)) for part in found["address"].split("."))
        text += "" if found["bits"] is None else f"/{int(found['bits'])}"
    return ip_network(text, strict=False)


def _addresses(values: Sequence[str], variables: bool) -> tuple[Test, frozenset[str]]:
    del variables
    networks = []
    for value in values:
        try:
            networks.append(network_of(value))
        except ValueError:
            raise ConditionError("value", value) from None

    def test(value: str, context: Context) -> bool:
        del context
        try:
            address = ip_address(value)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in networks)

    return test, frozenset()


_EQUALS = _strings(wildcards=False, fold=False)
_EQUALS_FOLDED = _strings(wildcards=False, fold=True)
_LIKE = _strings(wildcards=True, fold=False)
_NUMBER_EQUALS = _parsed(_number, eq)
_DATE_EQUALS = _parsed(_date, eq)

# The operators in lower case: how values are compiled, and whether the operator is negated.
OPERATORS: Mapping[str, tuple[Compile, bool]] = {
    "stringequals": (_EQUALS, False),
    "stringnotequals": (_EQUALS, True),
    "stringequalsignorecase": (_EQUALS_FOLDED, False),
    "stringnotequalsignorecase": (_EQUALS_FOLDED, True),
    "stringlike": (_LIKE, False),
    "stringnotlike": (_LIKE, True),
    "numericequals": (_NUMBER_EQUALS, False),
    "numericnotequals": (_NUMBER_EQUALS, True),
    "numericlessthan": (_parsed(_number, lt), False),
    "numericlessthanequals": (_parsed(_number, le), False),
    "numericgreaterthan": (_parsed(_number, gt), False),
    "numericgreaterthanequals": (_parsed(_number, ge), False),
    "dateequals": (_DATE_EQUALS, False),
    "datenotequals": (_DATE_EQUALS, True),
    "datelessthan": (_parsed(_date, lt), False),
    "datelessthanequals": (_parsed(_date, le), False),
    "dategreaterthan": (_parsed(_date, gt), False),
    "dategreaterthanequals": (_parsed(_date, ge), False),
    "bool": (_parsed(_maybe_boolean, eq), False),
    "binaryequals": (_parsed(_binary, eq), False),
    "ipaddress": (_addresses, False),
    "notipaddress": (_addresses, True),
    "arnequals": (_arns, False),
    "arnlike": (_arns, False),
    "arnnotequals": (_arns, True),
    "arnnotlike": (_arns, True),
}
