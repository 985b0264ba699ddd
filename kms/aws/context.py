"""The request context: the condition keys of one request and their values, worked out when asked.

A source answers for the keys it knows. Nothing is collected before a policy asks for it, so a
request under policies without conditions pays nothing. Keys are lower case throughout.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Callable, Mapping

Value = str | tuple[str, ...] | None
"""A single-valued key's value, a multivalued key's values, or None for a key that is absent."""

Source = Callable[[str], Value]
"""The value of a lower-case key."""


class Context:
    """The keys of some sources; the first that knows a key decides."""

    __slots__ = ("_sources",)

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def get(self, key: str) -> Value:
        """The value of a lower-case key. A key without values is absent."""
        for source in self._sources:
            value = source(key)
            if value is not None:
                return None if value == () else value
        return None


def given(values: Mapping[str, str | tuple[str, ...]]) -> Source:
    """A source of values that somebody wrote down; the case of the keys does not matter."""
    lowered: Mapping[str, Value] = {key.lower(): value for key, value in values.items()}
    return lowered.get


def tag_value(tags: tuple[tuple[str, str], ...], lowered: str) -> str | None:
    """The value of the tag whose key, in lower case, is `lowered`."""
    for name, value in tags:
        if name.lower() == lowered:
            return value
    return None
