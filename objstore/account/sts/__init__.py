"""STS's operations by family; `OPERATIONS` is the list of what is supported."""

from collections.abc import Mapping

from objstore.account.call import Handler
from objstore.account.sts import identity

OPERATIONS: Mapping[str, Handler] = {
    "DecodeAuthorizationMessage": identity.decode_authorization_message,
    "GetAccessKeyInfo": identity.get_access_key_info,
    "GetCallerIdentity": identity.get_caller_identity,
}
