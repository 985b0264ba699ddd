"""Records of a temporary file: nothing in clear, each in its place."""

import pytest
from cryptography.exceptions import InvalidTag

from objstore.crypt.scratch import TAG_LENGTH, Scratch


def test_records_open_by_their_number_only() -> None:
    scratch = Scratch()
    plain = [b"first", b"second" * 1000, b""]
    sealed = [scratch.seal(text) for text in plain]
    assert [len(record) for record in sealed] == [len(text) + TAG_LENGTH for text in plain]
    assert [scratch.open(number, record) for number, record in enumerate(sealed)] == plain
    with pytest.raises(InvalidTag):
        scratch.open(1, sealed[0])
    with pytest.raises(InvalidTag):
        Scratch().open(0, sealed[0])
