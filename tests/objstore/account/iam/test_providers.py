from typing import Any

import pytest

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com/id/7"
URL = "https://example.com/id/7"
NAMED = {"open_id_connect_provider_arn": ARN}


async def make(world: Any, **members: Any) -> Any:
    return await world.iam("CreateOpenIDConnectProvider", url=URL, **members)


async def test_a_provider_from_beginning_to_end(world: Any) -> None:
    prints = ["a" * 40]
    made = await make(
        world,
        client_id_list=["app", "app"],
        thumbprint_list=prints,
        tags=[{"Key": "a", "Value": "b"}],
    )
    assert made == {"OpenIDConnectProviderArn": ARN, "Tags": [{"Key": "a", "Value": "b"}]}
    shown = await world.iam("GetOpenIDConnectProvider", **NAMED)
    assert shown.pop("CreateDate").timestamp() == world.clock.now()
    assert shown == {
        "Url": "example.com/id/7",
        "ClientIDList": ["app"],
        "ThumbprintList": prints,
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    listed = await world.iam("ListOpenIDConnectProviders")
    assert listed == {"OpenIDConnectProviderList": [{"Arn": ARN}]}
    await world.iam("DeleteOpenIDConnectProvider", **NAMED)
    assert await world.refused("GetOpenIDConnectProvider", **NAMED) == (
        "NoSuchEntity",
        f"OpenIDConnect Provider not found for arn {ARN}",
    )
    assert await world.refused("DeleteOpenIDConnectProvider", **NAMED) == (
        "NoSuchEntity",
        f"OpenId connect Provider {ARN} cannot be found.",
    )


async def test_a_provider_is_found_by_its_very_arn(world: Any) -> None:
    """Else a policy that denies this on one ARN would be passed by another spelling of it."""
    await make(world)
    for arn in (ARN.replace("example", "Example"), ARN.replace("arn:aws:", "arn:aws-cn:")):
        code, _ = await world.refused(
            "DeleteOpenIDConnectProvider", open_id_connect_provider_arn=arn
        )
        assert code in ("NoSuchEntity", "ValidationError")


async def test_clients_and_thumbprints_change(world: Any) -> None:
    await make(world)
    for operation, members in (
        ("AddClientIDToOpenIDConnectProvider", {"client_id": "a"}),
        ("AddClientIDToOpenIDConnectProvider", {"client_id": "b"}),
        ("AddClientIDToOpenIDConnectProvider", {"client_id": "b"}),
        ("RemoveClientIDFromOpenIDConnectProvider", {"client_id": "a"}),
        ("RemoveClientIDFromOpenIDConnectProvider", {"client_id": "a"}),
        ("UpdateOpenIDConnectProviderThumbprint", {"thumbprint_list": ["b" * 40]}),
    ):
        assert await world.iam(operation, **NAMED, **members) == {}
    shown = await world.iam("GetOpenIDConnectProvider", **NAMED)
    assert (shown["ClientIDList"], shown["ThumbprintList"]) == (["b"], ["b" * 40])


async def test_an_issuer_is_there_once(world: Any) -> None:
    await make(world)
    assert await world.refused("CreateOpenIDConnectProvider", url=URL + "/") == (
        "EntityAlreadyExists",
        f"Provider with url {URL} already exists.",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "example.com",
        "https://",
        "https://example.com/?a=b",
        "https://me@example.com/",
        "https://example.com:8443",
        "https://[",
        "https://example.com:99999999/",
    ],
)
async def test_what_is_no_issuer(world: Any, url: str) -> None:
    assert await world.refused("CreateOpenIDConnectProvider", url=url) == (
        "ValidationError",
        "Invalid Open ID Connect Provider URL",
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"thumbprint_list": ["a" * 40] * 6},
            ("InvalidInput", "Thumbprint list must contain fewer than 5 entries."),
        ),
        (
            {"client_id_list": [str(number) for number in range(101)]},
            ("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"),
        ),
    ],
)
async def test_limits(world: Any, members: dict[str, Any], expected: tuple[str, str]) -> None:
    assert await world.refused("CreateOpenIDConnectProvider", url=URL, **members) == expected


async def test_arns_that_name_none(world: Any) -> None:
    code, message = await world.refused(
        "GetOpenIDConnectProvider", open_id_connect_provider_arn="arn:aws:iam::1:user/bob"
    )
    assert (code, message) == ("ValidationError", "Invalid ARN:  Could not be parsed!")
    other = ARN.replace(ACCOUNT, "111122223333")
    await make(world)
    code, _ = await world.refused("GetOpenIDConnectProvider", open_id_connect_provider_arn=other)
    assert code == "NoSuchEntity"
