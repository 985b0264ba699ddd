import os

import pytest

from kms.root.randomness import Random, random_bytes
from kms.root.sealer import RootError


def test_random_bytes() -> None:
    assert len(random_bytes(64)) == 64
    assert random_bytes(32) != random_bytes(32)


def test_a_buffer_is_filled_in_place() -> None:
    random = Random()
    buffer = bytearray(32)
    random.fill(buffer)
    assert any(buffer)
    random.close()
    random.close()


def test_too_few_bytes_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "readv", lambda descriptor, buffers: 1)
    with pytest.raises(RootError, match="too few random bytes"):
        random_bytes(32)
