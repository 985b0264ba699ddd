import sys
from typing import Any

import pytest

from kms.root import Root, RootError
from kms.root.token import TokenURI, open_token

URI = "pkcs11:token=My%20token;object=root?module-path=/m.so&pin-source=file:/pin"


def test_a_uri() -> None:
    assert TokenURI.parse(URI) == TokenURI("My token", "root", "/m.so", "file:/pin")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        (URI.replace("token=My%20token;", ""), "lacks token"),
        (URI.replace("pin-source=file:/pin", "pin-source="), "lacks pin-source"),
        ("pkcs11:token=t;object=o", "'' that it must not have"),
        (URI + "&pin-value=1234", "must not hold the PIN"),
        (URI + "&slot-id=1", "'slot-id' that it must not have"),
        (URI + "&module-path=/n.so", "'module-path' that it must not have"),
    ],
)
def test_a_uri_that_does_not_say_enough(uri: str, text: str) -> None:
    with pytest.raises(RootError, match=text) as caught:
        TokenURI.parse(uri)
    assert "1234" not in str(caught.value)


def test_the_key_stays_in_the_token(hsm: Any) -> None:
    sealer = open_token(TokenURI.parse(hsm.uri("first")))
    root, record = Root.create(sealer)
    wrapped = root.wrap("material", (), b"secret")
    assert record.sealer == "pkcs11"
    again = open_token(TokenURI.parse(hsm.uri("first")))
    again.create()
    assert Root.open(again, [record]).unwrap("material", (), wrapped) == b"secret"
    other = open_token(TokenURI.parse(hsm.uri("second")))
    with pytest.raises(RootError, match="has no key 'second'"):
        Root.open(other, [record])
    other.create()
    with pytest.raises(RootError, match="the key 'second' of the token 'objstore test' is not"):
        Root.open(other, [record])


def test_pins_and_tokens_that_are_wrong(hsm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PIN", "9999")
    monkeypatch.delenv("NO_PIN", raising=False)
    for changes, text in (
        ({"pin-source": "env:MY_PIN"}, "cannot be used: PinIncorrect"),
        ({"pin-source": "env:NO_PIN"}, "not in 'env:NO_PIN'"),
        ({"pin-source": "1234"}, "not in '1234'"),
        ({"token": "absent"}, "token 'absent' cannot be used: No token"),
        ({"module-path": "/nowhere.so"}, "cannot open shared object"),
    ):
        with pytest.raises(RootError, match=text):
            Root.create(open_token(TokenURI.parse(hsm.uri("first", **changes))))
    monkeypatch.setenv("MY_PIN", "1234")
    uri = hsm.uri("third", **{"pin-source": "env:MY_PIN"})
    Root.create(open_token(TokenURI.parse(uri)))


def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(RootError, match=r"install objstore\[pkcs11\]"):
        open_token(TokenURI.parse(URI))
