"""The condition keys of KMS requests: `kms:…`, and the global ones about a key and its tags.

Each is worked out from the call's members, by the names of the API in snake_case, and from the
key, only when a policy asks for it. A key that an operation does not have is absent.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kms.aws.arn import ARN
from kms.aws.clock import utc
from kms.aws.context import Source, Value, tag_value
from kms.aws.identity import Caller
from kms.key import ENCRYPT_DECRYPT, ORIGIN_AWS_KMS, SYMMETRIC_DEFAULT, Key
from kms.policy_text import POLICY_NAME

ENCRYPTION_CONTEXT = "kms:encryptioncontext:"
REQUEST_TAG = "aws:requesttag/"
RESOURCE_TAG = "aws:resourcetag/"
PERIOD_DAYS_DEFAULT = 365
WINDOW_DAYS_DEFAULT = 30

# What the caller, the forwarding service and an unchanging key decide, so that an answer that
# depends on nothing else can be remembered.
STABLE = frozenset(
    {
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "aws:federatedprovider",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:sourceidentity",
        "aws:tokenissuetime",
        "aws:userid",
        "aws:username",
        "aws:viaawsservice",
        "kms:calleraccount",
        "kms:viaservice",
    }
)


@dataclass(slots=True)
class Asked:
    """What a caller wants to do, by permission name, to which key, with which members.

    `key` is None if no key is concerned. `resource_aliases` looks up the key's aliases;
    `other_key_arn` finds the other key of ReEncrypt, "" if it cannot. `given` are condition keys
    that somebody made up, for an explanation.
    """

    caller: Caller
    action: str
    arguments: Mapping[str, Any]
    key: Key | None
    resource_aliases: Callable[[Key], Sequence[str]]
    other_key_arn: Callable[[], str]
    given: Source | None = None


def request_keys(asked: Asked) -> Source:
    """The source of a request's keys."""
    context: dict[str, Value] | None = None

    def value(key: str) -> Value:
        nonlocal context
        find = KEYS.get(key)
        if find is not None:
            return find(asked)
        if key.startswith(ENCRYPTION_CONTEXT):
            if context is None:
                context = _context_values(asked)
            return context.get(key[len(ENCRYPTION_CONTEXT) :])
        if key.startswith(REQUEST_TAG):
            return tag_value(_request_tags(asked), key[len(REQUEST_TAG) :])
        if key.startswith(RESOURCE_TAG) and asked.key is not None:
            return tag_value(asked.key.tags, key[len(RESOURCE_TAG) :])
        return None

    return value


def encryption_context(asked: Asked) -> Mapping[str, str] | None:
    """The request's encryption context; for CreateGrant, what the grant's constraint demands.

    None for an operation that has none.
    """
    match asked.action:
        case "ReEncryptFrom":
            member = "source_encryption_context"
        case "ReEncryptTo":
            member = "destination_encryption_context"
        case "CreateGrant":
            constraints = asked.arguments.get("constraints") or {}
            found = constraints.get("EncryptionContextEquals")
            return found or constraints.get("EncryptionContextSubset")
        case action if action in _WITH_CONTEXT:
            member = "encryption_context"
        case _:
            return None
    return asked.arguments.get(member) or {}


_WITH_CONTEXT = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
    }
)


def _context_values(asked: Asked) -> dict[str, Value]:
    """The values of the context by lower-case name; None where names differ in case only."""
    values: dict[str, Value] = {}
    for name, value in (encryption_context(asked) or {}).items():
        lowered = name.lower()
        values[lowered] = None if lowered in values else value
    return values


def _context_keys(asked: Asked) -> Value:
    return tuple(encryption_context(asked) or ())


def _member(
    member: str, actions: Iterable[str], default: object = None
) -> Callable[[Asked], Value]:
    """The key whose value is a member of some operations' inputs."""
    having = frozenset(actions)

    def find(asked: Asked) -> Value:
        if asked.action not in having:
            return None
        found = asked.arguments.get(member)
        return _text(default if found is None else found)

    return find


def _text(value: object) -> Value:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    return str(value)


def _encryption_algorithm(asked: Asked) -> Value:
    match asked.action:
        case "ReEncryptFrom":
            member = "source_encryption_algorithm"
        case "ReEncryptTo":
            member = "destination_encryption_algorithm"
        case action if action in _WITH_CONTEXT:
            member = "encryption_algorithm"
        case _:
            return None
    return _text(asked.arguments.get(member, SYMMETRIC_DEFAULT))


def _constraint_types(asked: Asked) -> Value:
    return tuple(asked.arguments.get("constraints") or ()) if asked.action == _GRANTING else None


def _constraint_source(asked: Asked) -> Value:
    constraints = asked.arguments.get("constraints") or {}
    return constraints.get("SourceArn") if asked.action == _GRANTING else None


def _for_aws_resource(asked: Asked) -> Value:
    if asked.action not in (_GRANTING, "ListGrants", "RevokeGrant"):
        return None
    return _text(asked.caller.via_service is not None)


_GRANTING = "CreateGrant"
_KEY_DEFAULTS: Mapping[str, tuple[str, object]] = {
    "spec": ("key_spec", SYMMETRIC_DEFAULT),
    "usage": ("key_usage", ENCRYPT_DECRYPT),
    "origin": ("origin", ORIGIN_AWS_KMS),
    "multi_region": ("multi_region", False),
}


