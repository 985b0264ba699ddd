"""Blobs of one and of two layers: any pieces, any spans, and every change noticed."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.crypt import layers
from objstore.crypt.frames import TamperedError, sealed_size
from objstore.crypt.layers import BlobOpener, BlobSealer

VECTORS = sorted(Path(__file__).parents[2].joinpath("vectors", "layers").glob("*.json"))
CHUNK = 1 << 17
BLOB_ID = bytes(range(16))
ONE, TWO = bytearray(range(32)), bytearray(range(64))
KEYS = pytest.mark.parametrize("key", [ONE, TWO], ids=["one", "two"])
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5]


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def seal(key: bytearray, plaintext: bytes, piece: int = 1 << 20) -> tuple[bytes, bytes]:
    """A blob, sealed from pieces of `piece` bytes, and its commitment."""
    sealer = BlobSealer(key, blob_id=BLOB_ID, plaintext_length=len(plaintext))
    blob = bytearray()
    for sealed in sealer.begin():
        blob += sealed
    for at in range(0, len(plaintext), piece):
        for sealed in sealer.add(plaintext[at : at + piece]):
            blob += sealed
    for sealed in sealer.finish():
        blob += sealed
    return bytes(blob), sealer.commitment


def reader(blob: bytes) -> Callable[[int, int], bytearray]:
    return lambda offset, length: bytearray(blob[offset : offset + length])


def opener(key: bytearray, blob: bytes, size: int, commitment: bytes) -> BlobOpener:
    return BlobOpener(
        key,
        reader(blob),
        blob_id=BLOB_ID,
        size=len(blob),
        plaintext_length=size,
        commitment=commitment,
    )


def open_span(blob_opener: BlobOpener, blob: bytes, start: int, stop: int) -> bytes:
    located = blob_opener.locate(start, stop)
    sealed = blob[located.offset : located.offset + located.length]
    assert len(sealed) == located.length
    return bytes(blob_opener.open(located, sealed))


@KEYS
@pytest.mark.parametrize("size", SIZES)
def test_both_ways_of_sealing_open_both_ways(key: bytearray, size: int) -> None:
    plaintext = content(size)
    for blob, commitment in (
        seal(key, plaintext),
        layers.seal_whole(key, blob_id=BLOB_ID, plaintext=plaintext),
    ):
        assert len(blob) == layers.stored_size(size, layers.layers_in(key))
        whole = layers.open_whole(
            key, blob, blob_id=BLOB_ID, plaintext_length=size, commitment=commitment
        )
        assert whole == plaintext
        assert open_span(opener(key, blob, size, commitment), blob, 0, size) == plaintext


@KEYS
@pytest.mark.parametrize("piece", [1000, CHUNK - 16, CHUNK, CHUNK + 1])
def test_pieces_of_any_size(key: bytearray, piece: int) -> None:
    plaintext = content(2 * CHUNK + 77)
    blob, commitment = seal(key, plaintext, piece)
    assert open_span(opener(key, blob, len(plaintext), commitment), blob, 0, len(plaintext)) == (
        plaintext
    )


@KEYS
@given(start=st.integers(0, 3 * CHUNK + 4), length=st.integers(1, 3 * CHUNK))
def test_spans(key: bytearray, start: int, length: int) -> None:
    plaintext, blob, commitment = SEALED[len(key)]
    stop = min(start + length, len(plaintext))
    assert (
        open_span(opener(key, blob, len(plaintext), commitment), blob, start, stop)
        == (plaintext[start:stop])
    )


SEALED = {
    len(key): (content(3 * CHUNK + 5), *seal(key, content(3 * CHUNK + 5))) for key in (ONE, TWO)
}


def test_the_layers_are_independent() -> None:
    """The outer key alone gives nothing but another sealed blob."""
    plaintext = b"a marked plaintext" * 10
    blob, commitment = layers.seal_whole(TWO, blob_id=BLOB_ID, plaintext=plaintext)
    inner = layers.open_whole(
        TWO[32:],
        blob,
        blob_id=BLOB_ID,
        plaintext_length=sealed_size(len(plaintext)),
        commitment=commitment[32:],
    )
    assert b"marked" not in inner
    opened = layers.open_whole(
        TWO[:32],
        inner,
        blob_id=BLOB_ID,
        plaintext_length=len(plaintext),
        commitment=commitment[:32],
    )
    assert opened == plaintext
    assert commitment[:32] != commitment[32:]


@KEYS
@pytest.mark.parametrize("half", [0, 32])
def test_either_wrong_key_is_noticed(key: bytearray, half: int) -> None:
    blob, commitment = layers.seal_whole(key, blob_id=BLOB_ID, plaintext=b"data")
    wrong = bytearray(key)
    wrong[half % len(key)] ^= 1
    with pytest.raises(TamperedError, match="commitment"):
        opener(wrong, blob, 4, commitment)
    with pytest.raises(TamperedError, match="commitment"):
        layers.open_whole(wrong, blob, blob_id=BLOB_ID, plaintext_length=4, commitment=commitment)


@KEYS
def test_every_changed_bit_is_noticed(key: bytearray) -> None:
    blob, commitment = layers.seal_whole(key, blob_id=BLOB_ID, plaintext=b"secret")
    for at in range(len(blob)):
        for bit in range(8):
            changed = bytearray(blob)
            changed[at] ^= 1 << bit
            with pytest.raises(TamperedError):
                open_span(opener(key, bytes(changed), 6, commitment), bytes(changed), 0, 6)
            with pytest.raises(TamperedError):
                layers.open_whole(
                    key, changed, blob_id=BLOB_ID, plaintext_length=6, commitment=commitment
                )


@KEYS
@pytest.mark.parametrize("length", [0, 127, 128, 140, 150])
def test_truncation_is_noticed(key: bytearray, length: int) -> None:
    blob, commitment = layers.seal_whole(key, blob_id=BLOB_ID, plaintext=b"secret!")
    cut = blob[: min(length, len(blob) - 1)]
    with pytest.raises(TamperedError):
        opener(key, cut, 7, commitment)
    with pytest.raises(TamperedError):
        opener(key, blob + b"x", 7, commitment)


def test_another_inner_length_is_noticed() -> None:
    blob, commitment = layers.seal_whole(TWO, blob_id=BLOB_ID, plaintext=b"secret!")
    with pytest.raises(TamperedError, match="size"):
        opener(TWO, blob, 6, commitment)


def test_an_outer_layer_around_nothing_is_no_blob() -> None:
    blob, commitment = layers.seal_whole(TWO[32:], blob_id=BLOB_ID, plaintext=b"")
    with pytest.raises(TamperedError, match="header"):
        opener(TWO, blob, 0, bytes(32) + commitment)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    key, blob = bytearray.fromhex(vector["data_key"]), b64decode(vector["blob"])
    size, commitment = vector["plaintext_length"], bytes.fromhex(vector["commitment"])

    def open_all() -> tuple[bytes, bytes]:
        blob_id = bytes.fromhex(vector["blob_id"])
        by_span = BlobOpener(
            key,
            reader(blob),
            blob_id=blob_id,
            size=len(blob),
            plaintext_length=size,
            commitment=commitment,
        )
        whole = layers.open_whole(
            key, blob, blob_id=blob_id, plaintext_length=size, commitment=commitment
        )
        return open_span(by_span, blob, 0, size), whole

    if vector["outcome"] == "opens":
        assert open_all() == (b64decode(vector["plaintext"]),) * 2
        return
    with pytest.raises(TamperedError) as caught:
        open_all()
    assert caught.value.part == vector["outcome"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 5
