"""Policy documents: validated once, compiled to closures once, evaluated many times.

`parse` raises PolicyError, whose flaw and detail each service puts into its own words. What a
service alone can know (which actions exist, whose resources, which quotas) it checks itself.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kms.aws.conditions import Condition, ConditionError, compile_condition
from kms.aws.context import Context
from kms.aws.policy_pattern import Matcher, any_of, arn_matcher, folded, keys_of, tokenize
from kms.aws.policy_principal import EVERYBODY, NamingOf, compile_exceptions, compile_principals

DOCUMENT_BYTES_MAX = 128 * 1024
VARIABLES_VERSION = "2012-10-17"
VERSIONS = ("2008-10-17", VARIABLES_VERSION)
ACTIONS_REMEMBERED_MAX = 1_000


class PolicyKind(Enum):
    """Where a policy is attached, which decides its elements."""

    IDENTITY = "identity-based"
    TRUST = "trust"
    KEY = "key"
    BUCKET = "bucket"


class Flaw(Enum):
    """What is wrong with a document; a PolicyError's detail says where."""

    TOO_LONG = "too long"
    NOT_JSON = "not a JSON object"
    VERSION = "version"
    FIELD_UNKNOWN = "unknown element"
    FIELD_MISSING = "missing element"
    FIELD_PROHIBITED = "prohibited element"
    FIELD_TYPE = "element of the wrong type"
    EFFECT = "effect"
    SID = "statement id"
    SID_REPEATED = "repeated statement id"
    PRINCIPAL = "principal"
    ACTION = "action"
    RESOURCE = "resource"
    OPERATOR = "condition operator"
    CONDITION_KEY = "condition key"
    CONDITION_VALUE = "condition value"


class PolicyError(Exception):
    """A document that is no policy."""

    def __init__(self, flaw: Flaw, detail: str = "") -> None:
        super().__init__(flaw, detail)
        self.flaw = flaw
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.flaw.value}: {self.detail}" if self.detail else self.flaw.value


class Effect(Enum):
    """What a statement does to the requests that it applies to."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A compiled statement. `naming` is None in a policy that has no Principal element.

    `keys` are the condition keys, in lower case, that its answer depends on.
    """

    number: int
    sid: str
    effect: Effect
    naming: NamingOf | None
    principals: Mapping[str, tuple[str, ...]]
    actions: tuple[str, ...]
    matches_action: Callable[[str], bool]
    resources: tuple[str, ...]
    matches_resource: Matcher
    conditions: tuple[Condition, ...]
    keys: frozenset[str]

    def applies(self, resource: str, context: Context) -> bool:
        """Whether the resource and all conditions fit; the action must be matched before."""
        if not self.matches_resource(resource, context):
            return False
        for condition in self.conditions:  # noqa: SIM110 (all() costs twice as much)
            if not condition.holds(context):
                return False
        return True

    @property
    def label(self) -> str:
        """How an explanation refers to it: its Sid, or its place in the document from 1."""
        return self.sid or f"statement {self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """The statements of a policy whose action element matches an action, in their order."""

    allowing: tuple[Statement, ...]
    denying: tuple[Statement, ...]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy. `name` (an ARN, a name) is for explanations; `keys` as in statements."""

    kind: PolicyKind
    name: str
    text: str = field(repr=False)
    statements: tuple[Statement, ...] = field(repr=False)
    keys: frozenset[str] = field(repr=False)
    _about: dict[str, About] = field(default_factory=dict, repr=False)

    def about(self, action: str) -> About:
        """The statements that concern `action`, such as "kms:Decrypt"."""
        found = self._about.get(action)
        if found is None:
            if len(self._about) >= ACTIONS_REMEMBERED_MAX:
                self._about.clear()
            found = self._about[action] = self._find(action.lower())
        return found

    def _find(self, lowered: str) -> About:
        matching = [s for s in self.statements if s.matches_action(lowered)]
        return About(
            tuple(s for s in matching if s.effect is Effect.ALLOW),
            tuple(s for s in matching if s.effect is Effect.DENY),
            frozenset[str]().union(*(s.keys for s in matching)),
        )


