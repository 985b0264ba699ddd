"""Grants: permissions for one principal on one key, and the constraints that narrow them.

A grant is like an Allow statement of the key's policy: it adds, and an explicit deny still wins.
Principals are bound by their immutable unique ids, so whoever is made anew under an old name gets
nothing. Keys of a constraint are compared in any case, values exactly.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kms.key import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, Key
from kms.specs import ENCAPSULATE_DECAPSULATE, GENERATE_VERIFY_MAC, KEY_AGREEMENT, SIGN_VERIFY

CREATE_GRANT = "CreateGrant"
DESCRIBE_KEY = "DescribeKey"
RETIRE_GRANT = "RetireGrant"

# What a grant may permit on a key: by its usage, and beside that; in the order of AWS's refusals.
_BY_USAGE: Mapping[str, tuple[str, ...]] = {
    ENCRYPT_DECRYPT: ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
    SIGN_VERIFY: ("Sign", "Verify"),
    GENERATE_VERIFY_MAC: ("GenerateMac", "VerifyMac"),
    KEY_AGREEMENT: ("DeriveSharedSecret",),
    ENCAPSULATE_DECAPSULATE: ("Encapsulate", "Decapsulate"),
}
_ALWAYS = (CREATE_GRANT, RETIRE_GRANT, DESCRIBE_KEY)
_SYMMETRIC = (
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
)
_PUBLIC = ("GetPublicKey",)

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant on the key (`account`, `region`, `key_id`).

    `issuer` is the account that made it. `grantee` and `retiree` ("" for nobody) are what
    principals are bound to: a unique id, an account number, a service's name. `equals` and
    `subset` are the constraints on encryption contexts, None without one; `source_arn` is ""
    without that constraint.
    """

    grant_id: str
    account: str
    region: str
    key_id: str
    created_at: float
    issuer: str
    name: str
    grantee: str
    retiree: str
    operations: tuple[str, ...]
    equals: Pairs | None = None
    subset: Pairs | None = None
    source_arn: str = ""

    def permits(self, action: str, context: Mapping[str, str] | None, source_arn: str) -> bool:
        """Whether this allows `action` with an encryption context, None where there is none."""
        if action not in self.operations:
            return False
        if self.source_arn not in ("", source_arn) and action != RETIRE_GRANT:
            return False
        return action in _ALWAYS or self._admits(context)

    def permits_granting(
        self,
        operations: tuple[str, ...],
        equals: Pairs | None,
        subset: Pairs | None,
        source_arn: str,
    ) -> bool:
        """Whether this allows to make a grant, which may not allow more than this one."""
        if not {CREATE_GRANT, *operations} <= set(self.operations):
            return False
        if self.source_arn not in ("", source_arn):
            return False
        if self.equals is not None:
            return equals is not None and _folded(equals) == _folded(self.equals)
        if self.subset is None:
            return True
        demanded = equals if equals is not None else subset
        return demanded is not None and _folded(self.subset) <= _folded(demanded)

    def same_as(self, other: "Grant") -> bool:
        """Whether both say the same, so that asking again under one name makes no second grant."""
        return (
            self.grantee,
            self.retiree,
            set(self.operations),
            self.equals,
            self.subset,
            self.source_arn,
        ) == (
            other.grantee,
            other.retiree,
            set(other.operations),
            other.equals,
            other.subset,
            other.source_arn,
        )

    def _admits(self, context: Mapping[str, str] | None) -> bool:
        if self.equals is None and self.subset is None:
            return True
        if context is None:
            return False
        pairs = _folded(tuple(context.items()))
        if self.equals is not None:
            return pairs == _folded(self.equals) and len(context) == len(self.equals)
        assert self.subset is not None
        # Of names that differ in case only, none says what the context is about.
        one_each = len({name.lower() for name in context}) == len(context)
        return one_each and _folded(self.subset) <= pairs


def operations_for(key: Key) -> tuple[str, ...]:
    """The operations that a grant on `key` may list."""
    if key.spec == SYMMETRIC_DEFAULT:
        return _ALWAYS + _BY_USAGE[key.usage] + _SYMMETRIC
    if key.usage == GENERATE_VERIFY_MAC:
        return _ALWAYS + _BY_USAGE[key.usage]
    return _ALWAYS + _PUBLIC + _BY_USAGE[key.usage]


def _folded(pairs: Pairs) -> frozenset[tuple[str, str]]:
    return frozenset((name.lower(), value) for name, value in pairs)
