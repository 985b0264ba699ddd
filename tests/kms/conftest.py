"""A KMS in a temporary folder, with a clock that tests move, and callers for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kms.aws import arn
from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from kms.errors import KMSError
from kms.root import KeyFile
from kms.service import Service
from kms.store import Store

ACCOUNT = "111122223333"
REGION = "us-east-1"


def root_of(account: str) -> Principal:
    return Principal(PrincipalKind.ROOT, account, arn.account_root(account), account)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(1_700_000_000.0)


@pytest.fixture
def caller() -> Caller:
    return Caller(root_of(ACCOUNT), "AKIAEXAMPLE", REGION, "request-1")


@pytest.fixture
def stranger() -> Caller:
    return Caller(root_of("444455556666"), "AKIASTRANGER", REGION, "request-2")


@pytest.fixture
def anonymous() -> Caller:
    return Caller(ANONYMOUS, "", REGION, "request-3")


@pytest.fixture
def audit() -> MemorySink:
    return MemorySink()


@pytest.fixture
def service(tmp_path: Path, clock: FixedClock, audit: MemorySink) -> Iterator[Service]:
    store = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield Service(store, clock=clock, audit=audit)
    store.close()


class Client:
    """Calls a service as one caller: `client("CreateKey", description="x")`."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self.service = service
        self.caller = caller

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return self.service.call(operation, arguments, self.caller)

    def refused(self, operation: str, **arguments: Any) -> tuple[str, str]:
        """The code and the message of the refusal of a call."""
        with pytest.raises(KMSError) as caught:
            self(operation, **arguments)
        return caught.value.code, caught.value.message

    def metadata(self, key_id: str) -> dict[str, Any]:
        described: dict[str, Any] = self("DescribeKey", key_id=key_id)["KeyMetadata"]
        return described

    def key(self, **arguments: Any) -> str:
        arn_of_key: str = self("CreateKey", **arguments)["KeyMetadata"]["Arn"]
        return arn_of_key

    def fails(self, code: str, message: str, operation: str, /, **arguments: Any) -> None:
        """Assert that the call is refused with exactly this error."""
        with pytest.raises(KMSError) as caught:
            self(operation, **arguments)
        assert (caught.value.code, caught.value.message) == (code, message)

    def as_(self, caller: Caller) -> "Client":
        return Client(self.service, caller)


@pytest.fixture
def client(service: Service, caller: Caller) -> Client:
    return Client(service, caller)
