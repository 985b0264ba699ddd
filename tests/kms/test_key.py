from typing import Any

import pytest

from kms.aws import model
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
