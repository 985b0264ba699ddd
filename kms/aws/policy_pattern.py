"""Patterns of the policy language: wildcards and policy variables. Never a regular expression.

`*` stands for any run of characters, `?` for any one. `${key}` stands for a condition key's value,
`${key, 'text'}` for that value or a default, and `${*}`, `${?}`, `${$}` for these characters. What
a variable brings in is literal: it can neither smuggle in a wildcard nor leave its part of an ARN.
A variable without a value, with several, or with one that is too long, matches nothing.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from kms.aws.context import Context

ARN_PARTS = 6
VALUE_CHARACTERS_MAX = 2_048  # of a variable: ARNs are the longest that say who somebody is


class Wildcard(Enum):
    """What is not itself in a pattern."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A condition key, in lower case, whose value is to be put here."""

    key: str
    default: str | None


Token = str | Wildcard
Template = tuple[Token | Variable, ...]
Matcher = Callable[[str, Context], bool]

ANY, ONE = Wildcard.ANY, Wildcard.ONE
_EVERYTHING: Template = (ANY,)


def tokenize(text: str, *, wildcards: bool, variables: bool) -> Template:
    """The characters, wildcards and variables of a pattern. Raises ValueError for a bad variable.

    Without `wildcards`, `*` and `?` are characters; without `variables`, so is `${`.
    """
    return tuple(_tokens(text, wildcards=wildcards, variables=variables))


def _tokens(text: str, *, wildcards: bool, variables: bool) -> Iterator[Token | Variable]:
    special = {"*": ANY, "?": ONE} if wildcards else {}
    position = 0
    while position < len(text):
        if variables and text.startswith("${", position):
            end = text.find("}", position)
            if end < 0:
                raise ValueError(f"a variable without an end: {text[position:]!r}")
            yield _variable(text[position + 2 : end])
            position = end + 1
        else:
            yield special.get(text[position], text[position])
            position += 1


def _variable(text: str) -> Token | Variable:
    if text in ("*", "?", "$"):
        return text
    key, comma, default = text.partition(",")
    key, default = key.strip(), default.strip()
    if not key or "$" in key or "{" in key:
        raise ValueError(f"not a variable: {text!r}")
    if not comma:
        return Variable(key.lower(), None)
    if len(default) < 2 or default[0] != "'" or default[-1] != "'":
        raise ValueError(f"a default is written in single quotes: {text!r}")
    return Variable(key.lower(), default[1:-1])


def keys_of(template: Template) -> frozenset[str]:
    """The condition keys that a pattern's variables name."""
    return frozenset(token.key for token in template if isinstance(token, Variable))


def folded(template: Template) -> Template:
    """The same pattern in lower case."""
    return tuple(lowered for token in template for lowered in _folded(token))


def _folded(token: Token | Variable) -> Iterable[Token | Variable]:
    """One token, or as many as a letter has in lower case: that of İ has two."""
    if isinstance(token, Variable):
        return (Variable(token.key, None if token.default is None else token.default.lower()),)
    return token.lower() if isinstance(token, str) else (token,)


def matcher(template: Template) -> Matcher:
    """Compile a pattern for plain text."""
    if any(isinstance(token, Variable) for token in template):

        def matches(text: str, context: Context) -> bool:
            tokens = _expand(template, context, len(text))
            return tokens is not None and glob(tokens)(text)

        return matches
    tokens = [token for token in template if not isinstance(token, Variable)]
    if tokens == [ANY]:
        return lambda text, context: True
    literal = "".join(token for token in tokens if isinstance(token, str))
    if len(literal) == len(tokens):
        return lambda text, context: text == literal
    if len(literal) == len(tokens) - 1 and tokens[-1] is ANY:
        return lambda text, context: text.startswith(literal)
    matches_text = glob(tokens)
    return lambda text, context: matches_text(text)


