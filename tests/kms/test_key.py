import pytest

from kms.aws import model
from kms.errors import KMSError
from kms.key import REFUSALS, STATES, TABLE, Alias, Key, KeyState, Material, check_state

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


def key(state: KeyState) -> Key:
    return Key("111122223333", "us-east-1", KEY_ID, 0.0, "ab" * 32, "{}", state=state)


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
