import base64

import pytest

from objstore.account.ids import (
    LONG_TERM,
    TEMPORARY,
    account_of,
    new_access_key_id,
    new_secret,
    new_unique_id,
    stable_unique_id,
)


@pytest.mark.parametrize(
    ("kind", "prefix"), [("user", "AIDA"), ("role", "AROA"), ("group", "AGPA"), ("policy", "ANPA")]
)
def test_unique_ids_tell_their_kind(kind: str, prefix: str) -> None:
    made = {new_unique_id(kind) for _ in range(100)}
    assert len(made) == 100
    assert all(one.startswith(prefix) and len(one) == 21 and one.isalnum() for one in made)


def test_a_seeds_ids_never_change() -> None:
    bob = stable_unique_id("user", "123456789012", "bob")
    assert (
        bob
        == stable_unique_id("user", "123456789012", "bob")
        != stable_unique_id("user", "1", "bob")
    )
    assert len(bob) == 21


@pytest.mark.parametrize("account", ["000000000001", "123456789012", "999999999999"])
@pytest.mark.parametrize("prefix", [LONG_TERM, TEMPORARY])
def test_access_key_ids_carry_their_account(prefix: str, account: str) -> None:
    made = new_access_key_id(prefix, account)
    assert (len(made), made[:4]) == (20, prefix)
    assert account_of(made) == account
    # How published tools read the account off an id.
    number = int.from_bytes(base64.b32decode(made[4:])[:6])
    assert f"{(number & 0x7FFFFFFFFF80) >> 7:012}" == account


@pytest.mark.parametrize("text", ["test", "AKIA", "AKIA1111111111111111", "AKIA" + "7" * 16, ""])
def test_other_ids_carry_none(text: str) -> None:
    assert account_of(text) is None


def test_secrets_have_forty_characters() -> None:
    assert len({new_secret() for _ in range(10)}) == 10
    assert len(new_secret()) == 40
