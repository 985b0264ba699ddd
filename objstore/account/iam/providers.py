"""OpenID Connect providers: issuers whose tokens AssumeRoleWithWebIdentity takes.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from objstore.account.call import Call, Reply
from objstore.account.entities import (
    PROVIDER,
    ROOT_PATH,
    arn_for,
    arn_of,
    instant,
    quota,
    tag_list,
    tags_of,
)
from objstore.account.errors import IAMError
from objstore.account.ids import new_unique_id
from objstore.account.tags import TagList, read_tags, request_keys
from objstore.storage.records import Identity

CLIENT_IDS_MAX = 100
THUMBPRINTS_MAX = 5
DELETED_MISSING = "OpenId connect Provider {} cannot be found."


def create_open_id_connect_provider(
    call: Call,
    *,
    url: str,
    client_id_list: Sequence[str] | None = None,
    thumbprint_list: Sequence[str] | None = None,
    tags: TagList | None = None,
) -> Reply:
    """Trust an issuer; its tokens must be for one of the client ids."""
    name = _name(url)
    found = read_tags(tags, fold=str)
    call.create(PROVIDER, name, ROOT_PATH, keys=request_keys(found))
    clients = _clients(list(dict.fromkeys(client_id_list or ())))
    provider = Identity(
        call.account,
        PROVIDER.row,
        name,
        new_unique_id(PROVIDER.row),
        ROOT_PATH,
        call.now_ms,
        {
            "clients": clients,
            "thumbprints": _thumbprints(thumbprint_list or ()),
            **({"tags": found} if found else {}),
        },
    )
    call.rows.add(provider)
    reply: Reply = {"OpenIDConnectProviderArn": arn_of(provider)}
    return reply | ({"Tags": tag_list(found)} if found else {})


def _name(url: str) -> str:
    """The provider's name: its URL without the scheme."""
    try:
        parts = urlsplit(url)
        strange = parts.query or parts.fragment or parts.username or parts.port
    except ValueError:
        parts, strange = urlsplit(""), ""
    if parts.scheme != "https" or not parts.hostname or strange:
        raise IAMError("ValidationError", "Invalid Open ID Connect Provider URL")
    return f"{parts.hostname}{parts.path}".rstrip("/")


def _clients(clients: list[str]) -> list[str]:
    if len(clients) > CLIENT_IDS_MAX:
        raise quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_MAX)
    return clients


def _thumbprints(thumbprints: Sequence[str]) -> list[str]:
    if len(thumbprints) > THUMBPRINTS_MAX:
        text = f"Thumbprint list must contain fewer than {THUMBPRINTS_MAX} entries."
        raise IAMError("InvalidInput", text)
    return list(thumbprints)


def get_open_id_connect_provider(call: Call, *, open_id_connect_provider_arn: str) -> Reply:
    """A provider."""
    provider = call.use_provider(open_id_connect_provider_arn)
    return {
        "Url": provider.name,
        "ClientIDList": provider.attributes["clients"],
        "ThumbprintList": provider.attributes["thumbprints"],
        "CreateDate": instant(provider.created_ms),
        "Tags": tag_list(tags_of(provider)),
    }


def list_open_id_connect_providers(call: Call) -> Reply:
    """The ARNs of all providers of the account."""
    call.allow(arn_for(PROVIDER, call.account, "*"))
    found = call.rows.page(call.account, PROVIDER.row, limit=PROVIDER.most)
    return {"OpenIDConnectProviderList": [{"Arn": arn_of(provider)} for provider in found]}


def delete_open_id_connect_provider(call: Call, *, open_id_connect_provider_arn: str) -> Reply:
    """Trust an issuer no more; roles that name it stay as they are."""
    call.rows.remove(call.use_provider(open_id_connect_provider_arn, DELETED_MISSING))
    return {}


def add_client_id_to_open_id_connect_provider(
    call: Call, *, open_id_connect_provider_arn: str, client_id: str
) -> Reply:
    """Take tokens for one more client id."""
    provider = call.use_provider(open_id_connect_provider_arn)
    clients = provider.attributes["clients"]
    if client_id not in clients:
        _change(call, provider, "clients", _clients([*clients, client_id]))
    return {}


def remove_client_id_from_open_id_connect_provider(
    call: Call, *, open_id_connect_provider_arn: str, client_id: str
) -> Reply:
    """Take no more tokens for a client id, which may be gone already."""
    provider = call.use_provider(open_id_connect_provider_arn)
    clients = [one for one in provider.attributes["clients"] if one != client_id]
    _change(call, provider, "clients", clients)
    return {}


def update_open_id_connect_provider_thumbprint(
    call: Call, *, open_id_connect_provider_arn: str, thumbprint_list: Sequence[str]
) -> Reply:
    """Replace the certificate thumbprints, which are kept and shown only."""
    provider = call.use_provider(open_id_connect_provider_arn)
    _change(call, provider, "thumbprints", _thumbprints(thumbprint_list))
    return {}


def _change(call: Call, provider: Identity, name: str, values: list[str]) -> None:
    call.rows.update(replace(provider, attributes={**provider.attributes, name: values}))
