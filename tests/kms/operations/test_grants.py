import json
from typing import Any

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller, Entity, Policies, Principal, PrincipalKind, Session
from kms.aws.policy import PolicyKind, parse
from kms.operations import grants
from kms.principals import Principals
from kms.service import Service

ACCOUNT, OTHER = "111122223333", "444455556666"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
BOB_ARN = f"arn:aws:iam::{ACCOUNT}:user/bob"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/R"
CONTEXT = {"Department": "IT"}


class Directory:
    """The users bob and eve and the role R, until they are deleted."""

    def __init__(self) -> None:
        self.entities = {
            "bob": Entity("AIDABOB", BOB_ARN),
            "eve": Entity("AIDAEVE", BOB_ARN.replace("bob", "eve")),
            "R": Entity("AROAR", ROLE_ARN),
        }

    def named(self, account: str, kind: str, name: str) -> Entity | None:
        return self.entities.get(name)

    def by_id(self, unique_id: str) -> Entity | None:
        found = [entity for entity in self.entities.values() if entity.unique_id == unique_id]
        return found[0] if found else None


@pytest.fixture
def directory(service: Service) -> Directory:
    made = Directory()
    service.authorizer.principals = Principals(made)
    return made


def caller_of(principal: Principal, **more: Any) -> Caller:
    return Caller(principal, "AKIA", "us-east-1", "request", **more)


def user(name: str = "bob", account: str = ACCOUNT, *, allowed: str = "") -> Caller:
    arn = f"arn:aws:iam::{account}:user/{name}"
    policies = Policies()
    if allowed:
        text = (
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"%s","Resource":"*"}}'
        )
        policies = Policies((parse(text % allowed, kind=PolicyKind.IDENTITY),))
    unique_id = f"AIDA{name.upper()}"
    return caller_of(
        Principal(PrincipalKind.USER, account, arn, unique_id, name, policies=policies)
    )


def session(name: str = "one") -> Caller:
    return caller_of(
        Principal(
            PrincipalKind.ASSUMED_ROLE,
            ACCOUNT,
            f"arn:aws:sts::{ACCOUNT}:assumed-role/R/{name}",
            f"AROAR:{name}",
            session=Session(ROLE_ARN, "AROAR", "R", 0),
        )
    )


def give(client: Any, arn: str, *operations: str, to: str = BOB_ARN, **more: Any) -> str:
    made: str = client(
        "CreateGrant", key_id=arn, grantee_principal=to, operations=list(operations), **more
    )["GrantId"]
    return made


def encrypt(client: Any, arn: str, **context: str) -> Any:
    return client("Encrypt", key_id=arn, plaintext=b"p", encryption_context=context)


def test_a_grant_lets_in_and_revoking_it_shuts_out(client: Any, directory: Directory) -> None:
    arn = client.key()
    bob = client.as_(user())
    assert bob.refused("Encrypt", key_id=arn, plaintext=b"p")[0] == "AccessDeniedException"
    grant_id = give(client, arn, "Encrypt")
    assert encrypt(bob, arn)["KeyId"] == arn
    assert bob.refused("Decrypt", key_id=arn, ciphertext_blob=b"c")[0] == "AccessDeniedException"
    eve = client.as_(user("eve"))
    assert eve.refused("Encrypt", key_id=arn, plaintext=b"p")[0] == "AccessDeniedException"
    assert client("RevokeGrant", key_id=arn, grant_id=grant_id) == {}
    assert bob.refused("Encrypt", key_id=arn, plaintext=b"p")[0] == "AccessDeniedException"
    client.fails(
        "NotFoundException",
        f"Grant ID {grant_id} not found",
        "RevokeGrant",
        key_id=arn,
        grant_id=grant_id,
    )


def test_constraints_hold_for_encryption_contexts_only(client: Any, directory: Directory) -> None:
    arn = client.key()
    bob = client.as_(user())
    constraints = {"EncryptionContextSubset": CONTEXT}
    give(client, arn, "Encrypt", "DescribeKey", constraints=constraints)
    assert encrypt(bob, arn, department="IT", more="x")
    for context in ({}, {"Department": "it"}, {"Department": "HR"}):
        code, _ = bob.refused("Encrypt", key_id=arn, plaintext=b"p", encryption_context=context)
        assert code == "AccessDeniedException"
    assert bob.metadata(arn)["Arn"] == arn


