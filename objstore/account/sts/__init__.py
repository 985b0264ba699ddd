"""STS's operations by family; `OPERATIONS` is the list of what is supported."""

from collections.abc import Mapping

from objstore.account.call import Handler
from objstore.account.sts import assume, federation, identity, web_identity

OPERATIONS: Mapping[str, Handler] = {
    "AssumeRole": assume.assume_role,
    "AssumeRoleWithWebIdentity": web_identity.assume_role_with_web_identity,
    "DecodeAuthorizationMessage": identity.decode_authorization_message,
    "GetAccessKeyInfo": identity.get_access_key_info,
    "GetCallerIdentity": identity.get_caller_identity,
    "GetFederationToken": federation.get_federation_token,
    "GetSessionToken": federation.get_session_token,
}
