import pytest

from objstore.account.errors import IAMError


def test_a_code_has_its_status() -> None:
    error = IAMError("NoSuchEntity", "The user with name bob cannot be found.")
    assert (error.code, error.status) == ("NoSuchEntity", 404)


def test_codes_cannot_be_misspelt() -> None:
    with pytest.raises(KeyError):
        IAMError("NoSuchEntety", "")