def test_re_encryption_has_a_context_for_each_side(client: Any, directory: Directory) -> None:
    arn = client.key()
    blob = encrypt(client, arn, Department="IT")["CiphertextBlob"]
    bob = client.as_(user())
    constraints = {"EncryptionContextEquals": CONTEXT}
    give(client, arn, "ReEncryptFrom", constraints=constraints)
    give(client, arn, "ReEncryptTo")
    arguments = {"ciphertext_blob": blob, "destination_key_id": arn}
    assert bob("ReEncrypt", source_encryption_context=CONTEXT, **arguments)["KeyId"] == arn
    assert bob.refused("ReEncrypt", **arguments)[0] == "AccessDeniedException"


def test_a_grant_for_a_session_for_a_role_and_for_the_account(
    client: Any, directory: Directory
) -> None:
    arn = client.key()
    give(client, arn, "Encrypt", to=session().principal.arn)
    assert encrypt(client.as_(session()), arn)
    two = client.as_(session("two"))
    assert two.refused("Encrypt", key_id=arn, plaintext=b"p")[0] == "AccessDeniedException"
    give(client, arn, "Encrypt", to=ROLE_ARN)
    assert encrypt(two, arn)
    give(client, arn, "Encrypt", to=f"arn:aws:iam::{OTHER}:root")
    stranger = client.as_(user("bob", OTHER))
    _, message = stranger.refused("Encrypt", key_id=arn, plaintext=b"p")
    assert "on this resource because no identity-based policy allows" in message
    assert encrypt(client.as_(user("bob", OTHER, allowed="kms:Encrypt")), arn)


def test_a_name_makes_a_retry_harmless(
    client: Any, directory: Directory, clock: FixedClock
) -> None:
    arn = client.key()
    arguments = {
        "key_id": arn,
        "grantee_principal": BOB_ARN,
        "operations": ["Encrypt", "Decrypt"],
        "name": "n",
    }
    first, again = client("CreateGrant", **arguments), client("CreateGrant", **arguments)
    assert first["GrantId"] == again["GrantId"]
    assert first["GrantToken"] != again["GrantToken"]
    arguments["operations"] = ["Encrypt"]
    assert client("CreateGrant", **arguments)["GrantId"] != first["GrantId"]
    nameless = {**arguments, "name": ""}
    assert (
        client("CreateGrant", **nameless)["GrantId"] != client("CreateGrant", **nameless)["GrantId"]
    )
    assert len(client("ListGrants", key_id=arn)["Grants"]) == 4


def test_how_grants_are_listed(client: Any, directory: Directory, clock: FixedClock) -> None:
    arn = client.key()
    grant_id = give(
        client,
        arn,
        "Encrypt",
        "Decrypt",
        name="n",
        retiring_principal=ROLE_ARN,
        constraints={"EncryptionContextEquals": CONTEXT},
    )
    plain = give(client, arn, "Decrypt", to=ROOT)
    entry = {
        "KeyId": arn,
        "GrantId": grant_id,
        "Name": "n",
        "CreationDate": clock.now(),
        "GranteePrincipal": BOB_ARN,
        "RetiringPrincipal": ROLE_ARN,
        "IssuingAccount": ROOT,
        "Operations": ["Encrypt", "Decrypt"],
        "Constraints": {"EncryptionContextEquals": CONTEXT},
    }
    assert client("ListGrants", key_id=arn, grantee_principal=BOB_ARN)["Grants"] == [entry]
    assert client("ListGrants", key_id=arn, grant_id=grant_id)["Grants"] == [entry]
    both = {"grant_id": plain, "grantee_principal": BOB_ARN}
    assert client("ListGrants", key_id=arn, **both)["Grants"] == []
    assert client("ListGrants", key_id=client.key(), grant_id=plain)["Grants"] == []
    listed = client("ListGrants", key_id=arn, limit=1)
    rest = client("ListGrants", key_id=arn, marker=listed["NextMarker"])
    assert listed["Truncated"]
    assert {grant["GrantId"] for grant in listed["Grants"] + rest["Grants"]} == {grant_id, plain}
    retirable = client("ListRetirableGrants", retiring_principal=ROLE_ARN)
    assert retirable == {"Grants": [entry], "Truncated": False}
    client("CreateAlias", alias_name="alias/a", target_key_id=arn)
    refused = client.refused("RetireGrant", key_id="alias/a", grant_id=grant_id)
    assert refused == ("InvalidArnException", "Key Aliases are not supported for this operation.")


