"""Cryptographic erasure: when a key is gone for good, so are its objects, and there is no way back.

The whole data folder is searched, byte by byte, while the server runs, after it was killed, after
its next start, and after it has stopped.
"""

import asyncio
import json
import os
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.aws.clock import SystemClock
from kms.client import RootSettings, open_kms
from objstore.crypt.data_keys import DataKeys
from objstore.crypt.manifest import decode
from objstore.inspect import account_root
from objstore.storage.store import Store

BUCKET = "erasure"
DAY = 86_400
PIECE_BYTES = 16
CANARY = b"CANARY-" + os.urandom(8).hex().encode()
SMALL, LARGE = CANARY * 10, CANARY * 30_000
SETTINGS: dict[str, dict[str, Any]] = {
    "SSE-KMS": {"ServerSideEncryption": "aws:kms"},
    "bucket key": {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
    "DSSE-KMS": {"ServerSideEncryption": "aws:kms:dsse"},
}
BODIES = {f"{name}/{len(body)}": body for name in SETTINGS for body in (SMALL, LARGE)}
GONE = "The ciphertext refers to a customer master key that does not exist"


def move_clock(server: Any, seconds: float) -> None:
    """Move the service clock; what is due then is done when this returns."""
    request = urllib.request.Request(
        f"{server.endpoint}/_/clock", data=json.dumps({"advance_seconds": seconds}).encode()
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def holding(folder: Path, needles: dict[bytes, str]) -> list[str]:
    """What of the needles is anywhere in the files of a folder, and where."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    held = {path: path.read_bytes() for path in files}
    return [
        f"{what} in {path.relative_to(folder)}"
        for path, data in held.items()
        for needle, what in needles.items()
        if needle in data
    ]


def forms(secret: bytes, what: str) -> dict[bytes, str]:
    """A secret as it may be written down."""
    return {
        secret: what,
        secret.hex().encode(): f"{what} in hexadecimal",
        b64encode(secret).rstrip(b"=")[:-1]: f"{what} in base64",
    }


def sealed_materials(server: Any, key_id: str) -> dict[bytes, str]:
    """The materials of a key as the root of trust could open them, in pieces."""
    database = apsw.Connection(str(server.data / "kms" / "keys.db"))
    rows: list[Any] = database.execute(
        "SELECT wrapped FROM materials WHERE key_id=?", (key_id,)
    ).fetchall()
    database.close()
    return {
        wrapped[at : at + PIECE_BYTES]: f"byte {at} of sealed material {number}"
        for number, (wrapped,) in enumerate(rows)
        for at in range(0, len(wrapped) - PIECE_BYTES + 1, PIECE_BYTES)
    }


def opened_keys(server: Any, key_id: str) -> dict[bytes, str]:
    """The key's materials and its objects' data keys in plaintext."""
    kms = open_kms(
        server.data / "kms",
        clock=SystemClock(),
        root=RootSettings(key_file=server.data / "root.key"),
    )
    store = Store.open(server.data, wall=SystemClock())
    bucket = store.bucket(BUCKET)
    assert bucket is not None
    found: dict[bytes, str] = {}
    for name in BODIES:
        stored = store.object(bucket.bucket_id, name.encode())
        assert stored is not None
        manifest = decode(stored.manifest)
        data_key = DataKeys(kms).open(
            account_root(bucket), manifest, bucket=bucket, key=manifest.key
        )
        found |= forms(bytes(data_key), f"data key of {name}")
    key = kms._store.key(bucket.account, bucket.region, key_id)
    assert key is not None
    for number, material in enumerate(kms._store.materials(key)):
        backing = kms._store.backing_key(key.account, key.region, material.material_id)
        found |= forms(bytes(backing), f"material {number}")
    asyncio.run(store.close())
    kms.close()
    return found


def refusal(call: Callable[..., Any], **members: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


def populate(server: Any, key_arn: str, other: str) -> None:
    """Objects of each mode under a key, some before its rotation, with others' around them."""
    s3, kms = server.client("s3"), server.client("kms")
    s3.create_bucket(Bucket=BUCKET)
    for number, (name, body) in enumerate(BODIES.items()):
        place = {"Bucket": BUCKET, "Key": name}
        named = {**SETTINGS[name.partition("/")[0]], "SSEKMSKeyId": key_arn}
        s3.put_object(**place, Body=body, **named)
        assert s3.get_object(**place)["Body"].read() == body
        if number == len(BODIES) // 2:
            kms.rotate_key_on_demand(KeyId=key_arn)
            move_clock(server, 200)
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"kept", **SETTINGS["SSE-KMS"], SSEKMSKeyId=other)


def check_gone(server: Any, other: str) -> None:
    """Every way to the objects is refused as at AWS; everything else is as it was."""
    s3 = server.client("s3")
    for name in BODIES:
        place = {"Bucket": BUCKET, "Key": name}
        code, status, message = refusal(s3.get_object, **place)
        assert (code, status) == ("AccessDenied", 403)
        assert message.startswith(GONE)
        source = f"{BUCKET}/{name}"
        assert refusal(s3.copy_object, Bucket=BUCKET, Key="c", CopySource=source)[1] == 403
        wanted = {"SSEKMS": {"KMSKeyArn": other}}
        assert refusal(s3.update_object_encryption, **place, ObjectEncryption=wanted)[1] in (
            (400,) if name.startswith("DSSE") else (403,)
        )
        assert s3.head_object(**place)["ContentLength"] == len(BODIES[name])
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"


def test_a_key_that_is_gone_takes_its_objects_with_it(serve: Callable[..., Any]) -> None:
    flags = ("--dev", "--workers", "2", "--audit", "data-events")
    server = serve(*flags)
    kms = server.client("kms")
    # Keys before and after, so that the rows of the one have neighbours and move.
    made = [kms.create_key(Description="x" * 200)["KeyMetadata"] for _ in range(30)]
    key, other = made[15], made[16]["Arn"]
    populate(server, key["Arn"], other)
    sealed = sealed_materials(server, key["KeyId"])
    needles = sealed | opened_keys(server, key["KeyId"]) | {CANARY: "plaintext"}
    assert {what.partition(" in ")[0] for what in holding(server.data, needles)} == {
        *sealed.values()
    }
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    move_clock(server, 7 * DAY)
    check_gone(server, other)
    move_clock(server, 60)  # An erasure that a reader put off is done by the next sweep.
    assert holding(server.data, needles) == []
    server.process.kill()
    server.process.wait()
    assert holding(server.data, needles) == []
    again = serve(*flags)
    check_gone(again, other)
    assert holding(again.data, needles) == []
    again.stop()
    assert holding(again.data, needles) == []


def test_imported_material_that_is_deleted_is_gone(serve: Callable[..., Any]) -> None:
    """The row of the key stays; its material, which the customer may bring again, does not."""
    server = serve("--dev", "--workers", "2")
    kms = server.client("kms")
    material = os.urandom(32)
    key = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]
    bring(kms, key["KeyId"], material)
    sealed = sealed_materials(server, key["KeyId"])
    assert len(holding(server.data, sealed)) >= len(sealed) > 0
    kms.delete_imported_key_material(KeyId=key["KeyId"])
    move_clock(server, 60)
    assert holding(server.data, sealed | forms(material, "material")) == []


def bring(kms: Any, key_id: str, material: bytes) -> None:
    """Import a material that does not expire."""
    parameters = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    public = load_der_public_key(parameters["PublicKey"])
    assert isinstance(public, RSAPublicKey)
    padding = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=public.encrypt(material, padding),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
