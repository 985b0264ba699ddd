"""The policy simulator: what a principal, or some policies, would be allowed.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kms.aws.conditions import ConditionError, compile_condition
from kms.aws.context import Context, given
from kms.aws.global_keys import caller_keys
from kms.aws.identity import Policies, Principal, PrincipalKind
from kms.aws.policy import Policy, PolicyError, PolicyKind, Question, parse
from kms.aws.policy_pattern import ARN_PARTS
from objstore.account.call import Call, Reply
from objstore.account.documents import compiled
from objstore.account.entities import (
    GROUP,
    ROLE,
    USER,
    arn_of,
    missing,
    split_arn,
    tags_of,
)
from objstore.account.errors import IAMError
from objstore.account.managed import default_version, find_policy
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.principals import managed_policy
from objstore.account.relations import ATTACHED, groups_of
from objstore.account.simulation import (
    BOUNDARY_POLICY,
    RESOURCE_POLICY,
    Simulation,
    Source,
    context_keys,
    missing_keys,
)
from objstore.storage.records import Identity

COMBINATIONS_MAX = 1_000
EVALUATIONS_MAX = 100_000  # of statements for a page of actions, each on each resource
# Types of context entries: an operator that takes them, and what they are called.
_FORMATS = {
    "numeric": ("NumericEquals", "numeric format"),
    "date": ("DateEquals", "DateTime format"),
    "ip": ("IpAddress", "IP address"),
    "binary": ("BinaryEquals", "base-64 encoded binary format"),
}
Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a simulated request is about, and what limits it besides the policies simulated."""

    permissions_boundary_policy_input_list: Sequence[str] | None = None
    resource_arns: Sequence[str] | None = None
    resource_policy: str | None = None
    resource_owner: str | None = None
    caller_arn: str | None = None
    context_entries: Entries | None = None


NO_CIRCUMSTANCES = Circumstances()


def simulate_custom_policy(
    call: Call,
    *,
    policy_input_list: Sequence[str],
    action_names: Sequence[str],
    circumstances: Circumstances = NO_CIRCUMSTANCES,
    page: Page = FIRST_PAGE,
) -> Reply:
    """What the policies given would allow."""
    call.allow("*")
    sources = list(_inputs(policy_input_list, "PolicyInputList"))
    arn = circumstances.caller_arn or f"arn:aws:iam::{call.account}:user/simulated"
    principal = Principal(PrincipalKind.USER, call.account, arn, arn, arn.rpartition("/")[2])
    boundary = _boundary(circumstances)
    return _simulate(
        call,
        replace(principal, policies=Policies(_policies(sources), boundary)),
        sources,
        action_names,
        circumstances,
        page,
    )


def simulate_principal_policy(
    call: Call,
    *,
    policy_source_arn: str,
    action_names: Sequence[str],
    policy_input_list: Sequence[str] | None = None,
    circumstances: Circumstances = NO_CIRCUMSTANCES,
    page: Page = FIRST_PAGE,
) -> Reply:
    """What a user, group or role would be allowed, with some more policies."""
    entity = _entity(call, policy_source_arn)
    sources = [*_attached(call, entity), *_inputs(policy_input_list or (), "PolicyInputList")]
    boundary = _boundary(circumstances)
    if boundary is None and "boundary" in entity.attributes:
        boundary = managed_policy(call.rows, call.account, entity.attributes["boundary"])
    principal = Principal(
        PrincipalKind.USER,
        call.account,
        circumstances.caller_arn or arn_of(entity),
        entity.unique_id,
        entity.name,
        tuple(tags_of(entity).items()),
        policies=Policies(_policies(sources), boundary),
    )
    return _simulate(call, principal, sources, action_names, circumstances, page)


def _simulate(
    call: Call,
    principal: Principal,
    sources: list[Source],
    actions: Sequence[str],
    circumstances: Circumstances,
    page: Page,
) -> Reply:
    resources = circumstances.resource_arns or ()
    _check_names(actions, resources)
    if len(actions) * max(1, len(resources)) > COMBINATIONS_MAX:
        raise IAMError("InvalidInput", "Too many combinations of actions and resources.")
    policy = None
    if circumstances.resource_policy is not None:
        policy = _parsed(circumstances.resource_policy, "ResourcePolicy", PolicyKind.BUCKET)
        sources = [*sources, Source(policy, "ResourcePolicy", RESOURCE_POLICY)]
    keys = _given(circumstances.context_entries)
    caller = replace(call.caller, principal=principal)
    context = Context(given(keys), caller_keys(caller, call.services.wall))
    owner = circumstances.resource_owner
    account = principal.account if owner is None else _owner(owner)
    boundary = principal.policies.boundary
    if boundary is not None:
        sources = [Source(boundary, boundary.name.rpartition("/")[2], BOUNDARY_POLICY), *sources]
    try:
        wanted, markers = page_of(list(actions), page)
    except IAMError:
        raise IAMError("InvalidInput", "Invalid marker for pagination.") from None
    statements = sum(len(source.policy.statements) for source in sources)
    if len(wanted) * max(1, len(resources)) * statements > EVALUATIONS_MAX:
        raise IAMError("InvalidInput", "Too many combinations of actions, resources, statements.")
    question = Question(principal, "", "", account, context)
    missing = missing_keys(sources, keys, context)
    simulation = Simulation(question, sources, missing, policy)
    results = [simulation.run(action, resources) for action in wanted]
    return {"EvaluationResults": results, **markers}


