"""The account services on a real store and a real KMS, called as functions by anybody."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Credential, Principal
from kms.aws.model import load
from kms.client import KMS, RootSettings, open_kms
from objstore.account.assembly import Secrets, assemble
from objstore.account.call import Reply
from objstore.account.directory import Directory, root_credential, root_principal
from objstore.account.sealing import Sealing
from objstore.storage.store import Store, create_folder
from objstore.wire.signature import signature_of

ACCOUNT = "123456789012"
OTHER = "111122223333"
ROOT = root_principal(ACCOUNT)
NOW = 1_700_000_000.0

IAM = load("iam")


class World:
    """A server's account services, with all that tests turn."""

    def __init__(self, store: Store, kms: KMS) -> None:
        self.store = store
        self.kms = kms
        self.clock = FixedClock(NOW)
        self.wall = FixedClock(NOW)
        self.directory = Directory()
        self.directory.add_credential(root_credential(ACCOUNT, "AKIAROOT", "root-secret"))
        self.audit = MemorySink()
        self.secrets = Secrets(kms.seal_secret, kms.open_secret, Sealing(bytes(32)))
        self.accounts = assemble(
            self.directory,
            store.identities,
            self.secrets,
            clock=self.clock,
            wall=self.wall,
            audit=self.audit,
        )
        self.caller = ROOT

    async def iam(
        self, operation: str, /, caller: Principal | None = None, **members: Any
    ) -> Reply:
        """An IAM operation as `caller`, by default the account's root."""
        handler = self.accounts.iam.handlers.get(operation)
        if handler is not None:
            called = IAM.operations[operation]
            shape = IAM.shape(called.input) if called.input else None
            members = signature_of(called, shape, handler).arguments(members)
        return await self.accounts.iam.call(operation, members, self._caller(caller))

    async def sts(
        self, operation: str, /, caller: Principal | None = None, **members: Any
    ) -> Reply:
        return await self.accounts.sts.call(operation, members, self._caller(caller))

    @staticmethod
    def policy(action: Any, resource: Any = "*", effect: str = "Allow", **elements: Any) -> str:
        """A document with one statement."""
        statement = {"Effect": effect, "Action": action, "Resource": resource, **elements}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    @staticmethod
    def trust(principal: Any, action: Any = "sts:AssumeRole", **elements: Any) -> str:
        """A role's trust policy with one statement."""
        statement = {"Effect": "Allow", "Principal": principal, "Action": action, **elements}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def _caller(self, principal: Principal | None) -> Caller:
        return Caller(principal or self.caller, "AKIATEST", "us-east-1", "R", "192.0.2.1")

    async def refused(self, operation: str, /, **members: Any) -> tuple[str, str]:
        """The code and message with which an IAM operation is refused."""
        return await _refusal(self.iam(operation, **members))

    async def refused_sts(self, operation: str, /, **members: Any) -> tuple[str, str]:
        return await _refusal(self.sts(operation, **members))

    async def outcome(self, operation: str, /, **members: Any) -> tuple[str, Any]:
        """The code of a refusal by IAM, or none, and the message or reply."""
        return await _outcome(self.iam(operation, **members))

    async def outcome_sts(self, operation: str, /, **members: Any) -> tuple[str, Any]:
        return await _outcome(self.sts(operation, **members))

    async def user(self, name: str = "bob", *policies: str) -> Principal:
        """A new user with an access key and inline policies, as that key speaks for it."""
        await self.iam("CreateUser", user_name=name)
        for number, text in enumerate(policies):
            await self.iam(
                "PutUserPolicy", user_name=name, policy_name=f"p{number}", policy_document=text
            )
        key = (await self.iam("CreateAccessKey", user_name=name))["AccessKey"]
        return self.find(key["AccessKeyId"]).principal

    async def role(self, name: str = "reader", trusted: str = ACCOUNT, **members: Any) -> str:
        """The ARN of a new role that an account's identities may assume."""
        document = self.trust({"AWS": trusted}, ["sts:AssumeRole", "sts:TagSession"])
        made = await self.iam(
            "CreateRole", role_name=name, **{"assume_role_policy_document": document, **members}
        )
        arn: str = made["Role"]["Arn"]
        return arn

    @staticmethod
    def root(account: str) -> Principal:
        """The root of another account."""
        return root_principal(account)

    def find(self, access_key_id: str, token: str | None = None) -> Credential:
        """The credential of an access key that exists."""
        found = self.accounts.credentials.find(access_key_id, token)
        assert found is not None
        return found


async def _outcome(call: Any) -> tuple[str, Any]:
    try:
        return "", await call
    except AWSError as error:
        return error.code, error.message


async def _refusal(call: Any) -> tuple[str, str]:
    try:
        reply = await call
    except AWSError as error:
        return error.code, error.message
    raise AssertionError(f"not refused: {reply}")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    create_folder(tmp_path)
    store = Store.open(tmp_path, wall=FixedClock(NOW), space_reserve_bytes=0)
    kms = open_kms(tmp_path, clock=FixedClock(NOW), root=RootSettings())
    yield World(store, kms)
    kms.close()
    await store.close()
