"""DescribeCustomKeyStores: there are none, since keys live in the KMS's own store alone."""

from typing import Any

from kms.errors import KMSError
from kms.paging import position_of
from kms.request import Request


def describe_custom_key_stores(
    request: Request,
    *,
    custom_key_store_id: str | None = None,
    custom_key_store_name: str | None = None,
    limit: int | None = None,
    marker: str | None = None,
) -> dict[str, Any]:
    request.allow_account("DescribeCustomKeyStores")
    named = custom_key_store_id or custom_key_store_name
    if named is not None:
        raise KMSError(
            "CustomKeyStoreNotFoundException", f"Custom key store {named} does not exist"
        )
    position_of(marker)
    return {"CustomKeyStores": [], "Truncated": False}
