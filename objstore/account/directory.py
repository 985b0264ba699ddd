"""The accounts of a server and the access keys of their roots.

The default account's root key comes from the data folder, everything else from the seed file.
"""

from dataclasses import dataclass

from kms.aws import arn
from kms.aws.identity import Credential, Principal, PrincipalKind
from objstore.names import owner_id


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `canonical_id` is the 64 hex digits that S3 shows as an owner's ID.

    `display_name` is what S3 shows beside it, the account's number if nobody gave one.
    """

    account: str
    canonical_id: str
    display_name: str
    email: str = ""


class Directory:
    """Finds accounts by their number and roots by their access keys."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._credentials: dict[str, Credential] = {}
        self._by_canonical_id: dict[str, str] = {}

    def add_account(self, account: Account) -> None:
        self._accounts[account.account] = account
        self._by_canonical_id[account.canonical_id] = account.account

    def add_credential(self, credential: Credential) -> None:
        self._credentials[credential.access_key_id] = credential
        self.account(credential.principal.account)

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        """The credential of a root's access key; satisfies `kms.aws.identity.Credentials`."""
        del session_token
        return self._credentials.get(access_key_id)

    def root_has_key(self, account: str) -> bool:
        """Whether an account's root has an access key."""
        return any(one.principal.account == account for one in self._credentials.values())

    def account(self, account: str) -> Account:
        """The account's names; one that was never named gets a canonical id from its number."""
        known = self._accounts.get(account)
        if known is None:
            known = unnamed_account(account)
            self.add_account(known)
        return known

    def account_of(self, canonical_id: str) -> str | None:
        """The number of the account with this canonical id, if it has been heard of."""
        return self._by_canonical_id.get(canonical_id)


def unnamed_account(account: str) -> Account:
    return Account(account, owner_id(account), account)


def root_principal(account: str) -> Principal:
    return Principal(PrincipalKind.ROOT, account, arn.account_root(account), account, "root")


def root_credential(account: str, access_key_id: str, secret_access_key: str) -> Credential:
    return Credential(access_key_id, secret_access_key, root_principal(account))
