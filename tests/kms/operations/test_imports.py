import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kms import store_erasure
from kms.aws.audit import MemorySink
from kms.aws.clock import FixedClock
from kms.errors import KMSError

DAY = 86_400
FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))
NEW = {"import_type": "NEW_KEY_MATERIAL"}
EVERYTHING = {"include_key_material": "ALL_KEY_MATERIAL"}
INCORRECT = "IncorrectKeyMaterialException"


@pytest.fixture
def key(client: Any) -> str:
    """A symmetric key that waits for its material."""
    arn: str = client.key(origin="EXTERNAL")
    return arn


def state(client: Any, arn: str) -> str:
    found: str = client.metadata(arn)["KeyState"]
    return found


def materials(client: Any, arn: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client("ListKeyRotations", key_id=arn, **EVERYTHING)["Rotations"]
    return listed


def states(client: Any, arn: str) -> list[tuple[str, str]]:
    return [(one["KeyMaterialState"], one["ImportState"]) for one in materials(client, arn)]


def rotate(client: Any, clock: FixedClock, arn: str) -> None:
    client("RotateKeyOnDemand", key_id=arn)
    clock.advance(100)


def test_parameters(client: Any, key: str, clock: FixedClock) -> None:
    found = client(
        "GetParametersForImport",
        key_id=key,
        wrapping_algorithm="RSAES_OAEP_SHA_256",
        wrapping_key_spec="RSA_2048",
    )
    assert found["KeyId"] == key
    assert found["ParametersValidTo"] == clock.now() + DAY
    assert len(found["ImportToken"]) < 6_144


@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_256", "RSAES_PKCS1_V1_5"])
def test_wrapping_that_does_not_fit_the_key(client: Any, key: str, algorithm: str) -> None:
    with pytest.raises(KMSError) as caught:
        client(
            "GetParametersForImport",
            key_id=key,
            wrapping_algorithm=algorithm,
            wrapping_key_spec="RSA_2048",
        )
    assert (caught.value.code, caught.value.message) == (
        "ValidationException",
        f"Wrapping algorithm {algorithm} and wrapping key spec RSA_2048 cannot be used to import "
        "a SYMMETRIC_DEFAULT key.",
    )


@pytest.mark.parametrize(
    ("algorithm", "wrapping_spec"),
    [("RSAES_OAEP_SHA_1", "RSA_2048"), ("RSAES_OAEP_SHA_256", "RSA_3072")],
)
def test_the_first_import_enables_the_key(
    client: Any, key: str, algorithm: str, wrapping_spec: str
) -> None:
    assert client.refused("Encrypt", key_id=key, plaintext=b"x") == (
        "KMSInvalidStateException",
        f"{key} is pending import.",
    )
    made = client.import_material(key, FIRST, algorithm=algorithm, wrapping_spec=wrapping_spec)
    described = client.metadata(key)
    assert made == {"KeyId": key, "KeyMaterialId": described["CurrentKeyMaterialId"]}
    assert described["KeyState"] == "Enabled"
    assert described["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    assert "ValidTo" not in described
    blob = client("Encrypt", key_id=key, plaintext=b"x")["CiphertextBlob"]
    assert client("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"


def test_the_same_material_has_another_id_in_another_key(client: Any, key: str) -> None:
    made = client.import_material(key, FIRST)
    other = client.import_material(client.key(origin="EXTERNAL"), FIRST)
    assert made["KeyMaterialId"] != other["KeyMaterialId"]


def test_deleted_material_comes_back_as_the_same_bytes_only(client: Any, key: str) -> None:
    material_id = client.import_material(key, FIRST)["KeyMaterialId"]
    blob = client("Encrypt", key_id=key, plaintext=b"x")["CiphertextBlob"]
    for _ in range(2):
        assert client("DeleteImportedKeyMaterial", key_id=key) == {
            "KeyId": key,
            "KeyMaterialId": material_id,
        }
        described = client.metadata(key)
        assert described["KeyState"] == "PendingImport"
        assert described["CurrentKeyMaterialId"] == material_id
        assert not described.keys() & {"ExpirationModel", "ValidTo"}
    with pytest.raises(Exception, match=INCORRECT) as caught:
        client.import_material(key, SECOND)
    assert caught.value.args[1] == (
        f"Imported key material does not have the expected identifier ({material_id})."
    )
    assert client.import_material(key, FIRST)["KeyMaterialId"] == material_id
    assert client("Decrypt", ciphertext_blob=blob)["Plaintext"] == b"x"


def test_deleted_material_is_off_the_disk(client: Any, key: str, tmp_path: Any) -> None:
    client.import_material(key, FIRST)
    store = client.service.store
    material_id = client.metadata(key)["CurrentKeyMaterialId"]
    wrapped = store.material("111122223333", "us-east-1", material_id).wrapped
    client("DeleteImportedKeyMaterial", key_id=key)
    for path in tmp_path.iterdir():
        assert wrapped not in path.read_bytes()


def test_deleting_from_an_empty_key_does_nothing(client: Any, key: str) -> None:
    assert client("DeleteImportedKeyMaterial", key_id=key) == {"KeyId": key}
    code, message = client.refused(
        "DeleteImportedKeyMaterial", key_id=key, key_material_id="ab" * 32
    )
    assert code == "NotFoundException"
    assert "ab" * 32 in message


def test_expiry(client: Any, key: str, clock: FixedClock, audit: MemorySink) -> None:
    until = clock.now() + 10 * DAY
    material_id = client.import_material(key, FIRST, valid_to=until)["KeyMaterialId"]
    described = client.metadata(key)
    assert (described["ExpirationModel"], described["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)
    clock.advance(10 * DAY)
    assert client.refused("Encrypt", key_id=key, plaintext=b"x")[1] == f"{key} is pending import."
    [event] = [one for one in audit.events if one["eventName"] == "DeleteExpiredKeyMaterial"]
    assert (event["keyArn"], event["keyMaterialId"], event["eventTime"]) == (
        key,
        material_id,
        until,
    )
    client.import_material(key, FIRST, valid_to=until + DAY)
    assert client.metadata(key)["ValidTo"] == until + DAY
    client.import_material(key, FIRST)
    assert client.metadata(key)["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    clock.advance(365 * DAY)
    assert state(client, key) == "Enabled"


@pytest.mark.parametrize(
    ("model", "days", "text"),
    [
        (
            "KEY_MATERIAL_EXPIRES",
            None,
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        ),
        (
            "KEY_MATERIAL_DOES_NOT_EXPIRE",
            1,
            "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        ),
        ("KEY_MATERIAL_EXPIRES", 0, "ValidTo must be in the future"),
        ("KEY_MATERIAL_EXPIRES", 366, "ValidTo must be less than 365 days in the future"),
    ],
)
def test_validity_that_cannot_be(
    client: Any, key: str, clock: FixedClock, model: str, days: int | None, text: str
) -> None:
    members = {} if days is None else {"valid_to": clock.now() + days * DAY}
    with pytest.raises(Exception, match="ValidationException") as caught:
        client.import_material(key, FIRST, expiration_model=model, **members)
    assert caught.value.args[1] == text
    assert state(client, key) == "PendingImport"


def parameters(client: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = client(
        "GetParametersForImport",
        key_id=arn,
        wrapping_algorithm="RSAES_OAEP_SHA_256",
        wrapping_key_spec="RSA_2048",
    )
    return found


def test_tokens(client: Any, key: str, clock: FixedClock, wrap: Any) -> None:
    first, second = parameters(client, key), parameters(client, key)
    other = parameters(client, client.key(origin="EXTERNAL"))

    def members(source: dict[str, Any], token: bytes) -> dict[str, Any]:
        return {
            "key_id": key,
            "import_token": token,
            "encrypted_key_material": wrap(source["PublicKey"], "RSAES_OAEP_SHA_256", FIRST),
            "expiration_model": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }

    for found in (first, second, first):
        client("ImportKeyMaterial", **members(found, found["ImportToken"]))
    corrupt = bytearray(first["ImportToken"])
    corrupt[-1] ^= 1
    for token in (other["ImportToken"], bytes(corrupt), b"x"):
        refusal = client.refused("ImportKeyMaterial", **members(first, token))
        assert refusal == ("InvalidImportTokenException", "")
    mixed = members(first, second["ImportToken"])
    assert client.refused("ImportKeyMaterial", **mixed) == ("InvalidCiphertextException", "")
    clock.advance(DAY)
    late = members(first, first["ImportToken"])
    assert client.refused("ImportKeyMaterial", **late) == ("ExpiredImportTokenException", "")


@pytest.mark.parametrize("length", [16, 31, 33])
def test_material_of_the_wrong_length(client: Any, key: str, length: int) -> None:
    with pytest.raises(Exception, match="InvalidCiphertextException"):
        client.import_material(key, b"m" * length)


def test_new_material_waits_for_a_rotation(client: Any, key: str, clock: FixedClock) -> None:
    first = client.import_material(key, FIRST, key_material_description="one")["KeyMaterialId"]
    blob = client("Encrypt", key_id=key, plaintext=b"x")["CiphertextBlob"]
    assert client.refused("RotateKeyOnDemand", key_id=key) == (
        "KMSInvalidStateException",
        f"No available key material pending rotation for the key: {key}.",
    )
    second = client.import_material(key, SECOND, **NEW)["KeyMaterialId"]
    assert states(client, key) == [("CURRENT", "IMPORTED"), ("PENDING_ROTATION", "IMPORTED")]
    assert materials(client, key)[0]["KeyMaterialDescription"] == "one"
    assert client.metadata(key)["CurrentKeyMaterialId"] == first
    rotate(client, clock, key)
    assert client.metadata(key)["CurrentKeyMaterialId"] == second
    assert states(client, key) == [("NON_CURRENT", "IMPORTED"), ("CURRENT", "IMPORTED")]
    rotated = materials(client, key)[1]
    assert (rotated["RotationType"], rotated["RotationDate"]) == ("ON_DEMAND", clock.now())
    assert client("Decrypt", ciphertext_blob=blob)["KeyMaterialId"] == first


def test_what_new_material_cannot_be(client: Any, key: str, clock: FixedClock) -> None:
    first = client.import_material(key, FIRST)["KeyMaterialId"]

    def refused(material: bytes, **members: Any) -> tuple[str, str]:
        with pytest.raises(Exception, match="Exception") as caught:
            client.import_material(key, material, **members)
        return caught.value.args

    known = "Key material (id: {}) being imported as NEW_KEY_MATERIAL is already associated with "
    assert refused(FIRST, **NEW) == (INCORRECT, known.format(first) + f"KMS key {key}.")
    second = client.import_material(key, SECOND, **NEW)["KeyMaterialId"]
    assert refused(SECOND, **NEW) == (INCORRECT, known.format(second) + f"KMS key {key}.")
    code, message = refused(THIRD, **NEW)
    assert code == "KMSInvalidStateException"
    assert message.startswith("New key material (id: ")
    assert message.endswith(
        f") cannot be imported into KMS key {key}, because another key material (id: {second}) is "
        "pending rotation."
    )
    assert refused(THIRD, key_material_id=first, **NEW)[0] == "ValidationException"
    assert refused(FIRST, key_material_id=second) == (
        INCORRECT,
        f"Imported key material does not have the expected identifier ({second}).",
    )
    assert refused(THIRD, key_material_id="ab" * 32)[0] == INCORRECT
    assert client.import_material(key, FIRST, key_material_id=first)["KeyMaterialId"] == first


def test_the_current_material_is_deleted_whichever_that_is_by_then(
    client: Any, key: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.import_material(key, FIRST)
    second = client.import_material(key, SECOND, **NEW)["KeyMaterialId"]
    client("RotateKeyOnDemand", key_id=key)
    store, edit = client.service.store, client.service.store.edit

    def overtaken() -> Any:
        monkeypatch.setattr(store, "edit", edit)
        clock.advance(100)
        client.metadata(key)
        return edit()

    monkeypatch.setattr(store, "edit", overtaken)
    deleted = client("DeleteImportedKeyMaterial", key_id=key)
    assert deleted == {"KeyId": key, "KeyMaterialId": second}
    assert states(client, key) == [("NON_CURRENT", "IMPORTED"), ("CURRENT", "PENDING_IMPORT")]


def test_nothing_is_erased_where_nothing_was(
    client: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewriting the database is work that nobody may ask for again and again."""
    begun: list[object] = []
    monkeypatch.setattr(store_erasure, "begin", begun.append)
    material_id = client.import_material(key, FIRST)["KeyMaterialId"]
    for _ in range(2):
        client("DeleteImportedKeyMaterial", key_id=key, key_material_id=material_id)
        assert len(begun) == 1


def test_pending_material_is_forgotten_when_it_is_deleted(client: Any, key: str) -> None:
    client.import_material(key, FIRST)
    second = client.import_material(key, SECOND, **NEW)["KeyMaterialId"]
    client("DeleteImportedKeyMaterial", key_id=key, key_material_id=second)
    assert states(client, key) == [("CURRENT", "IMPORTED")]
    assert state(client, key) == "Enabled"
    client.import_material(key, THIRD, **NEW)


def test_pending_material_that_expired_rotates_in(client: Any, key: str, clock: FixedClock) -> None:
    client.import_material(key, FIRST)
    client.import_material(key, SECOND, valid_to=clock.now() + DAY, **NEW)
    assert "ValidTo" not in client.metadata(key)
    clock.advance(DAY)
    assert states(client, key) == [("CURRENT", "IMPORTED"), ("PENDING_ROTATION", "PENDING_IMPORT")]
    assert state(client, key) == "Enabled"
    rotate(client, clock, key)
    assert state(client, key) == "PendingImport"
    client.import_material(key, SECOND)
    assert state(client, key) == "Enabled"


def test_a_rotation_whose_material_is_deleted_meanwhile(
    client: Any, key: str, clock: FixedClock
) -> None:
    first = client.import_material(key, FIRST)["KeyMaterialId"]
    second = client.import_material(key, SECOND, **NEW)["KeyMaterialId"]
    client("RotateKeyOnDemand", key_id=key)
    client("DeleteImportedKeyMaterial", key_id=key, key_material_id=second)
    clock.advance(100)
    assert client.metadata(key)["CurrentKeyMaterialId"] == first
    assert "OnDemandRotationStartDate" not in client("GetKeyRotationStatus", key_id=key)


def test_a_first_import_is_the_material_that_it_says_it_is(client: Any, key: str) -> None:
    with pytest.raises(Exception, match="does not have the expected identifier"):
        client.import_material(key, FIRST, key_material_id="ab" * 32)
    assert state(client, key) == "PendingImport"


def test_every_used_material_is_needed(client: Any, key: str, clock: FixedClock) -> None:
    first = client.import_material(key, FIRST, key_material_description="kept")["KeyMaterialId"]
    client.import_material(key, SECOND, valid_to=clock.now() + 9 * DAY, **NEW)
    rotate(client, clock, key)
    assert client.metadata(key)["ValidTo"] == clock.now() + 9 * DAY - 100
    client("DeleteImportedKeyMaterial", key_id=key, key_material_id=first)
    described = client.metadata(key)
    assert described["KeyState"] == "PendingImport"
    assert described["CurrentKeyMaterialId"] != first
    assert not described.keys() & {"ExpirationModel", "ValidTo"}
    client.import_material(key, FIRST)
    assert state(client, key) == "Enabled"
    assert materials(client, key)[0]["KeyMaterialDescription"] == "kept"


def test_states_that_outlive_the_material(client: Any, key: str, clock: FixedClock) -> None:
    client.import_material(key, FIRST)
    client("DisableKey", key_id=key)
    client.import_material(key, FIRST)
    assert state(client, key) == "Disabled"
    client("ScheduleKeyDeletion", key_id=key)
    client("DeleteImportedKeyMaterial", key_id=key)
    assert state(client, key) == "PendingDeletion"
    with pytest.raises(Exception, match="pending deletion"):
        client.import_material(key, FIRST)
    client("CancelKeyDeletion", key_id=key)
    assert state(client, key) == "PendingImport"
    client.import_material(key, FIRST)
    assert state(client, key) == "Enabled"


def test_keys_with_generated_material(client: Any) -> None:
    arn = client.key()
    refusal = (
        "UnsupportedOperationException",
        f"{arn} origin is AWS_KMS which is not valid for this operation.",
    )
    wrapping = {"wrapping_algorithm": "RSAES_OAEP_SHA_1", "wrapping_key_spec": "RSA_2048"}
    assert client.refused("GetParametersForImport", key_id=arn, **wrapping) == refusal
    given = {"import_token": b"x", "encrypted_key_material": b"x"}
    assert client.refused("ImportKeyMaterial", key_id=arn, **given) == refusal
    assert client.refused("DeleteImportedKeyMaterial", key_id=arn) == refusal


def private(key: Any) -> bytes:
    der: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm", "make"),
    [
        ("HMAC_384", "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256", lambda: os.urandom(100)),
        (
            "RSA_2048",
            "SIGN_VERIFY",
            "RSA_AES_KEY_WRAP_SHA_1",
            lambda: private(rsa.generate_private_key(65_537, 2_048)),
        ),
        (
            "ECC_NIST_P256",
            "SIGN_VERIFY",
            "RSA_AES_KEY_WRAP_SHA_256",
            lambda: private(ec.generate_private_key(ec.SECP256R1())),
        ),
    ],
)
def test_keys_with_one_material(
    client: Any, spec: str, usage: str, algorithm: str, make: Any
) -> None:
    arn = client.key(origin="EXTERNAL", key_spec=spec, key_usage=usage)
    material, other = make(), make()
    assert client.import_material(arn, material, algorithm=algorithm) == {"KeyId": arn}
    assert state(client, arn) == "Enabled"
    assert "CurrentKeyMaterialId" not in client.metadata(arn)
    with pytest.raises(Exception, match=INCORRECT):
        client.import_material(arn, other, algorithm=algorithm)
    for members in (NEW, {"key_material_description": "x"}, {"key_material_id": "ab" * 32}):
        with pytest.raises(Exception, match="ValidationException"):
            client.import_material(arn, other, algorithm=algorithm, **members)
    client("DeleteImportedKeyMaterial", key_id=arn)
    assert state(client, arn) == "PendingImport"
    client.import_material(arn, material, algorithm=algorithm)
    assert state(client, arn) == "Enabled"