def parse(
    text: str, *, kind: PolicyKind, name: str = "", bound: Mapping[str, str] | None = None
) -> Policy:
    """Validate and compile a policy document. Raises PolicyError.

    `bound` are unique ids to be taken for the ARNs of users and roles in Principal elements.
    """
    if len(text.encode(errors="surrogatepass")) > DOCUMENT_BYTES_MAX:
        raise PolicyError(Flaw.TOO_LONG, str(DOCUMENT_BYTES_MAX))
    document = _load(text)
    _known(document, {"Version", "Id", "Statement"})
    version = document.get("Version", None if kind is PolicyKind.IDENTITY else VERSIONS[0])
    if version not in VERSIONS:
        raise PolicyError(Flaw.VERSION, str(version))
    if not isinstance(document.get("Id", ""), str):
        raise PolicyError(Flaw.FIELD_TYPE, "Id")
    listed = document.get("Statement")
    if listed is None or listed == []:
        raise PolicyError(Flaw.FIELD_MISSING, "Statement")
    entries = listed if isinstance(listed, list) else [listed]
    variables = version == VARIABLES_VERSION
    statements = tuple(
        _Reader(entry, number, kind, bound or {}, variables=variables).statement()
        for number, entry in enumerate(entries, 1)
    )
    sids: set[str] = set()
    for statement in statements:
        if statement.sid in sids:
            raise PolicyError(Flaw.SID_REPEATED, statement.sid)
        sids |= {statement.sid} if statement.sid else set()
    keys = frozenset[str]().union(*(statement.keys for statement in statements))
    return Policy(kind, name, text, statements, keys)


def _load(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_unique)
        text.encode()
        if "\\u" in text:  # Half a letter can be escaped, but no answer could ever quote it.
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise PolicyError(Flaw.NOT_JSON) from None
    if not isinstance(document, dict):
        raise PolicyError(Flaw.NOT_JSON)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; two members of one name could be read in two ways."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a repeated member")
    return found


def _known(entry: Mapping[str, Any], names: set[str]) -> None:
    for name in entry:
        if name not in names:
            raise PolicyError(Flaw.FIELD_UNKNOWN, name)


_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


