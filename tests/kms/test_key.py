from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.aws import model
from kms.aws.clock import FixedClock
from kms.aws.json_protocol import snake_case
from kms.errors import KMSError
from kms.key import (
    REFUSALS,
    STATES,
    TABLE,
    Alias,
    Key,
    KeyState,
    Material,
    MaterialState,
    check_state,
)
from kms.policy_text import default_policy

KEY_ID = "00000000-0000-4000-8000-000000000000"
KEYLESS = {
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "CreateKey",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "GenerateRandom",
    "ListKeys",
    "ListRetirableGrants",
    "UpdateCustomKeyStore",
}


def key(state: KeyState, **members: Any) -> Key:
    return Key("111122223333", "us-east-1", KEY_ID, 0.0, "ab" * 32, "{}", state=state, **members)


def test_the_table_covers_every_operation_on_a_key() -> None:
    assert set(TABLE) == set(model.load("kms").operations) - KEYLESS


@pytest.mark.parametrize("operation", TABLE)
def test_every_cell(operation: str) -> None:
    for state, letter in zip(STATES, TABLE[operation], strict=True):
        subject = key(state)
        if letter == "-":
            check_state(subject, operation)
            continue
        code, text = REFUSALS[letter]
        with pytest.raises(KMSError) as caught:
            check_state(subject, operation)
        assert (caught.value.code, caught.value.message) == (code, subject.arn + text)


@pytest.mark.parametrize(
    ("operation", "state", "code", "text"),
    [
        ("Encrypt", KeyState.DISABLED, "DisabledException", "is disabled."),
        ("Decrypt", KeyState.PENDING_DELETION, "KMSInvalidStateException", "is pending deletion."),
        ("EnableKey", KeyState.PENDING_DELETION, "KMSInvalidStateException", "pending deletion."),
        ("CancelKeyDeletion", KeyState.ENABLED, "KMSInvalidStateException", "not pending deletion"),
        ("GenerateDataKey", KeyState.PENDING_IMPORT, "KMSInvalidStateException", "pending import"),
    ],
)
def test_refusals_as_the_documentation_words_them(
    operation: str, state: KeyState, code: str, text: str
) -> None:
    with pytest.raises(KMSError) as caught:
        check_state(key(state), operation)
    assert caught.value.code == code
    assert text in caught.value.message


def test_names() -> None:
    assert key(KeyState.ENABLED).arn == f"arn:aws:kms:us-east-1:111122223333:key/{KEY_ID}"
    alias = Alias("111122223333", "us-east-1", "alias/a", KEY_ID, 0.0, 0.0)
    assert alias.arn == "arn:aws:kms:us-east-1:111122223333:alias/a"


def test_wrapped_material_is_not_printed() -> None:
    material = Material("ab", "1", "r", KEY_ID, "S", "U", b"wrapped", 0.0)
    assert "wrapped" not in repr(material)
    assert material.binding == ("1", "r", KEY_ID, "ab", "S", "U")


@pytest.mark.parametrize(
    ("state", "members", "due_at"),
    [
        (KeyState.ENABLED, {}, None),
        (KeyState.ENABLED, {"next_rotation_at": 5.0}, 5.0),
        (KeyState.DISABLED, {"next_rotation_at": 5.0}, None),
        (KeyState.DISABLED, {"on_demand_at": 5.0}, 105.0),
        (KeyState.PENDING_DELETION, {"deletion_at": 9.0, "expires_at": 7.0}, 7.0),
        (KeyState.CREATING, {"settles_at": 3.0, "expires_at": 7.0}, 3.0),
    ],
)
def test_when_something_is_due(state: KeyState, members: dict[str, Any], due_at: float) -> None:
    assert key(state, **members).due_at == due_at


def test_places_of_keys() -> None:
    assert not key(KeyState.ENABLED).multi_region
    primary = key(KeyState.ENABLED, primary_region="us-east-1")
    assert (primary.multi_region, primary.replica) == (True, False)
    assert key(KeyState.ENABLED, primary_region="eu-west-1").replica
    assert key(KeyState.ENABLED).rotates
    assert not key(KeyState.ENABLED, spec="HMAC_224").rotates


@pytest.mark.parametrize("state", MaterialState)
def test_materials_that_a_key_cannot_part_from(state: MaterialState) -> None:
    material = Material("ab", "1", "r", KEY_ID, "S", "U", b"", 0.0, state=state)
    assert material.bound == (state.value in ("CURRENT", "NON_CURRENT"))


