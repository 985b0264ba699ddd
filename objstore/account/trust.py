"""Trust policies name users and roles by ARN and mean the very ones that had it when it was said.

So a policy is kept twice: as it was written, and with unique ids in the place of those ARNs, which
is the one that counts. Who deletes a user and makes another of its name lets nobody in.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import json
from collections.abc import Mapping
from typing import Any

from kms.aws.policy_principal import rename
from objstore.account.documents import check_trust_policy
from objstore.account.entities import ROLE, USER, arn_of, split_arn
from objstore.account.errors import IAMError
from objstore.storage.index_identities import IdentityRows

TRUST = "trust"
BOUND = "trust_bound"
EFFECTIVE = "trust_effective"
TRUST_ATTRIBUTES = frozenset({TRUST, BOUND, EFFECTIVE})


def trust_attributes(rows: IdentityRows, text: str, *, lenient: bool = False) -> dict[str, Any]:
    """What a role keeps of a trust policy.

    Raises MalformedPolicyDocument, also for users and roles that do not exist unless `lenient`.
    """
    policy = check_trust_policy(text)
    bound: dict[str, str] = {}
    for statement in policy.statements:
        for name in statement.principals.get("AWS", ()):
            kind = next((kind for kind in (USER, ROLE) if split_arn(name, kind)), None)
            if kind is None:
                continue
            account, _, short = split_arn(name, kind) or ("", "", "")
            found = rows.get(account, kind.row, short)
            if found is not None and arn_of(found) == name:
                bound[name] = found.unique_id
            elif not lenient:
                message = f'Invalid principal in policy: "AWS":"{name}"'
                raise IAMError("MalformedPolicyDocument", message)
    if not bound:
        return {TRUST: text}
    return {TRUST: text, BOUND: bound, EFFECTIVE: _replaced(text, bound)}


def effective_trust(attributes: Mapping[str, Any]) -> str:
    """The text that counts."""
    text: str = attributes.get(EFFECTIVE) or attributes[TRUST]
    return text


def shown_trust(rows: IdentityRows, attributes: Mapping[str, Any]) -> str:
    """The text as it is shown: with the unique ids of those who are gone."""
    text: str = attributes[TRUST]
    gone = {}
    for name, unique_id in attributes.get(BOUND, {}).items():
        found = rows.by_id(unique_id)
        if found is None or arn_of(found) != name:
            gone[name] = unique_id if found is None else arn_of(found)
    return _replaced(text, gone) if gone else text


def _replaced(text: str, names: Mapping[str, str]) -> str:
    document = json.loads(text)
    rename(document, names)
    return json.dumps(document)
