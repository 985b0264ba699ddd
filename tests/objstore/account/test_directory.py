from kms.aws.identity import PrincipalKind
from objstore.account.directory import Account, Directory, root_credential


def test_accounts_have_the_names_they_were_given() -> None:
    directory = Directory()
    staging = Account("111122223333", "ab" * 32, "Staging", "staging@example.com")
    directory.add_account(staging)
    assert directory.account("111122223333") is staging


def test_an_account_that_nobody_named_has_a_stable_canonical_id() -> None:
    directory = Directory()
    account = directory.account("999999999999")
    assert len(account.canonical_id) == 64
    assert account.display_name == "999999999999"
    assert account == directory.account("999999999999")


def test_roots_are_found_by_their_access_keys() -> None:
    directory = Directory()
    directory.add_credential(root_credential("1" * 12, "AKIA", "secret"))
    found = directory.find("AKIA")
    assert found is not None
    assert found.principal.kind is PrincipalKind.ROOT
    assert found.principal.arn == "arn:aws:iam::111111111111:root"
    assert directory.find("AKIANOBODY") is None
    assert directory.root_has_key("1" * 12)
    assert not directory.root_has_key("2" * 12)
