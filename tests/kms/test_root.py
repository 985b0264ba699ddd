from collections.abc import Callable
from pathlib import Path

import pytest

from kms.root import DomainRecord, KeyFile, Root, RootError, random_bytes


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


def world_readable(path: Path) -> None:
    path.chmod(0o640)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def exchanged(path: Path) -> None:
    path.write_bytes(b"kms-root-key-v1 " + b"00" * 32 + b"\n")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (Path.unlink, "cannot open"),
        (world_readable, "chmod 600"),
        (linked, "cannot open"),
        (emptied, "does not hold"),
        (exchanged, "is not the one"),
        (a_folder, "not a regular file"),
    ],
)
def test_a_wrong_key_file_is_one_clear_message(
    tmp_path: Path, damage: Callable[[Path], None], text: str
) -> None:
    _, record, sealer = made(tmp_path)
    damage(tmp_path / "root.key")
    with pytest.raises(RootError, match=text):
        Root.open(sealer, [record])


def test_the_key_check_value(tmp_path: Path) -> None:
    _, record, sealer = made(tmp_path)
    wrong = DomainRecord(record.version, record.sealer, record.sealed, bytes(16))
    with pytest.raises(RootError, match="key-check value"):
        Root.open(sealer, [wrong])


def test_another_sealer_is_refused(tmp_path: Path) -> None:
    _, record, sealer = made(tmp_path)
    other = DomainRecord(record.version, "vault", record.sealed, record.check)
    with pytest.raises(RootError, match="is a vault, not a key-file"):
        Root.open(sealer, [other])


def test_an_existing_key_file_is_kept_and_an_old_draft_replaced(tmp_path: Path) -> None:
    (tmp_path / "root.key.new").write_bytes(b"a draft that a crash left")
    made(tmp_path)
    before = (tmp_path / "root.key").read_bytes()
    made(tmp_path)
    assert (tmp_path / "root.key").read_bytes() == before
    assert not (tmp_path / "root.key.new").exists()


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RootError, match="cannot create"):
        Root.create(KeyFile(tmp_path / "nowhere" / "root.key"))


def test_random_bytes() -> None:
    assert len(random_bytes(64)) == 64
    assert random_bytes(32) != random_bytes(32)
