from pathlib import Path

import pytest

from kms.root import RootError, RootSettings, sealer_of
from kms.root.environment import Environment
from kms.root.key_file import KeyFile
from kms.root.passphrase import Passphrase
from kms.root.token import Token
from kms.root.transit import Transit


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("key-file", KeyFile),
        ("key-file:/run/root.key", KeyFile),
        ("passphrase", Passphrase),
        ("passphrase:/run/passphrase", Passphrase),
        ("passphrase:env:MY_PASSPHRASE", Passphrase),
        ("environment", Environment),
        ("environment:MY_KEY", Environment),
        ("transit:key", Transit),
        ("transit:team/transit/key", Transit),
    ],
)
def test_choices(tmp_path: Path, choice: str, kind: type) -> None:
    assert type(sealer_of(RootSettings(choice), tmp_path)) is kind


def test_a_token(tmp_path: Path) -> None:
    pytest.importorskip("pkcs11", reason="needs python-pkcs11: pip install objstore[pkcs11]")
    choice = "pkcs11:token=t;object=o?module-path=/m.so&pin-source=env:PIN"
    assert type(sealer_of(RootSettings(choice), tmp_path)) is Token


def test_where_the_key_file_is(tmp_path: Path) -> None:
    for settings, path in (
        (RootSettings(), tmp_path / "root.key"),
        (RootSettings(key_file=tmp_path / "other"), tmp_path / "other"),
        (RootSettings(f"key-file:{tmp_path}/named", tmp_path / "ignored"), tmp_path / "named"),
    ):
        sealer_of(settings, tmp_path).create()
        assert path.exists()
    assert not (tmp_path / "ignored").exists()


@pytest.mark.parametrize("choice", ["", "key", "transit", "transit:", "vault:key", "PASSPHRASE"])
def test_what_is_no_choice(tmp_path: Path, choice: str) -> None:
    with pytest.raises(RootError, match="names no root of trust"):
        sealer_of(RootSettings(choice), tmp_path)
