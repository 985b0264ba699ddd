from pathlib import Path

import pytest

from kms.root import DomainRecord, KeyFile, Root, RootError, reseal


def made(tmp_path: Path) -> tuple[Root, DomainRecord, KeyFile]:
    sealer = KeyFile(tmp_path / "root.key")
    root, record = Root.create(sealer)
    return root, record, sealer


def test_a_reopened_root_unwraps(tmp_path: Path) -> None:
    root, record, sealer = made(tmp_path)
    wrapped = root.wrap("material", ("a", "b"), b"secret")
    assert Root.open(sealer, [record]).unwrap("material", ("a", "b"), wrapped) == b"secret"
    assert (tmp_path / "root.key").stat().st_mode & 0o777 == 0o600
    assert b"secret" not in wrapped


@pytest.mark.parametrize(
    ("purpose", "binding"),
    [("secret", ("a", "b")), ("material", ("ab", "")), ("material", ("a",)), ("material", ())],
)
def test_wrapped_bytes_are_bound(tmp_path: Path, purpose: str, binding: tuple[str, ...]) -> None:
    root, _, _ = made(tmp_path)
    wrapped = root.wrap("material", ("a", "b"), b"secret")
    with pytest.raises(RootError):
        root.unwrap(purpose, binding, wrapped)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    root, _, _ = made(tmp_path)
    wrapped = root.wrap("material", (), b"secret")
    for position in range(len(wrapped)):
        tampered = bytearray(wrapped)
        tampered[position] ^= 1
        with pytest.raises(RootError):
            root.unwrap("material", (), bytes(tampered))
    with pytest.raises(RootError):
        root.unwrap("material", (), wrapped[:20])


def test_the_key_check_value(tmp_path: Path) -> None:
    _, record, sealer = made(tmp_path)
    wrong = DomainRecord(record.version, record.sealer, record.sealed, bytes(16))
    with pytest.raises(RootError, match="key-check value"):
        Root.open(sealer, [wrong])


def test_another_sealer_is_refused(tmp_path: Path) -> None:
    _, record, sealer = made(tmp_path)
    other = DomainRecord(record.version, "vault", record.sealed, record.check)
    with pytest.raises(RootError, match="is vault, not key-file"):
        Root.open(sealer, [other])


def test_rotation_keeps_what_was_wrapped(tmp_path: Path) -> None:
    root, first, sealer = made(tmp_path)
    older = root.wrap("material", (), b"secret")
    second = root.rotate(sealer)
    newer = root.wrap("material", (), b"secret")
    assert (second.version, root.version) == (2, 2)
    assert (older[:4], newer[:4]) == (b"\0\0\0\1", b"\0\0\0\2")
    for opened in (root, Root.open(sealer, [first, second])):
        assert opened.unwrap("material", (), older) == opened.unwrap("material", (), newer)
    with pytest.raises(RootError, match="damaged"):
        Root.open(sealer, [first]).unwrap("material", (), newer)


def test_records_cannot_change_places(tmp_path: Path) -> None:
    root, first, sealer = made(tmp_path)
    second = root.rotate(sealer)
    moved = DomainRecord(1, second.sealer, second.sealed, second.check)
    with pytest.raises(RootError, match="was altered"):
        Root.open(sealer, [moved])
    assert Root.open(sealer, [first]).version == 1


def test_resealing_keeps_the_domain_keys(tmp_path: Path) -> None:
    root, first, old = made(tmp_path)
    wrapped = root.wrap("material", (), b"secret")
    records = [first, root.rotate(old)]
    new = KeyFile(tmp_path / "other.key")
    resealed = reseal(records, old, new)
    assert [record.check for record in resealed] == [record.check for record in records]
    assert Root.open(new, resealed).unwrap("material", (), wrapped) == b"secret"
    with pytest.raises(RootError, match="is not the one"):
        Root.open(old, resealed)
    with pytest.raises(RootError, match="is not the one"):
        reseal(records, new, old)


def test_domain_keys_are_wiped(tmp_path: Path) -> None:
    key = bytearray(b"k" * 32)
    Root({1: key}).close()
    assert key == bytes(32)
