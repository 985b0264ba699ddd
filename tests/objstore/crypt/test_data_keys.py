"""Data keys: what the KMS is asked, as whom, and what its errors become."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller, Principal, PrincipalKind
from kms.client import KMS, RootSettings, open_kms
from objstore.crypt.data_keys import DataKeys, Envelope
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import Mode
from objstore.crypt.sse import Choice
from objstore.errors import S3Error
from objstore.storage.records import Bucket

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/0"
OBJECT_CONTEXT = {"aws:s3:arn": "arn:aws:s3:::photos/a/b"}
BUCKET = Bucket("photos", bytes(16), "123456789012", "eu-west-1", 0)
USER = Principal(
    PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/ann", "AIDA", "ann"
)
CALLER = Caller(USER, "AKIA", "us-east-1", "request")
KMS_CHOICE = Choice(Mode.SSE_KMS, "alias/own", {"team": "x"})
S3_CHOICE = Choice(Mode.SSE_S3)


@dataclass(slots=True)
class Made:
    """A data key as the KMS hands it out."""

    plaintext: bytearray
    wrapped: bytes
    key_arn: str


@dataclass
class FakeKMS:
    """Remembers what it is asked; answers with `error` if that is set."""

    error: Exception | None = None
    opened: bytearray = field(default_factory=lambda: bytearray(b"k" * 32))
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def generate_data_key(self, caller: Caller, **arguments: Any) -> Made:
        return self._answer("generate", caller, arguments, KEY_ARN)

    def generate_owned_data_key(self, **arguments: Any) -> Made:
        return self._answer("generate owned", None, arguments, "")

    def decrypt(self, caller: Caller, **arguments: Any) -> bytearray:
        return self._answer("decrypt", caller, arguments, "").plaintext

    def open_owned_data_key(self, **arguments: Any) -> bytearray:
        return self._answer("open owned", None, arguments, "").plaintext

    def _answer(
        self, name: str, caller: Caller | None, arguments: dict[str, Any], key_arn: str
    ) -> Made:
        self.asked.append((name, arguments))
        if caller is not None:
            assert caller.principal is USER
            assert caller.region == "eu-west-1"
            assert caller.via_service == "s3.eu-west-1.amazonaws.com"
        if self.error is not None:
            raise self.error
        return Made(self.opened, b"wrapped", key_arn)


def data_keys(fake: FakeKMS) -> DataKeys:
    return DataKeys(cast(KMS, fake))


def envelope(mode: Mode) -> Envelope:
    return Envelope(mode, KEY_ARN if mode is Mode.SSE_KMS else "", b"wrapped", OBJECT_CONTEXT)


def test_sse_kms_keys_are_asked_for_as_the_requester() -> None:
    fake = FakeKMS()
    made = data_keys(fake).generate(CALLER, KMS_CHOICE, bucket=BUCKET, key="a/b")
    context = {"team": "x", **OBJECT_CONTEXT}
    assert fake.asked == [("generate", {"key_id": "alias/own", "context": context})]
    assert made == Envelope(Mode.SSE_KMS, KEY_ARN, b"wrapped", context, bytearray(b"k" * 32))


def test_sse_s3_keys_are_s3s_own() -> None:
    fake = FakeKMS()
    made = data_keys(fake).generate(CALLER, S3_CHOICE, bucket=BUCKET, key="a/b")
    assert fake.asked == [("generate owned", {"owner": "s3", "context": OBJECT_CONTEXT})]
    assert made.kms_key_arn == ""
    assert made.key == b"k" * 32


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        (
            Mode.SSE_S3,
            ("open owned", {"owner": "s3", "wrapped": b"wrapped", "context": OBJECT_CONTEXT}),
        ),
        (Mode.SSE_KMS, ("decrypt", {"wrapped": b"wrapped", "context": OBJECT_CONTEXT})),
    ],
)
def test_opening(mode: Mode, asked: tuple[str, Any]) -> None:
    fake = FakeKMS()
    assert data_keys(fake).open(CALLER, envelope(mode), bucket=BUCKET) == b"k" * 32
    assert fake.asked == [asked]


def test_a_wiped_key_is_gone() -> None:
    made = data_keys(FakeKMS()).generate(CALLER, S3_CHOICE, bucket=BUCKET, key="k")
    plaintext = made.key
    assert "kkkk" not in repr(made)
    made.wipe()
    made.wipe()
    assert plaintext == bytes(32)
    with pytest.raises(ValueError, match="wiped"):
        _ = made.key


@pytest.mark.parametrize(
    ("error", "code", "status", "message"),
    [
        (
            AWSError("DisabledException", f"{KEY_ARN} is disabled."),
            "KMS.DisabledException",
            400,
            f"{KEY_ARN} is disabled.",
        ),
        (
            AWSError("NotFoundException", "Invalid keyId 'fake-key-id'"),
            "KMS.NotFoundException",
            400,
            "Invalid keyId 'fake-key-id'",
        ),
        (
            AWSError("AccessDeniedException", "User: x is not authorized"),
            "AccessDenied",
            403,
            "User: x is not authorized",
        ),
        (AWSError("KMSInternalException", "", status=500), "KMS.KMSInternalException", 503, ""),
    ],
)
def test_kms_errors_become_s3_errors(error: AWSError, code: str, status: int, message: str) -> None:
    keys = data_keys(FakeKMS(error))
    with pytest.raises(AWSError) as generating:
        keys.generate(CALLER, KMS_CHOICE, bucket=BUCKET, key="a/b")
    with pytest.raises(AWSError) as opening:
        keys.open(CALLER, envelope(Mode.SSE_KMS), bucket=BUCKET)
    for caught in (generating.value, opening.value):
        assert (caught.code, caught.status, caught.message) == (code, status, message)


def test_nobody_anonymous_reaches_the_kms() -> None:
    fake = FakeKMS()
    anonymous = Caller(ANONYMOUS, "", "eu-west-1", "request")
    with pytest.raises(S3Error, match="AWS Signature Version 4"):
        data_keys(fake).generate(anonymous, KMS_CHOICE, bucket=BUCKET, key="a/b")
    with pytest.raises(S3Error, match="AWS Signature Version 4"):
        data_keys(fake).open(anonymous, envelope(Mode.SSE_KMS), bucket=BUCKET)
    assert fake.asked == []
    assert data_keys(fake).open(anonymous, envelope(Mode.SSE_S3), bucket=BUCKET)


def test_another_objects_arn_never_reaches_the_kms() -> None:
    fake = FakeKMS()
    choice = Choice(Mode.SSE_KMS, "alias/own", {"aws:s3:arn": "arn:aws:s3:::photos/other"})
    with pytest.raises(S3Error, match="aws:s3:arn"):
        data_keys(fake).generate(CALLER, choice, bucket=BUCKET, key="a/b")
    assert fake.asked == []


@pytest.mark.parametrize("mode", Mode)
def test_a_changed_wrapped_key_is_noticed(mode: Mode) -> None:
    keys = data_keys(FakeKMS(AWSError("InvalidCiphertextException")))
    with pytest.raises(TamperedError, match="data key"):
        keys.open(CALLER, envelope(mode), bucket=BUCKET)


def test_a_key_of_another_length_is_refused_and_wiped() -> None:
    fake = FakeKMS(opened=bytearray(b"k" * 16))
    with pytest.raises(TamperedError, match="data key"):
        data_keys(fake).open(CALLER, envelope(Mode.SSE_KMS), bucket=BUCKET)
    assert fake.opened == bytes(16)


def test_sse_s3_with_the_real_kms(tmp_path: Path) -> None:
    kms = open_kms(tmp_path, clock=FixedClock(1_764_000_000), root=RootSettings())
    try:
        keys = DataKeys(kms)
        made = keys.generate(CALLER, S3_CHOICE, bucket=BUCKET, key="a/b")
        assert keys.open(CALLER, made, bucket=BUCKET) == made.key
        moved = replace(made, context={"aws:s3:arn": "arn:aws:s3:::photos/other"})
        cut = replace(made, wrapped_key=made.wrapped_key[:-1])
        for changed in (moved, cut):
            with pytest.raises(TamperedError, match="data key"):
                keys.open(CALLER, changed, bucket=BUCKET)
    finally:
        kms.close()
