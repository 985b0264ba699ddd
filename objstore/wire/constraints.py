"""The limits that a model puts on members: lengths, ranges, patterns, enumerations. Pure.

Compiled once for an operation; all that is wrong with a request is told in one error, in the words
of the service: STS shows a value unless it is sensitive, IAM does not.

Source: https://smithy.io/2.0/spec/constraint-traits.html
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from kms.aws.errors import AWSError
from kms.aws.model import ServiceModel, Shape

FAILURES_MAX = 10
SHOWN_LENGTH_MAX = 1_024
Failures = list[str]
Check = Callable[[Any, str, Failures], None]
Rule = Callable[[Any], str | None]
"""The rule that a value breaks, in words; None if it breaks none."""

# Services that show the value that broke a rule.
_SHOWING = frozenset({"sts"})


def compile_check(model: ServiceModel, shape: Shape) -> Callable[[Mapping[str, Any]], None]:
    """A check of an operation's members by name. It raises ValidationError."""
    check = _Compiler(model).structure(shape)

    def check_members(members: Mapping[str, Any]) -> None:
        failures: Failures = []
        check(members, "", failures)
        if failures:
            noun = "error" if len(failures) == 1 else "errors"
            text = "; ".join(sorted(failures)[:FAILURES_MAX])
            raise AWSError("ValidationError", f"{len(failures)} validation {noun} detected: {text}")

    return check_members


class _Compiler:
    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._shows = model.name in _SHOWING

    def structure(self, shape: Shape) -> Check:
        checks = {
            name: (name[0].lower() + name[1:], self._check(self._model.shape(member.shape)))
            for name, member in shape.members.items()
        }
        required = sorted(shape.required)

        def check(value: Mapping[str, Any], path: str, failures: Failures) -> None:
            prefix = f"{path}." if path else ""
            for name in required:
                if value.get(name) is None:
                    step = prefix + checks[name][0]
                    failures.append(_failure(None, step, "not be null", shows=self._shows))
            for name, item in value.items():
                step, check_item = checks[name]
                check_item(item, prefix + step, failures)

        return check

    def _check(self, shape: Shape) -> Check:
        if shape.type == "structure":
            return self.structure(shape)
        rules = self._rules(shape)
        if shape.type == "list":
            assert shape.element is not None
            return self._list(rules, self._model.shape(shape.element.shape))
        if shape.type == "map":
            assert shape.map_value is not None
            return self._map(rules, self._model.shape(shape.map_value.shape))

        def check(value: Any, path: str, failures: Failures) -> None:
            for rule in rules:
                broken = rule(value)
                if broken is not None:
                    shows = self._shows and not shape.sensitive
                    failures.append(_failure(value, path, broken, shows=shows))

        return check

    def _list(self, rules: list[Rule], element: Shape) -> Check:
        if element.type in ("structure", "list", "map"):
            check_item = self._check(element)

            def check_each(value: list[Any], path: str, failures: Failures) -> None:
                self._apply(rules, value, path, failures)
                for number, item in enumerate(value, 1):
                    place = f"{path}.{number}.member"
                    if item is None:
                        failures.append(_failure(None, place, "not be null", shows=self._shows))
                    else:
                        check_item(item, place, failures)

            return check_each
        return self._scalars(rules, self._rules(element), _described(element), list)

    def _map(self, rules: list[Rule], element: Shape) -> Check:
        return self._scalars(rules, self._rules(element), _described(element), dict.values)

    def _scalars(
        self, rules: list[Rule], inner: list[Rule], described: str, items: Callable[[Any], Any]
    ) -> Check:
        """A collection of scalars is one failure however many of them fail, as at AWS."""

        def check(value: Any, path: str, failures: Failures) -> None:
            self._apply(rules, value, path, failures)
            if any(
                item is None or any(rule(item) is not None for rule in inner)
                for item in items(value)
            ):
                rule = f"satisfy constraint: [{described}]"
                failures.append(_failure(value, path, rule, shows=self._shows))

        return check

    def _apply(self, rules: list[Rule], value: Any, path: str, failures: Failures) -> None:
        for rule in rules:
            broken = rule(value)
            if broken is not None:
                failures.append(_failure(value, path, broken, shows=self._shows))

    def _rules(self, shape: Shape) -> list[Rule]:
        rules: list[Rule] = []
        measure: Callable[[Any], int] = len if shape.type in ("string", "list", "map") else int
        if shape.type in ("string", "list", "map", "integer", "long"):
            rules += [
                _limit(measure, limit, sign, text)
                for limit, sign, text in _limits(shape)
                if limit is not None
            ]
        if shape.pattern and shape.type == "string":
            rules.append(_pattern(shape.pattern))
        if shape.enum:
            rules.append(_enumeration(shape.enum, shown=self._shows))
        return rules


def _failure(value: Any, path: str, rule: str, *, shows: bool) -> str:
    shown = ""
    if shows:
        shown = " null" if value is None else f" '{str(value)[:SHOWN_LENGTH_MAX]}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: Member must {rule}"


def _limits(shape: Shape) -> tuple[tuple[int | None, int, str], ...]:
    noun = "value" if shape.type in ("integer", "long") else "length"
    return (
        (shape.maximum, 1, f"have {noun} less than or equal to {shape.maximum}"),
        (shape.minimum, -1, f"have {noun} greater than or equal to {shape.minimum}"),
    )


def _limit(measure: Callable[[Any], int], limit: int, sign: int, text: str) -> Rule:
    return lambda value: text if sign * measure(value) > sign * limit else None


def _pattern(pattern: str) -> Rule:
    text = f"satisfy regular expression pattern: {pattern}"
    by_category = _BY_CATEGORY.fullmatch(pattern)
    if by_category is not None:
        return _categories(by_category, text)
    # The patterns are Java's, where \w and \d are ASCII.
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: None if match(value) else text


# Java's classes of Unicode categories, which `re` lacks: `[\p{L}\p{Z}_.:]*`.
_BY_CATEGORY = re.compile(r"\[((?:\\p\{[A-Z]\})+)([^\[\]]*)\][*+]")


def _categories(found: re.Match[str], text: str) -> Rule:
    """The rule of a pattern of one class; how many there must be is a limit of its own."""
    categories = frozenset(re.findall(r"\{(.)\}", found[1]))
    other = re.compile(f"[{found[2]}]").match

    def rule(value: str) -> str | None:
        fits = all(unicodedata.category(one)[0] in categories or other(one) for one in value)
        return None if fits else text

    return rule


def _enumeration(allowed: tuple[str, ...], *, shown: bool) -> Rule:
    text = "satisfy enum value set" + (f": [{', '.join(allowed)}]" if shown else "")
    return lambda value: None if value in allowed else text


def _described(element: Shape) -> str:
    """All rules of a collection's elements, as AWS lists them."""
    rules = [text for limit, _, text in _limits(element) if limit is not None]
    if element.pattern:
        rules.append(f"satisfy regular expression pattern: {element.pattern}")
    if element.enum:
        rules.append("satisfy enum value set")
    return ", ".join(f"Member must {rule}" for rule in rules)
