"""A KMS in a temporary folder, with a clock that tests move, and callers for it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

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


VECTORS = Path(__file__).parent.parent / "vectors" / "algorithms"


def cases_of(name: str) -> list[dict[str, Any]]:
    """The published test vectors of a file, long keys put in place of their names."""
    document = json.loads((VECTORS / f"{name}.json").read_text())
    keys = document.get("keys", {})
    return [
        {field: keys.get(value, value) for field, value in case.items()}
        for case in document["cases"]
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `case` runs for every case of the file of its module's name."""
    if "case" in metafunc.fixturenames:
        assert metafunc.module is not None
        cases = cases_of(metafunc.module.__name__.rpartition("test_")[2])
        metafunc.parametrize("case", cases, ids=[case["why"] for case in cases])


@pytest.fixture
def vectors() -> Callable[[str], list[dict[str, Any]]]:
    return cases_of


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


def wrap(public_key: bytes, algorithm: str, material: bytes) -> bytes:
    """Wrap material for import, as a customer's own tools do."""
    key = load_der_public_key(public_key)
    assert isinstance(key, RSAPublicKey)
    digest = hashes.SHA1() if algorithm.endswith("_SHA_1") else hashes.SHA256()
    padding = OAEP(MGF1(digest), digest, None)
    if algorithm.startswith("RSAES"):
        return key.encrypt(material, padding)
    secret = os.urandom(32)
    return key.encrypt(secret, padding) + aes_key_wrap_with_padding(secret, material)


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

    def import_material(
        self,
        key_id: str,
        material: bytes,
        *,
        algorithm: str = "RSAES_OAEP_SHA_256",
        wrapping_spec: str = "RSA_2048",
        **members: Any,
    ) -> dict[str, Any]:
        """Import as a customer does, in three steps; by default the material does not expire."""
        parameters = self(
            "GetParametersForImport",
            key_id=key_id,
            wrapping_algorithm=algorithm,
            wrapping_key_spec=wrapping_spec,
        )
        if "valid_to" not in members:
            members.setdefault("expiration_model", "KEY_MATERIAL_DOES_NOT_EXPIRE")
        return self(
            "ImportKeyMaterial",
            key_id=key_id,
            import_token=parameters["ImportToken"],
            encrypted_key_material=wrap(parameters["PublicKey"], algorithm, material),
            **members,
        )

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


@pytest.fixture(name="wrap")
def wrap_fixture() -> Callable[[bytes, str, bytes], bytes]:
    return wrap


@pytest.fixture
def client(service: Service, caller: Caller) -> Client:
    return Client(service, caller)
