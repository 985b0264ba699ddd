"""How much of everything an account may have.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
"""

from kms.errors import KMSError
from kms.key import CUSTOMER, Key
from kms.store_edits import Edit

KEYS_MAX = 100_000
ALIASES_PER_KEY_MAX = 50


def check_quota(edit: Edit, account: str, region: str) -> None:
    """Raise LimitExceededException if the account has all the keys it may have in a Region."""
    usage = edit.count_keys(account, region, CUSTOMER)
    if usage >= KEYS_MAX:
        raise exceeded("Key", KEYS_MAX, usage)


def check_aliases(edit: Edit, key: Key) -> None:
    """Raise LimitExceededException if `key` has all the aliases it may have."""
    usage = edit.count_aliases(key.account, key.region, key.key_id)
    if usage >= ALIASES_PER_KEY_MAX:
        raise exceeded("Aliases per key", ALIASES_PER_KEY_MAX, usage)


def exceeded(quota: str, most: int, usage: int) -> KMSError:
    """The error of whoever asks for more than a quota."""
    return KMSError(
        "LimitExceededException",
        f"{quota} quota for this account in this region is {most}, current usage is {usage}.",
    )
