import json
from typing import Any

import pytest

from kms.aws.errors import AWSError
from objstore.account.authorize import MESSAGE_HEADER
from objstore.account.ids import LONG_TERM, new_access_key_id

ACCOUNT = "123456789012"


async def test_get_caller_identity_needs_no_permission(world: Any) -> None:
    bob = await world.user("bob", world.policy("*", effect="Deny"))
    assert await world.sts("GetCallerIdentity", caller=bob) == {
        "UserId": bob.user_id,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/bob",
    }


async def test_the_account_of_an_access_key(world: Any) -> None:
    await world.user()
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    elsewhere = new_access_key_id(LONG_TERM, "111122223333")
    for access_key_id, account in ((key["AccessKeyId"], ACCOUNT), (elsewhere, "111122223333")):
        reply = await world.sts("GetAccessKeyInfo", access_key_id=access_key_id)
        assert reply == {"Account": account}
    code, _ = await world.refused_sts("GetAccessKeyInfo", access_key_id="nothingofthesort")
    assert code == "ValidationError"


async def denial(world: Any, caller: Any) -> str:
    """The sealed message of a refusal."""
    with pytest.raises(AWSError) as caught:
        await world.iam("ListUsers", caller=caller)
    return caught.value.headers[MESSAGE_HEADER]


async def test_messages_of_refusals_are_decoded_for_who_may(world: Any) -> None:
    bob = await world.user()
    message = await denial(world, bob)
    decoded = await world.sts("DecodeAuthorizationMessage", encoded_message=message)
    shown = json.loads(decoded["DecodedMessage"])
    assert shown["context"]["principal"]["arn"] == bob.arn
    assert shown["context"]["action"] == "iam:ListUsers"
    code, _ = await world.refused_sts(
        "DecodeAuthorizationMessage", caller=bob, encoded_message=message
    )
    assert code == "AccessDenied"


async def test_nobody_decodes_another_accounts_or_no_message(world: Any) -> None:
    message = await denial(world, await world.user())
    other = world.root("111122223333")
    for caller, text in ((other, message), (None, message[:-8]), (None, "nonsense")):
        refused = await world.refused_sts(
            "DecodeAuthorizationMessage", caller=caller, encoded_message=text
        )
        assert refused == ("InvalidAuthorizationMessageException", "Message is not valid")
