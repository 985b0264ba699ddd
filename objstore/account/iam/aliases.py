"""The alias of an account.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
"""

from objstore.account.call import Call, Reply
from objstore.account.entities import ROOT_PATH
from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page
from objstore.storage.records import Identity

ALIAS = "account-alias"


def create_account_alias(call: Call, *, account_alias: str) -> Reply:
    """Give the account an alias, in the place of the one it has."""
    call.allow("*")
    for old in call.rows.page(call.account, ALIAS, limit=1):
        call.rows.remove(old)
    unique_id = f"{ALIAS}/{account_alias}"
    if call.rows.by_id(unique_id) is not None:
        raise IAMError("EntityAlreadyExists", f"The account alias {account_alias} already exists.")
    alias = Identity(call.account, ALIAS, account_alias, unique_id, ROOT_PATH, call.now_ms)
    call.rows.add(alias)
    return {}


def delete_account_alias(call: Call, *, account_alias: str) -> Reply:
    """Take the account's alias away."""
    call.allow("*")
    alias = call.rows.get(call.account, ALIAS, account_alias)
    if alias is None:
        raise IAMError("NoSuchEntity", f"The Account Alias {account_alias} cannot be found.")
    call.rows.remove(alias)
    return {}


def list_account_aliases(call: Call, *, page: Page = FIRST_PAGE) -> Reply:
    """The alias of the account, if it has one."""
    del page
    call.allow("*")
    found = call.rows.page(call.account, ALIAS, limit=1)
    return {"AccountAliases": [alias.name for alias in found], "IsTruncated": False}
