"""Bucket keys: how seldom the KMS is asked, and how soon its changes show."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kms.aws.errors import AWSError
from kms.aws.identity import Caller, Principal, PrincipalKind
from objstore.crypt import bucket_keys
from objstore.crypt.bucket_keys import KEPT_MAX, SECONDS_MAX, BucketKeys
from objstore.crypt.frames import TamperedError
from objstore.crypt.wrapped import split

VECTORS = sorted(Path(__file__).parents[2].joinpath("vectors", "bucket-keys").glob("*.json"))
ARN = "arn:aws:kms:us-east-1:123456789012:key/0"
CONTEXT = {"aws:s3:arn": "arn:aws:s3:::b"}
ANN = Caller(
    Principal(
        PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/ann", "AIDA", "ann"
    ),
    "AKIA",
    "us-east-1",
    "request",
)
DATA_KEY = bytearray(range(32))


@dataclass(slots=True)
class Made:
    plaintext: bytearray
    wrapped: bytes
    key_arn: str


@dataclass
class FakeKMS:
    """Bucket keys are numbered; the number is the wrapped form. Counts what it is asked."""

    arn: str = ARN
    allowed: bool = True
    asked: list[str] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)

    def generate_data_key(self, caller: Caller, *, key_id: str, context: Any) -> Made:
        return self._make("GenerateDataKey", len(self.made) + 1)

    def open_data_key(self, caller: Caller, *, wrapped: bytes, context: Any) -> Made:
        return self._make("Decrypt", int(wrapped))

    def permit(self, caller: Caller, *, operation: str, key_id: str, context: Any) -> str:
        if not self.allowed:
            raise AWSError("DisabledException", f"{self.arn} is disabled.")
        return self.arn

    def _make(self, name: str, number: int) -> Made:
        self.asked.append(name)
        if not self.allowed:
            raise AWSError("DisabledException", f"{self.arn} is disabled.")
        self.made.append(Made(bytearray(bytes((number % 256,)) * 32), b"%d" % number, self.arn))
        return self.made[-1]


@dataclass
class Now:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def seal(keys: BucketKeys, caller: Caller = ANN, **changed: Any) -> bytes:
    members: dict[str, Any] = {"key_id": "alias/own", "context": CONTEXT, "place": b"place"}
    wrapped, arn = keys.seal(caller, DATA_KEY, **{**members, **changed})
    assert arn.startswith("arn:aws:kms:")
    return wrapped


def test_one_bucket_key_wraps_many_data_keys() -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    sealed = [seal(keys) for _ in range(100)]
    assert kms.asked == ["GenerateDataKey"]
    assert len(set(sealed)) == 100
    assert {split(wrapped)[0] for wrapped in sealed} == {b"1"}
    for wrapped in sealed:
        assert keys.open(ANN, wrapped, context=CONTEXT, place=b"place") == DATA_KEY
    assert kms.asked == ["GenerateDataKey", "Decrypt"]
    assert all(made.plaintext == bytes(32) for made in kms.made), "the bucket key is wiped"


@pytest.mark.parametrize(
    ("caller", "changed"),
    [
        (replace(ANN, access_key_id="ASIA"), {}),
        (replace(ANN, principal=replace(ANN.principal, arn="arn:aws:iam::1:user/bob")), {}),
        (replace(ANN, region="eu-west-1"), {}),
        (ANN, {"key_id": "alias/other"}),
        (ANN, {"context": {"aws:s3:arn": "arn:aws:s3:::other"}}),
        (ANN, {"context": {**CONTEXT, "team": "x"}}),
    ],
)
def test_nobody_and_nothing_else_shares_it(caller: Caller, changed: dict[str, Any]) -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    seal(keys)
    seal(keys, caller, **changed)
    assert kms.asked == ["GenerateDataKey"] * 2


def test_it_lives_for_a_while() -> None:
    kms, now = FakeKMS(), Now()
    keys = BucketKeys(kms, now=now)
    first = seal(keys)
    now.seconds = SECONDS_MAX - 1
    seal(keys)
    assert kms.asked == ["GenerateDataKey"]
    now.seconds = SECONDS_MAX
    second = seal(keys)
    assert kms.asked == ["GenerateDataKey"] * 2
    assert split(first)[0] != split(second)[0]
    for wrapped in (first, second):
        assert keys.open(ANN, wrapped, context=CONTEXT, place=b"place") == DATA_KEY


def test_it_is_used_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_keys, "USES_MAX", 3)
    kms = FakeKMS()
    keys = BucketKeys(kms)
    for _ in range(7):
        seal(keys)
    assert kms.asked == ["GenerateDataKey"] * 3


def test_so_many_are_kept() -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    for number in range(KEPT_MAX + 1):
        seal(keys, context={"aws:s3:arn": str(number)})
    assert len(keys._sealing) == KEPT_MAX
    seal(keys, context={"aws:s3:arn": "0"})
    assert len(kms.asked) == KEPT_MAX + 2


def test_a_key_that_may_not_be_used_any_more_is_not() -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    wrapped = seal(keys)
    keys.open(ANN, wrapped, context=CONTEXT, place=b"place")
    kms.allowed = False
    for _ in range(2):
        with pytest.raises(AWSError, match="DisabledException"):
            seal(keys)
        with pytest.raises(AWSError, match="DisabledException"):
            keys.open(ANN, wrapped, context=CONTEXT, place=b"place")
    assert not keys._sealing
    assert not keys._opening
    kms.allowed = True
    assert keys.open(ANN, wrapped, context=CONTEXT, place=b"place") == DATA_KEY


def test_an_alias_that_names_another_key_takes_effect() -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    seal(keys)
    kms.arn = ARN.replace("key/0", "key/1")
    seal(keys)
    assert kms.asked == ["GenerateDataKey"] * 2


def test_moved_and_changed_keys_are_noticed() -> None:
    kms = FakeKMS()
    keys = BucketKeys(kms)
    wrapped = seal(keys)
    with pytest.raises(TamperedError, match="data key"):
        keys.open(ANN, wrapped, context=CONTEXT, place=b"elsewhere")
    for at in range(3, len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises(TamperedError, match="data key"):
            keys.open(ANN, bytes(changed), context=CONTEXT, place=b"place")
    for cut in (b"", wrapped[:2], wrapped[:3], wrapped[:-1]):
        with pytest.raises(TamperedError, match="data key"):
            keys.open(ANN, cut, context=CONTEXT, place=b"place")


def test_a_bucket_key_of_another_length_is_refused() -> None:
    class Short(FakeKMS):
        def _make(self, name: str, number: int) -> Made:
            return Made(bytearray(16), b"1", self.arn)

    with pytest.raises(TamperedError, match="data key"):
        seal(BucketKeys(Short()))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())

    class Holder(FakeKMS):
        def open_data_key(self, caller: Caller, *, wrapped: bytes, context: Any) -> Made:
            assert wrapped == bytes.fromhex(vector["wrapped_bucket_key"])
            return Made(bytearray.fromhex(vector["bucket_key"]), wrapped, ARN)

    wrapped, place = bytes.fromhex(vector["wrapped_key"]), bytes.fromhex(vector["place"])
    keys = BucketKeys(Holder())
    if vector["outcome"] == "opens":
        opened = keys.open(ANN, wrapped, context=CONTEXT, place=place)
        assert opened == bytearray.fromhex(vector["data_key"])
    else:
        with pytest.raises(TamperedError):
            keys.open(ANN, wrapped, context=CONTEXT, place=place)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 3
