"""What IAM has and this server has not, answered as for an account that never made any.

Terraform and others ask for these before they delete a user or a role. Making one is not supported.
"""

from objstore.account.call import Call, Reply
from objstore.account.entities import ROLE, USER
from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page

_END = {"IsTruncated": False}


def get_account_password_policy(call: Call) -> Reply:
    """Raises NoSuchEntity: nobody logs in with a password."""
    call.allow("*")
    text = f"The Password Policy with domain name {call.account} cannot be found."
    raise IAMError("NoSuchEntity", text)


def get_login_profile(call: Call, *, user_name: str | None = None) -> Reply:
    """Raises NoSuchEntity."""
    user = call.use(USER, call.own_name(user_name))
    raise IAMError("NoSuchEntity", f"Login Profile for User {user.name} cannot be found.")


def delete_login_profile(call: Call, *, user_name: str | None = None) -> Reply:
    """Raises NoSuchEntity."""
    return get_login_profile(call, user_name=user_name)


def list_instance_profiles(
    call: Call, *, path_prefix: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """None."""
    del path_prefix, page
    call.allow("*")
    return {"InstanceProfiles": [], **_END}


def list_instance_profiles_for_role(
    call: Call, *, role_name: str, page: Page = FIRST_PAGE
) -> Reply:
    """None, of a role that exists."""
    del page
    call.use(ROLE, role_name)
    return {"InstanceProfiles": [], **_END}


def list_mfa_devices(call: Call, *, user_name: str | None = None, page: Page = FIRST_PAGE) -> Reply:
    """None, of a user that exists."""
    del page
    call.use(USER, call.own_name(user_name))
    return {"MFADevices": [], **_END}


def list_saml_providers(call: Call) -> Reply:
    """None."""
    call.allow("*")
    return {"SAMLProviderList": []}


def list_server_certificates(
    call: Call, *, path_prefix: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """None."""
    del path_prefix, page
    call.allow("*")
    return {"ServerCertificateMetadataList": [], **_END}


def list_service_specific_credentials(
    call: Call, *, user_name: str | None = None, service_name: str | None = None
) -> Reply:
    """None, of a user that exists."""
    del service_name
    call.use(USER, call.own_name(user_name))
    return {"ServiceSpecificCredentials": []}


def list_signing_certificates(
    call: Call, *, user_name: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """None, of a user that exists."""
    del page
    call.use(USER, call.own_name(user_name))
    return {"Certificates": [], **_END}


def list_ssh_public_keys(
    call: Call, *, user_name: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """None, of a user that exists."""
    del page
    call.use(USER, call.own_name(user_name))
    return {"SSHPublicKeys": [], **_END}


def list_virtual_mfa_devices(
    call: Call, *, assignment_status: str | None = None, page: Page = FIRST_PAGE
) -> Reply:
    """None."""
    del assignment_status, page
    call.allow("*")
    return {"VirtualMFADevices": [], **_END}
