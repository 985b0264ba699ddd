"""Policy documents as IAM takes them: AWS's refusals, sizes without white space, compiled once."""

import json
from collections.abc import Mapping
from functools import lru_cache

from kms.aws.policy import Flaw, Policy, PolicyError, PolicyKind, parse
from objstore.account.errors import IAMError

COMPILED_MAX = 4_096
MANAGED_CHARACTERS_MAX = 6_144
TRUST_CHARACTERS_MAX = 2_048
# All inline policies of an entity together.
INLINE_CHARACTERS_MAX: Mapping[str, int] = {"user": 2_048, "group": 5_120, "role": 10_240}
TRUST_ACTIONS = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:setcontext",
        "sts:setsourceidentity",
        "sts:tagsession",
    }
)

_IDENTITY_TEXTS = {
    Flaw.NOT_JSON: "Syntax errors in policy.",
    Flaw.VERSION: "Policy document must be version 2012-10-17 or greater.",
    Flaw.FIELD_MISSING: "Syntax errors in policy.",
    Flaw.FIELD_PROHIBITED: "Policy document should not specify a principal.",
    Flaw.SID_REPEATED: "Statement IDs (SID) in a single policy must be unique.",
    Flaw.SID: "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the "
    "regular expression [0-9A-Za-z]*",
    Flaw.ACTION: "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    Flaw.CONDITION_KEY: "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, "
    "etc.",
    Flaw.RESOURCE: 'Resource {detail} must be in ARN format or "*".',
}
_TRUST_TEXTS = {
    Flaw.NOT_JSON: "This policy contains invalid Json",
    Flaw.FIELD_PROHIBITED: "Has prohibited field {detail}",
    Flaw.FIELD_MISSING: "Missing required field {detail}",
    Flaw.PRINCIPAL: "Invalid principal in policy: {detail}",
    Flaw.SID_REPEATED: "Statement IDs (SID) in a single policy must be unique.",
}


@lru_cache(maxsize=COMPILED_MAX)
def compiled(text: str, name: str, kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    """A stored document, which has been checked, compiled; `name` is how explanations call it."""
    return parse(text, kind=kind, name=name)


def check_identity_policy(text: str) -> Policy:
    """A new identity policy. Raises MalformedPolicyDocument."""
    try:
        return parse(text, kind=PolicyKind.IDENTITY)
    except PolicyError as error:
        raise _malformed(error, _IDENTITY_TEXTS, "Syntax errors in policy.") from None


def check_trust_policy(text: str) -> Policy:
    """A new trust policy. Raises MalformedPolicyDocument, LimitExceeded."""
    try:
        policy = parse(text, kind=PolicyKind.TRUST)
    except PolicyError as error:
        raise _malformed(error, _TRUST_TEXTS, "Syntax error in policy.") from None
    for statement in policy.statements:
        if not all(_trusts(action.lower()) for action in statement.actions):
            raise IAMError(
                "MalformedPolicyDocument",
                "AssumeRole policy may only specify STS AssumeRole actions.",
            )
    if size(text) > TRUST_CHARACTERS_MAX:
        raise IAMError(
            "LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS_MAX}"
        )
    return policy


def _trusts(action: str) -> bool:
    head, star, _ = action.partition("*")
    return any(name.startswith(head) if star else name == action for name in TRUST_ACTIONS)


def _malformed(error: PolicyError, texts: Mapping[Flaw, str], default: str) -> IAMError:
    text = texts.get(error.flaw, default).replace("{detail}", error.detail)
    return IAMError("MalformedPolicyDocument", text)


def size(text: str) -> int:
    """How many characters of a document count: those outside white space."""
    return len(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))
