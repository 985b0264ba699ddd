import json
from pathlib import Path

import pytest

from kms.aws.clock import SystemClock
from objstore.account.issuers import FILE_BYTES_MAX, IssuerError, configured_issuers
from objstore.account.oidc import DiscoveredKeySet, Issuers, KeySet

KEY = {"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}


def configured(*entries: str) -> Issuers:
    return configured_issuers(entries, algorithms=("RS256",), wall=SystemClock())


async def test_keys_come_from_a_file_or_from_the_issuer(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [KEY]}))
    found = configured(f"https://a.test={file}", "https://b.test/x=discover")._keys
    assert type(found["https://a.test"]) is KeySet
    assert await found["https://a.test"].find("a") == [KEY]
    assert isinstance(found["https://b.test/x"], DiscoveredKeySet)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 1}', " " * (FILE_BYTES_MAX + 1)])
def test_a_file_that_holds_no_keys(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(IssuerError, match=r"the keys of https://a\.test"):
        configured(f"https://a.test={file}")


@pytest.mark.parametrize(
    "entry", ["https://a.test", "https://a.test=", "http://a.test=discover", "=discover", ""]
)
def test_entries_that_make_no_sense(entry: str) -> None:
    with pytest.raises(IssuerError, match="is not https://ISSUER"):
        configured(entry)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(IssuerError, match="cannot be read"):
        configured(f"https://a.test={tmp_path / 'none'}")