# What AWS's table says, with its numbers for the errors; "." permits, a blank cannot be.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
NUMBERED = {
    "1": ("DisabledException", "{} is disabled."),
    "3": ("KMSInvalidStateException", "{} is pending deletion."),
    "R": ("KMSInvalidStateException", "{} is pending replica deletion."),
    "4": ("KMSInvalidStateException", "{} is not pending deletion."),
    "5": ("KMSInvalidStateException", "{} is pending import."),
    "6": (
        "UnsupportedOperationException",
        "{} origin is EXTERNAL which is not valid for this operation.",
    ),
    "14": ("KMSInvalidStateException", "{} is creating."),
    "15": ("KMSInvalidStateException", "{} is updating."),
    "P": ("UnsupportedOperationException", "{} is not a multi-region primary key."),
    "N": ("KMSInvalidStateException", "{} is not a multi-Region primary key."),
}
COLUMNS = (
    "Enabled",
    "Disabled",
    "PendingDeletion",
    "PendingReplicaDeletion",
    "PendingImport",
    "Creating",
    "Updating",
)
SYMMETRIC: dict[str, Any] = {"key_spec": "SYMMETRIC_DEFAULT", "key_usage": "ENCRYPT_DECRYPT"}
CURVE: dict[str, Any] = {"key_spec": "ECC_NIST_P256", "key_usage": "SIGN_VERIFY"}
AGREEMENT: dict[str, Any] = {**CURVE, "key_usage": "KEY_AGREEMENT"}
HMAC: dict[str, Any] = {"key_spec": "HMAC_256", "key_usage": "GENERATE_VERIFY_MAC"}
KEM: dict[str, Any] = {"key_spec": "ML_KEM_768", "key_usage": "ENCAPSULATE_DECAPSULATE"}
PUBLIC = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
SIGNING = {"message": b"m", "signing_algorithm": "ECDSA_SHA_256"}
MAC = {"message": b"m", "mac_algorithm": "HMAC_SHA_256"}
PAIR = {"key_pair_spec": "ECC_NIST_P256"}
GRANTEE = "arn:aws:iam::111122223333:root"
USES = ". 1 3 R 5 14 ."
CELLS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("DescribeKey", SYMMETRIC, {}, ". . . . . . ."),
    ("GetKeyPolicy", SYMMETRIC, {}, ". . . . . . ."),
    ("PutKeyPolicy", SYMMETRIC, {"policy": default_policy("111122223333")}, ". . . . . . ."),
    ("ListAliases", SYMMETRIC, {}, ". . . . . . ."),
    ("ListGrants", SYMMETRIC, {}, ". . . . . . ."),
    ("ListKeyPolicies", SYMMETRIC, {}, ". . . . . . ."),
    ("ListResourceTags", SYMMETRIC, {}, ". . . . . . ."),
    ("ListKeyRotations", SYMMETRIC, {}, ". . . . . . ."),
    ("GetKeyLastUsage", SYMMETRIC, {}, ". . . . . . ."),
    ("GetKeyRotationStatus", SYMMETRIC, {}, ". . . . . . ."),
    ("Encrypt", SYMMETRIC, {"plaintext": b"x"}, USES),
    # Of a ciphertext, KMS first asks whether it is one of the key.
    (
        "Decrypt",
        SYMMETRIC,
        {"dry_run": True, "dry_run_modifiers": ["IGNORE_CIPHERTEXT"]},
        USES,
    ),
    ("GenerateDataKey", SYMMETRIC, {"number_of_bytes": 32}, USES),
    ("GenerateDataKeyWithoutPlaintext", SYMMETRIC, {"number_of_bytes": 32}, USES),
    ("GenerateDataKeyPair", SYMMETRIC, PAIR, USES),
    ("GenerateDataKeyPairWithoutPlaintext", SYMMETRIC, PAIR, USES),
    ("Sign", CURVE, SIGNING, USES),
    ("Verify", CURVE, {"signature": b"s", **SIGNING}, USES),
    ("GenerateMac", HMAC, MAC, USES),
    ("VerifyMac", HMAC, {"mac": b"m", **MAC}, USES),
    (
        "DeriveSharedSecret",
        AGREEMENT,
        {"public_key": PUBLIC, "key_agreement_algorithm": "ECDH"},
        USES,
    ),
    ("Encapsulate", KEM, {"encapsulation_algorithm": "ML_KEM"}, ". 1 3 R _ 14 ."),
    (
        "Decapsulate",
        KEM,
        {"encapsulation_algorithm": "ML_KEM", "shared_secret_ciphertext_blob": b"c"},
        ". 1 3 R _ 14 .",
    ),
    ("GetPublicKey", CURVE, {}, ". . 3 R 5 14 ."),
    (
        "CreateGrant",
        SYMMETRIC,
        {"grantee_principal": GRANTEE, "operations": ["Encrypt"]},
        ". 1 3 R 5 14 .",
    ),
    ("TagResource", SYMMETRIC, {"tags": []}, ". . 3 R . . ."),
    ("UntagResource", SYMMETRIC, {"tag_keys": []}, ". . 3 R . . ."),
    ("UpdateKeyDescription", SYMMETRIC, {"description": "d"}, ". . 3 R . . ."),
    ("EnableKey", SYMMETRIC, {}, ". . 3 R 5 14 15"),
    ("DisableKey", SYMMETRIC, {}, ". . 3 R 5 14 15"),
    ("ScheduleKeyDeletion", SYMMETRIC, {}, ". . 3 R . . 15"),
    ("CancelKeyDeletion", SYMMETRIC, {}, "4 4 . . 4 4 4"),
    ("EnableKeyRotation", SYMMETRIC, {}, ". 1 3 R 6 14 ."),
    ("DisableKeyRotation", SYMMETRIC, {}, ". 1 3 R 6 14 ."),
    ("RotateKeyOnDemand", SYMMETRIC, {}, ". 1 3 R 5 14 ."),
    ("ReplicateKey", SYMMETRIC, {"replica_region": "ap-south-1"}, ". 1 3 R 5 P 15"),
    ("UpdatePrimaryRegion", SYMMETRIC, {"primary_region": "ap-south-1"}, ". 1 3 R 5 N ."),
]
IMPORTS = [
    (
        "GetParametersForImport",
        {"wrapping_algorithm": "RSAES_OAEP_SHA_256", "wrapping_key_spec": "RSA_2048"},
        ". . 3 R . 14 .",
    ),
    (
        "ImportKeyMaterial",
        {"import_token": b"t", "encrypted_key_material": b"e", "expiration_model": "X"},
        ". . 3 R . 14 .",
    ),
    ("DeleteImportedKeyMaterial", {}, ". . . . . 14 15"),
]


