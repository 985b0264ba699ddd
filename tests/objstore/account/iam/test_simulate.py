import json
from typing import Any

import pytest

ACCOUNT = "123456789012"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
CAT = "arn:aws:s3:::photos/cat"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


async def decisions(world: Any, operation: str, **members: Any) -> list[str]:
    reply = await world.iam(operation, **members)
    return [result["EvalDecision"] for result in reply["EvaluationResults"]]


async def test_what_policies_would_allow(world: Any) -> None:
    allow = world.policy("s3:Get*", "arn:aws:s3:::photos/*")
    deny = world.policy("s3:*", "arn:aws:s3:::photos/secret/*", effect="Deny")
    reply = await world.iam(
        "SimulateCustomPolicy",
        policy_input_list=[allow, deny],
        action_names=["s3:GetObject", "s3:PutObject"],
        resource_arns=[CAT, "arn:aws:s3:::photos/secret/cat"],
    )
    results = reply["EvaluationResults"]
    assert [
        (
            one["EvalActionName"],
            one["EvalDecision"],
            [each["EvalResourceDecision"] for each in one["ResourceSpecificResults"]],
        )
        for one in results
    ] == [
        ("s3:GetObject", "explicitDeny", ["allowed", "explicitDeny"]),
        ("s3:PutObject", "explicitDeny", ["implicitDeny", "explicitDeny"]),
    ]
    assert results[0]["EvalResourceName"] == "arn:aws:s3:::${BucketName}/${KeyName}"
    [allowed, denied] = results[0]["ResourceSpecificResults"]
    [matched] = allowed["MatchedStatements"]
    assert (matched["SourcePolicyId"], matched["SourcePolicyType"]) == (
        "PolicyInputList.1",
        "IAM Policy",
    )
    assert matched["StartPosition"]["Line"] == 1
    assert results[0]["MatchedStatements"] == [matched, *denied["MatchedStatements"]]
    [untouched, _] = results[1]["ResourceSpecificResults"]
    assert untouched == {"EvalResourceName": CAT, "EvalResourceDecision": "implicitDeny"}


async def test_one_resource_gives_the_action_its_name(world: Any) -> None:
    members = {"policy_input_list": [world.policy("s3:*")], "action_names": ["s3:GetObject"]}
    for resources, name, keys in (
        ([CAT], CAT, {"EvalDecisionDetails", "ResourceSpecificResults"}),
        (None, "*", set()),
    ):
        reply = await world.iam("SimulateCustomPolicy", resource_arns=resources, **members)
        [result] = reply["EvaluationResults"]
        assert result["EvalResourceName"] == name
        assert {"EvalDecisionDetails", "ResourceSpecificResults"} & set(result) == keys


async def test_what_a_principal_would_be_allowed(world: Any) -> None:
    await world.user("bob", world.policy("s3:PutObject"))
    await world.iam("CreateGroup", group_name="readers")
    await world.iam("AttachGroupPolicy", group_name="readers", policy_arn=S3_READ)
    await world.iam("AddUserToGroup", group_name="readers", user_name="bob")
    members = {
        "policy_source_arn": BOB,
        "action_names": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        "resource_arns": [CAT],
    }
    reply = await world.iam("SimulatePrincipalPolicy", **members)
    elsewhere = members | {"policy_source_arn": BOB.replace("user/", "user/else/where/")}
    assert await world.iam("SimulatePrincipalPolicy", **elsewhere) == reply
    assert [
        (one["EvalDecision"], [m["SourcePolicyId"] for m in one["MatchedStatements"]])
        for one in reply["EvaluationResults"]
    ] == [
        ("allowed", ["AmazonS3ReadOnlyAccess"]),
        ("allowed", ["user_bob_p0"]),
        ("implicitDeny", []),
    ]
    more = [world.policy("s3:DeleteObject")]
    found = await decisions(world, "SimulatePrincipalPolicy", policy_input_list=more, **members)
    assert found == ["allowed"] * 3


