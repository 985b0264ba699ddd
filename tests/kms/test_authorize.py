"""Refusals word for word, what others learn, and what is remembered.

The matrix of who may do what is tests/matrices/test_authorization.py.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from kms.authorize import CROSS_ACCOUNT, denied_elsewhere, via_s3
from kms.aws import model
from kms.aws.audit_record import explained
from kms.aws.identity import Caller, Policies, Principal, PrincipalKind, Session
from kms.aws.policy import Policy, PolicyKind, parse
from kms.errors import KMSError
from kms.request import S3_ALIAS
from kms.service import Service

ACCOUNT, OTHER = "111122223333", "444455556666"
S3 = "s3.us-east-1.amazonaws.com"
ALLOW, DENY, SILENT = "Allow", "Deny", "Silent"
ELSEWHERE = (
    "on this resource because the resource does not exist in this Region, no resource-based "
    "policies allow access, or a resource-based policy explicitly denies access"
)


def identity_policy(effect: str, action: str | list[str] = "kms:*", **more: Any) -> Policy:
    """One statement; SILENT is about something else."""
    statement = {
        "Effect": "Deny" if effect == DENY else "Allow",
        "Action": "s3:*" if effect == SILENT else action,
        "Resource": "*",
        **more,
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return parse(json.dumps(document), kind=PolicyKind.IDENTITY, name="identity")


def key_policy(principal: Any, effect: str = ALLOW, action: Any = "kms:*", **more: Any) -> str:
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": "*",
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(account: str = ACCOUNT, *policies: Policy, name: str = "bob", **more: Any) -> Principal:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Principal(
        PrincipalKind.USER, account, arn, arn, name, policies=Policies(policies, **more)
    )


def role(account: str = ACCOUNT, *policies: Policy, **more: Any) -> Principal:
    issuer = f"arn:aws:iam::{account}:role/R"
    arn = f"arn:aws:sts::{account}:assumed-role/R/one"
    return Principal(
        PrincipalKind.ASSUMED_ROLE,
        account,
        arn,
        "AROAR:one",
        session=Session(issuer, "AROAR", "R", 0),
        policies=Policies(policies, **more),
    )


def root(account: str = ACCOUNT) -> Principal:
    return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", account)


def caller_of(principal: Principal) -> Caller:
    return Caller(principal, "AKIA", "us-east-1", "request")


POLICIES = {effect: identity_policy(effect) for effect in (ALLOW, DENY, SILENT)}


@pytest.mark.parametrize(
    ("principal", "policy", "because"),
    [
        (user(), None, "because no identity-based policy allows the kms:Encrypt action"),
        (
            user(ACCOUNT, POLICIES[ALLOW]),
            key_policy({"AWS": "arn:aws:iam::999999999999:root"}),
            "because no resource-based policy allows the kms:Encrypt action",
        ),
        (
            user(ACCOUNT, POLICIES[ALLOW], boundary=POLICIES[SILENT]),
            None,
            "because no permissions boundary allows the kms:Encrypt action",
        ),
        (
            role(ACCOUNT, POLICIES[ALLOW], session=(POLICIES[SILENT],)),
            None,
            "because no session policy allows the kms:Encrypt action",
        ),
        (user(ACCOUNT, POLICIES[DENY]), None, "with an explicit deny in an identity-based policy"),
        (root(), key_policy("*", DENY), "with an explicit deny in a resource-based policy"),
        (
            user(ACCOUNT, POLICIES[ALLOW], boundary=POLICIES[DENY]),
            None,
            "with an explicit deny in a permissions boundary",
        ),
        (
            role(ACCOUNT, POLICIES[ALLOW], session=(POLICIES[DENY],)),
            None,
            "with an explicit deny in a session policy",
        ),
    ],
)
def test_refusals_in_the_account(
    client: Any, principal: Principal, policy: str | None, because: str
) -> None:
    bypass = {"bypass_policy_lockout_safety_check": True}
    arn = client.key(**({} if policy is None else {"policy": policy, **bypass}))
    client.as_(caller_of(principal)).fails(
        "AccessDeniedException",
        f"User: {principal.arn} is not authorized to perform: kms:Encrypt on resource: {arn} "
        + because,
        "Encrypt",
        key_id=arn,
        plaintext=b"p",
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("principal", [user(OTHER), user(OTHER, POLICIES[DENY])])
def test_other_accounts_learn_nothing_of_unshared_keys(
    client: Any, principal: Principal, shared: bool
) -> None:
    arn = client.key(policy=key_policy({"AWS": [ACCOUNT, OTHER] if shared else ACCOUNT}))
    absent = arn.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    alias = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/absent"
    stranger = client.as_(caller_of(principal))
    head = f"User: {principal.arn} is not authorized to perform: kms:Encrypt "
    answers = {
        key_id: stranger.refused("Encrypt", key_id=key_id, plaintext=b"p")
        for key_id in (arn, absent, alias)
    }
    assert answers[absent] == answers[alias] == ("AccessDeniedException", head + ELSEWHERE)
    if not shared:
        assert answers[arn] == answers[absent]
    elif principal.policies.identity:
        because = "with an explicit deny in an identity-based policy"
        assert answers[arn][1] == f"{head}on this resource {because}"
    else:
        because = "because no identity-based policy allows the kms:Encrypt action"
        assert answers[arn][1] == f"{head}on this resource {because}"


def test_who_may_not_ask_learns_of_no_key_in_the_account_either(client: Any) -> None:
    arn = client.key()
    absent = arn.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    outsider = client.as_(caller_of(user()))
    for key_id in (arn, absent):
        outsider.fails(
            "AccessDeniedException",
            f"User: {user().arn} is not authorized to perform: kms:DescribeKey on resource: "
            f"{key_id} because no identity-based policy allows the kms:DescribeKey action",
            "DescribeKey",
            key_id=key_id,
        )
    insider = client.as_(caller_of(user(ACCOUNT, POLICIES[ALLOW])))
    assert insider.refused("DescribeKey", key_id=absent)[0] == "NotFoundException"


def test_the_anonymous_are_never_let_in(client: Any, anonymous: Caller) -> None:
    arn = client.key(policy=key_policy("*"))
    client.as_(anonymous).fails(
        "AccessDeniedException",
        denied_elsewhere(anonymous, "Encrypt").message,
        "Encrypt",
        key_id=arn,
        plaintext=b"p",
    )
    client.as_(anonymous).fails(
        "AccessDeniedException",
        "User: anonymous is not authorized to perform: kms:ListKeys on resource: * because no "
        "identity-based policy allows the kms:ListKeys action",
        "ListKeys",
    )


def test_decrypt_without_a_key_id(client: Any) -> None:
    arn = client.key(policy=key_policy({"AWS": [ACCOUNT, OTHER]}))
    blob = client("Encrypt", key_id=arn, plaintext=b"p")["CiphertextBlob"]
    allowed = client.as_(caller_of(user(OTHER, POLICIES[ALLOW])))
    assert allowed("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"p"
    client.as_(caller_of(user(OTHER))).fails(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in "
        "this region, or you are not allowed to access.",
        "Decrypt",
        ciphertext_blob=blob,
    )
    client.as_(caller_of(user())).fails(
        "AccessDeniedException",
        f"User: {user().arn} is not authorized to perform: kms:Decrypt on resource: {arn} because "
        "no identity-based policy allows the kms:Decrypt action",
        "Decrypt",
        ciphertext_blob=blob,
    )
    client("DisableKey", key_id=arn)
    assert allowed.refused("Decrypt", ciphertext_blob=blob)[0] == "DisabledException"


def test_operations_without_a_key(client: Any) -> None:
    may = user(ACCOUNT, identity_policy(ALLOW, ["kms:CreateKey", "kms:ListKeys"]))
    bob = client.as_(caller_of(may))
    arn = bob.key()
    assert bob("ListKeys")["Keys"][0]["KeyArn"] == arn
    for operation, arguments in (
        ("ListAliases", {}),
        ("GenerateRandom", {"number_of_bytes": 1}),
        ("ListRetirableGrants", {"retiring_principal": may.arn}),
    ):
        code, message = bob.refused(operation, **arguments)
        assert code == "AccessDeniedException"
        assert f"no identity-based policy allows the kms:{operation} action" in message
    tags = [{"TagKey": "a", "TagValue": "b"}]
    assert "kms:TagResource" in bob.refused("CreateKey", tags=tags)[1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kms:KeySpec", "HMAC_256"),
        ("kms:KeyUsage", "GENERATE_VERIFY_MAC"),
        ("kms:KeyOrigin", "AWS_KMS"),
        ("kms:MultiRegion", "true"),
    ],
)
def test_a_replica_is_created_as_what_it_will_be(client: Any, key: str, value: str) -> None:
    arn = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC", multi_region=True)
    condition = {"Condition": {"StringEquals": {key: value}}}
    there = {"replica_region": "eu-west-1"}
    denying = user(
        ACCOUNT, identity_policy(ALLOW), identity_policy(DENY, "kms:CreateKey", **condition)
    )
    refused = client.as_(caller_of(denying)).refused("ReplicateKey", key_id=arn, **there)
    assert refused[0] == "AccessDeniedException"
    replicate = identity_policy(ALLOW, "kms:ReplicateKey")
    allowing = user(ACCOUNT, replicate, identity_policy(ALLOW, "kms:CreateKey", **condition))
    assert client.as_(caller_of(allowing))("ReplicateKey", key_id=arn, **there)


def test_whose_retirable_grants_are_listed(client: Any) -> None:
    theirs = f"arn:aws:iam::{OTHER}:root"
    client(
        "CreateGrant",
        key_id=client.key(),
        grantee_principal=theirs,
        retiring_principal=theirs,
        operations=["Encrypt"],
    )
    code, message = client.refused("ListRetirableGrants", retiring_principal=theirs)
    assert code == "AccessDeniedException"
    assert message.endswith(ELSEWHERE)
    stranger = client.as_(caller_of(user(OTHER, POLICIES[ALLOW])))
    (grant,) = stranger("ListRetirableGrants", retiring_principal=theirs)["Grants"]
    assert grant["RetiringPrincipal"] == theirs


def test_listing_a_keys_aliases_asks_the_callers_own_policies_alone(client: Any) -> None:
    arn = client.key()
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    nobody = key_policy({"AWS": "arn:aws:iam::999999999999:root"})
    bypass = {"bypass_policy_lockout_safety_check": True}
    client("PutKeyPolicy", key_id=arn, policy=nobody, **bypass)
    bob = client.as_(caller_of(user(ACCOUNT, identity_policy(ALLOW, "kms:ListAliases"))))
    assert [alias["AliasName"] for alias in bob("ListAliases", key_id=arn)["Aliases"]] == [
        "alias/a"
    ]
    stranger = client.as_(caller_of(user(OTHER, POLICIES[ALLOW])))
    code, message = stranger.refused("ListAliases", key_id=arn)
    assert code == "AccessDeniedException"
    assert message.endswith(ELSEWHERE)


def test_aliases_need_permission_on_alias_and_key(client: Any) -> None:
    first, second = client.key(), client.key()
    alias = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"
    actions = ["kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"]
    only_key = user(ACCOUNT, identity_policy(ALLOW, actions, Resource=first))
    only_alias = user(ACCOUNT, identity_policy(ALLOW, actions, Resource=alias))
    both = user(ACCOUNT, identity_policy(ALLOW, actions, Resource=[alias, first]))
    create = {"alias_name": "alias/a", "target_key_id": first}
    for principal, resource in ((only_key, alias), (only_alias, first)):
        code, message = client.as_(caller_of(principal)).refused("CreateAlias", **create)
        assert code == "AccessDeniedException"
        assert f"on resource: {resource} because" in message
    bob = client.as_(caller_of(both))
    bob("CreateAlias", **create)
    assert (
        f"on resource: {second}"
        in bob.refused("UpdateAlias", alias_name="alias/a", target_key_id=second)[1]
    )
    bob("UpdateAlias", **create)
    for name in ("alias/a", "alias/absent"):
        outsider = client.as_(caller_of(only_key))
        for operation, more in (("DeleteAlias", {}), ("UpdateAlias", {"target_key_id": first})):
            code, message = outsider.refused(operation, alias_name=name, **more)
            assert code == "AccessDeniedException"
            assert f"on resource: arn:aws:kms:us-east-1:{ACCOUNT}:{name} because" in message
    bob("DeleteAlias", alias_name="alias/a")


def test_the_key_that_aws_manages_follows_its_policy(client: Any, stranger: Caller) -> None:
    arn = client.metadata(S3_ALIAS)["Arn"]
    bob = caller_of(user())
    forwarded = client.as_(bob.forwarded_by(S3))
    made = forwarded("GenerateDataKey", key_id=S3_ALIAS, key_spec="AES_256")
    assert made["KeyId"] == arn
    assert forwarded("Decrypt", ciphertext_blob=made["CiphertextBlob"])["Plaintext"]
    administrator = client.as_(caller_of(user(ACCOUNT, POLICIES[ALLOW])))
    for refused in (client, administrator, client.as_(bob.forwarded_by("s3.eu-west-1.x"))):
        for operation, arguments in (
            ("GenerateDataKey", {"key_spec": "AES_256"}),
            ("DisableKey", {}),
            ("ScheduleKeyDeletion", {}),
            ("EnableKeyRotation", {}),
            ("CreateGrant", {"grantee_principal": bob.principal.arn, "operations": ["Decrypt"]}),
            ("TagResource", {"tags": []}),
        ):
            code, message = refused.refused(operation, key_id=arn, **arguments)
            assert code == "AccessDeniedException"
            assert f"no resource-based policy allows the kms:{operation} action" in message
    assert administrator("GetKeyPolicy", key_id=arn)
    assert client.as_(bob).refused("GetKeyPolicy", key_id=arn)[0] == "AccessDeniedException"
    elsewhere = client.as_(stranger.forwarded_by(S3))
    code, message = elsewhere.refused("Decrypt", ciphertext_blob=made["CiphertextBlob"])
    assert message.startswith("The ciphertext refers to")


def test_operations_of_other_accounts_are_the_documented_ones() -> None:
    permissions = {*model.load("kms").operations, "ReEncryptFrom", "ReEncryptTo"}
    assert permissions >= CROSS_ACCOUNT
    for action in ("DisableKey", "PutKeyPolicy", "ListKeyPolicies", "TagResource", "CreateAlias"):
        assert action not in CROSS_ACCOUNT


def test_s3_of_another_region_is_another_service(caller: Caller) -> None:
    assert via_s3(caller.forwarded_by(S3))
    assert not via_s3(caller.forwarded_by("s3.eu-west-1.amazonaws.com"))
    assert not via_s3(caller)


# What is remembered.


def test_a_plain_decision_is_remembered_until_the_policy_changes(
    client: Any, service: Service
) -> None:
    arn = client.key()
    bob = caller_of(user(ACCOUNT, POLICIES[ALLOW]))
    key = service.store.key(ACCOUNT, "us-east-1", arn.rpartition("/")[2])
    assert key is not None
    assert service.authorizer.remembered(bob, "Encrypt", key) is None
    client.as_(bob)("Encrypt", key_id=arn, plaintext=b"p")
    known = service.authorizer.remembered(bob, "Encrypt", key)
    assert known is not None
    assert known.allowed
    for other in (caller_of(user(ACCOUNT, POLICIES[ALLOW])), bob.forwarded_by(S3)):
        assert service.authorizer.remembered(other, "Encrypt", key) is None
    assert service.authorizer.remembered(bob, "Decrypt", key) is None
    changed = replace(key, policy=key_policy({"AWS": OTHER}))
    assert service.authorizer.remembered(bob, "Encrypt", changed) is None


@pytest.mark.parametrize(
    ("condition", "remembers"),
    [
        ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "red"}}, True),
        ({"StringEquals": {"kms:EncryptionContext:a": "b"}}, False),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.1"}}, False),
        ({"StringEquals": {"aws:ResourceTag/team": "red"}}, False),
    ],
)
def test_what_depends_on_the_request_is_not_remembered(
    client: Any, service: Service, condition: dict[str, Any], remembers: bool
) -> None:
    arn = client.key()
    bob = caller_of(user(ACCOUNT, identity_policy(ALLOW, Condition=condition)))
    key = service.store.key(ACCOUNT, "us-east-1", arn.rpartition("/")[2])
    assert key is not None
    with pytest.raises(KMSError, match=r"AccessDenied|InvalidKeyUsage"):
        client.as_(bob)("Sign", key_id=arn, message=b"m", signing_algorithm="ECDSA_SHA_256")
    assert (service.authorizer.remembered(bob, "Sign", key) is not None) is remembers


def test_a_remembered_refusal_gives_way_to_a_grant(client: Any) -> None:
    arn = client.key()
    bob = client.as_(caller_of(user()))
    arguments = {"key_id": arn, "plaintext": b"p"}
    assert bob.refused("Encrypt", **arguments)[0] == "AccessDeniedException"
    grant = client("CreateGrant", key_id=arn, grantee_principal=user().arn, operations=["Encrypt"])
    assert bob("Encrypt", **arguments)["KeyId"] == arn
    client("RevokeGrant", key_id=arn, grant_id=grant["GrantId"])
    assert bob.refused("Encrypt", **arguments)[0] == "AccessDeniedException"


def test_the_audit_names_what_decided(client: Any, audit: Any) -> None:
    arn = client.key()
    assert explained(audit.events[-1]) == "allowed as the account's root"
    client("DescribeKey", key_id=arn)
    assert explained(audit.events[-1]) == (
        "allowed by a resource-based policy (Enable IAM User Permissions of the key policy)"
    )
    bob = client.as_(caller_of(user(ACCOUNT, identity_policy(ALLOW, "kms:DescribeKey"))))
    bob("DescribeKey", key_id=arn)
    assert explained(audit.events[-1]) == (
        "allowed by an identity-based policy (statement 1 of identity)"
    )
    bob.refused("DisableKey", key_id=arn)
    assert explained(audit.events[-1]) == (
        "denied because no identity-based policy allows the kms:DisableKey action"
    )
    grant = client("CreateGrant", key_id=arn, grantee_principal=user().arn, operations=["Encrypt"])
    bob("Encrypt", key_id=arn, plaintext=b"p")
    assert explained(audit.events[-1]) == f"allowed by a grant ({grant['GrantId']})"
