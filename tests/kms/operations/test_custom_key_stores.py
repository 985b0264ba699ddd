from typing import Any

import pytest

STORE = "cks-1234567890abcdef0"


def test_there_are_none(client: Any) -> None:
    nothing = {"CustomKeyStores": [], "Truncated": False}
    assert client("DescribeCustomKeyStores") == nothing
    assert client("DescribeCustomKeyStores", limit=1) == nothing
    client.fails("InvalidMarkerException", "", "DescribeCustomKeyStores", marker="!")


@pytest.mark.parametrize("member", ["custom_key_store_id", "custom_key_store_name"])
def test_none_is_found(client: Any, member: str) -> None:
    client.fails(
        "CustomKeyStoreNotFoundException",
        f"Custom key store {STORE} does not exist",
        "DescribeCustomKeyStores",
        **{member: STORE},
    )
