"""Tags of users, roles, managed policies and OpenID Connect providers.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html and its like.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from objstore.account.call import Call, Keys, Reply
from objstore.account.entities import ROLE, USER, tag_list, tags_of
from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.tags import Fold, TagList, merged, read_tags, request_keys, without
from objstore.storage.records import Identity

Find = Callable[[Keys], Identity]


def tag_user(call: Call, *, user_name: str, tags: TagList) -> Reply:
    """Add or replace tags of a user."""
    return _tag(call, lambda keys: call.use(USER, user_name, keys=keys), tags)


def tag_role(call: Call, *, role_name: str, tags: TagList) -> Reply:
    """Add or replace tags of a role."""
    return _tag(call, lambda keys: call.use(ROLE, role_name, keys=keys), tags)


def tag_policy(call: Call, *, policy_arn: str, tags: TagList) -> Reply:
    """Add or replace tags of a managed policy."""
    return _tag(call, lambda keys: call.own_policy(policy_arn, keys=keys), tags, fold=str)


def tag_open_id_connect_provider(
    call: Call, *, open_id_connect_provider_arn: str, tags: TagList
) -> Reply:
    """Add or replace tags of an OpenID Connect provider."""
    return _tag(
        call,
        lambda keys: call.use_provider(open_id_connect_provider_arn, keys=keys),
        tags,
        fold=str,
    )


def _tag(call: Call, find: Find, tags: TagList, *, fold: Fold = str.lower) -> Reply:
    if not tags:
        raise IAMError("InvalidInput", "At least one tag must be given.")
    found = read_tags(tags, fold=fold)
    identity = find(request_keys(found))
    _store(call, identity, merged(tags_of(identity), found, fold=fold))
    return {}


def untag_user(call: Call, *, user_name: str, tag_keys: Sequence[str]) -> Reply:
    """Remove tags of a user."""
    return _untag(call, lambda keys: call.use(USER, user_name, keys=keys), tag_keys)


def untag_role(call: Call, *, role_name: str, tag_keys: Sequence[str]) -> Reply:
    """Remove tags of a role."""
    return _untag(call, lambda keys: call.use(ROLE, role_name, keys=keys), tag_keys)


def untag_policy(call: Call, *, policy_arn: str, tag_keys: Sequence[str]) -> Reply:
    """Remove tags of a managed policy."""
    return _untag(call, lambda keys: call.own_policy(policy_arn, keys=keys), tag_keys, fold=str)


def untag_open_id_connect_provider(
    call: Call, *, open_id_connect_provider_arn: str, tag_keys: Sequence[str]
) -> Reply:
    """Remove tags of an OpenID Connect provider."""
    return _untag(
        call,
        lambda keys: call.use_provider(open_id_connect_provider_arn, keys=keys),
        tag_keys,
        fold=str,
    )


def _untag(call: Call, find: Find, tag_keys: Sequence[str], *, fold: Fold = str.lower) -> Reply:
    identity = find({"aws:TagKeys": tuple(tag_keys)} if tag_keys else {})
    _store(call, identity, without(tags_of(identity), tag_keys, fold=fold))
    return {}


def _store(call: Call, identity: Identity, tags: Mapping[str, str]) -> None:
    attributes = {name: value for name, value in identity.attributes.items() if name != "tags"}
    if tags:
        attributes["tags"] = dict(tags)
    call.rows.update(replace(identity, attributes=attributes))


def list_user_tags(call: Call, *, user_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The tags of a user."""
    return _list(call.use(USER, user_name), page)


def list_role_tags(call: Call, *, role_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The tags of a role."""
    return _list(call.use(ROLE, role_name), page)


def list_policy_tags(call: Call, *, policy_arn: str, page: Page = FIRST_PAGE) -> Reply:
    """The tags of a managed policy."""
    return _list(call.use_policy(policy_arn), page)


def list_open_id_connect_provider_tags(
    call: Call, *, open_id_connect_provider_arn: str, page: Page = FIRST_PAGE
) -> Reply:
    """The tags of an OpenID Connect provider."""
    return _list(call.use_provider(open_id_connect_provider_arn), page)


def _list(identity: Identity, page: Page) -> Reply:
    tags, markers = page_of(tag_list(tags_of(identity)), page)
    return {"Tags": tags, **markers}
