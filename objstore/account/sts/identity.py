"""Who is it? Callers, access keys, and what a refusal was about.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

import json

from objstore.account.authorize import MESSAGE_PURPOSE
from objstore.account.call import Call, Reply
from objstore.account.errors import IAMError
from objstore.account.ids import account_of
from objstore.account.sealing import SealError


def get_caller_identity(call: Call) -> Reply:
    """The identity whose credential signed the request; needs no permission."""
    principal = call.caller.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def get_access_key_info(call: Call, *, access_key_id: str) -> Reply:
    """The account of an access key, which may be switched off or another account's."""
    call.allow("*")
    key = call.rows.key(access_key_id)
    account = account_of(access_key_id) if key is None else key.account
    if account is None:
        raise IAMError("ValidationError", f"Access key {access_key_id} is not valid")
    return {"Account": account}


def decode_authorization_message(call: Call, *, encoded_message: str) -> Reply:
    """What a refusal of the caller's account was about, from the header that came with it."""
    call.allow("*")
    invalid = IAMError("InvalidAuthorizationMessageException", "Message is not valid")
    try:
        opened = call.services.sealing.open(MESSAGE_PURPOSE, encoded_message)
    except SealError:
        raise invalid from None
    account, document = json.loads(opened)
    if account != call.account:
        raise invalid
    return {"DecodedMessage": json.dumps(document)}
