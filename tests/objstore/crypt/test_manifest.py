"""Manifests: the vectors, canonical form, every changed bit, and sealed checksums."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.crypt import manifest as manifests
from objstore.crypt.frames import TamperedError
from objstore.crypt.manifest import BindingKeys, Manifest, Mode, PartEntry
from objstore.crypt.wrapped import join

VECTORS = sorted(Path(__file__).parents[2].joinpath("vectors", "manifest").glob("*.json"))
KEY = bytearray(range(32))
PART = PartEntry(1, bytes(range(16)), 12, bytes(range(32)))
EXAMPLE = Manifest(
    bucket_id=bytes(16),
    key=b"folder/key",
    version_id="null",
    size=12,
    etag='"e4d7"',
    created_ms=1_764_000_000_000,
    mode=Mode.SSE_KMS,
    kms_key_arn="arn:aws:kms:us-east-1:123456789012:key/0",
    wrapped_key=b"\1\2",
    context={"aws:s3:arn": "arn:aws:s3:::bucket/folder/key"},
    content={"content-type": "text/plain"},
    metadata={"b": "2", "a": "ä"},
    checksums=b"sealed",
    checksum_algorithm="CRC64NVME",
    checksum_type="FULL_OBJECT",
    parts=(PART,),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maps = st.dictionaries(texts, texts, max_size=4)


@st.composite
def drawn(draw: st.DrawFn) -> Manifest:
    mode = draw(st.sampled_from(Mode))
    flags = draw(st.integers(0, 3 if mode is Mode.SSE_KMS else 1)) << (mode is not Mode.SSE_KMS)
    width = 64 if mode is Mode.DSSE_KMS else 32
    numbers = sorted(draw(st.sets(st.integers(0, 10_000), max_size=4)))
    parts = tuple(
        PartEntry(
            number,
            draw(st.binary(min_size=16, max_size=16)),
            draw(st.integers(0, 1 << 40)),
            draw(st.binary(min_size=width, max_size=width)),
        )
        for number in numbers
    )
    return Manifest(
        bucket_id=draw(st.binary(min_size=16, max_size=16)),
        key=draw(st.binary(max_size=50)),
        version_id=draw(texts),
        size=sum(part.length for part in parts),
        etag=draw(texts),
        created_ms=draw(st.integers(0, (1 << 64) - 1)),
        mode=mode,
        kms_key_arn=draw(texts),
        wrapped_key=draw(wrapped_keys(mode, flags)),
        context=draw(maps),
        content=draw(maps),
        metadata=draw(maps),
        checksums=draw(st.binary(max_size=50)),
        checksum_algorithm=draw(texts),
        checksum_type=draw(texts),
        parts=parts,
        flags=flags,
    )


def wrapped_keys(mode: Mode, flags: int) -> st.SearchStrategy[bytes]:
    """Wrapped keys of the form that mode and flags ask for."""
    some = st.binary(min_size=1, max_size=50)
    if flags & manifests.BUCKET_KEY:
        return st.builds(join, some, st.binary(min_size=60, max_size=60))
    if mode is Mode.DSSE_KMS:
        return st.builds(join, some, some)
    if mode is Mode.SSE_C:
        return st.binary(min_size=112, max_size=112)
    return some


def from_fields(fields: dict[str, Any]) -> Manifest:
    """The manifest that a vector's `fields` describe: bytes in hex, the key as text."""
    binary = {name: bytes.fromhex(fields[name]) for name in ("bucket_id", "wrapped_key")}
    parts = tuple(
        PartEntry(
            part["number"],
            bytes.fromhex(part["blob_id"]),
            part["length"],
            bytes.fromhex(part["commitment"]),
        )
        for part in fields["parts"]
    )
    changed = {
        "key": fields["key"].encode(),
        "mode": Mode(fields["mode"]),
        "checksums": bytes.fromhex(fields["checksums"]),
        "parts": parts,
    }
    return Manifest(**(fields | binary | changed))


def decode_verified(key: bytearray, encoded: bytes, mac: bytes) -> Manifest:
    """What a reader does: the wrapped key is in the manifest, so decoding comes first."""
    manifest = manifests.decode(encoded)
    manifests.verify(key, encoded, mac)
    return manifest


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text())
    key, encoded = bytearray.fromhex(vector["data_key"]), bytes.fromhex(vector["encoded"])
    mac = bytes.fromhex(vector["mac"])
    if vector["outcome"] == "opens":
        assert decode_verified(key, encoded, mac) == from_fields(vector["fields"])
        assert manifests.encode(from_fields(vector["fields"])) == encoded
        assert manifests.authenticate(key, encoded) == mac
        return
    with pytest.raises(TamperedError) as caught:
        decode_verified(key, encoded, mac)
    assert caught.value.part == vector["outcome"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 10


@given(manifest=drawn())
def test_what_is_encoded_is_decoded(manifest: Manifest) -> None:
    assert manifests.decode(manifests.encode(manifest)) == manifest


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 3))
def test_what_is_decoded_is_canonical(at: int, value: int, cut: int) -> None:
    encoded = bytearray(manifests.encode(EXAMPLE))
    encoded[at % len(encoded)] = value
    changed = bytes(encoded[: len(encoded) - cut])
    try:
        manifest = manifests.decode(changed)
    except TamperedError:
        return
    assert manifests.encode(manifest) == changed


def test_the_order_of_maps_does_not_matter() -> None:
    turned = replace(EXAMPLE, metadata={"a": "ä", "b": "2"})
    assert manifests.encode(turned) == manifests.encode(EXAMPLE)


