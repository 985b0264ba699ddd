"""What policies would say: the decision, the statements behind it, and where they stand in texts.

Pure, but for the compiled policies that it is given.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kms.aws.context import Context
from kms.aws.policy import Decision, Policy, Question, evaluate
from kms.aws.policy_document import Effect, Statement

IAM_POLICY, RESOURCE_POLICY = "IAM Policy", "Resource Policy"
BOUNDARY_POLICY = "Permissions Boundary Policy"
# What the resources of a service are called together.
_FORMS = {
    "s3": "arn:aws:s3:::${BucketName}/${KeyName}",
    "iam": "arn:aws:iam::${Account}:${ResourceType}/${ResourceName}",
}
_BLANKS = re.compile(r"[ \t\n\r]*")
_BOUNDARY, _ALLOWED = "PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary"
_UNDECIDED = "implicitDeny"
_VERDICTS = ("explicitDeny", _UNDECIDED, "allowed")
_decode = json.JSONDecoder().raw_decode

Result = dict[str, Any]
Span = tuple[dict[str, int], dict[str, int]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A policy of a simulation, as its results call it."""

    policy: Policy
    name: str
    kind: str = IAM_POLICY


@dataclass(frozen=True, slots=True)
class Simulation:
    """The policies of a simulation. `question` is a pattern: its action and resource change.

    `missing` are the condition keys that policies mention and nobody gave.
    """

    question: Question
    sources: Sequence[Source]
    missing: Sequence[str]
    resource: Policy | None = None
    _places: dict[int, Sequence[Span]] = field(default_factory=dict)

    def run(self, action: str, resources: Sequence[str]) -> Result:
        """The `EvaluationResult` of an action.

        It is that of all resources together, and of each one; without any, that of `*`.
        """
        each = [self._run(action, resource) for resource in resources or ["*"]]
        result = {
            "EvalActionName": action,
            "EvalResourceName": each[0]["EvalResourceName"] if len(each) == 1 else form_of(action),
            "EvalDecision": together([one["EvalResourceDecision"] for one in each]),
            "MatchedStatements": _union(one.get("MatchedStatements", ()) for one in each),
            "MissingContextValues": _union(one.get("MissingContextValues", ()) for one in each),
        }
        details = [one[_BOUNDARY][_ALLOWED] for one in each if _BOUNDARY in one]
        if details:
            result[_BOUNDARY] = {_ALLOWED: all(details)}
        if resources:
            result |= {"EvalDecisionDetails": {}, "ResourceSpecificResults": each}
        return result

    def _run(self, action: str, resource: str) -> Result:
        """The `ResourceSpecificResult` of an action; it has no empty lists."""
        question = replace(self.question, action=action, resource=resource)
        decision = evaluate(question, resource=self.resource)
        decided = verdict(decision)
        result: Result = {
            "EvalResourceName": resource,
            "EvalResourceDecision": decided,
            "MatchedStatements": list(self._matched(question, decision)),
            "MissingContextValues": self.missing if decided == _UNDECIDED else [],
        }
        result = {name: value for name, value in result.items() if value}
        boundary = question.principal.policies.boundary
        if boundary is not None:
            allowed = any(_applying(question, boundary, Effect.ALLOW)) and not any(
                _applying(question, boundary, Effect.DENY)
            )
            result[_BOUNDARY] = {_ALLOWED: allowed}
        return result

    def _matched(self, question: Question, decision: Decision) -> Iterator[dict[str, Any]]:
        if decision.statement is None:
            return
        effect = decision.statement.effect
        for number, source in enumerate(self.sources):
            if source.kind == BOUNDARY_POLICY and effect is Effect.ALLOW:
                continue
            for statement in _applying(question, source.policy, effect):
                start, end = self._places_of(number)[statement.number - 1]
                yield {
                    "SourcePolicyId": source.name,
                    "SourcePolicyType": source.kind,
                    "StartPosition": start,
                    "EndPosition": end,
                }

    def _places_of(self, number: int) -> Sequence[Span]:
        """Where the statements of a source are; found once, since many actions may match many."""
        found = self._places.get(number)
        if found is None:
            found = self._places[number] = positions(self.sources[number].policy.text)
        return found


def missing_keys(
    sources: Sequence[Source], given: Mapping[str, Any], context: Context
) -> list[str]:
    """The keys that statements depend on, be they about an action or not, and nobody gave."""
    wanted: dict[str, str] = {}
    for source in sources:
        wanted |= {key.lower(): key for key in context_keys(source.policy.text)}
    known = {key.lower() for key in given}
    return sorted(
        name for key, name in wanted.items() if key not in known and context.get(key) is None
    )


def _applying(question: Question, policy: Policy, effect: Effect) -> Iterator[Statement]:
    about = policy.about(question.action)
    for statement in about.allowing if effect is Effect.ALLOW else about.denying:
        named = statement.naming is None or statement.naming(question.principal)
        if named and statement.applies(question.resource, question.context):
            yield statement


def verdict(decision: Decision) -> str:
    """A decision as the simulator calls it."""
    if decision.allowed:
        return "allowed"
    return "explicitDeny" if decision.explicit else _UNDECIDED


def together(verdicts: Sequence[str]) -> str:
    """The verdict on several resources: the worst one."""
    return min(verdicts, key=_VERDICTS.index)


def form_of(action: str) -> str:
    """What several resources of an action are called together."""
    return _FORMS.get(action.partition(":")[0].lower(), "*")


def _union(lists: Iterable[Sequence[T]]) -> list[T]:
    """The items of several lists, each once."""
    found: dict[str, T] = {}
    for items in lists:
        for one in items:
            found.setdefault(repr(one), one)
    return list(found.values())


def context_keys(text: str) -> list[str]:
    """The condition keys that a valid policy's text mentions, as it writes them."""
    document = json.loads(text)
    found: dict[str, str] = {}

    def add(key: str) -> None:
        found.setdefault(key.lower(), key)

    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for keys in statement.get("Condition", {}).values():
            for key in keys:
                add(key)
        for name in _variables(json.dumps(statement, ensure_ascii=False)):
            add(name)
    return list(found.values())


def _variables(text: str) -> Iterator[str]:
    """The condition keys in `${…}`, each character looked at once: the text may be hostile."""
    start = text.find("${")
    while start >= 0:
        end = text.find("}", start)
        if end < 0:
            return
        name = text[start + 2 : end].partition(",")[0].strip()
        if ":" in name and not any(mark.isspace() for mark in name):
            yield name
        start = text.find("${", end)


def positions(text: str) -> list[Span]:
    """Where each statement of a valid policy's text starts and ends.

    In a list it starts where the one before it ends.
    """
    start, end = _statements(text)
    if text[start] != "[":
        return [(_place(text, start), _place(text, end))]
    found: list[Span] = []
    start, at = start + 1, _skip(text, start + 1)
    while text[at] != "]":
        end = _decode(text, at)[1]
        found.append((_place(text, start), _place(text, end)))
        start, at = end, _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _statements(text: str) -> tuple[int, int]:
    """The span of the value of `Statement`."""
    at = _skip(text, text.index("{") + 1)
    while True:
        name, at = _decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        end = _decode(text, start)[1]
        if name == "Statement":
            return start, end
        at = _skip(text, _skip(text, end) + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()


def _place(text: str, at: int) -> dict[str, int]:
    line = text.count("\n", 0, at) + 1
    return {"Line": line, "Column": at - (text.rfind("\n", 0, at) + 1) + 1}
