"""Tags of IAM's entities and of sessions: keys that differ only in case are the same key.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from collections.abc import Mapping, Sequence

from objstore.account.errors import IAMError

TAGS_MAX = 50
RESERVED_PREFIX = "aws:"

TagList = Sequence[Mapping[str, str]]


def read_tags(tags: TagList | None, *, code: str = "InvalidInput") -> dict[str, str]:
    """The tags of a request. `code` is that of the refusal of repeated keys."""
    found = {tag["Key"]: tag["Value"] for tag in tags or ()}
    if len({key.lower() for key in found}) < len(tags or ()):
        raise IAMError(
            code, "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if any(key.lower().startswith(RESERVED_PREFIX) for key in found):
        raise IAMError(code, "Tag keys must not begin with aws:, which is reserved.")
    if len(found) > TAGS_MAX:
        raise IAMError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return found


def merged(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """`old` with the tags of `new` added or replaced. Raises LimitExceeded."""
    lowered = {key.lower() for key in new}
    tags = {key: value for key, value in old.items() if key.lower() not in lowered} | dict(new)
    if len(tags) > TAGS_MAX:
        raise IAMError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return tags


def without(old: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """`old` without the tags of these keys."""
    lowered = {key.lower() for key in keys}
    return {key: value for key, value in old.items() if key.lower() not in lowered}


def request_keys(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of a request that sets tags."""
    keys: dict[str, str | tuple[str, ...]] = {
        f"aws:RequestTag/{key}": value for key, value in tags.items()
    }
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
    return keys
