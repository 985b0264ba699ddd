"""Sealed blobs: the vectors, every size and range that matters, and every way to tamper."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.crypt import frames
from objstore.crypt.frames import HEADER_LENGTH, TAG_LENGTH, Opener, Sealer, TamperedError

VECTORS = sorted(Path(__file__).parents[2].joinpath("vectors", "frames").glob("*.json"))
KEY = bytearray(range(32))
BLOB_ID = bytes(range(16))
SALT = bytes(32)
CHUNK = 1 << 12


def content(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def seal(plaintext: bytes, *, chunk_log2: int = 12, blob_id: bytes = BLOB_ID) -> bytes:
    sealer = Sealer(
        KEY,
        blob_id=blob_id,
        plaintext_length=len(plaintext),
        salt=SALT,
        chunk_log2=chunk_log2,
    )
    blob = bytearray(frames.sealed_size(len(plaintext), chunk_log2))
    blob[:HEADER_LENGTH] = sealer.header
    assert sealer.seal(plaintext, memoryview(blob)[HEADER_LENGTH:]) == len(blob) - HEADER_LENGTH
    assert sealer.finished
    assert bytes(blob[96:128]) == sealer.commitment
    return bytes(blob)


def opener(blob: bytes, length: int, *, commitment: bytes | None = None) -> Opener:
    return Opener(
        KEY,
        blob[:HEADER_LENGTH],
        blob_id=BLOB_ID,
        size=len(blob),
        plaintext_length=length,
        commitment=blob[96:128] if commitment is None else commitment,
    )


def refuse(blob: bytes, sealed: bytes, length: int) -> None:
    """`blob` in the place of `sealed` must not open."""
    with pytest.raises(TamperedError):
        frames.open_small(
            KEY, blob, blob_id=BLOB_ID, plaintext_length=length, commitment=sealed[96:128]
        )


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    key, blob = bytearray.fromhex(vector["data_key"]), base64.b64decode(vector["blob"])
    arguments: dict[str, Any] = {
        "blob_id": bytes.fromhex(vector["blob_id"]),
        "plaintext_length": vector["plaintext_length"],
        "commitment": bytes.fromhex(vector["commitment"]),
    }
    if vector["outcome"] != "opens":
        with pytest.raises(TamperedError) as caught:
            frames.open_small(key, blob, **arguments)
        assert caught.value.part == vector["outcome"]
        return
    plaintext = base64.b64decode(vector["plaintext"])
    assert frames.open_small(key, blob, **arguments) == plaintext
    sealer = Sealer(
        key,
        blob_id=arguments["blob_id"],
        plaintext_length=len(plaintext),
        salt=bytes.fromhex(vector["salt"]),
        chunk_log2=vector["chunk_log2"],
    )
    out = bytearray(len(blob) - HEADER_LENGTH)
    sealer.seal(plaintext, out)
    assert sealer.header + out == blob


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 20


@pytest.mark.parametrize("chunk_log2", [12, 17])
@pytest.mark.parametrize(("chunks", "more"), [(0, 0), (0, 1), (1, -1), (1, 0), (1, 1), (3, 0)])
def test_sizes(chunk_log2: int, chunks: int, more: int) -> None:
    plaintext = content((chunks << chunk_log2) + more)
    blob = seal(plaintext, chunk_log2=chunk_log2)
    assert len(blob) == frames.sealed_size(len(plaintext), chunk_log2)
    assert (
        frames.open_small(
            KEY,
            blob,
            blob_id=BLOB_ID,
            plaintext_length=len(plaintext),
            commitment=blob[96:128],
        )
        == plaintext
    )


def test_small_blobs_have_their_own_salt() -> None:
    first, commitment = frames.seal_small(KEY, blob_id=BLOB_ID, plaintext=b"same")
    second, _ = frames.seal_small(KEY, blob_id=BLOB_ID, plaintext=b"same")
    assert first != second
    assert (
        frames.open_small(KEY, first, blob_id=BLOB_ID, plaintext_length=4, commitment=commitment)
        == b"same"
    )


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 4 * CHUNK),
    batch=st.integers(1, 3),
    data=st.data(),
)
def test_batches_and_ranges_round_trip(length: int, batch: int, data: st.DataObject) -> None:
    plaintext = content(length)
    sealer = Sealer(KEY, blob_id=BLOB_ID, plaintext_length=length, chunk_log2=12)
    blob, room = bytearray(sealer.header), bytearray(batch * (CHUNK + TAG_LENGTH))
    for start in range(0, max(length, 1), batch * CHUNK):
        written = sealer.seal(plaintext[start : start + batch * CHUNK], room)
        blob += room[:written]
    assert sealer.finished
    start = data.draw(st.integers(0, max(length - 1, 0)))
    stop = data.draw(st.integers(min(start + 1, length), length))
    reader = opener(bytes(blob), length)
    offset, size, first = reader.span(start, stop)
    assert offset + size <= len(blob)
    out = bytearray(size)
    opened = reader.open(blob[offset : offset + size], first, out)
    skip = start - first * CHUNK
    assert out[skip : skip + stop - start] == plaintext[start:stop]
    assert opened == size - TAG_LENGTH * -(-size // (CHUNK + TAG_LENGTH))


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 1, (128, 4112, 0)),
        (0, 4096, (128, 4112, 0)),
        (4095, 4097, (128, 8224, 0)),
        (4096, 8192, (4240, 4112, 1)),
        (8192, 8193, (8352, 17, 2)),
        (0, 8193, (128, 8241, 0)),
    ],
)
def test_span(start: int, stop: int, expected: tuple[int, int, int]) -> None:
    length = 2 * CHUNK + 1
    assert opener(seal(content(length)), length).span(start, stop) == expected


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (-1, 1), (2, 1), (0, 11), (10, 10)])
def test_span_refuses_ranges_outside(start: int, stop: int) -> None:
    reader = opener(seal(bytes(10)), 10)
    with pytest.raises(ValueError, match="range"):
        reader.span(start, stop)


def test_span_of_an_empty_blob() -> None:
    assert opener(seal(b""), 0).span(0, 0) == (128, 16, 0)


def test_every_flipped_bit_is_noticed() -> None:
    plaintext = b"a small object"
    sealed = seal(plaintext)
    for at in range(len(sealed)):
        for bit in range(8):
            blob = bytearray(sealed)
            blob[at] ^= 1 << bit
            refuse(bytes(blob), sealed, len(plaintext))


def test_flipped_bits_of_every_chunk_are_noticed() -> None:
    sealed = seal(content(2 * CHUNK + 1))
    for at in range(HEADER_LENGTH, len(sealed), 61):
        blob = bytearray(sealed)
        blob[at] ^= 1 << at % 8
        refuse(bytes(blob), sealed, 2 * CHUNK + 1)


def test_every_truncation_is_noticed() -> None:
    sealed = seal(content(CHUNK + 9))
    for length in range(len(sealed)):
        refuse(sealed[:length], sealed, CHUNK + 9)


@pytest.mark.parametrize("more", [b"\0", bytes(16), bytes(CHUNK + TAG_LENGTH)])
def test_extensions_are_noticed(more: bytes) -> None:
    sealed = seal(content(CHUNK))
    refuse(sealed + more, sealed, CHUNK)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 2), (0, 2, 2)])
def test_moved_chunks_are_noticed(order: tuple[int, int, int]) -> None:
    sealed = seal(content(3 * CHUNK))
    step = CHUNK + TAG_LENGTH
    pieces = [sealed[128 + i * step : 128 + (i + 1) * step] for i in range(3)]
    refuse(sealed[:128] + b"".join(pieces[i] for i in order), sealed, 3 * CHUNK)


def test_another_blob_of_the_same_key_is_noticed() -> None:
    sealed = seal(b"mine")
    refuse(seal(b"mine", blob_id=bytes(16)), sealed, 4)
    other, _ = frames.seal_small(KEY, blob_id=BLOB_ID, plaintext=b"mine")
    refuse(other, sealed, 4)
    refuse(sealed[:128] + other[128:], sealed, 4)


def test_another_key_is_noticed() -> None:
    sealed = seal(b"mine")
    with pytest.raises(TamperedError, match="commitment"):
        frames.open_small(
            bytearray(32), sealed, blob_id=BLOB_ID, plaintext_length=4, commitment=sealed[96:128]
        )


def test_a_range_cut_short_is_noticed() -> None:
    length = 2 * CHUNK + 1
    blob = seal(content(length))
    reader = opener(blob, length)
    for sealed in (blob[128:-1], blob[128:200], blob[128:] + b"\0"):
        with pytest.raises(TamperedError, match="size"):
            reader.open(sealed, 0, bytearray(length))


def test_no_unverified_byte_is_left_behind() -> None:
    length = 2 * CHUNK
    blob = bytearray(seal(content(length)))
    blob[-1] ^= 1
    out = bytearray(b"\xff" * (length + 1))
    with pytest.raises(TamperedError, match="chunk"):
        opener(bytes(blob), length).open(memoryview(blob)[128:], 0, out)
    assert out == bytes(length) + b"\xff"


def test_errors_tell_no_secrets() -> None:
    error = TamperedError("chunk")
    assert str(error) == "the chunk cannot be verified"
    assert error.part == "chunk"


def test_sealer_refuses_what_was_not_declared() -> None:
    sealer = Sealer(KEY, blob_id=BLOB_ID, plaintext_length=CHUNK + 5, chunk_log2=12)
    out = bytearray(3 * CHUNK)
    for plaintext, reason in (
        (bytes(CHUNK + 6), "declared"),
        (bytes(CHUNK + 4), "whole chunks"),
        (bytes(5), "whole chunks"),
    ):
        with pytest.raises(ValueError, match=reason):
            sealer.seal(plaintext, out)
    with pytest.raises(ValueError, match="too small"):
        sealer.seal(bytes(CHUNK), bytearray(CHUNK + TAG_LENGTH - 1))
    assert sealer.seal(b"", out) == 0
    assert sealer.seal(bytes(CHUNK), out) == CHUNK + TAG_LENGTH
    states = [sealer.finished]
    assert sealer.seal(bytes(5), out) == 5 + TAG_LENGTH
    states.append(sealer.finished)
    assert states == [False, True]
    assert sealer.seal(b"", out) == 0
    with pytest.raises(ValueError, match="declared"):
        sealer.seal(b"x", out)


@pytest.mark.parametrize(
    "changes",
    [
        {"blob_id": bytes(15)},
        {"salt": bytes(31)},
        {"data_key": bytearray(31)},
        {"chunk_log2": 11},
        {"chunk_log2": 25},
        {"plaintext_length": -1},
        {"plaintext_length": (frames.CHUNKS_MAX << 12) + 1, "chunk_log2": 12},
    ],
)
def test_sealer_refuses_bad_sizes(changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"data_key": KEY, "blob_id": BLOB_ID, "plaintext_length": 1}
    arguments |= changes
    with pytest.raises(ValueError, match=r"bytes|bounds|32"):
        Sealer(arguments.pop("data_key"), **arguments)


def test_opener_refuses_bad_calls() -> None:
    reader = opener(seal(bytes(10)), 10)
    sealed = seal(bytes(10))[128:]
    for first, data in ((1, sealed), (-1, sealed), (0, b"")):
        with pytest.raises(ValueError, match="no such chunk"):
            reader.open(data, first, bytearray(10))
    with pytest.raises(ValueError, match="too small"):
        reader.open(sealed, 0, bytearray(9))


def test_wipe() -> None:
    secret = bytearray(b"secret")
    frames.wipe(secret)
    assert secret == bytes(6)
