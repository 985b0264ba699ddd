from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from kms import store_root
from kms.key import Key
from kms.material import generate
from kms.root import KeyFile, RootError, reseal
from kms.root.passphrase import Passphrase
from kms.store import Store
from kms.store_connection import StoreError
from kms.store_root import change_sealer, rotate_domain_key

ACCOUNT, REGION = "111122223333", "us-east-1"
SPECS = ("SYMMETRIC_DEFAULT", "ECC_NIST_P256", "HMAC_256")


@pytest.fixture
def sealer(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "root.key")


def filled(folder: Path, sealer: KeyFile) -> dict[str, bytes]:
    """Everything that a store with some of each wraps, in clear."""
    store = Store.open(folder, sealer)
    for number, spec in enumerate(SPECS):
        key_id = f"00000000-0000-4000-8000-00000000000{number}"
        key = Key(ACCOUNT, REGION, key_id, 1.0, "", "{}", spec=spec)
        material = store.new_material(key, generate(spec), 1.0)
        store.add_key(key, material)
    store.owned("s3", 1.0)
    store.add_setting("token", store.seal("token", b"sealed under its name"))
    store.add_setting("plain", b"not sealed")
    store.close()
    return unwrapped(folder, sealer)


def unwrapped(folder: Path, sealer: Any) -> dict[str, bytes]:
    store = Store.open(folder, sealer)
    found = {
        material_id: bytes(store.backing_key(ACCOUNT, REGION, material_id))
        for (material_id,) in rows(folder, "SELECT material_id FROM materials")
    }
    found["owned"] = store.owned("s3", 1.0)[1].copy().finalize()
    setting = store.setting("token")
    assert setting is not None
    found["token"] = bytes(store.open_sealed("token", setting))
    found["identity"] = store.identify("key", bytearray(32)).encode()
    found["plain"] = store.setting("plain") or b""
    store.close()
    return found


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(folder / "keys.db"))
    found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_a_new_domain_key_wraps_everything(tmp_path: Path, sealer: KeyFile) -> None:
    before = filled(tmp_path, sealer)
    assert rotate_domain_key(tmp_path, sealer) == 2
    assert unwrapped(tmp_path, sealer) == before
    wrapped = rows(
        tmp_path,
        "SELECT wrapped FROM materials UNION ALL SELECT wrapped FROM owned UNION ALL"
        " SELECT value FROM settings WHERE name != 'plain'",
    )
    assert len(wrapped) == len(SPECS) + 3
    assert {row[0][:4] for row in wrapped} == {b"\0\0\0\2"}
    assert rotate_domain_key(tmp_path, sealer) == 3
    assert unwrapped(tmp_path, sealer) == before


def test_a_running_store_opens_the_new_domain_key(tmp_path: Path, sealer: KeyFile) -> None:
    before = filled(tmp_path, sealer)
    running = Store.open(tmp_path, sealer)
    older = running.seal("elsewhere", b"kept by somebody else")
    rotate_domain_key(tmp_path, sealer)
    running.refresh()
    assert running.owned("s3", 1.0)[1].copy().finalize() == before["owned"]
    assert running.seal("x", b"x")[:4] == b"\0\0\0\2"
    assert running.open_sealed("elsewhere", older) == b"kept by somebody else"
    running.close()


@pytest.mark.parametrize("function", ["_insert", "_rewrap", "_moved"])
def test_a_rotation_that_fails_leaves_the_old_root(
    tmp_path: Path, sealer: KeyFile, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    before = filled(tmp_path, sealer)
    real: Callable[..., Any] = getattr(store_root, function)

    def fail(*arguments: Any) -> Any:
        real(*arguments)
        raise OSError("the power failed")

    monkeypatch.setattr(store_root, function, fail)
    with pytest.raises(OSError, match="power"):
        rotate_domain_key(tmp_path, sealer)
    assert rows(tmp_path, "SELECT version FROM domain_keys") == [(1,)]
    assert unwrapped(tmp_path, sealer) == before


def test_another_sealer_takes_over(tmp_path: Path, sealer: KeyFile) -> None:
    before = filled(tmp_path, sealer)
    rotate_domain_key(tmp_path, sealer)
    materials = rows(tmp_path, "SELECT material_id, wrapped FROM materials")
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple")
    secret.chmod(0o600)
    passphrase = Passphrase(path=secret)
    assert change_sealer(tmp_path, sealer, passphrase) == 2
    (tmp_path / "root.key").unlink()
    assert unwrapped(tmp_path, passphrase) == before
    assert rows(tmp_path, "SELECT material_id, wrapped FROM materials") == materials
    with pytest.raises(RootError, match="is passphrase, not key-file"):
        Store.open(tmp_path, sealer)
    other = KeyFile(tmp_path / "other.key")
    assert change_sealer(tmp_path, passphrase, other) == 2
    assert unwrapped(tmp_path, other) == before


def test_what_is_refused_changes_nothing(
    tmp_path: Path, sealer: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, sealer)
    before = (tmp_path / "keys.db").read_bytes()
    wrong = KeyFile(tmp_path / "wrong.key")
    wrong.create()
    monkeypatch.delenv("KMS_ROOT_PASSPHRASE", raising=False)
    for attempt in (
        lambda: change_sealer(tmp_path, wrong, sealer),
        lambda: change_sealer(tmp_path, sealer, Passphrase()),
        lambda: rotate_domain_key(tmp_path, wrong),
        lambda: Store.open(tmp_path, wrong),
    ):
        with pytest.raises(RootError):
            attempt()
    assert (tmp_path / "keys.db").read_bytes() == before
    for missing in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(StoreError, match="has no key store"):
            rotate_domain_key(missing, sealer)
        with pytest.raises(StoreError, match="has no key store"):
            change_sealer(missing, sealer, wrong)
        (tmp_path / "empty").mkdir(exist_ok=True)


def test_two_changes_at_once(
    tmp_path: Path, sealer: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, sealer)

    def late(*arguments: Any) -> Any:
        rotate_domain_key(tmp_path, sealer)
        return reseal(*arguments)

    monkeypatch.setattr(store_root, "reseal", late)
    with pytest.raises(StoreError, match="changed meanwhile"):
        change_sealer(tmp_path, sealer, KeyFile(tmp_path / "new.key"))
    assert Store.open(tmp_path, sealer).seal("x", b"x")[:4] == b"\0\0\0\2"
