from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms import grant_token
from kms.errors import KMSError
from kms.root import KeyFile
from kms.store import Store

GRANT_ID = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, KeyFile(tmp_path / "root.key"))
    yield opened
    opened.close()


def test_tokens_name_their_grant_and_differ(store: Store) -> None:
    first, second = grant_token.make(store, GRANT_ID), grant_token.make(store, GRANT_ID)
    assert first != second
    assert grant_token.read(store, first) == grant_token.read(store, second) == GRANT_ID


def test_the_secrets_of_tokens_and_material_ids_are_wiped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytearray] = []
    open_sealed = store.open_sealed

    def watched(name: str, sealed: bytes) -> bytearray:
        opened.append(open_sealed(name, sealed))
        assert any(opened[-1])
        return opened[-1]

    monkeypatch.setattr(store, "open_sealed", watched)
    grant_token.read(store, grant_token.make(store, GRANT_ID))
    store.identify("key", bytearray(32))
    assert len(opened) == 3
    assert not any(map(any, opened))


def test_no_other_text_is_a_token(store: Store, tmp_path: Path) -> None:
    token = grant_token.make(store, GRANT_ID)
    raw = urlsafe_b64decode(token)
    changed = [bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]]) for at in range(len(raw))]
    others = [*changed, raw[:-1], raw + b"\0", b""]
    foreign = Store.open(tmp_path / "other", KeyFile(tmp_path / "other.key"))
    texts = [urlsafe_b64encode(other).decode() for other in others]
    for text in [*texts, "?", "ä", token + "=", grant_token.make(foreign, GRANT_ID)]:
        with pytest.raises(KMSError, match="InvalidGrantTokenException"):
            grant_token.read(store, text)
    foreign.close()
