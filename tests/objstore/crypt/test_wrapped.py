"""The forms of wrapped keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.crypt import wrapped


@given(first=st.binary(min_size=1, max_size=500), second=st.binary(min_size=1, max_size=500))
def test_what_is_joined_is_split(first: bytes, second: bytes) -> None:
    assert wrapped.split(wrapped.join(first, second)) == (first, second)


@pytest.mark.parametrize(
    "joined", [b"", b"\0", b"\0\0", b"\0\0a", b"\0\1a", b"\0\2a", b"\xff\xffa"]
)
def test_two_ciphertexts_are_two(joined: bytes) -> None:
    with pytest.raises(ValueError, match="two"):
        wrapped.split(joined)


def test_a_ciphertext_has_an_end() -> None:
    with pytest.raises(OverflowError):
        wrapped.join(bytes(1 << 16), b"a")