def arn_matcher(template: Template) -> Matcher:
    """Compile a pattern for ARNs, whose six parts are compared one by one.

    An incomplete pattern stands for every ARN that begins so; `*` alone also matches what is no
    ARN, such as the `*` of actions without a resource.
    """
    if template == _EVERYTHING:
        return matcher(template)
    parts = _split(template)
    if len(parts) < ARN_PARTS and keys_of(template):
        return matcher(template)
    if len(parts) == ARN_PARTS and all(
        isinstance(token, str) for part in parts[:-1] for token in part
    ):
        fixed = template[: len(template) - len(parts[-1])]
        prefix = "".join(token for token in fixed if isinstance(token, str))
        resource = matcher(parts[-1])
        length = len(prefix)
        return lambda text, context: text.startswith(prefix) and resource(text[length:], context)
    matchers = [matcher(part) for part in parts]

    def matches(text: str, context: Context) -> bool:
        found = text.split(":", ARN_PARTS - 1)
        return len(found) == ARN_PARTS and all(
            match(part, context) for match, part in zip(matchers, found, strict=False)
        )

    return matches


def _split(template: Template) -> list[Template]:
    parts: list[list[Token | Variable]] = [[]]
    for token in template:
        if token == ":" and len(parts) < ARN_PARTS:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts]


def _expand(template: Template, context: Context, length: int) -> list[Token] | None:
    """The pattern with its variables' values; None if it can match no text of this length.

    All but `*` takes a character of the text, so a pattern is done with when it has more: a request
    may bring values that are far longer than what they are compared with.
    """
    tokens: list[Token] = []
    room = length + template.count(ANY)
    for token in template:
        if len(tokens) > room:
            return None
        if isinstance(token, Variable):
            value = context.get(token.key)
            value = token.default if value is None else value
            if not isinstance(value, str) or len(value) > min(length, VALUE_CHARACTERS_MAX):
                return None
            tokens.extend(value)
        else:
            tokens.append(token)
    return tokens if len(tokens) <= room else None


def any_of(templates: Sequence[Template]) -> Matcher:
    """Compile patterns for plain text of which one must match."""
    if len(templates) == 1:
        return matcher(templates[0])
    together: list[Sequence[Token]] = []
    matchers: list[Matcher] = []
    for template in templates:
        tokens = [token for token in template if not isinstance(token, Variable)]
        inner = tokens[:-1] if tokens[-1:] == [ANY] else tokens
        if len(tokens) < len(template) or not {ANY, ONE} & set(inner):
            matchers.append(matcher(template))
        else:
            together.append(tokens)
    if together:
        matches_text = glob(*together)
        matchers.append(lambda text, context: matches_text(text))
    return lambda text, context: any(match(text, context) for match in matchers)


def glob(*patterns: Sequence[Token]) -> Callable[[str], bool]:
    """Compile wildcards: every place of the patterns is followed at once, as a bit of an integer.

    Each character of a text is looked at once, whatever the patterns and however many; nothing is
    ever retried. A bit says that the text so far fits all of a pattern before one of its
    characters, `*` not counted: it only lets its bit stand. The bit after the last character says
    that all fits, and leads nowhere. (Shift-And: Baeza-Yates and Gonnet, CACM 35(10), 1992.)
    """
    fits: dict[str, int] = {}
    anything = stays = length = first = whole = 0
    for tokens in patterns:
        first |= 1 << length
        for token in tokens:
            bit = 1 << length
            if token is ANY:
                stays |= bit
                continue
            if token is ONE:
                anything |= bit
            elif isinstance(token, str):
                fits[token] = fits.get(token, 0) | bit
            length += 1
        whole |= 1 << length
        length += 1
    fits = {character: bits | anything for character, bits in fits.items()}

    def matches(text: str) -> bool:
        reached = first
        for character in text:
            reached = (reached & fits.get(character, anything)) << 1 | (reached & stays)
            if not reached:
                return False
        return reached & whole != 0

    return matches
