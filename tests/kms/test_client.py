import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from threading import get_ident

import pytest

from kms import client as client_module
from kms.algorithms.keys import _AHEAD, public_der
from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.aws.identity import Caller
from kms.client import KMS, KMSError, RootError, RootSettings, has_store, open_kms
from kms.request import S3_ALIAS

CONTEXT = {"aws:s3:arn": "arn:aws:s3:::bucket/key"}


@pytest.fixture
def kms(tmp_path: Path, clock: FixedClock, audit: MemorySink) -> Iterator[KMS]:
    opened = open_kms(tmp_path, clock=clock, root=RootSettings(), audit=audit)
    yield opened
    opened.close()


@pytest.fixture
def forwarded(caller: Caller) -> Caller:
    return caller.forwarded_by("s3.us-east-1.amazonaws.com")


def test_data_keys_in_process(kms: KMS, forwarded: Caller, audit: MemorySink) -> None:
    made = kms.generate_data_key(forwarded, key_id=S3_ALIAS, context=CONTEXT)
    assert isinstance(made.plaintext, bytearray)
    assert len(made.plaintext) == 32
    assert len(made.wrapped) == 184
    opened = kms.decrypt(forwarded, wrapped=made.wrapped, context=CONTEXT, key_id=made.key_arn)
    assert isinstance(opened, bytearray)
    assert opened == made.plaintext
    assert [event["eventName"] for event in audit.events] == ["GenerateDataKey", "Decrypt"]
    assert made.plaintext.hex() not in repr(made)


def test_in_process_calls_are_authorized(kms: KMS, forwarded: Caller, stranger: Caller) -> None:
    made = kms.generate_data_key(forwarded, key_id=S3_ALIAS, context=CONTEXT)
    for caller in (stranger, stranger.forwarded_by("s3.us-east-1.amazonaws.com")):
        with pytest.raises(KMSError, match="AccessDeniedException"):
            kms.decrypt(caller, wrapped=made.wrapped, context=CONTEXT)
    with pytest.raises(KMSError, match="InvalidCiphertextException"):
        kms.decrypt(forwarded, wrapped=made.wrapped, context={})


def test_a_key_disabled_elsewhere_is_disabled_here(
    kms: KMS, caller: Caller, tmp_path: Path, clock: FixedClock
) -> None:
    status, body = kms.handle("TrentService.CreateKey", b"{}", caller)
    assert status == 200
    key_id = json.loads(body)["KeyMetadata"]["KeyId"]
    made = kms.generate_data_key(caller, key_id=key_id, context={})
    other = open_kms(tmp_path, clock=clock, root=RootSettings())
    request = json.dumps({"KeyId": key_id}).encode()
    assert other.handle("TrentService.DisableKey", request, caller) == (200, b"")
    other.close()
    with pytest.raises(KMSError, match="is disabled"):
        kms.decrypt(caller, wrapped=made.wrapped, context={})
    with pytest.raises(KMSError, match="is disabled"):
        kms.generate_data_key(caller, key_id=key_id, context={})


def test_owned_keys_are_out_of_the_apis_reach(kms: KMS, forwarded: Caller) -> None:
    made = kms.generate_owned_data_key(owner="s3", context=CONTEXT)
    opened = kms.open_owned_data_key(owner="s3", wrapped=made.wrapped, context=CONTEXT)
    assert opened == made.plaintext
    assert made.key_arn == ""
    with pytest.raises(KMSError, match="AccessDeniedException"):
        kms.decrypt(forwarded, wrapped=made.wrapped, context=CONTEXT)
    for owner, context in (("other", CONTEXT), ("s3", {})):
        with pytest.raises(KMSError, match="InvalidCiphertextException"):
            kms.open_owned_data_key(owner=owner, wrapped=made.wrapped, context=context)


def test_secrets(kms: KMS) -> None:
    sealed = kms.seal_secret("a", b"secret")
    assert kms.open_secret("a", sealed) == b"secret"
    with pytest.raises(RootError):
        kms.open_secret("b", sealed)
    assert kms.remember("a", sealed) == kms.remember("a", b"later") == sealed
    assert kms.recall("a") == sealed


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("TrentService.ConnectCustomKeyStore", b"{}", "UnsupportedOperationException"),
        ("TrentService.Nothing", b"{}", "UnknownOperationException"),
        ("DescribeKey", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
        ("TrentService.DescribeKey", b"{", "SerializationException"),
        ("TrentService.DescribeKey", b"{}", "ValidationException"),
        ("TrentService.DescribeKey", b'{"KeyId":"x"}', "NotFoundException"),
    ],
)
def test_the_json_door(kms: KMS, caller: Caller, target: str, body: bytes, code: str) -> None:
    status, reply = kms.handle(target, body, caller)
    assert status == 400
    assert json.loads(reply)["__type"] == code


def test_sweep(kms: KMS, caller: Caller, clock: FixedClock) -> None:
    _, body = kms.handle("TrentService.CreateKey", b"{}", caller)
    request = {"KeyId": json.loads(body)["KeyMetadata"]["KeyId"]}
    kms.handle("TrentService.ScheduleKeyDeletion", json.dumps(request).encode(), caller)
    assert kms.sweep() == 0
    clock.advance(30 * 86_400)
    assert kms.sweep() == 1


def test_whether_there_is_a_store(kms: KMS, tmp_path: Path) -> None:
    assert has_store(tmp_path)
    assert not has_store(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("operation", "document", "made"),
    [
        ("CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, True),
        ("CreateKey", {"CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, True),
        ("GenerateDataKeyPair", {"KeyId": "k", "KeyPairSpec": "RSA_2048"}, True),
        ("GetParametersForImport", {"KeyId": "k", "WrappingKeySpec": "RSA_2048"}, True),
        ("CreateKey", {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, False),
        ("CreateKey", {"Description": "RSA_2048"}, False),
        ("ListKeys", {"KeySpec": "RSA_2048"}, False),
    ],
)
async def test_rsa_keys_are_made_beside_the_loop(
    kms: KMS,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    document: dict[str, str],
    made: bool,
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(client_module, "make_ahead", lambda spec: threads.append(get_ident()))
    await kms.prepare(f"TrentService.{operation}", json.dumps(document).encode())
    assert bool(threads) is made
    assert get_ident() not in threads


async def test_the_key_made_ahead_is_the_one_that_is_used(kms: KMS, caller: Caller) -> None:
    target = "TrentService.CreateKey"
    body = b'{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}'
    _AHEAD["RSA_2048"].clear()
    await kms.prepare(target, body)
    (ahead,) = _AHEAD["RSA_2048"]
    status, reply = kms.handle(target, body, caller)
    assert status == 200
    assert not _AHEAD["RSA_2048"]
    key_id = json.loads(reply)["KeyMetadata"]["KeyId"]
    request = json.dumps({"KeyId": key_id}).encode()
    _, public = kms.handle("TrentService.GetPublicKey", request, caller)
    assert b64decode(json.loads(public)["PublicKey"]) == public_der(ahead)


def test_explanations_come_from_the_same_evaluator(kms: KMS, caller: Caller) -> None:
    kms.plant_key(
        account=caller.account,
        region=caller.region,
        key_id=(key_id := "11111111-2222-3333-4444-555555555555"),
        aliases=(),
        description="",
        material=None,
    )
    decision = kms.explain(caller, action="Decrypt", key_id=key_id, context={})
    assert decision.allowed
    assert decision.statement is not None
    assert decision.statement.label == "Enable IAM User Permissions"
