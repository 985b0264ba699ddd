"""Bucket policies: validation in S3's words, compiled once, and whether one is public.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from kms.aws.arn import account_root
from kms.aws.conditions import Condition, network_of
from kms.aws.policy import Flaw, Policy, PolicyError, PolicyKind, parse
from kms.aws.policy_document import Effect, Statement
from kms.aws.policy_principal import rename
from objstore.errors import S3Error

SETTING = "policy"
BOUND = "policy_principals"  # the unique ids of the users and roles that it names, by their ARNs
POLICY_BYTES_MAX = 20 * 1024
COMPILED_MAX = 1024
_ARN = "arn:aws:s3:::"
_WORDS: Mapping[Flaw, str] = {
    Flaw.NOT_JSON: "This policy contains invalid Json",
    Flaw.VERSION: "The policy must contain a valid version string",
    Flaw.FIELD_UNKNOWN: "Unknown field {detail}",
    Flaw.FIELD_MISSING: "Missing required field {detail}",
    Flaw.FIELD_TYPE: "Invalid policy syntax.",
    Flaw.EFFECT: "Invalid effect: {detail}",
    Flaw.PRINCIPAL: "Invalid principal in policy",
    Flaw.ACTION: "Policy has invalid action",
    Flaw.RESOURCE: "Policy has invalid resource",
    Flaw.OPERATOR: "Invalid Condition type : {detail}",
    Flaw.CONDITION_KEY: "Policy has an invalid condition key",
    Flaw.SID_REPEATED: "Statement IDs (SID) in a single policy must be unique.",
}
# Conditions on these keys, with values that are fixed, keep a policy from being public.
_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_EQUAL = ("stringequals", "stringlike", "arnequals", "arnlike", "ipaddress")
_WIDEST_PREFIX = {4: 8, 6: 32}
_ARNS = ("aws:sourcearn", "aws:principalarn", "s3:dataaccesspointarn")
_WILDCARDS = frozenset("*?")


def check(text: str, bucket: str, account_of: Callable[[str], str | None]) -> str:
    """The text, to store as it is. `account_of` finds the account of a canonical id.

    Raises MalformedPolicy, PolicyTooLarge.
    """
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise S3Error("PolicyTooLarge")
    if not text.startswith("{"):
        raise S3Error(
            "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'"
        )
    try:
        policy = compiled(with_accounts(text, account_of))
    except PolicyError as error:
        words = _WORDS.get(error.flaw, "Invalid policy syntax.")
        raise S3Error("MalformedPolicy", words.format(detail=error.detail)) from None
    for statement in policy.statements:
        _check_statement(statement, bucket)
    return text


def _check_statement(statement: Statement, bucket: str) -> None:
    for resource in statement.resources:
        named, _, key = resource.removeprefix(_ARN).partition("/")
        if resource != "*" and (not resource.startswith(_ARN) or not _covers(named, bucket)):
            raise S3Error("MalformedPolicy", "Policy has invalid resource")
        del key
    for action in statement.actions:
        if action != "*" and not action.lower().startswith("s3:"):
            raise S3Error("MalformedPolicy", "Policy has invalid action")
    if not any(_fits(action, statement.resources) for action in statement.actions):
        raise S3Error("MalformedPolicy", "Action does not apply to any resource(s) in statement")


def _covers(pattern: str, bucket: str) -> bool:
    """Whether a resource's bucket part can mean this bucket; only trailing wildcards are used."""
    stem = pattern.partition("*")[0].partition("?")[0]
    return pattern == bucket or (stem != pattern and bucket.startswith(stem))


_OBJECT_WORDS = ("object", "multipartupload", "governance")
_BUCKET_ACTIONS = frozenset(
    {
        "s3:getbucketobjectlockconfiguration",
        "s3:listbucketmultipartuploads",
        "s3:putbucketobjectlockconfiguration",
    }
)


def _fits(action: str, resources: tuple[str, ...]) -> bool:
    lowered = action.lower()
    if "*" in lowered or "?" in lowered or "*" in resources:
        return True
    of_object = lowered not in _BUCKET_ACTIONS and any(word in lowered for word in _OBJECT_WORDS)
    return any(
        ("/" in resource) == of_object or ("/" not in resource and resource.endswith("*"))
        for resource in resources
    )