@pytest.mark.parametrize(("own", "given"), [(True, False), (False, True)])
async def test_boundaries_take_part(world: Any, own: bool, given: bool) -> None:
    await world.user("bob", world.policy("s3:*"))
    if own:
        await world.iam("PutUserPermissionsBoundary", user_name="bob", permissions_boundary=S3_READ)
    boundary = [world.policy("s3:Get*")] if given else None
    reply = await world.iam(
        "SimulatePrincipalPolicy",
        policy_source_arn=BOB,
        action_names=["s3:GetObject", "s3:PutObject"],
        permissions_boundary_policy_input_list=boundary,
    )
    assert [
        (one["EvalDecision"], one["PermissionsBoundaryDecisionDetail"])
        for one in reply["EvaluationResults"]
    ] == [
        ("allowed", {"AllowedByPermissionsBoundary": True}),
        ("implicitDeny", {"AllowedByPermissionsBoundary": False}),
    ]


async def test_a_boundary_that_denies_is_named(world: Any) -> None:
    deny = world.policy("s3:GetObject", effect="Deny")
    reply = await world.iam(
        "SimulateCustomPolicy",
        policy_input_list=[deny],
        action_names=["s3:GetObject"],
        permissions_boundary_policy_input_list=[deny],
    )
    [result] = reply["EvaluationResults"]
    assert [
        (one["SourcePolicyId"], one["SourcePolicyType"]) for one in result["MatchedStatements"]
    ] == [
        ("PermissionsBoundaryPolicyInputList.1", "Permissions Boundary Policy"),
        ("PolicyInputList.1", "IAM Policy"),
    ]


@pytest.mark.parametrize(
    ("texts", "missing"),
    [
        (["other"], ["s3:Prefix"]),
        (["every", "other"], []),
        (["denied"], ["s3:Prefix"]),
        (["every", "denied"], []),
    ],
)
async def test_keys_are_missed_where_nothing_decides(
    world: Any, texts: list[str], missing: list[str]
) -> None:
    condition = {"StringEquals": {"s3:Prefix": "a"}}
    policies = {
        "every": world.policy("s3:GetObject"),
        "other": world.policy("s3:PutObject", Condition=condition),
        "denied": world.policy("s3:GetObject", effect="Deny", Condition=condition),
    }
    for resources in ([CAT], None):
        reply = await world.iam(
            "SimulateCustomPolicy",
            policy_input_list=[policies[name] for name in texts],
            action_names=["s3:GetObject"],
            resource_arns=resources,
        )
        [result] = reply["EvaluationResults"]
        assert result["MissingContextValues"] == missing