def _of_key(attribute: str) -> Callable[[Asked], Value]:
    """A property of the key, or of the key that CreateKey asks for."""
    member, default = _KEY_DEFAULTS[attribute]

    def find(asked: Asked) -> Value:
        if asked.key is not None:
            return _text(getattr(asked.key, attribute))
        if asked.action != "CreateKey":
            return None
        found = asked.arguments.get(member)
        if found is None and attribute == "spec":
            found = asked.arguments.get("customer_master_key_spec")
        return _text(default if found is None else found)

    return find


def _multi_region_type(asked: Asked) -> Value:
    if asked.key is None or not asked.key.multi_region:
        return None
    return "REPLICA" if asked.key.replica else "PRIMARY"


def _request_alias(asked: Asked) -> Value:
    """The alias by which the request names the key."""
    member = _KEY_MEMBERS.get(asked.action, "key_id")
    named = asked.arguments.get(member)
    if not isinstance(named, str):
        return None
    if named.startswith("arn:"):
        try:
            named = ARN.parse(named).resource
        except ValueError:
            return None
    return named if named.startswith("alias/") else None


_KEY_MEMBERS = {"ReEncryptFrom": "source_key_id", "ReEncryptTo": "destination_key_id"}


def _resource_aliases(asked: Asked) -> Value:
    return None if asked.key is None else tuple(asked.resource_aliases(asked.key))


def _same_key(asked: Asked) -> Value:
    if asked.key is None or asked.action not in _KEY_MEMBERS:
        return None
    return _text(asked.other_key_arn() == asked.key.arn)


def _valid_to(asked: Asked) -> Value:
    seconds = asked.arguments.get("valid_to")
    if asked.action != "ImportKeyMaterial" or not isinstance(seconds, int | float):
        return None
    return f"{utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def _request_tags(asked: Asked) -> tuple[tuple[str, str], ...]:
    tags = asked.arguments.get("tags") or ()
    return tuple((tag["TagKey"], tag["TagValue"]) for tag in tags)


def _tag_keys(asked: Asked) -> Value:
    if asked.action == "UntagResource":
        return tuple(asked.arguments.get("tag_keys") or ())
    return tuple(name for name, _ in _request_tags(asked)) or None


_PAIRS = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
_SIGNING = ("Sign", "Verify")
_IMPORT = ("ImportKeyMaterial",)
_PARAMETERS = ("GetParametersForImport",)
_LOCKOUT = "bypass_policy_lockout_safety_check"

KEYS: Mapping[str, Callable[[Asked], Value]] = {
    "aws:resourceaccount": lambda asked: asked.key.account if asked.key else asked.caller.account,
    "aws:tagkeys": _tag_keys,
    "kms:bypasspolicylockoutsafetycheck": _member(
        _LOCKOUT, ("CreateKey", "PutKeyPolicy", "ReplicateKey"), False
    ),
    "kms:calleraccount": lambda asked: asked.caller.account or None,
    "kms:customermasterkeyspec": _of_key("spec"),
    "kms:customermasterkeyusage": _of_key("usage"),
    "kms:datakeypairspec": _member("key_pair_spec", _PAIRS),
    "kms:encryptionalgorithm": _encryption_algorithm,
    "kms:encryptioncontextkeys": _context_keys,
    "kms:expirationmodel": _member("expiration_model", _IMPORT, "KEY_MATERIAL_EXPIRES"),
    "kms:grantconstraintsourcearn": _constraint_source,
    "kms:grantconstrainttype": _constraint_types,
    "kms:granteeprincipal": _member("grantee_principal", (_GRANTING,)),
    "kms:granteeserviceprincipal": _member("grantee_service_principal", (_GRANTING,)),
    "kms:grantisforawsresource": _for_aws_resource,
    "kms:grantoperations": _member("operations", (_GRANTING,)),
    "kms:keyagreementalgorithm": _member("key_agreement_algorithm", ("DeriveSharedSecret",)),
    "kms:keyorigin": _of_key("origin"),
    "kms:keyspec": _of_key("spec"),
    "kms:keyusage": _of_key("usage"),
    "kms:macalgorithm": _member("mac_algorithm", ("GenerateMac", "VerifyMac")),
    "kms:messagetype": _member("message_type", _SIGNING, "RAW"),
    "kms:multiregion": _of_key("multi_region"),
    "kms:multiregionkeytype": _multi_region_type,
    "kms:policyname": _member("policy_name", ("GetKeyPolicy", "PutKeyPolicy"), POLICY_NAME),
    "kms:primaryregion": _member("primary_region", ("UpdatePrimaryRegion",)),
    "kms:reencryptonsamekey": _same_key,
    "kms:replicaregion": _member("replica_region", ("ReplicateKey",)),
    "kms:requestalias": _request_alias,
    "kms:resourcealiases": _resource_aliases,
    "kms:retiringprincipal": _member("retiring_principal", (_GRANTING,)),
    "kms:retiringserviceprincipal": _member("retiring_service_principal", (_GRANTING,)),
    "kms:rotationperiodindays": _member(
        "rotation_period_in_days", ("EnableKeyRotation",), PERIOD_DAYS_DEFAULT
    ),
    "kms:schedulekeydeletionpendingwindowindays": _member(
        "pending_window_in_days", ("ScheduleKeyDeletion",), WINDOW_DAYS_DEFAULT
    ),
    "kms:signingalgorithm": _member("signing_algorithm", _SIGNING),
    "kms:validto": _valid_to,
    "kms:viaservice": lambda asked: asked.caller.via_service,
    "kms:wrappingalgorithm": _member("wrapping_algorithm", _PARAMETERS),
    "kms:wrappingkeyspec": _member("wrapping_key_spec", _PARAMETERS),
}
