"""What happens to a KMS key reaches every worker, while what is being read is read to its end.

A server with two workers; each is asked over a connection of its own. A worker may answer by the
old state for a second, and never again once it has answered by the new one.
"""

import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kms.aws.clock import monotonic

WORKERS = 2
CHANGE_SECONDS_MAX = 1.0
CONNECTIONS_MAX = 100
BUCKET = "key-changes"
SMALL = b"what the customer wrote"
# More than the sockets of both ends hold, so that the server is in the middle of it.
LARGE = os.urandom(1 << 20) * 24
FIRST_BYTES = 1 << 16
DAY = 86_400
MODES: dict[str, dict[str, Any]] = {
    "kms": {"ServerSideEncryption": "aws:kms"},
    "bucket-key": {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
    "dsse": {"ServerSideEncryption": "aws:kms:dsse"},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The administrator of keys, and Bob, who may do everything in S3 and nothing in KMS."""

    server: Any
    kms: Any
    bob: Any
    bob_arn: str
    bobs: list[Any]

    def put(self, key_arn: str, name: str = "") -> None:
        """A small object of each mode under a key; their names begin with `name`."""
        s3 = self.server.client("s3")
        for mode, members in MODES.items():
            place = {"Bucket": BUCKET, "Key": name + mode, "SSEKMSKeyId": key_arn}
            s3.put_object(**place, Body=SMALL, **members)

    def outcome(self, s3: Any, name: str) -> str:
        """What a read comes to: "ok", or the code and the message of the refusal."""
        try:
            body = s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        except ClientError as error:
            return "{Code}: {Message}".format(**error.response["Error"])
        return "ok" if body == SMALL else "wrong bytes"

    def expect(self, wanted: str, name: str = "") -> None:
        """Every worker answers so for every mode, soon, and from then on."""
        changed = monotonic()
        for bob in self.bobs:
            for mode in MODES:
                found = ""
                while not found.startswith(wanted):
                    late = monotonic() - changed > CHANGE_SECONDS_MAX
                    found = self.outcome(bob, name + mode)
                    assert found.startswith(wanted) or not late, found
        for bob in self.bobs * 2:
            for mode in MODES:
                assert self.outcome(bob, name + mode).startswith(wanted)

    def streams(self, key_arn: str) -> list[Any]:
        """Large objects of each mode that Bob has begun to read from each worker."""
        s3 = self.server.client("s3")
        found: dict[tuple[str, str], Any] = {}
        for mode, members in MODES.items():
            place = {"Bucket": BUCKET, "Key": f"{mode}-large"}
            s3.put_object(**place, SSEKMSKeyId=key_arn, Body=LARGE, **members)
            for _ in range(CONNECTIONS_MAX):
                got = self.bob.client("s3").get_object(**place)
                worker = got["ResponseMetadata"]["HostId"]
                if found.setdefault((mode, worker), got["Body"]) is not got["Body"]:
                    got["Body"].close()
                elif len(found) % WORKERS == 0:
                    break
        assert len(found) == WORKERS * len(MODES)
        for body in found.values():
            assert body.read(FIRST_BYTES) == LARGE[:FIRST_BYTES]
        return list(found.values())


def connections(server: Any) -> list[Any]:
    """A client for each worker, which keeps its one connection: a host id is a process's own."""
    found: dict[str, Any] = {}
    for _ in range(CONNECTIONS_MAX):
        client = server.client("s3", config=Config(max_pool_connections=1))
        reply = client.list_buckets()
        found.setdefault(reply["ResponseMetadata"]["HostId"], client)
        if len(found) == WORKERS:
            return list(found.values())
    raise AssertionError("one worker takes no connections")


@pytest.fixture(scope="module")
def scene(serve_for_module: Callable[..., Any]) -> Scene:
    server = serve_for_module("--dev", "--workers", str(WORKERS))
    server.client("s3").create_bucket(Bucket=BUCKET)
    iam = server.client("iam")
    arn = iam.create_user(UserName="bob")["User"]["Arn"]
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName="bob", PolicyName="s3", PolicyDocument=json.dumps(document))
    bob = server.speaking_for(iam.create_access_key(UserName="bob")["AccessKey"])
    return Scene(server, server.client("kms"), bob, arn, connections(bob))


def policy(*others: str) -> str:
    """The key policy of the account, and of those who may decrypt."""
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    for other in others:
        allowed = {"Principal": {"AWS": other}, "Action": "kms:Decrypt", "Resource": "*"}
        statements.append({"Effect": "Allow", **allowed})
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


Change = Callable[[Scene, str], None]


def grant(scene: Scene, key_arn: str) -> None:
    scene.kms.create_grant(
        KeyId=key_arn, GranteePrincipal=scene.bob_arn, Operations=["Decrypt"], Name="bob"
    )


def revoke(scene: Scene, key_arn: str) -> None:
    for found in scene.kms.list_grants(KeyId=key_arn)["Grants"]:
        scene.kms.revoke_grant(KeyId=key_arn, GrantId=found["GrantId"])


def allow(scene: Scene, key_arn: str) -> None:
    scene.kms.put_key_policy(KeyId=key_arn, Policy=policy(scene.bob_arn))


def forbid(scene: Scene, key_arn: str) -> None:
    scene.kms.put_key_policy(KeyId=key_arn, Policy=policy())


def disable(scene: Scene, key_arn: str) -> None:
    scene.kms.disable_key(KeyId=key_arn)


def enable(scene: Scene, key_arn: str) -> None:
    scene.kms.enable_key(KeyId=key_arn)


def schedule(scene: Scene, key_arn: str) -> None:
    scene.kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=7)


