"""Tags of IAM's entities and of sessions.

Keys of users, roles and sessions that differ only in case are the same key; keys of managed
policies and of OpenID Connect providers that do are not.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from collections.abc import Callable, Mapping, Sequence

from objstore.account.errors import IAMError

TAGS_MAX = 50
RESERVED_PREFIX = "aws:"

TagList = Sequence[Mapping[str, str]]
Fold = Callable[[str], str]


def read_tags(
    tags: TagList | None, *, code: str = "InvalidInput", fold: Fold = str.lower
) -> dict[str, str]:
    """The tags of a request. `code` is that of the refusal of repeated keys.

    Keys are the same if `fold` makes them so: `str` where their case counts.
    """
    found = {tag["Key"]: tag["Value"] for tag in tags or ()}
    if len({fold(key) for key in found}) < len(tags or ()):
        raise IAMError(
            code, "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if any(key.lower().startswith(RESERVED_PREFIX) for key in found):
        raise IAMError(code, "Tag keys beginning with aws: are reserved for system use.")
    if len(found) > TAGS_MAX:
        raise IAMError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return found


def merged(
    old: Mapping[str, str], new: Mapping[str, str], *, fold: Fold = str.lower
) -> dict[str, str]:
    """`old` with the tags of `new` added or replaced. Raises LimitExceeded."""
    replaced = {fold(key) for key in new}
    tags = {key: value for key, value in old.items() if fold(key) not in replaced} | dict(new)
    if len(tags) > TAGS_MAX:
        raise IAMError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return tags


def without(
    old: Mapping[str, str], keys: Sequence[str], *, fold: Fold = str.lower
) -> dict[str, str]:
    """`old` without the tags of these keys."""
    removed = {fold(key) for key in keys}
    return {key: value for key, value in old.items() if fold(key) not in removed}


def request_keys(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of a request that sets tags."""
    keys: dict[str, str | tuple[str, ...]] = {
        f"aws:RequestTag/{key}": value for key, value in tags.items()
    }
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
    return keys
