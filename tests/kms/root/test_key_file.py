import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kms.root import DomainRecord, KeyFile, Root, RootError


def made(tmp_path: Path) -> tuple[Root, DomainRecord, KeyFile]:
    sealer = KeyFile(tmp_path / "root.key")
    root, record = Root.create(sealer)
    return root, record, sealer


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


def test_the_file(tmp_path: Path) -> None:
    sealer = KeyFile(tmp_path / "root.key")
    sealer.create()
    content = (tmp_path / "root.key").read_bytes()
    assert re.fullmatch(rb"kms-root-key-v1 [0-9a-f]{64}\n", content)
    sealed = sealer.seal(bytes(32), b"binding")
    assert sealer.open(sealed, b"binding") == bytes(32)
    for binding, box in ((b"other", sealed), (b"binding", sealed[:-1]), (b"binding", b"")):
        with pytest.raises(RootError, match=r"root\.key is not the one"):
            sealer.open(box, binding)