def _check_names(actions: Sequence[str], resources: Sequence[str]) -> None:
    if not all(":" in action for action in actions):
        raise IAMError("InvalidInput", "The action is invalid since it is missing names")
    for name in resources:
        if name != "*" and (name.count(":") < ARN_PARTS - 1 or not name.startswith("arn:")):
            message = f"ResourceNames are not in a valid ARN format: {name}."
            raise IAMError("InvalidInput", message)


def _owner(resource_owner: str) -> str:
    """The account in the ARN of a resource's owner."""
    return resource_owner.split(":")[4] if resource_owner.count(":") >= 5 else resource_owner


def _entity(call: Call, policy_source_arn: str) -> Identity:
    """The user, group or role to simulate, whatever the path that the ARN names."""
    for kind in (USER, GROUP, ROLE):
        parts = split_arn(policy_source_arn, kind)
        if parts is not None and parts[0] == call.account:
            found = call.rows.get(call.account, kind.row, parts[2])
            if found is None:
                call.allow(policy_source_arn)
                raise missing(kind, parts[2])
            call.allow(arn_of(found), tags=tags_of(found))
            return found
    raise IAMError("InvalidInput", f"Invalid Entity Arn: {policy_source_arn}")


def _attached(call: Call, entity: Identity) -> Iterator[Source]:
    """The policies of an entity, and of the groups of a user."""
    bearers = [entity, *(groups_of(call.rows, entity) if entity.kind == USER.row else ())]
    for bearer in bearers:
        for document in call.rows.documents(bearer.unique_id):
            name = f"{bearer.kind}_{bearer.name}_{document.name}"
            yield Source(compiled(document.text, name), name)
        for policy_arn in call.rows.targets(call.account, ATTACHED, bearer.unique_id):
            policy = find_policy(call.rows, call.account, policy_arn)
            if policy is not None:
                text = default_version(call.rows, policy).text
                yield Source(compiled(text, policy_arn), policy.name)


def _inputs(texts: Sequence[str], member: str) -> Iterator[Source]:
    for number, text in enumerate(texts, 1):
        name = f"{member}.{number}"
        try:
            policy = parse(text, kind=PolicyKind.IDENTITY, name=name)
        except PolicyError:
            message = f"Policy input list item {number} has invalid content"
            raise IAMError("InvalidInput", message) from None
        yield Source(policy, name)


def _parsed(text: str, name: str, kind: PolicyKind) -> Policy:
    try:
        return parse(text, kind=kind, name=name)
    except PolicyError as error:
        raise IAMError("InvalidInput", f"Invalid Content {name}: {error}") from None


def _policies(sources: Sequence[Source]) -> tuple[Policy, ...]:
    return tuple(source.policy for source in sources)


def _boundary(circumstances: Circumstances) -> Policy | None:
    texts = circumstances.permissions_boundary_policy_input_list
    if not texts:
        return None
    if len(texts) > 1:
        message = "The list of Permissions Boundary policies cannot exceed 1 items."
        raise IAMError("InvalidInput", message)
    return _parsed(texts[0], "PermissionsBoundaryPolicyInputList.1", PolicyKind.IDENTITY)


def _given(entries: Entries | None) -> dict[str, str | tuple[str, ...]]:
    """The context entries by key: one value, or as many as a list has."""
    keys: dict[str, str | tuple[str, ...]] = {}
    seen: set[str] = set()
    for entry in entries or ():
        name = entry.get("ContextKeyName", "")
        if name.lower() in seen:
            raise IAMError("InvalidInput", f"Duplicate context key: {name}.")
        seen.add(name.lower())
        values = tuple(entry.get("ContextKeyValues", ()))
        kind = entry.get("ContextKeyType", "")
        listed = kind.endswith("List")
        if not listed and len(values) > 1:
            message = f"Context key {kind} expected a single value, but received {len(values)}."
            raise IAMError("InvalidInput", message)
        for value in values:
            _check_value(kind.removesuffix("List"), name, value)
        keys[name] = values if listed else "".join(values)
    return keys


def _check_value(kind: str, key: str, value: str) -> None:
    operator, expected = _FORMATS.get(kind, ("StringEquals", ""))
    try:
        compile_condition(operator, "aws:any", [value], variables=False)
    except ConditionError:
        message = f"Invalid context value for key {key}: expected {expected}."
        raise IAMError("InvalidInput", message) from None


def get_context_keys_for_custom_policy(call: Call, *, policy_input_list: Sequence[str]) -> Reply:
    """The condition keys that policies mention."""
    call.allow("*")
    return _keys_of(list(_inputs(policy_input_list, "PolicyInputList")))


def get_context_keys_for_principal_policy(
    call: Call, *, policy_source_arn: str, policy_input_list: Sequence[str] | None = None
) -> Reply:
    """The condition keys that the policies of a user, group or role mention, and some more."""
    entity = _entity(call, policy_source_arn)
    inputs = _inputs(policy_input_list or (), "PolicyInputList")
    return _keys_of([*_attached(call, entity), *inputs])


def _keys_of(sources: Sequence[Source]) -> Reply:
    found: dict[str, str] = {}
    for source in sources:
        for key in context_keys(source.policy.text):
            found.setdefault(key.lower(), key)
    return {"ContextKeyNames": list(found.values())}
