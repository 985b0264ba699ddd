"""A key's whole life on a server with two workers, once by boto3 and once by the aws CLI."""

import base64
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

pytestmark = pytest.mark.acceptance

DAY = 86_400
BLOBS = ("CiphertextBlob", "Plaintext", "ImportToken", "PublicKey")
CONTEXT = {"purpose": "acceptance"}


class Refused(Exception):
    """A call that was refused; its argument is the error's code."""


class Boto3:
    """Calls by boto3: `driver("CreateKey", Description="x")`."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server

    def __call__(self, operation: str, region: str = "us-east-1", **members: Any) -> dict[str, Any]:
        client = self._server.client("kms", region_name=region)
        try:
            reply: dict[str, Any] = getattr(client, words(operation, "_"))(**members)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"]) from None
        return reply


class CLI:
    """The same by the aws command line."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._environment = server.environment()
        self._folder = folder

    def __call__(self, operation: str, region: str = "us-east-1", **members: Any) -> dict[str, Any]:
        command = [sys.executable, "-m", "awscli", "kms", words(operation, "-")]
        for name, value in members.items():
            option = f"--{words(name, '-')}"
            if isinstance(value, bool):
                command.append(option if value else option.replace("--", "--no-", 1))
            else:
                command += [option, self._text(name, value)]
        command += ["--region", region, "--output", "json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:
            found = re.search(r"An error occurred \((\w+)\)", done.stderr)
            assert found is not None, done.stderr
            raise Refused(found[1])
        reply: dict[str, Any] = json.loads(done.stdout or "{}")
        return reply | {name: base64.b64decode(reply[name]) for name in BLOBS if name in reply}

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, bytes):
            path = self._folder / name
            path.write_bytes(value)
            return f"fileb://{path}"
        return json.dumps(value) if isinstance(value, dict) else str(value)


Driver = Boto3 | CLI


def words(name: str, joint: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", joint, name).lower()


def move_clock(server: Any, **move: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.endpoint}/_/clock", data=json.dumps(move).encode() if move else None
    )
    with urllib.request.urlopen(request) as answer:
        shown: dict[str, Any] = json.load(answer)
        return shown


def refused(call: Driver, operation: str, **members: Any) -> str:
    with pytest.raises(Refused) as caught:
        call(operation, **members)
    return str(caught.value)


def encrypt(call: Driver, key_id: str, text: bytes) -> bytes:
    sealed = call("Encrypt", KeyId=key_id, Plaintext=text, EncryptionContext=CONTEXT)
    blob: bytes = sealed["CiphertextBlob"]
    return blob


def decrypt(call: Driver, blob: bytes, **members: Any) -> dict[str, Any]:
    return call("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT, **members)


def import_material(call: Driver, key_id: str, material: bytes, valid_to: str) -> None:
    parameters = call(
        "GetParametersForImport",
        KeyId=key_id,
        WrappingAlgorithm="RSAES_OAEP_SHA_256",
        WrappingKeySpec="RSA_2048",
    )
    key = load_der_public_key(parameters["PublicKey"])
    assert isinstance(key, RSAPublicKey)
    wrapped = key.encrypt(material, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None))
    call(
        "ImportKeyMaterial",
        KeyId=key_id,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=wrapped,
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=valid_to,
    )


def in_days(server: Any, days: int) -> str:
    now = datetime.fromisoformat(move_clock(server)["now"]).timestamp()
    return str(int(now + days * DAY))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("driver", [Boto3, CLI])