class Scene:
    """Brings a key into a state, and answers who may ask about it, and its ARN."""

    def __init__(self, client: Any, clock: FixedClock) -> None:
        self.client = client
        self.clock = clock
        self.away = client.as_(replace(client.caller, region="eu-west-1"))

    def key(self, kind: dict[str, Any], state: str, *, external: bool) -> tuple[Any, str]:
        if state == "PendingImport":
            return self.client, self.client.key(origin="EXTERNAL", multi_region=True, **kind)
        origin = {"origin": "EXTERNAL"} if external else {}
        arn: str = self.client.key(multi_region=True, **kind, **origin)
        if external:
            self.client.import_material(arn, bytes(32))
        bring: Callable[[str], Any] = getattr(self, f"_{snake_case(state)}")
        return bring(arn) or (self.client, arn)

    def _enabled(self, arn: str) -> None:
        pass

    def _disabled(self, arn: str) -> None:
        self.client("DisableKey", key_id=arn)

    def _pending_deletion(self, arn: str) -> None:
        self.client("ScheduleKeyDeletion", key_id=arn)

    def _pending_replica_deletion(self, arn: str) -> None:
        self._creating(arn)
        self._pending_deletion(arn)

    def _creating(self, arn: str) -> tuple[Any, str]:
        self.client("ReplicateKey", key_id=arn, replica_region="eu-west-1")
        return self.away, arn.replace("us-east-1", "eu-west-1")

    def _updating(self, arn: str) -> tuple[Any, str]:
        replica = self._creating(arn)
        self.clock.advance(5)
        if self.client.metadata(arn)["Origin"] == "EXTERNAL":
            self.away.import_material(replica[1], bytes(32))
        self.client("UpdatePrimaryRegion", key_id=arn, primary_region="eu-west-1")
        return replica


def check_cell(
    scene: Scene, operation: str, kind: Any, members: Any, cell: str, state: str
) -> None:
    external = operation in {name for name, _, _ in IMPORTS}
    caller, arn = scene.key(kind, state, external=external)
    assert caller.metadata(arn)["KeyState"] == state
    try:
        caller(operation, key_id=arn, **members)
    except KMSError as error:
        found = (error.code, error.message)
    else:
        found = ("", "")
    if cell == ".":
        # Bad ciphertexts, signatures and tokens are refused later, for what they are.
        assert found[1] not in {text.format(arn) for _, text in NUMBERED.values()}
    else:
        code, text = NUMBERED[cell]
        assert found == (code, text.format(arn))


def identify(value: object) -> str:
    """The beginning of a value, without bytes: each worker draws keys of its own."""
    return str(value).partition(": b")[0][:24]


@pytest.mark.parametrize(("operation", "kind", "members", "row"), CELLS, ids=identify)
def test_every_operation_in_every_state(
    client: Any,
    clock: FixedClock,
    operation: str,
    kind: dict[str, Any],
    members: dict[str, Any],
    row: str,
) -> None:
    scene = Scene(client, clock)
    for state, cell in zip(COLUMNS, row.split(), strict=True):
        if cell != "_":
            check_cell(scene, operation, kind, members, cell, state)


@pytest.mark.parametrize(("operation", "members", "row"), IMPORTS, ids=identify)
def test_imports_in_every_state(
    client: Any,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    members: dict[str, Any],
    row: str,
) -> None:
    wrapping_key = rsa.generate_private_key(65_537, 2_048)
    monkeypatch.setattr("kms.imports.generate_private", lambda spec: wrapping_key)
    scene = Scene(client, clock)
    for state, cell in zip(COLUMNS, row.split(), strict=True):
        check_cell(scene, operation, SYMMETRIC, members, cell, state)


def test_the_cells_are_those_of_the_api() -> None:
    asked = {operation for operation, *_ in [*CELLS, *IMPORTS]}
    # Tested where they are defined: they name an alias, a grant or two keys.
    elsewhere = {"CreateAlias", "DeleteAlias", "UpdateAlias"}
    elsewhere |= {"ReEncrypt", "RetireGrant", "RevokeGrant"}
    assert asked == set(TABLE) - elsewhere