def with_accounts(text: str, account_of: Callable[[str], str | None]) -> str:
    """The text with `CanonicalUser` principals named as their accounts. Raises PolicyError."""
    if "CanonicalUser" not in text:
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise PolicyError(Flaw.NOT_JSON) from None
    statements = document.get("Statement") if isinstance(document, dict) else None
    for entry in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            principals = entry.get(element) if isinstance(entry, dict) else None
            if isinstance(principals, dict) and "CanonicalUser" in principals:
                _name_accounts(principals, account_of)
    return json.dumps(document)


def _name_accounts(principals: dict[str, Any], account_of: Callable[[str], str | None]) -> None:
    listed = principals.pop("CanonicalUser")
    named = principals.get("AWS", [])
    accounts = [named] if isinstance(named, str) else list(named)
    for identity in [listed] if isinstance(listed, str) else listed:
        account = account_of(str(identity))
        if account is None:
            raise PolicyError(Flaw.PRINCIPAL, str(identity))
        accounts.append(account_root(account))
    principals["AWS"] = accounts


@lru_cache(maxsize=COMPILED_MAX)
def compiled(text: str, bound: tuple[tuple[str, str], ...] = ()) -> Policy:
    """The policy of a text, compiled once. Raises PolicyError.

    `bound` are the unique ids that are meant by the ARNs of users and roles.
    """
    return parse(text, kind=PolicyKind.BUCKET, name="the bucket policy", bound=dict(bound))


@lru_cache(maxsize=COMPILED_MAX)
def denials(policy: Policy) -> Policy:
    """Only what a policy denies."""
    kept = tuple(one for one in policy.statements if one.effect is Effect.DENY)
    keys = frozenset[str]().union(*(one.keys for one in kept))
    return Policy(policy.kind, policy.name, policy.text, kept, keys)


def of(settings: Mapping[str, Any], account_of: Callable[[str], str | None]) -> Policy | None:
    """A bucket's policy, if it has one."""
    text = settings.get(SETTING)
    if text is None:
        return None
    bound = settings.get(BOUND)
    return compiled(with_accounts(text, account_of), tuple(bound.items()) if bound else ())


def of_text(text: str, account_of: Callable[[str], str | None]) -> Policy:
    """The policy of a text that `check` let through, by the names that it has."""
    return compiled(with_accounts(text, account_of))


def shown(text: str, names: Mapping[str, str]) -> str:
    """The text with other names of users and roles; itself if there are none."""
    if not names:
        return text
    document = json.loads(text)
    rename(document, names)
    return json.dumps(document)


@lru_cache(maxsize=COMPILED_MAX)
def is_public(policy: Policy) -> bool:
    """Whether it allows something to everybody, with no condition that narrows who that is."""
    return any(
        statement.effect is Effect.ALLOW
        and "*" in statement.principals.get("AWS", ())
        and not any(
            condition.key in _NARROWING
            and _needs_key(condition.operator.lower())
            and all(_is_fixed(condition, value) for value in condition.values)
            for condition in statement.conditions
        )
        for statement in policy.statements
    )


def _needs_key(operator: str) -> bool:
    """Whether a condition fails for who does not have its key, as the anonymous do not."""
    quantifier, _, name = operator.rpartition(":")
    return (
        name.startswith(_EQUAL) and not name.endswith("ifexists") and quantifier != "forallvalues"
    )


def _is_fixed(condition: Condition, value: str) -> bool:
    if "${" in value:
        return False
    if condition.key == "aws:sourceip":
        try:
            network = network_of(value)
        except ValueError:
            return False
        return network.prefixlen >= _WIDEST_PREFIX[network.version]
    if condition.key in _ARNS:
        # The account of an ARN must be there; what follows may be a pattern. Before it only where
        # a pattern keeps to its part.
        parts = value.split(":")[:5]
        by_part = condition.operator.lower().rpartition(":")[2].startswith("arn")
        fixed = parts[-1] if by_part else "".join(parts)
        return len(parts) == 5 and bool(parts[-1]) and not _WILDCARDS & set(fixed)
    return not _WILDCARDS & set(value)
