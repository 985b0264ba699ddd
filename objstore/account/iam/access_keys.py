"""Access keys of users. A secret is shown when its key is made, and never again.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html and its like.
"""

from dataclasses import replace

from objstore.account.call import Call, Reply
from objstore.account.entities import USER, arn_of, instant, key_shape, quota, tags_of
from objstore.account.errors import IAMError
from objstore.account.ids import LONG_TERM, new_access_key_id, new_secret, secret_name
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.storage.records import AccessKey, Identity

KEYS_PER_USER_MAX = 2
NEVER = "N/A"


def create_access_key(call: Call, *, user_name: str | None = None) -> Reply:
    """Make an access key, active at once."""
    user = call.use(USER, call.own_name(user_name))
    if len(call.rows.keys_of(user.unique_id)) >= KEYS_PER_USER_MAX:
        raise quota("AccessKeysPerUser", KEYS_PER_USER_MAX)
    access_key_id, secret = new_access_key_id(LONG_TERM, call.account), new_secret()
    sealed = call.services.seal(secret_name(access_key_id), secret.encode())
    key = AccessKey(access_key_id, call.account, user.unique_id, call.now_ms, True, sealed)
    call.rows.put_key(key)
    return {"AccessKey": key_shape(user, key) | {"SecretAccessKey": secret}}


def list_access_keys(call: Call, *, user_name: str | None = None, page: Page = FIRST_PAGE) -> Reply:
    """The access keys of a user, without their secrets."""
    user = call.use(USER, call.own_name(user_name))
    keys, markers = page_of(call.rows.keys_of(user.unique_id), page)
    return {"AccessKeyMetadata": [key_shape(user, key) for key in keys], **markers}


def update_access_key(
    call: Call, *, access_key_id: str, status: str, user_name: str | None = None
) -> Reply:
    """Switch an access key on or off."""
    user = call.use(USER, call.own_name(user_name))
    if status not in ("Active", "Inactive"):
        raise IAMError("InvalidInput", f"The status {status} cannot be set.")
    key = _key(call, user, access_key_id)
    call.rows.put_key(replace(key, active=status == "Active"))
    return {}


def delete_access_key(call: Call, *, access_key_id: str, user_name: str | None = None) -> Reply:
    """Delete an access key; the next request that it signs is refused."""
    user = call.use(USER, call.own_name(user_name))
    call.rows.remove_key(_key(call, user, access_key_id).access_key_id)
    return {}


def get_access_key_last_used(call: Call, *, access_key_id: str) -> Reply:
    """When an access key was used last, to the minute, for what, and whose it is."""
    key = call.rows.key(access_key_id)
    user = call.rows.by_id(key.owner_id) if key is not None else None
    if user is None or user.account != call.account:
        raise IAMError(
            "AccessDenied",
            f"User: {call.caller.principal.arn} is not authorized to perform "
            f"iam:GetAccessKeyLastUsed on resource: access key {access_key_id}",
        )
    call.allow(arn_of(user), tags=tags_of(user))
    use = call.rows.key_use(access_key_id)
    used = {"ServiceName": NEVER, "Region": NEVER}
    if use is not None:
        used = {
            "LastUsedDate": instant(use.used_ms),
            "ServiceName": use.service,
            "Region": use.region,
        }
    return {"UserName": user.name, "AccessKeyLastUsed": used}


def _key(call: Call, user: Identity, access_key_id: str) -> AccessKey:
    key = call.rows.key(access_key_id)
    if key is None or key.owner_id != user.unique_id:
        text = f"The Access Key with id {access_key_id} cannot be found."
        raise IAMError("NoSuchEntity", text)
    return key
