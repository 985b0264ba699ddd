"""Data keys: what the KMS is asked, as whom, and what its errors become."""

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.errors import AWSError
from kms.aws.identity import ANONYMOUS, Caller, Policies, Principal, PrincipalKind
from kms.aws.policy import PolicyKind, parse
from kms.client import KMS, RootSettings, open_kms
from objstore.crypt.customer_keys import (
    COMPLETION,
    COPYING,
    NO_CUSTOMER_KEY,
    PART,
    READING,
    CustomerKeyHeaders,
    Refusals,
)
from objstore.crypt.data_keys import DataKeys, Envelope
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import BUCKET_KEY, BindingKeys, Mode
from objstore.crypt.sse import Choice
from objstore.crypt.wrapped import join, split
from objstore.errors import S3Error
from objstore.storage.records import Bucket

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/0"
KEY_ID = "11111111-2222-3333-4444-555555555555"
OBJECT_CONTEXT = {"aws:s3:arn": "arn:aws:s3:::photos/a/b"}
BUCKET = Bucket("photos", bytes(16), "123456789012", "eu-west-1", 0)
KEY_USER = """
{"Version": "2012-10-17",
 "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:*:*:key/*"}]}
"""
USER = Principal(
    PrincipalKind.USER,
    "123456789012",
    "arn:aws:iam::123456789012:user/ann",
    "AIDA",
    "ann",
    policies=Policies((parse(KEY_USER, kind=PolicyKind.IDENTITY),)),
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

    def open_data_key(self, caller: Caller, **arguments: Any) -> Made:
        return self._answer("open", caller, arguments, KEY_ARN)

    def permit(self, caller: Caller, **arguments: Any) -> str:
        return KEY_ARN

    def fill_random(self, buffer: bytearray) -> None:
        buffer[:] = b"r" * len(buffer)

    def seal_owned(self, **arguments: Any) -> bytes:
        self.asked.append(("seal owned", arguments))
        return bytes(arguments["plaintext"])

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
        return Made(bytearray(self.opened), b"wrapped", key_arn)


def data_keys(fake: FakeKMS) -> DataKeys:
    return DataKeys(cast(KMS, fake))


def envelope(mode: Mode) -> Envelope:
    wrapped = join(b"inner", b"outer") if mode is Mode.DSSE_KMS else b"wrapped"
    return Envelope(mode, KEY_ARN if mode is Mode.SSE_KMS else "", wrapped, OBJECT_CONTEXT)


def open_key(keys: DataKeys, sealed: Envelope, caller: Caller = CALLER, **named: Any) -> bytearray:
    return keys.open(caller, sealed, bucket=BUCKET, key=b"a/b", **named)


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
    assert open_key(data_keys(fake), envelope(mode)) == b"k" * 32
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
        open_key(keys, envelope(Mode.SSE_KMS))
    for caught in (generating.value, opening.value):
        assert (caught.code, caught.status, caught.message) == (code, status, message)


def test_nobody_anonymous_reaches_the_kms() -> None:
    fake = FakeKMS()
    anonymous = Caller(ANONYMOUS, "", "eu-west-1", "request")
    with pytest.raises(S3Error, match="AWS Signature Version 4"):
        data_keys(fake).generate(anonymous, KMS_CHOICE, bucket=BUCKET, key="a/b")
    with pytest.raises(S3Error, match="AWS Signature Version 4"):
        open_key(data_keys(fake), envelope(Mode.SSE_KMS), anonymous)
    assert fake.asked == []
    assert open_key(data_keys(fake), envelope(Mode.SSE_S3), anonymous)


def test_another_objects_arn_never_reaches_the_kms() -> None:
    fake = FakeKMS()
    choice = Choice(Mode.SSE_KMS, "alias/own", {"aws:s3:arn": "arn:aws:s3:::photos/other"})
    with pytest.raises(S3Error, match="aws:s3:arn"):
        data_keys(fake).generate(CALLER, choice, bucket=BUCKET, key="a/b")
    assert fake.asked == []


@pytest.mark.parametrize("mode", [Mode.SSE_S3, Mode.SSE_KMS, Mode.DSSE_KMS])
def test_a_changed_wrapped_key_is_noticed(mode: Mode) -> None:
    keys = data_keys(FakeKMS(AWSError("InvalidCiphertextException")))
    with pytest.raises(TamperedError, match="data key"):
        open_key(keys, envelope(mode))


@pytest.mark.parametrize("mode", [Mode.SSE_S3, Mode.SSE_KMS, Mode.DSSE_KMS])
def test_a_key_of_another_length_is_refused(mode: Mode) -> None:
    with pytest.raises(TamperedError, match="data key"):
        open_key(data_keys(FakeKMS(opened=bytearray(b"k" * 16))), envelope(mode))


def test_dsse_has_a_key_of_the_customers_and_one_of_s3() -> None:
    fake = FakeKMS()
    choice = Choice(Mode.DSSE_KMS, "alias/own")
    made = data_keys(fake).generate(CALLER, choice, bucket=BUCKET, key="a/b")
    assert [name for name, _ in fake.asked] == ["generate", "generate owned"]
    assert all(arguments["context"] == OBJECT_CONTEXT for _, arguments in fake.asked)
    assert (made.mode, made.kms_key_arn) == (Mode.DSSE_KMS, KEY_ARN)
    assert split(made.wrapped_key) == (b"wrapped", b"wrapped")
    assert made.key == b"k" * 64
    assert open_key(data_keys(fake), made) == b"k" * 64
    assert [name for name, _ in fake.asked[2:]] == ["decrypt", "open owned"]
    with pytest.raises(TamperedError, match="data key"):
        open_key(data_keys(fake), replace(made, wrapped_key=b"one"))


BUCKET_CHOICE = Choice(Mode.SSE_KMS, "alias/own", bucket_key=True)


def test_bucket_keys_have_the_buckets_context() -> None:
    fake = FakeKMS()
    keys = data_keys(fake)
    first = keys.generate(CALLER, BUCKET_CHOICE, bucket=BUCKET, key="a/b")
    second = keys.generate(CALLER, BUCKET_CHOICE, bucket=BUCKET, key="c")
    context = {"aws:s3:arn": "arn:aws:s3:::photos"}
    assert fake.asked == [("generate", {"key_id": "alias/own", "context": context})]
    assert (first.flags, first.kms_key_arn, first.context) == (BUCKET_KEY, KEY_ARN, context)
    assert first.wrapped_key != second.wrapped_key
    assert open_key(keys, first) == first.key
    with pytest.raises(TamperedError, match="data key"):
        open_key(keys, second)


def test_a_refused_bucket_key_leaves_no_data_key() -> None:
    fake = FakeKMS(AWSError("DisabledException"))
    with pytest.raises(AWSError, match=r"KMS\.DisabledException"):
        data_keys(fake).generate(CALLER, BUCKET_CHOICE, bucket=BUCKET, key="a/b")


def customer(key: bytes = b"c" * 32) -> CustomerKeyHeaders:
    return CustomerKeyHeaders(
        "AES256", b64encode(key).decode(), b64encode(hashlib.md5(key).digest()).decode()
    )


SECURE = replace(CALLER, secure=True)
CUSTOMERS_CHOICE = Choice(Mode.SSE_C, customer=customer())


def test_customers_keys_never_reach_the_kms() -> None:
    fake = FakeKMS()
    keys = data_keys(fake)
    made = keys.generate(SECURE, CUSTOMERS_CHOICE, bucket=BUCKET, key="a/b")
    assert (made.mode, made.kms_key_arn) == (Mode.SSE_C, "")
    assert made.key == b"r" * 32
    assert open_key(keys, made, SECURE, customer=customer()) == b"r" * 32
    assert fake.asked == []


@pytest.mark.parametrize(
    ("mode", "headers", "refusals", "code", "status"),
    [
        (Mode.SSE_C, NO_CUSTOMER_KEY, READING, "InvalidRequest", 400),
        (Mode.SSE_C, customer(b"d" * 32), READING, "AccessDenied", 403),
        (Mode.SSE_C, customer(b"short"), READING, "AccessDenied", 403),
        (Mode.SSE_C, customer(b"d" * 32), COPYING, "InvalidRequest", 400),
        (Mode.SSE_C, customer(b"d" * 32), PART, "InvalidRequest", 400),
        (Mode.SSE_C, NO_CUSTOMER_KEY, COMPLETION, "InvalidArgument", 400),
        (Mode.SSE_S3, customer(), READING, "InvalidRequest", 400),
        (Mode.SSE_KMS, customer(), PART, "InvalidRequest", 400),
    ],
)
def test_customers_keys_that_do_not_fit(
    mode: Mode, headers: CustomerKeyHeaders, refusals: Refusals, code: str, status: int
) -> None:
    keys = data_keys(FakeKMS())
    sealed = envelope(mode)
    if mode is Mode.SSE_C:
        sealed = keys.generate(SECURE, CUSTOMERS_CHOICE, bucket=BUCKET, key="a/b")
    with pytest.raises(S3Error) as caught:
        open_key(keys, sealed, SECURE, customer=headers, refusals=refusals)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_customers_keys_need_a_secure_connection() -> None:
    made = data_keys(FakeKMS()).generate(SECURE, CUSTOMERS_CHOICE, bucket=BUCKET, key="a/b")
    for attempt in (
        lambda keys: keys.generate(CALLER, CUSTOMERS_CHOICE, bucket=BUCKET, key="a/b"),
        lambda keys: open_key(keys, made, customer=customer()),
    ):
        with pytest.raises(S3Error) as caught:
            attempt(data_keys(FakeKMS()))
        assert (caught.value.code, caught.value.message) == (
            "InvalidRequest",
            "Requests specifying Server Side Encryption with Customer provided keys must be made "
            "over a secure connection.",
        )
        attempt(DataKeys(cast(KMS, FakeKMS()), insecure_customer_keys=True))


def test_binding_keys_are_sealed_for_their_upload() -> None:
    fake = FakeKMS()
    keys = data_keys(fake)
    binding = BindingKeys.derive(bytearray(32))
    sealed = keys.seal_binding(binding, upload_id="u1")
    assert fake.asked[0][1]["context"] == {"objstore:upload": "u1"}
    fake.opened = bytearray(sealed)
    assert keys.open_binding(sealed, upload_id="u1") == binding
    fake.error = AWSError("InvalidCiphertextException")
    with pytest.raises(TamperedError, match="data key"):
        keys.open_binding(sealed, upload_id="u2")
    fake.error = AWSError("KMSInternalException", status=500)
    with pytest.raises(AWSError, match=r"KMS\.KMSInternalException"):
        keys.open_binding(sealed, upload_id="u1")


EVENTS_MAX = 5


@pytest.mark.parametrize(("bucket_key", "most"), [(True, EVENTS_MAX), (False, 1000)])
def test_a_thousand_writes_by_one_user(tmp_path: Path, bucket_key: bool, most: int) -> None:
    """How many calls the KMS records; and everything opens in another process."""
    sink = MemorySink()
    clock = FixedClock(1_764_000_000)
    kms = open_kms(tmp_path, clock=clock, root=RootSettings(), audit=sink)
    choice = Choice(Mode.SSE_KMS, "alias/aws/s3", bucket_key=bucket_key)
    keys = DataKeys(kms)
    made = [keys.generate(CALLER, choice, bucket=BUCKET, key=str(number)) for number in range(1000)]
    generated = [event for event in sink.events if event["eventName"] == "GenerateDataKey"]
    assert len(generated) <= most
    assert bucket_key or len(generated) == most
    kms.close()
    again = open_kms(tmp_path, clock=clock, root=RootSettings())
    try:
        opening = DataKeys(again)
        for number, sealed in enumerate(made):
            opened = opening.open(CALLER, sealed, bucket=BUCKET, key=str(number).encode())
            assert opened == sealed.key
    finally:
        again.close()


def test_a_key_that_another_process_disables(tmp_path: Path) -> None:
    clock = FixedClock(1_764_000_000)
    ours = open_kms(tmp_path, clock=clock, root=RootSettings())
    theirs = open_kms(tmp_path, clock=clock, root=RootSettings())
    try:
        ours.plant_key(
            account="123456789012",
            region="eu-west-1",
            key_id=KEY_ID,
            aliases=(),
            description="",
            material=None,
        )
        keys = DataKeys(ours)
        choice = Choice(Mode.SSE_KMS, KEY_ID, bucket_key=True)
        made = keys.generate(CALLER, choice, bucket=BUCKET, key="a/b")
        assert open_key(keys, made) == made.key
        admin = replace(CALLER, region="eu-west-1")
        body = json.dumps({"KeyId": KEY_ID}).encode()
        for operation, usable in (("DisableKey", False), ("EnableKey", True)):
            assert theirs.handle(f"TrentService.{operation}", body, admin)[0] == 200
            if usable:
                assert open_key(keys, made) == made.key
                continue
            for refused in (
                lambda: open_key(keys, made),
                lambda: keys.generate(CALLER, choice, bucket=BUCKET, key="c"),
            ):
                with pytest.raises(AWSError, match="is disabled"):
                    refused()
    finally:
        ours.close()
        theirs.close()


def test_sse_s3_with_the_real_kms(tmp_path: Path) -> None:
    kms = open_kms(tmp_path, clock=FixedClock(1_764_000_000), root=RootSettings())
    try:
        keys = DataKeys(kms)
        made = keys.generate(CALLER, S3_CHOICE, bucket=BUCKET, key="a/b")
        assert open_key(keys, made) == made.key
        moved = replace(made, context={"aws:s3:arn": "arn:aws:s3:::photos/other"})
        cut = replace(made, wrapped_key=made.wrapped_key[:-1])
        for changed in (moved, cut):
            with pytest.raises(TamperedError, match="data key"):
                open_key(keys, changed)
    finally:
        kms.close()