def test_who_is_made_anew_inherits_nothing(client: Any, directory: Directory) -> None:
    arn = client.key()
    give(client, arn, "Encrypt", to=session().principal.arn)
    del directory.entities["R"]
    [entry] = client("ListGrants", key_id=arn)["Grants"]
    assert entry["GranteePrincipal"] == "AROAR:one"
    directory.entities["R"] = Entity("AROANEW", ROLE_ARN)
    [entry] = client("ListGrants", key_id=arn)["Grants"]
    assert entry["GranteePrincipal"] == "AROAR:one"
    anew = Principal(
        PrincipalKind.ASSUMED_ROLE,
        ACCOUNT,
        session().principal.arn,
        "AROANEW:one",
        session=Session(ROLE_ARN, "AROANEW", "R", 0),
    )
    refused = client.as_(caller_of(anew)).refused("Encrypt", key_id=arn, plaintext=b"p")
    assert refused[0] == "AccessDeniedException"


def test_nor_by_a_key_policy(client: Any, directory: Directory) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [ROOT, BOB_ARN]},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = client.key(policy=policy)
    assert encrypt(client.as_(user()), arn)
    assert client("GetKeyPolicy", key_id=arn)["Policy"] == policy
    directory.entities["bob"] = Entity("AIDANEW", BOB_ARN)
    anew = Principal(PrincipalKind.USER, ACCOUNT, BOB_ARN, "AIDANEW", "bob")
    refused = client.as_(caller_of(anew)).refused("Encrypt", key_id=arn, plaintext=b"p")
    assert refused[0] == "AccessDeniedException"
    shown = json.loads(client("GetKeyPolicy", key_id=arn)["Policy"])
    assert shown["Statement"][0]["Principal"] == {"AWS": [ROOT, "AIDABOB"]}
    client("PutKeyPolicy", key_id=arn, policy=policy)
    assert encrypt(client.as_(caller_of(anew)), arn)
    assert client("GetKeyPolicy", key_id=arn)["Policy"] == policy


def test_a_grant_made_by_a_grant(client: Any, directory: Directory) -> None:
    arn = client.key()
    bob, eve = client.as_(user()), BOB_ARN.replace("bob", "eve")
    constraints = {"EncryptionContextSubset": CONTEXT}
    give(client, arn, "CreateGrant", "Encrypt", constraints=constraints)
    give(client, arn, "Decrypt")
    wider: list[dict[str, Any]] = [
        {"operations": ["Encrypt"]},
        {"operations": ["Decrypt"], "constraints": constraints},
        {"operations": ["Encrypt", "Decrypt"], "constraints": constraints},
    ]
    for arguments in wider:
        code, message = bob.refused("CreateGrant", key_id=arn, grantee_principal=eve, **arguments)
        assert code == "AccessDeniedException"
        assert "no identity-based policy allows the kms:CreateGrant action" in message
    give(bob, arn, "Encrypt", to=eve, constraints={"EncryptionContextEquals": CONTEXT})
    assert encrypt(client.as_(user("eve")), arn, Department="IT")


def test_who_may_retire(client: Any, directory: Directory) -> None:
    arn = client.key()
    eve = BOB_ARN.replace("bob", "eve")

    def made(*operations: str) -> str:
        return give(client, arn, *operations, retiring_principal=eve)

    for who, operations in (
        (user("eve"), ("Encrypt",)),
        (user("bob"), ("Encrypt", "RetireGrant")),
        (user("joe", allowed="kms:RetireGrant"), ("Encrypt",)),
        (client.caller, ("Encrypt",)),
    ):
        client.as_(who)("RetireGrant", key_id=arn, grant_id=made(*operations))
    for who in (user("bob"), user("joe"), user("eve", OTHER)):
        code, message = client.as_(who).refused("RetireGrant", key_id=arn, grant_id=made("Encrypt"))
        assert code == "AccessDeniedException"
        assert "kms:RetireGrant" in message
    assert len(client("ListGrants", key_id=arn)["Grants"]) == 3


def test_retiring_by_token(client: Any, directory: Directory, stranger: Caller) -> None:
    arn = client.key()
    arguments = {"key_id": arn, "grantee_principal": BOB_ARN, "operations": ["RetireGrant"]}
    token = client("CreateGrant", **arguments)["GrantToken"]
    bob = client.as_(user())
    assert bob.refused("RetireGrant", grant_token=token, dry_run=True)[0] == (
        "DryRunOperationException"
    )
    assert bob("RetireGrant", grant_token=token) == {}
    for text in (token, "token"):
        bob.fails(
            "InvalidGrantTokenException",
            "The grant token is not valid.",
            "RetireGrant",
            grant_token=text,
        )
    for wrong in ({}, {"key_id": arn}, {"grant_token": token, "grant_id": "ab" * 32}):
        assert bob.refused("RetireGrant", **wrong)[0] == "ValidationException"
    absent = {"key_id": arn, "grant_id": "ab" * 32}
    assert client.refused("RetireGrant", **absent)[0] == "NotFoundException"
    assert client.as_(stranger).refused("RetireGrant", **absent)[0] == "AccessDeniedException"


