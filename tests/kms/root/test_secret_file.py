from pathlib import Path

import pytest

from kms.root.sealer import RootError
from kms.root.secret_file import (
    SECRET_FILE_BYTES_MAX,
    from_hexadecimal,
    read_secret,
    write_secret,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path, bytearray(b"content"), noun="secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret(path, noun="secret") == b"content"
    with pytest.raises(RootError, match="cannot create the secret"):
        write_secret(path, bytearray(b"other"), noun="secret")
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_others_must_not_use_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"content")
    path.chmod(mode)
    with pytest.raises(RootError, match="run chmod 600 on it"):
        read_secret(path, noun="secret")


def test_what_is_no_secret_file(tmp_path: Path) -> None:
    link, folder, long = tmp_path / "link", tmp_path / "folder", tmp_path / "long"
    link.symlink_to(long)
    folder.mkdir(mode=0o700)
    long.touch(0o600)
    long.write_bytes(bytes(SECRET_FILE_BYTES_MAX + 1))
    for path, text in (
        (link, "cannot open"),
        (tmp_path / "absent", "cannot open"),
        (folder, "not a regular file"),
        (long, "is longer than 4096 bytes"),
    ):
        with pytest.raises(RootError, match=text):
            read_secret(path, noun="secret")


def test_hexadecimal() -> None:
    assert from_hexadecimal(bytearray(b"00ff10Ab")) == b"\x00\xff\x10\xab"
