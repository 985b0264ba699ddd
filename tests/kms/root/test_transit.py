import json
from pathlib import Path
from typing import Any

import pytest

from kms.root import Root, RootError
from kms.root.transit import Transit


def test_the_engine_seals(engine: Any) -> None:
    sealer = Transit("team/transit", "objstore")
    root, record = Root.create(sealer)
    wrapped = root.wrap("material", (), b"secret")
    assert record.sealer == "transit"
    assert record.sealed.startswith(b"vault:v1:")
    assert list(engine.keys) == [("team/transit", "objstore")]
    opened = Root.open(Transit("team/transit", "objstore"), [record])
    assert opened.unwrap("material", (), wrapped) == b"secret"
    engine.keys["team/transit", "objstore"].append(b"n" * 32)
    Root.open(sealer, [record]).close()
    assert root.rotate(sealer).sealed.startswith(b"vault:v2:")
    engine.keys["team/transit", "objstore"][0] = b"o" * 32
    with pytest.raises(RootError, match="400 cipher: message authentication failed"):
        Root.open(sealer, [record])


def test_the_binding_is_associated_data(engine: Any) -> None:
    sealer = Transit("transit", "key")
    sealed = sealer.seal(bytes(32), b"binding")
    assert sealer.open(sealed, b"binding") == bytes(32)
    with pytest.raises(RootError, match="authentication failed"):
        sealer.open(sealed, b"other")
    with pytest.raises(RootError, match="is not a domain key"):
        sealer.open(b"\xff", b"binding")
    with pytest.raises(RootError, match="encryption key not found"):
        Transit("transit", "absent").open(sealed, b"binding")
    with pytest.raises(RootError, match="is not a domain key"):
        sealer.open(sealer.seal(bytes(16), b"binding"), b"binding")


def test_where_the_engine_is_and_who_asks(
    engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealer = Transit("transit", "key")
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    sealer.seal(bytes(32), b"")
    assert engine.namespaces == ["team"]
    monkeypatch.delenv("VAULT_TOKEN")
    with pytest.raises(RootError, match="set VAULT_TOKEN"):
        sealer.seal(bytes(32), b"")
    token_file = tmp_path / "token"
    token_file.write_text("hvs.engine-token\n")
    token_file.chmod(0o600)
    monkeypatch.setenv("BAO_TOKEN_FILE", str(token_file))
    sealer.seal(bytes(32), b"")
    monkeypatch.setenv("BAO_TOKEN", "hvs.wrong")
    with pytest.raises(RootError, match="403 permission denied") as caught:
        sealer.seal(bytes(32), b"")
    assert "hvs" not in str(caught.value)
    monkeypatch.setenv("VAULT_CACERT", str(tmp_path / "absent.pem"))
    with pytest.raises(RootError, match=r"absent\.pem cannot be used"):
        sealer.seal(bytes(32), b"")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("", "set VAULT_ADDR"),
        ("http://vault.example", "must be an https URL"),
        ("ftp://127.0.0.1", "must be an https URL"),
        ("https://", "must be an https URL"),
        ("http://127.0.0.1:1", "cannot be reached"),
    ],
)
def test_addresses(engine: Any, monkeypatch: pytest.MonkeyPatch, address: str, text: str) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    with pytest.raises(RootError, match=text):
        Transit("transit", "key").seal(bytes(32), b"")


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (200, b"<html>", "is not a transit engine"),
        (200, b"[]", "is not a transit engine"),
        (200, b'{"data": 1}', "is not a transit engine"),
        (200, b'{"data": {"ciphertext": 1}}', "has no ciphertext"),
        (503, json.dumps({"errors": ["Vault is sealed"]}).encode(), "503 Vault is sealed"),
        (500, b"oops", "refuses to encrypt with the key 'key': 500"),
        (307, b"", "refuses to encrypt with the key 'key': 307"),
    ],
)
def test_answers_that_are_none(engine: Any, status: int, body: bytes, text: str) -> None:
    engine.answer = status, body
    with pytest.raises(RootError, match=text):
        Transit("transit", "key").seal(bytes(32), b"")
