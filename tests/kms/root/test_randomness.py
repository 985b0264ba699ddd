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


def test_a_reading_that_a_signal_ends_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(descriptor: int, buffers: list[memoryview]) -> int:
        piece = memoryview(buffers[0])[:256]
        piece[:] = bytes([len(counts)]) * len(piece)
        counts.append(len(piece))
        return len(piece)

    counts: list[int] = []
    monkeypatch.setattr(os, "readv", read)
    assert random_bytes(600) == b"\0" * 256 + b"\1" * 256 + b"\2" * 88
    assert counts == [256, 256, 88]


def test_too_few_bytes_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter((31, 0))
    monkeypatch.setattr(os, "readv", lambda descriptor, buffers: next(counts))
    with pytest.raises(RootError, match="too few random bytes"):
        random_bytes(32)