def cancel(scene: Scene, key_arn: str) -> None:
    scene.kms.cancel_key_deletion(KeyId=key_arn)
    enable(scene, key_arn)


DENIED = "AccessDenied: User: {bob} is not authorized to perform: kms:Decrypt on resource: {key}"


@pytest.mark.parametrize(
    ("let_in", "shut_out", "let_in_again", "refusal"),
    [
        (allow, disable, enable, "KMS.DisabledException: {key} is disabled."),
        (allow, schedule, cancel, "KMS.KMSInvalidStateException: {key} is pending deletion."),
        (allow, forbid, allow, DENIED),
        (grant, revoke, grant, DENIED),
    ],
    ids=["disabled", "deletion", "policy", "grant"],
)
def test_a_change_shuts_out_new_reads_and_no_running_one(
    scene: Scene, let_in: Change, shut_out: Change, let_in_again: Change, refusal: str
) -> None:
    key_arn = scene.kms.create_key()["KeyMetadata"]["Arn"]
    let_in(scene, key_arn)
    scene.put(key_arn)
    scene.expect("ok")
    streams = scene.streams(key_arn)
    shut_out(scene, key_arn)
    scene.expect(refusal.format(key=key_arn, bob=scene.bob_arn))
    for body in streams:
        assert body.read() == LARGE[FIRST_BYTES:]
    let_in_again(scene, key_arn)
    scene.expect("ok")


def move_clock(scene: Scene, **move: Any) -> datetime:
    """Move the service clock; what is due then is done when this returns."""
    data = json.dumps(move).encode() if move else None
    request = urllib.request.Request(f"{scene.server.endpoint}/_/clock", data=data)
    with urllib.request.urlopen(request) as answer:
        return datetime.fromisoformat(json.load(answer)["now"].replace("Z", "+00:00"))


def test_a_rotation_changes_nothing_for_readers(scene: Scene) -> None:
    key_arn = scene.kms.create_key()["KeyMetadata"]["Arn"]
    allow(scene, key_arn)
    materials = set()
    for round_number in range(3):
        scene.put(key_arn, f"{round_number}-")
        materials.add(scene.kms.describe_key(KeyId=key_arn)["KeyMetadata"]["CurrentKeyMaterialId"])
        for older in range(round_number + 1):
            scene.expect("ok", f"{older}-")
        scene.kms.rotate_key_on_demand(KeyId=key_arn)
        move_clock(scene, advance_seconds=200)
    assert len(materials) == 3


def bring(scene: Scene, key_arn: str, material: bytes, valid_to: datetime | None = None) -> None:
    """Import a material, to be valid for ever or for a while."""
    parameters = scene.kms.get_parameters_for_import(
        KeyId=key_arn, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    public = load_der_public_key(parameters["PublicKey"])
    assert isinstance(public, RSAPublicKey)
    padding = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
    expiration: dict[str, Any] = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    if valid_to is not None:
        expiration = {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": valid_to}
    scene.kms.import_key_material(
        KeyId=key_arn,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=public.encrypt(material, padding),
        **expiration,
    )


def test_objects_come_and_go_with_imported_material(scene: Scene) -> None:
    material = os.urandom(32)
    key_arn = scene.kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]
    allow(scene, key_arn)
    bring(scene, key_arn, material)
    scene.put(key_arn)
    scene.expect("ok")
    refusal = f"KMS.KMSInvalidStateException: {key_arn} is pending import."
    streams = scene.streams(key_arn)
    scene.kms.delete_imported_key_material(KeyId=key_arn)
    scene.expect(refusal)
    for body in streams:
        assert body.read() == LARGE[FIRST_BYTES:]
    bring(scene, key_arn, material, move_clock(scene) + timedelta(days=1))
    scene.expect("ok")
    move_clock(scene, advance_seconds=DAY)
    scene.expect(refusal)
    bring(scene, key_arn, material)
    scene.expect("ok")