async def test_context_is_given_or_missed(world: Any) -> None:
    condition = {
        "StringEquals": {"s3:Prefix": "a"},
        "ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]},
    }
    members = {
        "policy_input_list": [world.policy("s3:ListBucket", Condition=condition)],
        "action_names": ["s3:ListBucket"],
    }
    reply = await world.iam("SimulateCustomPolicy", **members)
    [result] = reply["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == (
        "implicitDeny",
        ["aws:TagKeys", "s3:Prefix"],
    )
    entries = [
        {"ContextKeyName": "s3:prefix", "ContextKeyValues": ["a"], "ContextKeyType": "string"},
        {
            "ContextKeyName": "aws:TagKeys",
            "ContextKeyValues": ["x", "y"],
            "ContextKeyType": "stringList",
        },
    ]
    reply = await world.iam("SimulateCustomPolicy", context_entries=entries, **members)
    [result] = reply["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])


async def test_policies_of_resources_take_part(world: Any) -> None:
    bucket = world.policy("s3:GetObject", CAT, Principal={"AWS": BOB})
    members = {
        "policy_input_list": [world.policy("kms:*")],
        "action_names": ["s3:GetObject"],
        "resource_arns": [CAT],
        "resource_policy": bucket,
    }
    assert await decisions(world, "SimulateCustomPolicy", caller_arn=BOB, **members) == ["allowed"]
    other = BOB.replace("bob", "eve")
    assert await decisions(world, "SimulateCustomPolicy", caller_arn=other, **members) == [
        "implicitDeny"
    ]
    owner = "arn:aws:iam::111122223333:root"
    assert await decisions(
        world, "SimulateCustomPolicy", caller_arn=BOB, resource_owner=owner, **members
    ) == ["implicitDeny"]


async def test_pages_of_results(world: Any) -> None:
    members = {
        "policy_input_list": [world.policy("s3:*")],
        "action_names": [f"s3:A{number}" for number in range(5)],
    }
    first = await world.iam("SimulateCustomPolicy", max_items=3, **members)
    second = await world.iam("SimulateCustomPolicy", marker=first["Marker"], **members)
    found = [*first["EvaluationResults"], *second["EvaluationResults"]]
    assert [one["EvalActionName"] for one in found] == members["action_names"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"policy_input_list": ["{"]}, "InvalidInput"),
        ({"permissions_boundary_policy_input_list": ["{", "{"]}, "InvalidInput"),
        ({"action_names": ["GetObject"]}, "InvalidInput"),
        ({"resource_arns": ["arn:aws:s3"]}, "InvalidInput"),
        (
            {"context_entries": [{"ContextKeyType": "string", "ContextKeyValues": ["a", "b"]}]},
            "InvalidInput",
        ),
        ({"resource_policy": "{}"}, "InvalidInput"),
        ({"action_names": ["a:b"] * 101, "resource_arns": ["*"] * 100}, "InvalidInput"),
        ({"policy_source_arn": "arn:aws:s3:::bucket-name"}, "InvalidInput"),
        ({"policy_source_arn": BOB + "by"}, "NoSuchEntity"),
    ],
)
async def test_what_cannot_be_simulated(world: Any, members: Any, code: str) -> None:
    await world.user()
    asked = {"policy_source_arn": BOB, "action_names": ["s3:GetObject"], **members}
    assert (await world.refused("SimulatePrincipalPolicy", **asked))[0] == code


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [("string", "stack:test", ["a"]), ("string", "STACK:TEST", ["b"])],
            "Duplicate context key: STACK:TEST.",
        ),
        (
            [("string", "stack:test", ["a", "b"])],
            "Context key string expected a single value, but received 2.",
        ),
        *(
            (
                [(kind, "stack:test", [value])],
                f"Invalid context value for key stack:test: expected {expected}.",
            )
            for kind, value, expected in (
                ("numeric", "NaN", "numeric format"),
                ("dateList", "tomorrow", "DateTime format"),
                ("ip", "999.0.0.1", "IP address"),
                ("binary", "!base64", "base-64 encoded binary format"),
            )
        ),
    ],
)
async def test_context_that_is_none(world: Any, entries: list[Any], message: str) -> None:
    names = ("ContextKeyType", "ContextKeyName", "ContextKeyValues")
    assert await world.refused(
        "SimulateCustomPolicy",
        policy_input_list=[world.policy("s3:*")],
        action_names=["s3:GetObject"],
        context_entries=[dict(zip(names, entry, strict=True)) for entry in entries],
    ) == ("InvalidInput", message)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"marker": "nowhere"}, "Invalid marker for pagination."),
        ({"policy_input_list": ["{"]}, "Policy input list item 1 has invalid content"),
        ({"action_names": ["GetObject"]}, "The action is invalid since it is missing names"),
        (
            {"resource_arns": ["arn:aws:s3"]},
            "ResourceNames are not in a valid ARN format: arn:aws:s3.",
        ),
    ],
)
async def test_texts_of_refusals(world: Any, members: dict[str, Any], message: str) -> None:
    asked = {"policy_input_list": [world.policy("s3:*")], "action_names": ["s3:GetObject"]}
    refusal = await world.refused("SimulateCustomPolicy", **asked | members)
    assert refusal == ("InvalidInput", message)


async def test_keys_that_policies_mention(world: Any) -> None:
    condition = {"StringEquals": {"s3:Prefix": "${aws:username}"}}
    text = world.policy("s3:*", Condition=condition)
    await world.user("bob", text)
    other = world.policy("s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    assert await world.iam("GetContextKeysForCustomPolicy", policy_input_list=[text, text]) == {
        "ContextKeyNames": ["s3:Prefix", "aws:username"]
    }
    assert await world.iam(
        "GetContextKeysForPrincipalPolicy", policy_source_arn=BOB, policy_input_list=[other]
    ) == {"ContextKeyNames": ["s3:Prefix", "aws:username", "aws:SecureTransport"]}


async def test_a_simulation_has_a_largest_size(world: Any) -> None:
    """A policy of many statements matches each action many times over."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement] * 1_500})
    members: dict[str, Any] = {
        "policy_input_list": [text],
        "action_names": ["s3:GetObject"] * 100,
    }
    assert await world.refused("SimulateCustomPolicy", **members) == (
        "InvalidInput",
        "Too many combinations of actions, resources, statements.",
    )
    members["action_names"] = ["s3:GetObject"]
    reply = await world.iam("SimulateCustomPolicy", **members)
    assert len(reply["EvaluationResults"][0]["MatchedStatements"]) == 1_500
