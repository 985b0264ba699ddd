import struct
from pathlib import Path

import pytest

from kms.root import Root, RootError
from kms.root.passphrase import Passphrase

SECRET = "correct horse battery staple"


def in_file(path: Path, text: str = SECRET) -> Passphrase:
    path.write_text(text)
    path.chmod(0o600)
    return Passphrase(path=path)


def test_a_passphrase_seals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = in_file(tmp_path / "passphrase", SECRET + "\r\n")
    root, record = Root.create(sealer)
    wrapped = root.wrap("material", (), b"secret")
    assert record.sealer == "passphrase"
    assert SECRET.encode() not in record.sealed
    monkeypatch.setenv("MY_PASSPHRASE", SECRET)
    opened = Root.open(Passphrase(variable="MY_PASSPHRASE"), [record])
    assert opened.unwrap("material", (), wrapped) == b"secret"
    with pytest.raises(RootError, match="passphrase is not the one") as caught:
        Root.open(in_file(tmp_path / "other", "correct horse battery stable"), [record])
    assert "stable" not in str(caught.value)


def test_what_is_no_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KMS_ROOT_PASSPHRASE", raising=False)
    for sealer, text in (
        (Passphrase(), "no root passphrase in KMS_ROOT_PASSPHRASE"),
        (in_file(tmp_path / "empty", "\n"), "no root passphrase in the file"),
        (in_file(tmp_path / "short", "elevenbytes"), "shorter than 12 bytes"),
        (Passphrase(path=tmp_path / "absent"), "cannot open the passphrase file"),
    ):
        with pytest.raises(RootError, match=text):
            Root.create(sealer)


def test_the_parameters_are_kept_and_cannot_be_weakened(tmp_path: Path) -> None:
    sealer = in_file(tmp_path / "passphrase")
    sealed = sealer.seal(bytes(32), b"binding")
    assert struct.unpack(">BIII", sealed[:13]) == (1, 3, 4, 65_536)
    assert sealer.open(sealed, b"binding") == bytes(32)
    for offset, value in ((1, 2), (5, 3), (9, 65_535), (1, 65), (5, 65), (9, 2**22 + 1)):
        weakened = bytearray(sealed)
        struct.pack_into(">I", weakened, offset, value)
        with pytest.raises(RootError, match="does not have the form"):
            sealer.open(bytes(weakened), b"binding")
    for damaged in (b"\2" + sealed[1:], sealed[:-1], b""):
        with pytest.raises(RootError, match="does not have the form"):
            sealer.open(damaged, b"binding")
    salted = sealed[:13] + bytes((sealed[13] ^ 1,)) + sealed[14:]
    for box, binding in ((salted, b"binding"), (sealed, b"other")):
        with pytest.raises(RootError, match="passphrase is not the one"):
            sealer.open(box, binding)