def test_every_changed_bit_is_noticed() -> None:
    encoded = manifests.encode(EXAMPLE)
    mac = manifests.authenticate(KEY, encoded)
    manifests.verify(KEY, encoded, mac)
    for whole, place in ((encoded, "manifest"), (mac, "mac")):
        for at in range(len(whole)):
            for bit in range(8):
                changed = bytearray(whole)
                changed[at] ^= 1 << bit
                pair = (bytes(changed), mac) if place == "manifest" else (encoded, bytes(changed))
                with pytest.raises(TamperedError, match="manifest"):
                    manifests.verify(KEY, *pair)


def test_every_truncation_is_refused() -> None:
    encoded = manifests.encode(EXAMPLE)
    for length in range(len(encoded)):
        if length == len(encoded) - 60:
            continue  # Without its part the size does not add up: the test below.
        with pytest.raises(TamperedError):
            manifests.decode(encoded[:length])


def test_a_dropped_part_is_refused() -> None:
    with pytest.raises(TamperedError):
        manifests.decode(manifests.encode(EXAMPLE)[:-60])


@pytest.mark.parametrize("mac", [b"", bytes(32)])
def test_wrong_macs_and_keys_are_noticed(mac: bytes) -> None:
    encoded = manifests.encode(EXAMPLE)
    with pytest.raises(TamperedError):
        manifests.verify(KEY, encoded, mac)
    with pytest.raises(TamperedError):
        manifests.verify(bytearray(32), encoded, manifests.authenticate(KEY, encoded))


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket_id": bytes(15)},
        {"size": 11},
        {"size": -1, "parts": ()},
        {"created_ms": -1},
        {"created_ms": 1 << 64},
        {"mode": 5},
        {"flags": 4},
        {"flags": 1},
        {"flags": 1, "wrapped_key": join(b"k", bytes(59))},
        {"flags": 1, "wrapped_key": join(b"k", bytes(60)), "mode": Mode.SSE_S3},
        {"mode": Mode.DSSE_KMS, "parts": (), "size": 0, "wrapped_key": join(b"k", b"")},
        {"mode": Mode.DSSE_KMS, "wrapped_key": join(b"k", b"k")},
        {"mode": Mode.SSE_C},
        {"parts": (PART, PART), "size": 24},
        {"parts": (replace(PART, number=-1),)},
        {"parts": (replace(PART, number=10_001),)},
        {"parts": (replace(PART, blob_id=b""),)},
        {"parts": (replace(PART, commitment=b""),)},
        {"parts": (PART,) * 10_001},
        {"metadata": {"a": "x" * 65_536}},
        {"metadata": {"x" * 65_536: ""}},
        {"etag": "\ud800"},
        {"checksums": bytes(manifests.MANIFEST_BYTES_MAX)},
    ],
)
def test_what_the_format_cannot_hold(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        manifests.encode(replace(EXAMPLE, **changes))
    assert not isinstance(caught.value, TamperedError)


def test_ten_thousand_parts() -> None:
    parts = tuple(replace(PART, number=number) for number in range(1, 10_001))
    manifest = replace(EXAMPLE, parts=parts, size=120_000)
    assert manifests.decode(manifests.encode(manifest)) == manifest


def test_checksums_round_trip_and_hide() -> None:
    sums = {"CRC64NVME": "AAAAAAAAAAA=", "2/CRC32": "AAAAAA=="}
    sealed = manifests.seal_checksums(KEY, sums, binding=b"version")
    assert manifests.open_checksums(KEY, sealed, binding=b"version") == sums
    assert b"CRC" not in sealed
    assert sealed != manifests.seal_checksums(KEY, sums, binding=b"version")


def test_every_changed_bit_of_checksums_is_noticed() -> None:
    sealed = manifests.seal_checksums(KEY, {"a": "b"}, binding=b"version")
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            with pytest.raises(TamperedError, match="checksums"):
                manifests.open_checksums(KEY, bytes(changed), binding=b"version")
    for length in range(len(sealed)):
        with pytest.raises(TamperedError, match="checksums"):
            manifests.open_checksums(KEY, sealed[:length], binding=b"version")
    with pytest.raises(TamperedError, match="checksums"):
        manifests.open_checksums(KEY, sealed, binding=b"other")
    with pytest.raises(TamperedError, match="checksums"):
        manifests.open_checksums(bytearray(32), sealed, binding=b"version")


@pytest.mark.parametrize("key", [KEY, bytearray(range(64))])
def test_binding_keys_do_all_that_completing_takes(key: bytearray) -> None:
    encoded = manifests.encode(EXAMPLE)
    keys = BindingKeys.unpack(BindingKeys.derive(key).pack())
    assert manifests.authenticate(keys, encoded) == manifests.authenticate(key, encoded)
    manifests.verify(keys, encoded, manifests.authenticate(key, encoded))
    with pytest.raises(TamperedError, match="manifest"):
        manifests.verify(keys, encoded, bytes(32))
    sums = {"CRC64NVME": "AAAAAAAAAAA="}
    sealed = manifests.seal_checksums(keys.checksums, sums, binding=b"null")
    derived = replace(EXAMPLE, checksums=sealed, flags=manifests.DERIVED_CHECKSUMS)
    assert manifests.open_manifest_checksums(key, derived) == sums
    with pytest.raises(TamperedError, match="checksums"):
        manifests.open_manifest_checksums(key, replace(derived, flags=0))
    assert keys.mac != keys.checksums
    keys.wipe()
    assert keys.pack() == bytes(64)


def test_binding_keys_have_one_length() -> None:
    with pytest.raises(TamperedError, match="data key"):
        BindingKeys.unpack(bytearray(63))


def test_binding_keys_do_not_show() -> None:
    assert "bytearray" not in repr(BindingKeys.derive(KEY))
