from typing import Any


async def test_an_account_has_one_alias(world: Any) -> None:
    for alias in ("first", "second"):
        await world.iam("CreateAccountAlias", account_alias=alias)
        assert (await world.iam("ListAccountAliases"))["AccountAliases"] == [alias]
    code, _ = await world.refused("DeleteAccountAlias", account_alias="first")
    assert code == "NoSuchEntity"
    await world.iam("DeleteAccountAlias", account_alias="second")
    assert (await world.iam("ListAccountAliases"))["AccountAliases"] == []


async def test_no_two_accounts_have_the_same(world: Any) -> None:
    await world.iam("CreateAccountAlias", account_alias="acme")
    other = world.root("111122223333")
    refused = await world.refused("CreateAccountAlias", caller=other, account_alias="acme")
    assert refused == ("EntityAlreadyExists", "The account alias acme already exists.")
