from typing import Any

import pytest

LISTINGS = [
    ("ListInstanceProfiles", {}, "InstanceProfiles"),
    ("ListInstanceProfilesForRole", {"role_name": "reader"}, "InstanceProfiles"),
    ("ListMFADevices", {"user_name": "bob"}, "MFADevices"),
    ("ListSAMLProviders", {}, "SAMLProviderList"),
    ("ListServerCertificates", {}, "ServerCertificateMetadataList"),
    ("ListServiceSpecificCredentials", {"user_name": "bob"}, "ServiceSpecificCredentials"),
    ("ListSigningCertificates", {"user_name": "bob"}, "Certificates"),
    ("ListSSHPublicKeys", {"user_name": "bob"}, "SSHPublicKeys"),
    ("ListVirtualMFADevices", {}, "VirtualMFADevices"),
]


@pytest.mark.parametrize(("operation", "members", "member"), LISTINGS)
async def test_there_are_none(world: Any, operation: str, members: Any, member: str) -> None:
    await world.iam("CreateUser", user_name="bob")
    await world.role()
    assert (await world.iam(operation, **members))[member] == []
    if members:
        name = next(iter(members))
        assert (await world.refused(operation, **{name: "none"}))[0] == "NoSuchEntity"


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("GetLoginProfile", {"user_name": "bob"}, "Login Profile for User bob cannot be found."),
        ("DeleteLoginProfile", {"user_name": "bob"}, "Login Profile for User bob cannot be found."),
        (
            "GetAccountPasswordPolicy",
            {},
            "The Password Policy with domain name 123456789012 cannot be found.",
        ),
    ],
)
async def test_nobody_has_a_password(
    world: Any, operation: str, members: Any, message: str
) -> None:
    await world.iam("CreateUser", user_name="bob")
    assert await world.refused(operation, **members) == ("NoSuchEntity", message)
