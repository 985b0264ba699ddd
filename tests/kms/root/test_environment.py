import pytest

from kms.root import Root, RootError
from kms.root.environment import Environment

KEY = "0123456789abcdefABCDEF9876543210" * 2


def test_the_key_is_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_ROOT", KEY)
    sealer = Environment("MY_ROOT")
    _, record = Root.create(sealer)
    assert record.sealer == "environment"
    Root.open(sealer, [record]).close()
    monkeypatch.setenv("MY_ROOT", KEY.replace("0", "1"))
    with pytest.raises(RootError, match="the root key in MY_ROOT is not the one"):
        Root.open(sealer, [record])


@pytest.mark.parametrize("value", [None, "", KEY[:-1], KEY + "0", KEY[:-2] + "+1", KEY[:-1] + "g"])
def test_what_is_no_key(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("KMS_ROOT_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("KMS_ROOT_KEY", value)
    with pytest.raises(RootError, match="set KMS_ROOT_KEY to 64 hexadecimal digits") as caught:
        Root.create(Environment())
    assert value is None or not value or value not in str(caught.value)
