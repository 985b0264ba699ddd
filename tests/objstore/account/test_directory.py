from base64 import b64encode

import pytest

from kms.aws.identity import PrincipalKind
from objstore.account.directory import Directory, SeedError, parse_seed, root_credential

SEED = f"""
[[accounts]]
id = "111122223333"
canonical_id = "{"ab" * 32}"
display_name = "Staging"
email = "staging@example.com"
access_key_id = "AKIAROOT"
secret_access_key = "root-secret"

[[users]]
name = "bob"
access_key_id = "AKIABOB"
secret_access_key = "bob-secret"

[[keys]]
id = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
region = "us-west-2"
account = "658956600833"
alias = "alias/EncryptDecrypt"
material = "{b64encode(bytes(32)).decode()}"

[[buckets]]
name = "photos"
"""


def test_a_seed_names_accounts_users_keys_and_buckets() -> None:
    seed = parse_seed(SEED, account="123456789012", region="eu-west-1")
    directory = Directory()
    directory.add(seed)
    root = directory.find("AKIAROOT")
    bob = directory.find("AKIABOB")
    assert root is not None
    assert bob is not None
    assert (root.principal.kind, root.principal.account) == (PrincipalKind.ROOT, "111122223333")
    assert bob.principal.arn == "arn:aws:iam::123456789012:user/bob"
    assert directory.account("111122223333").display_name == "Staging"
    assert seed.keys[0].aliases == ("alias/EncryptDecrypt",)
    assert seed.keys[0].material == bytes(32)
    assert (seed.buckets[0].account, seed.buckets[0].region) == ("123456789012", "eu-west-1")
    assert "secret" not in repr(seed)


def test_an_account_that_nobody_named_has_a_stable_canonical_id() -> None:
    directory = Directory()
    account = directory.account("999999999999")
    assert len(account.canonical_id) == 64
    assert account == directory.account("999999999999")
    assert directory.find("AKIANOBODY") is None


def test_credentials_can_be_added() -> None:
    directory = Directory()
    directory.add_credential(root_credential("1" * 12, "AKIA", "secret"))
    found = directory.find("AKIA")
    assert found is not None
    assert found.principal.arn == "arn:aws:iam::111111111111:root"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts = 1", "array"),
        ("[[accounts]]\nname = 'x'", "lacks 'id'"),
        ("[[accounts]]\nid = 'x'\naccess_key_id = 'y'", "secret_access_key"),
        ("[[users]]\nname = 'x'", "lacks 'access_key_id'"),
        ("[[buckets]]\nname = 'x'\ncolour = 'red'", "unknown field 'colour'"),
        ("[[shelves]]\nname = 'x'", "unknown table 'shelves'"),
        ("[[keys]]\nid = 'x'\nmaterial = '!'", "not base64"),
        ("[[keys]]\nid = 'x'\nmaterial = 'AAAA'", "not 32 bytes"),
        ("[[", "not TOML"),
    ],
)
def test_nonsense_is_named(text: str, message: str) -> None:
    with pytest.raises(SeedError, match=message):
        parse_seed(text, account="1", region="r")
