from base64 import b64encode

import pytest

from kms.aws.identity import PrincipalKind
from objstore.account.seed import SeedError, parse_seed

ALLOW = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
)
TRUST = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"AWS": "123456789012"}}}'
)
SEED = f"""
[[accounts]]
id = "111122223333"
canonical_id = "{"ab" * 32}"
display_name = "Staging"
email = "staging@example.com"
access_key_id = "AKIAROOT"
secret_access_key = "root-secret"

[[policies]]
name = "all-of-s3"
document = '{ALLOW}'

[[groups]]
name = "readers"
policies = ["all-of-s3"]

[[users]]
name = "bob"
access_key_id = "AKIABOB"
secret_access_key = "bob-secret"
groups = ["readers"]
boundary = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
tags = {{ team = "a" }}
inline = {{ own = '{ALLOW}' }}

[[roles]]
name = "auditor"
path = "/audit/"
trust = '{TRUST}'
max_session_seconds = 7200

[[keys]]
id = "b3537ef1-d8dc-4780-9f5a-55776cbb2f7f"
region = "us-west-2"
account = "658956600833"
alias = "alias/EncryptDecrypt"
material = "{b64encode(bytes(32)).decode()}"

[[buckets]]
name = "photos"
"""


def test_a_seed_names_accounts_identities_keys_and_buckets() -> None:
    seed = parse_seed(SEED, account="123456789012", region="eu-west-1")
    [root] = seed.credentials
    assert (root.principal.kind, root.principal.account) == (PrincipalKind.ROOT, "111122223333")
    assert seed.accounts[0].display_name == "Staging"
    assert seed.keys[0].aliases == ("alias/EncryptDecrypt",)
    assert seed.keys[0].material == bytes(32)
    assert (seed.buckets[0].account, seed.buckets[0].region) == ("123456789012", "eu-west-1")
    assert "secret" not in repr(seed)


def test_identities_come_in_the_order_in_which_they_can_be_made() -> None:
    seed = parse_seed(SEED, account="123456789012", region="eu-west-1")
    policy, group, user, role = seed.identities
    assert [one.kind for one in seed.identities] == ["policy", "group", "user", "role"]
    assert policy.inline == {"v1": ALLOW}
    assert group.policies == ("arn:aws:iam::123456789012:policy/all-of-s3",)
    assert (user.groups, user.inline, user.attributes) == (
        ("readers",),
        {"own": ALLOW},
        {"tags": {"team": "a"}, "boundary": "arn:aws:iam::aws:policy/AmazonS3FullAccess"},
    )
    assert (role.path, role.attributes) == (
        "/audit/",
        {"trust": TRUST, "max_session_seconds": 7200},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts = 1", "array"),
        ("[[accounts]]\nname = 'x'", "lacks 'id'"),
        ("[[accounts]]\nid = 'x'\naccess_key_id = 'y'", "secret_access_key"),
        ("[[users]]\naccount = 'x'", "lacks 'name'"),
        ("[[users]]\nname = 'x'\nsecret_access_key = 'y'", "access_key_id"),
        ("[[users]]\nname = 'x'\ninline = { p = '{' }", "a policy of 'x': Syntax errors"),
        ("[[users]]\nname = 'x'\ntags = { a = 1, A = 2 }", "the tags of 'x': Duplicate"),
        ("[[roles]]\nname = 'x'", "lacks 'trust'"),
        ("[[roles]]\nname = 'x'\ntrust = '{'", "a policy of 'x': This policy contains invalid"),
        ("[[policies]]\nname = 'x'\ndocument = '{'", "a policy of 'x'"),
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