def test_tokens_are_checked_and_permit_nothing(client: Any, directory: Directory) -> None:
    arn = client.key()
    token = client(
        "CreateGrant", key_id=arn, grantee_principal=BOB_ARN, operations=["DescribeKey"]
    )["GrantToken"]
    assert client.as_(user())("DescribeKey", key_id=arn, grant_tokens=[token])
    eve = client.as_(user("eve"))
    assert (
        eve.refused("DescribeKey", key_id=arn, grant_tokens=[token])[0] == "AccessDeniedException"
    )
    code, _ = client.refused("Encrypt", key_id=arn, plaintext=b"p", grant_tokens=["x"])
    assert code == "InvalidGrantTokenException"


def test_a_service_gets_a_grant_for_one_resource(client: Any, directory: Directory) -> None:
    arn = client.key()
    source = f"arn:aws:s3:us-east-1:{ACCOUNT}:bucket"
    arguments = {
        "key_id": arn,
        "grantee_service_principal": "s3.amazonaws.com",
        "operations": ["Encrypt"],
    }
    assert client.refused("CreateGrant", **arguments)[0] == "ValidationException"
    client(
        "CreateGrant",
        **arguments,
        retiring_service_principal="s3.amazonaws.com",
        constraints={"SourceArn": source},
    )
    service = Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com", "", "s3.amazonaws.com")
    assert encrypt(client.as_(caller_of(service, source_arn=source)), arn)
    other = client.as_(caller_of(service, source_arn=source + "2"))
    assert other.refused("Encrypt", key_id=arn, plaintext=b"p")[0] == "AccessDeniedException"
    retiree = {"retiring_service_principal": "s3.amazonaws.com"}
    listed = client.as_(caller_of(service)).refused("ListRetirableGrants", **retiree)
    assert listed[0] == "AccessDeniedException"
    grantee = {"grantee_service_principal": "s3.amazonaws.com", "key_id": arn}
    for operation, arguments in (("ListRetirableGrants", retiree), ("ListGrants", grantee)):
        code, message = client.refused(operation, **arguments)
        assert code == "ValidationException"
        assert "only usable by callers in that service" in message
    (entry,) = client("ListGrants", key_id=arn)["Grants"]
    for role in ("Grantee", "Retiring"):
        assert entry[f"{role}Principal"] == entry[f"{role}ServicePrincipal"] == "s3.amazonaws.com"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"operations": []}, "ValidationException", "at least one operation"),
        (
            {"operations": ["CreateGrant"]},
            "ValidationException",
            "Grants must not contain only the CreateGrant operation.",
        ),
        (
            {"operations": ["Sign", "Encrypt", "GetPublicKey"]},
            "ValidationException",
            "Operations [Sign, GetPublicKey] are not supported when creating a grant for a "
            "symmetric KMS key with key usage ENCRYPT_DECRYPT. Valid operations are [CreateGrant, "
            "RetireGrant, DescribeKey, Encrypt, Decrypt, ReEncryptFrom, ReEncryptTo, "
            "GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateDataKeyPair, "
            "GenerateDataKeyPairWithoutPlaintext]",
        ),
        ({"grantee_principal": None}, "ValidationException", "GranteePrincipal"),
        (
            {"grantee_service_principal": "s3.amazonaws.com"},
            "ValidationException",
            "cannot specify both GranteePrincipal and GranteeServicePrincipal",
        ),
        (
            {"grantee_principal": BOB_ARN.replace("bob", "nobody")},
            "InvalidArnException",
            f"ARN does not refer to a valid principal: {BOB_ARN.replace('bob', 'nobody')}",
        ),
        (
            {"retiring_principal": "bob"},
            "InvalidArnException",
            "RetiringPrincipal does not refer to a valid principal.",
        ),
        (
            {"grantee_principal": "AIDAGONE"},
            "InvalidArnException",
            "GranteePrincipal does not refer to a valid principal.",
        ),
        (
            {"constraints": {"EncryptionContextEquals": {}, "EncryptionContextSubset": {}}},
            "ValidationException",
            "More than one constraint supplied",
        ),
        (
            {"constraints": {"EncryptionContextEquals": {str(n): "" for n in range(9)}}},
            "ValidationException",
            "up to 8 encryption context pairs",
        ),
        (
            {"constraints": {"EncryptionContextSubset": {"a": "b" * 385}}},
            "ValidationException",
            "cannot exceed 384 characters",
        ),
        ({"key_id": "alias/a"}, "InvalidArnException", "Key Aliases are not supported"),
        ({"dry_run": True}, "DryRunOperationException", "would have succeeded"),
    ],
)
def test_grants_that_cannot_be(
    client: Any, directory: Directory, arguments: dict[str, Any], code: str, message: str
) -> None:
    arn = client.key()
    whole = {"key_id": arn, "grantee_principal": BOB_ARN, "operations": ["Encrypt"], **arguments}
    refused = client.refused("CreateGrant", **whole)
    assert refused[0] == code
    assert message in refused[1]
    assert client("ListGrants", key_id=arn)["Grants"] == []