def test_a_keys_life(serve: Callable[..., Any], tmp_path: Path, driver: type[Driver]) -> None:
    server = serve("--dev", "--workers", "2")
    call = driver(server, tmp_path)
    created = call("CreateKey", Description="walks", MultiRegion=True)["KeyMetadata"]
    key_id, alias = created["KeyId"], "alias/walks"
    call("CreateAlias", AliasName=alias, TargetKeyId=key_id)
    first = encrypt(call, alias, b"first")
    call("RotateKeyOnDemand", KeyId=key_id)
    move_clock(server, advance_seconds=101)
    second = encrypt(call, alias, b"second")
    ids = [decrypt(call, blob)["KeyMaterialId"] for blob in (first, second)]
    assert ids[0] == created["CurrentKeyMaterialId"] != ids[1]
    rotations = call("ListKeyRotations", KeyId=key_id)["Rotations"]
    assert [rotation["KeyMaterialId"] for rotation in rotations] == ids[1:]

    call("DisableKey", KeyId=key_id)
    assert refused(call, "Encrypt", KeyId=key_id, Plaintext=b"x") == "DisabledException"
    call("EnableKey", KeyId=key_id)
    assert decrypt(call, first)["Plaintext"] == b"first"
    call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    move_clock(server, advance_seconds=6 * DAY)
    call("CancelKeyDeletion", KeyId=key_id)
    call("EnableKey", KeyId=key_id)

    call("ReplicateKey", KeyId=key_id, ReplicaRegion="eu-west-1")
    move_clock(server, advance_seconds=10)
    there = decrypt(call, second, region="eu-west-1")
    assert there["Plaintext"] == b"second"
    assert there["KeyId"] == created["Arn"].replace("us-east-1", "eu-west-1")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("driver", [Boto3, CLI])
def test_imported_material_expires_and_comes_back(
    serve: Callable[..., Any], tmp_path: Path, driver: type[Driver]
) -> None:
    server = serve("--dev", "--workers", "2")
    call = driver(server, tmp_path)
    key_id = call("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    material = bytes(range(32))
    import_material(call, key_id, material, in_days(server, 30))
    blob = encrypt(call, key_id, b"kept")
    move_clock(server, advance_seconds=31 * DAY)
    shown = call("DescribeKey", KeyId=key_id)["KeyMetadata"]
    assert (shown["KeyState"], shown["Enabled"]) == ("PendingImport", False)
    failure = refused(call, "Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)
    assert failure == "KMSInvalidStateException"
    import_material(call, key_id, material, in_days(server, 30))
    assert decrypt(call, blob)["Plaintext"] == b"kept"


def test_every_worker_has_the_same_time(serve: Callable[..., Any]) -> None:
    server = serve("--dev", "--workers", "2")
    kms = server.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    move_clock(server, advance_seconds=7 * DAY)
    # Connections are spread over the workers, so many short ones reach both.
    for _ in range(10):
        assert move_clock(server)["offset_seconds"] == 7 * DAY
        with pytest.raises(ClientError, match="does not exist"):
            server.client("kms").describe_key(KeyId=key_id)
    urllib.request.urlopen(
        urllib.request.Request(f"{server.endpoint}/_/reset", method="POST")
    ).close()
    assert move_clock(server)["offset_seconds"] == 0.0


def test_contexts_that_look_alike_are_not_the_same(server: Any) -> None:
    kms = server.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    one, other = {"a": "bc"}, {"ab": "c"}
    for context, wrong in ((one, other), (other, one)):
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext=context)
        blob = sealed["CiphertextBlob"]
        opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
        assert opened["Plaintext"] == b"x"
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=blob, EncryptionContext=wrong)


def test_objects_stay_readable_when_their_key_rotates(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    kms, s3 = server.client("kms"), server.client("s3")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    s3.create_bucket(Bucket="rotating")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
    for number in range(3):
        s3.put_object(Bucket="rotating", Key=str(number), Body=b"body", **encryption)
        move_clock(server, advance_seconds=90 * DAY)
    assert len(kms.list_key_rotations(KeyId=key_id)["Rotations"]) == 3
    for number in range(3):
        assert s3.get_object(Bucket="rotating", Key=str(number))["Body"].read() == b"body"


def test_the_answer_to_a_move_comes_when_objects_have_expired(serve: Callable[..., Any]) -> None:
    server = serve("--dev", "--workers", "2")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="expiring")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(
        Bucket="expiring", LifecycleConfiguration={"Rules": [rule]}
    )
    s3.put_object(Bucket="expiring", Key="key", Body=b"body")
    move_clock(server, advance_seconds=3 * DAY)
    assert s3.list_objects_v2(Bucket="expiring")["KeyCount"] == 0