class _Reader:
    """Reads one entry of `Statement`."""

    def __init__(
        self,
        entry: Any,
        number: int,
        kind: PolicyKind,
        bound: Mapping[str, str],
        *,
        variables: bool,
    ) -> None:
        if not isinstance(entry, dict):
            raise PolicyError(Flaw.FIELD_TYPE, "Statement")
        _known(entry, _ELEMENTS)
        self._entry = entry
        self._number = number
        self._kind = kind
        self._bound = bound
        self._variables = variables
        self._keys: set[str] = set()

    def statement(self) -> Statement:
        effect = self._effect()
        naming, principals = self._principals(effect)
        actions, matches_action = self._actions()
        resources, matches_resource = self._resources()
        conditions = self._conditions()
        return Statement(
            self._number,
            self._sid(),
            effect,
            naming,
            principals,
            actions,
            matches_action,
            resources,
            matches_resource,
            conditions,
            frozenset(self._keys),
        )

    def _sid(self) -> str:
        sid = self._entry.get("Sid", "")
        if not isinstance(sid, str):
            raise PolicyError(Flaw.FIELD_TYPE, "Sid")
        plain = self._kind in (PolicyKind.IDENTITY, PolicyKind.TRUST)
        if plain and sid and not (sid.isascii() and sid.isalnum()):
            raise PolicyError(Flaw.SID, sid)
        return sid

    def _effect(self) -> Effect:
        effect = self._entry.get("Effect")
        if effect is None:
            raise PolicyError(Flaw.FIELD_MISSING, "Effect")
        if effect not in ("Allow", "Deny"):
            raise PolicyError(Flaw.EFFECT, str(effect))
        return Effect(effect)

    def _principals(self, effect: Effect) -> tuple[NamingOf | None, Mapping[str, tuple[str, ...]]]:
        element = self._either("Principal")
        if self._kind is PolicyKind.IDENTITY:
            if element is not None:
                raise PolicyError(Flaw.FIELD_PROHIBITED, element)
            return None, {}
        if element is None:
            raise PolicyError(Flaw.FIELD_MISSING, "Principal")
        trusting = self._kind is PolicyKind.TRUST or effect is Effect.ALLOW
        if element == "NotPrincipal" and trusting:
            # With Allow it would let in everybody else, the anonymous among them.
            raise PolicyError(Flaw.FIELD_PROHIBITED, element)
        value = self._entry[element]
        if value == EVERYBODY:
            value = {"AWS": EVERYBODY}
        if not isinstance(value, dict) or not value:
            raise PolicyError(Flaw.PRINCIPAL, json.dumps(value))
        named = {
            name: tuple(self._bound.get(one, one) for one in _strings(listed, element))
            for name, listed in value.items()
        }
        compile_ = compile_principals if element == "Principal" else compile_exceptions
        try:
            return compile_(named), named
        except ValueError as error:
            raise PolicyError(Flaw.PRINCIPAL, str(error)) from None

    def _actions(self) -> tuple[tuple[str, ...], Callable[[str], bool]]:
        element = self._either("Action")
        if element is None and self._kind is PolicyKind.KEY:
            # A statement without actions, or without resources, is taken and has no effect.
            return (), lambda action: False
        if element is None:
            raise PolicyError(Flaw.FIELD_MISSING, "Action")
        actions = _strings(self._entry[element], element)
        for action in actions:
            vendor, colon, name = action.partition(":")
            if action != "*" and not (vendor and colon and name and ":" not in name):
                raise PolicyError(Flaw.ACTION, action)
        matches = _any_action(actions)
        if element == "NotAction":
            return actions, lambda action: not matches(action)
        return actions, matches

    def _resources(self) -> tuple[tuple[str, ...], Matcher]:
        element = self._either("Resource")
        if self._kind is PolicyKind.TRUST:
            if element is not None:
                raise PolicyError(Flaw.FIELD_PROHIBITED, element)
            return ("*",), lambda resource, context: True
        if element is None and self._kind is PolicyKind.KEY:
            return (), lambda resource, context: False
        if element is None:
            raise PolicyError(Flaw.FIELD_MISSING, "Resource")
        resources = _strings(self._entry[element], element)
        matches = _any_of([self._resource(resource) for resource in resources])
        if element == "NotResource":
            return resources, lambda resource, context: not matches(resource, context)
        return resources, matches

    def _resource(self, resource: str) -> Matcher:
        if resource != "*" and not resource.startswith("arn:"):
            raise PolicyError(Flaw.RESOURCE, resource)
        try:
            template = tokenize(resource, wildcards=True, variables=self._variables)
        except ValueError:
            raise PolicyError(Flaw.RESOURCE, resource) from None
        self._keys |= keys_of(template)
        return arn_matcher(template)

    def _conditions(self) -> tuple[Condition, ...]:
        element = self._entry.get("Condition", {})
        if not isinstance(element, dict):
            raise PolicyError(Flaw.FIELD_TYPE, "Condition")
        compiled = []
        for operator, keys in element.items():
            if not isinstance(keys, dict) or not keys:
                raise PolicyError(Flaw.FIELD_TYPE, operator)
            for key, values in keys.items():
                compiled.append(self._condition(operator, key, values))
        return tuple(compiled)

    def _condition(self, operator: str, key: str, values: Any) -> Condition:
        texts = _texts(values, key)
        try:
            condition = compile_condition(operator, key, texts, variables=self._variables)
        except ConditionError as error:
            raise PolicyError(_CONDITION_FLAWS[error.part], error.text) from None
        self._keys |= condition.keys
        return condition

    def _either(self, element: str) -> str | None:
        """`element` or its `Not…` twin, whichever there is; both are one too many."""
        present = [name for name in (element, f"Not{element}") if name in self._entry]
        if len(present) > 1:
            raise PolicyError(Flaw.FIELD_PROHIBITED, present[1])
        return present[0] if present else None


_CONDITION_FLAWS = {
    "operator": Flaw.OPERATOR,
    "key": Flaw.CONDITION_KEY,
    "value": Flaw.CONDITION_VALUE,
}


def _strings(value: Any, element: str) -> tuple[str, ...]:
    """A string or a list of them, at least one."""
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in listed):
        raise PolicyError(Flaw.FIELD_TYPE, element)
    if not listed:
        raise PolicyError(Flaw.FIELD_MISSING, element)
    return tuple(listed)


def _texts(value: Any, key: str) -> tuple[str, ...]:
    """Condition values: strings, numbers and booleans, alone or in a list, as their texts."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise PolicyError(Flaw.CONDITION_VALUE, key)
    texts = []
    for item in listed:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, bool | int | float):
            texts.append(json.dumps(item))
        else:
            raise PolicyError(Flaw.CONDITION_VALUE, key)
    return tuple(texts)


def _any_action(actions: Sequence[str]) -> Callable[[str], bool]:
    exact = {action.lower() for action in actions if "*" not in action and "?" not in action}
    patterns = [
        folded(tokenize(action, wildcards=True, variables=False))
        for action in actions
        if action.lower() not in exact
    ]
    if not patterns:
        return lambda action: action in exact
    matches, nothing = any_of(patterns), Context()
    return lambda action: action in exact or matches(action, nothing)


def _any_of(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]
    return lambda text, context: any(match(text, context) for match in matchers)