def test_contexts_are_no_constraint_on_keys_without_them(client: Any, directory: Directory) -> None:
    arn = client.key(key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC")
    given = {"key_id": arn, "grantee_principal": BOB_ARN}
    subset = {"EncryptionContextSubset": CONTEXT}
    code, message = client.refused(
        "CreateGrant", operations=["GenerateMac"], constraints=subset, **given
    )
    assert code == "ValidationException"
    assert message == (
        "EncryptionContext is supported only when creating a grant for a symmetric encryption KMS "
        "key."
    )
    _, message = client.refused("CreateGrant", operations=["Encrypt"], **given)
    assert message == (
        "Operations [Encrypt] are not supported when creating a grant for a symmetric KMS key with "
        "key usage GENERATE_VERIFY_MAC. Valid operations are [CreateGrant, RetireGrant, "
        "DescribeKey, GenerateMac, VerifyMac]"
    )


def test_principals_by_unique_id(client: Any, directory: Directory, clock: FixedClock) -> None:
    clock.advance(0.9876)
    arn = client.key()
    client("CreateGrant", key_id=arn, grantee_principal="AIDABOB", operations=["Encrypt"])
    for named in (BOB_ARN, "AIDABOB"):
        (grant,) = client("ListGrants", key_id=arn, grantee_principal=named)["Grants"]
        assert grant["GranteePrincipal"] == BOB_ARN
        assert grant["CreationDate"] == 1_700_000_000
    assert client.metadata(arn)["CreationDate"] == 1_700_000_000.987
    assert client.refused("ListGrants", key_id=arn, grantee_principal="AIDAGONE") == (
        "InvalidArnException",
        "Input does not refer to a valid principal",
    )
    assert client.refused("ListRetirableGrants", retiring_principal="AIDAGONE") == (
        "NotFoundException",
        "Retiring principal AIDAGONE could not be found",
    )


def test_limits(client: Any, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = client.key()
    monkeypatch.setattr(grants, "GRANTS_PER_KEY_MAX", 1)
    grant_id = give(client, arn, "Encrypt", name="n")
    assert give(client, arn, "Encrypt", name="n") == grant_id
    assert client.refused(
        "CreateGrant", key_id=arn, grantee_principal=BOB_ARN, operations=["Decrypt"]
    )[1].startswith("Grants per key quota for this account in this region is 1,")
    assert client.refused("ListGrants", key_id=arn, limit=101)[0] == "ValidationException"
    for operation in ("RevokeGrant", "ListGrants"):
        code, _ = client.refused(operation, key_id=arn, grant_id="xyz")
        assert code == "InvalidGrantIdException"


def test_states(client: Any, directory: Directory) -> None:
    arn = client.key()
    grant_id = give(client, arn, "Encrypt")
    client("DisableKey", key_id=arn)
    arguments = {"key_id": arn, "grantee_principal": BOB_ARN, "operations": ["Encrypt"]}
    assert client.refused("CreateGrant", **arguments)[0] == "DisabledException"
    assert client("ListGrants", key_id=arn)["Grants"]
    assert client("RevokeGrant", key_id=arn, grant_id=grant_id) == {}


def test_grants_go_with_their_key(
    client: Any, directory: Directory, service: Service, clock: FixedClock
) -> None:
    arn = client.key()
    grant_id = give(client, arn, "Encrypt")
    client("ScheduleKeyDeletion", key_id=arn, pending_window_in_days=7)
    clock.advance(7 * 86_400 + 1)
    client("ListKeys")
    assert service.store.grants.get(grant_id) is None
