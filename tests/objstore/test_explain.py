"""Explanations over a real store of identities; the KMS is a function that notes the question."""

import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.aws.policy import Decision, Reason
from kms.errors import KMSError
from objstore.account.directory import Directory
from objstore.authorize import Authorizer
from objstore.explain import Asked, ExplainError, explain, read_context
from objstore.storage.index_identities import IdentityRows
from objstore.storage.records import Bucket, Document, Identity
from objstore.storage.store import Store, create_folder

ACCOUNT = "123456789012"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "FromHome",
                "Effect": "Allow",
                "Action": ["iam:GetUser", "sts:*"],
                "Resource": "*",
                "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
            }
        ],
    }
)


def plant(rows: IdentityRows) -> None:
    rows.add(Identity(ACCOUNT, "user", "bob", "AIDABOB", "/", 0, {}))
    rows.put_document(Document("AIDABOB", "home", 0, POLICY))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    create_folder(tmp_path)
    opened = Store.open(tmp_path, wall=FixedClock(0))
    await opened.identities.change(plant)
    yield opened
    await opened.close()


class Keys:
    """Stands for the KMS."""

    def __init__(self, answer: Decision | KMSError) -> None:
        self.answer = answer
        self.asked: list[tuple[Caller, str, str, Mapping[str, str]]] = []

    def __call__(
        self, caller: Caller, *, action: str, key_id: str, context: Mapping[str, str]
    ) -> Decision:
        self.asked.append((caller, action, key_id, context))
        if isinstance(self.answer, KMSError):
            raise self.answer
        return self.answer


NO_KEYS = Keys(KMSError("NotFoundException", "Key 'k' does not exist"))


def ask(store: Store, keys: Keys = NO_KEYS, /, **question: str) -> tuple[str, bool]:
    context = json.loads(question.pop("context", "{}"))
    whole = {"principal": BOB, "action": "iam:GetUser", "resource": BOB, **question}
    asked = Asked(whole["principal"], whole["action"], whole["resource"], context)
    clock, directory = FixedClock(0), Directory()
    authorizer = Authorizer(
        store, clock, account=directory.account, account_of=directory.account_of
    )
    return explain(store, keys, authorizer, clock, asked)


def test_the_account_services_by_the_callers_policies(store: Store) -> None:
    home = '{"aws:SourceIp": "192.0.2.7"}'
    line, allowed = ask(store, context=home)
    assert allowed
    assert line == (
        f"allowed by an identity-based policy (FromHome of inline policy home of {BOB})"
    )
    line, allowed = ask(store)
    assert not allowed
    assert line == "denied because no identity-based policy allows the iam:GetUser action"
    assert ask(store, action="sts:GetSessionToken", resource="*", context=home)[1]
    line, allowed = ask(store, action="cloudtrail:LookupEvents", resource="*")
    assert (
        line == "denied because no identity-based policy allows the cloudtrail:LookupEvents action"
    )
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert ask(store, principal=root, action="cloudtrail:LookupEvents", resource="*")[1]


def keep(role: Identity, rows: IdentityRows) -> None:
    if rows.by_id(role.unique_id) is None:
        rows.add(role)
    else:
        rows.update(role)


async def test_roles_by_their_trust_policy_too(store: Store) -> None:
    home = '{"aws:SourceIp": "192.0.2.7"}'
    question = {"action": "sts:AssumeRole", "resource": ROLE}
    with pytest.raises(ExplainError, match=f"there is no role {ROLE}"):
        ask(store, **question)
    outcomes = {}
    for who in (BOB, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/eve"):
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
        role = Identity(ACCOUNT, "role", "r", "AROAR", "/", 0, {"trust": trust})
        await store.identities.change(partial(keep, role))
        name = who.rpartition(":")[2]
        outcomes[name] = [ask(store, **question, context=given)[1] for given in ("{}", home)]
    assert outcomes == {
        "user/bob": [True, True],
        "root": [False, True],
        "user/eve": [False, False],
    }


def test_keys_by_the_kms(store: Store) -> None:
    keys = Keys(Decision(True, Reason.GRANT, detail="abc"))
    context = '{"KMS:ViaService": "s3.eu-west-1.amazonaws.com", "kms:EncryptionContext:a": "b"}'
    line, allowed = ask(store, keys, action="kms:Decrypt", resource=KEY, context=context)
    assert (line, allowed) == ("allowed by a grant (abc)", True)
    [(caller, action, key_arn, given)] = keys.asked
    assert (caller.principal.arn, caller.region) == (BOB, "eu-west-1")
    assert caller.via_service == "s3.eu-west-1.amazonaws.com"
    assert (action, key_arn, given) == ("Decrypt", KEY, json.loads(context))
    assert ask(store, keys, action="kms:ListKeys", resource="*")[1] is False
    assert len(keys.asked) == 1


async def test_buckets_and_objects_by_all_that_s3_asks(store: Store) -> None:
    statement = {
        "Sid": "Reports",
        "Effect": "Allow",
        "Principal": {"AWS": BOB},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::photos/reports/*",
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    bucket = Bucket("photos", bytes(16), ACCOUNT, "eu-west-1", 0, {"policy": policy})
    await store.create_bucket(bucket)
    question = {"action": "s3:GetObject", "resource": "arn:aws:s3:::photos/reports/a"}
    line, allowed = ask(store, context='{"aws:SecureTransport": "true"}', **question)
    assert allowed
    assert line.startswith("allowed by a resource-based policy (Reports of ")
    line, allowed = ask(store, **question)
    assert not allowed
    assert line == "denied because no identity-based policy allows the s3:GetObject action"
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert ask(store, principal=root, **question) == ("allowed as the account's root", True)
    assert not ask(store, action="s3:ListAllMyBuckets", resource="*")[1]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"principal": "eve"}, "there is no principal eve"),
        ({"action": "Decrypt"}, "the action must be of one of cloudtrail, iam, kms, s3, sts"),
        ({"action": "kms:"}, "the action must be of one of cloudtrail, iam, kms, s3, sts"),
        ({"action": "ec2:RunInstances"}, "the action must be of one of cloudtrail, iam, kms, s3"),
        ({"action": "s3:GetObject", "resource": "arn:aws:s3:::none/k"}, "no bucket none"),
        ({"resource": "key"}, "the resource must be an ARN or *: key"),
        ({"action": "kms:Decrypt", "resource": KEY}, "Key 'k' does not exist"),
    ],
)
def test_questions_without_sense(store: Store, question: dict[str, str], message: str) -> None:
    with pytest.raises(ExplainError) as caught:
        ask(store, **question)
    assert message in str(caught.value)


def test_condition_keys_of_the_command_line() -> None:
    assert read_context(["aws:SourceIp=192.0.2.7", "kms:EncryptionContext:a=b=c"]) == {
        "aws:SourceIp": "192.0.2.7",
        "kms:EncryptionContext:a": "b=c",
    }
    for entry in ("aws:SourceIp", "SourceIp=1", ""):
        with pytest.raises(ExplainError, match="service:key=value"):
            read_context([entry])
