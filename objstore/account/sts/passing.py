"""What callers pass for a session: policies that limit it, tags, and how long it lasts.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kms.aws.clock import utc
from objstore.account.call import Call
from objstore.account.documents import check_identity_policy
from objstore.account.entities import arn_of
from objstore.account.errors import IAMError
from objstore.account.managed import find_policy
from objstore.account.sessions import Grant, Ticket, packed_bytes
from objstore.account.tags import TagList, read_tags

POLICY_CHARACTERS_MAX = 2_048
POLICY_ARNS_MAX = 10
PACKED_BYTES_MAX = 2_048


@dataclass(frozen=True, slots=True)
class Passed:
    """Session policies, checked. `limited` tells whether any were given."""

    limited: bool
    policies: tuple[str, ...]
    policy_arns: tuple[str, ...]


def passed_policies(
    call: Call,
    account: str,
    policy: str | None,
    policy_arns: Sequence[Mapping[str, str]] | None,
) -> Passed:
    """The session policies of a request; managed ones are the account's or AWS's.

    Raises MalformedPolicyDocument, ValidationError.
    """
    arns = tuple(one.get("arn", "") for one in policy_arns or ())
    if len(arns) > POLICY_ARNS_MAX:
        text = f"A session takes at most {POLICY_ARNS_MAX} managed policies."
        raise IAMError("ValidationError", text)
    characters = 0 if policy is None else len(policy)
    for policy_arn in arns:
        found = find_policy(call.rows, account, policy_arn)
        if found is None:
            text = f"Policy {policy_arn} does not exist or is not attachable."
            raise IAMError("ValidationError", text)
        characters += len(arn_of(found))
    if policy is not None:
        check_identity_policy(policy)
    if characters > POLICY_CHARACTERS_MAX:
        raise IAMError(
            "ValidationError",
            "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member "
            f"must have length less than or equal to {POLICY_CHARACTERS_MAX}",
        )
    texts = () if policy is None else (policy,)
    return Passed(policy is not None or policy_arns is not None, texts, arns)


@dataclass(frozen=True, slots=True)
class SessionTags:
    """The tags passed for a session, and all, with those that the caller's session hands on."""

    passed: Mapping[str, str] = field(default_factory=dict)
    all: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()


def session_tags(
    tags: TagList | None, transitive_tag_keys: Sequence[str] | None, calling: Ticket | None
) -> SessionTags:
    """Tags passed by a caller that may itself be a session. Raises InvalidParameterValue."""
    passed = read_tags(tags, code="InvalidParameterValue")
    lowered = {key.lower() for key in passed}
    transitive = tuple(transitive_tag_keys or ())
    if not {key.lower() for key in transitive} <= lowered:
        text = "The specified transitive tag key must be included in the requested tags."
        raise IAMError("InvalidParameterValue", text)
    handed_on: dict[str, str] = {}
    if calling is not None:
        keys = {key.lower() for key in calling.grant.transitive}
        handed_on = {key: value for key, value in calling.grant.tags.items() if key.lower() in keys}
    if lowered & {key.lower() for key in handed_on}:
        raise IAMError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a "
            "transitive tag key from the calling session.",
        )
    return SessionTags(passed, {**handed_on, **passed}, (*handed_on, *transitive))


def packed_percent(grant: Grant) -> int:
    """How full the room for policies and tags is. Raises PackedPolicyTooLarge."""
    percent = -(-100 * packed_bytes(grant) // PACKED_BYTES_MAX)
    if percent > 100:
        raise IAMError(
            "PackedPolicyTooLarge",
            f"Packed policy consumes {percent}% of allotted space, please use smaller policy.",
        )
    return percent


def credentials_shape(ticket: Ticket, token: str) -> dict[str, Any]:
    """The `Credentials` of a reply."""
    return {
        "AccessKeyId": ticket.access_key_id,
        "SecretAccessKey": ticket.secret_access_key,
        "SessionToken": token,
        "Expiration": utc(ticket.expires_at),
    }
