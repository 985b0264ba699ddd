from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kms.aws.identity import ANONYMOUS
from objstore.account.oidc import Issuers, KeySet

ACCOUNT = "123456789012"
ISSUER = "https://issuer.test/id"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.test/id"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
KEY = ec.generate_private_key(ec.SECP256R1())
ACTIONS = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]


@pytest.fixture
async def web(world: Any) -> Any:
    """A world whose configuration and account know an issuer."""
    public = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    issuers = Issuers({ISSUER: KeySet({"keys": [public]})}, wall=world.wall)
    service = world.accounts.sts
    service._services = replace(service._services, issuers=issuers)
    await world.iam("CreateOpenIDConnectProvider", url=ISSUER, client_id_list=["app"])
    return world


async def make_role(world: Any, **condition: Any) -> None:
    elements = {"Condition": condition} if condition else {}
    document = world.trust({"Federated": PROVIDER}, ACTIONS, **elements)
    await world.role("deployer", assume_role_policy_document=document)


def members(world: Any, *, role_arn: str = ROLE, key: Any = KEY, **claims: Any) -> dict[str, Any]:
    now = int(world.wall.now())
    merged = {"iss": ISSUER, "sub": "alice", "aud": "app", "iat": now, "exp": now + 600, **claims}
    return {
        "caller": ANONYMOUS,
        "role_arn": role_arn,
        "role_session_name": "ci",
        "web_identity_token": jwt.encode(merged, key, "ES256"),
    }


async def test_a_token_becomes_a_session(web: Any) -> None:
    await make_role(web)
    claims: dict[str, Any] = {
        "https://aws.amazon.com/tags": {
            "principal_tags": {"team": ["a"], "cost": ["1"]},
            "transitive_tag_keys": ["team"],
        },
        "https://aws.amazon.com/source_identity": "alice",
    }
    reply = await web.sts("AssumeRoleWithWebIdentity", **members(web, **claims))
    assert reply["SubjectFromWebIdentityToken"] == "alice"
    assert (reply["Audience"], reply["Provider"]) == ("app", PROVIDER)
    assert reply["SourceIdentity"] == "alice"
    given = reply["Credentials"]
    found = web.find(given["AccessKeyId"], given["SessionToken"]).principal
    assert found.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ci"
    assert found.tags == (("team", "a"), ("cost", "1"))
    assert found.session.federated_provider == PROVIDER
    assert found.session.source_identity == "alice"


@pytest.mark.parametrize(
    ("condition", "claims", "allowed"),
    [
        ({"StringEquals": {"issuer.test/id:sub": "alice"}}, {}, True),
        ({"StringEquals": {"issuer.test/id:sub": "bob"}}, {}, False),
        ({"StringLike": {"issuer.test/id:sub": "repo:x:*"}}, {"sub": "repo:x:main"}, True),
        ({"StringEquals": {"issuer.test/id:aud": "app"}}, {}, True),
        ({"StringEquals": {"issuer.test/id:oaud": "api"}}, {"azp": "app", "aud": "api"}, True),
        ({"ForAnyValue:StringEquals": {"issuer.test/id:amr": "mfa"}}, {"amr": ["mfa"]}, True),
        ({"ForAnyValue:StringEquals": {"issuer.test/id:amr": "mfa"}}, {"amr": ["pwd"]}, False),
        ({"StringEquals": {"sts:RoleSessionName": "ci"}}, {}, True),
    ],
)
async def test_claims_are_condition_keys(
    web: Any, condition: Any, claims: Any, allowed: bool
) -> None:
    await make_role(web, **condition)
    code, reply = await web.outcome_sts("AssumeRoleWithWebIdentity", **members(web, **claims))
    assert (code == "") == allowed
    if not allowed:
        assert (code, reply) == (
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        )


async def test_only_trusted_providers_of_the_account_count(web: Any) -> None:
    await make_role(web)
    asked = members(web)
    await web.role("other", assume_role_policy_document=web.trust({"AWS": ACCOUNT}, ACTIONS))
    for role in (f"arn:aws:iam::{ACCOUNT}:role/other", f"arn:aws:iam::{ACCOUNT}:role/none"):
        refused = await web.refused_sts("AssumeRoleWithWebIdentity", **members(web, role_arn=role))
        assert refused == (
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        )
    for issuer in ("https://evil.test", "http://issuer.test/id", "issuer.test/id"):
        for role in (ROLE, f"arn:aws:iam::{ACCOUNT}:role/none"):  # Nobody learns which roles exist.
            code, message = await web.refused_sts(
                "AssumeRoleWithWebIdentity", **members(web, role_arn=role, iss=issuer)
            )
            assert (code, message) == (
                "InvalidIdentityToken",
                f"No OpenIDConnect provider found in your account for {issuer}",
            )
    await web.iam("DeleteOpenIDConnectProvider", open_id_connect_provider_arn=PROVIDER)
    code, _ = await web.refused_sts("AssumeRoleWithWebIdentity", **asked)
    assert code == "InvalidIdentityToken"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "other"}, "InvalidIdentityToken"),
        ({"exp": 1}, "ExpiredTokenException"),
        ({"https://aws.amazon.com/tags": "x"}, "InvalidIdentityToken"),
        ({"https://aws.amazon.com/tags": {"principal_tags": {"a": []}}}, "InvalidIdentityToken"),
        ({"https://aws.amazon.com/tags": {"principal_tags": {"a": [1]}}}, "InvalidIdentityToken"),
        (
            {"https://aws.amazon.com/tags": {"transitive_tag_keys": ["a"]}},
            "InvalidParameterValue",
        ),
    ],
)
async def test_tokens_that_are_not_taken(web: Any, claims: Any, code: str) -> None:
    await make_role(web)
    refused = await web.refused_sts("AssumeRoleWithWebIdentity", **members(web, **claims))
    assert refused[0] == code


async def test_another_key_signs_nothing(web: Any) -> None:
    await make_role(web)
    other = ec.generate_private_key(ec.SECP256R1())
    code, _ = await web.refused_sts("AssumeRoleWithWebIdentity", **members(web, key=other))
    assert code == "InvalidIdentityToken"
