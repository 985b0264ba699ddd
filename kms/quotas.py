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
    if edit.count_keys(account, region, CUSTOMER) >= KEYS_MAX:
        raise KMSError("LimitExceededException", f"The account has {KEYS_MAX} keys in {region}.")


def check_aliases(edit: Edit, key: Key) -> None:
    """Raise LimitExceededException if `key` has all the aliases it may have."""
    if edit.count_aliases(key.account, key.region, key.key_id) >= ALIASES_PER_KEY_MAX:
        raise KMSError("LimitExceededException", f"{key.arn} has too many aliases")
