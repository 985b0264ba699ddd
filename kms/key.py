"""Keys, their materials, and the state machine as a table of operation and state.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from kms.aws import arn
from kms.errors import KMSError

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"
ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
ORIGIN_AWS_KMS = "AWS_KMS"
ORIGIN_EXTERNAL = "EXTERNAL"
CUSTOMER = "CUSTOMER"
AWS = "AWS"
ON_DEMAND_ROTATION_SECONDS = 100


class KeyState(StrEnum):
    """The states of a key; values are the API's."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_REPLICA_DELETION = "PendingReplicaDeletion"
    PENDING_IMPORT = "PendingImport"
    UNAVAILABLE = "Unavailable"
    CREATING = "Creating"
    UPDATING = "Updating"


class MaterialState(StrEnum):
    """What a key does with one of its materials; values are the API's."""

    CURRENT = "CURRENT"
    NON_CURRENT = "NON_CURRENT"
    PENDING_ROTATION = "PENDING_ROTATION"
    PENDING_IMPORTS = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key: a name, a policy and a state over one or more materials.

    `bound` are the unique ids of the users and roles that the policy names, by ARN.
    `material_id` (64 hex digits) names the material that encrypts, "" before the first import.
    `primary_region` is empty for a single-Region key; related multi-Region keys are records of
    their own with the same account and key id. Dates are in seconds since 1970: `deletion_at` and
    `pending_window_days` while a deletion is scheduled, `next_rotation_at` with
    `rotation_period_days` while automatic rotation is on, `on_demand_at` when a rotation on demand
    was asked for, `expires_at` when the first of its imported materials expires, `settles_at` when
    Creating or Updating ends. `due_at` is the first of them at which something happens, `due` what.
    """

    account: str
    region: str
    key_id: str
    created_at: float
    material_id: str
    policy: str
    state: KeyState = KeyState.ENABLED
    manager: str = CUSTOMER
    description: str = ""
    usage: str = ENCRYPT_DECRYPT
    spec: str = SYMMETRIC_DEFAULT
    origin: str = ORIGIN_AWS_KMS
    tags: tuple[tuple[str, str], ...] = ()
    primary_region: str = ""
    deletion_at: float | None = None
    pending_window_days: int | None = None
    rotation_period_days: int | None = None
    next_rotation_at: float | None = None
    on_demand_at: float | None = None
    on_demand_rotations: int = 0
    expires_at: float | None = None
    settles_at: float | None = None
    bound: tuple[tuple[str, str], ...] = ()
    arn: str = field(init=False)
    due_at: float | None = field(init=False)
    due: "Due | None" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arn", arn.kms_key(self.region, self.account, self.key_id))
        due_at, due = _next(self)
        object.__setattr__(self, "due_at", due_at)
        object.__setattr__(self, "due", due)

    @property
    def multi_region(self) -> bool:
        return self.primary_region != ""

    @property
    def replica(self) -> bool:
        """Whether another Region has the primary key."""
        return self.primary_region not in ("", self.region)

    @property
    def rotates(self) -> bool:
        """Whether the key can have more than one material."""
        return self.spec == SYMMETRIC_DEFAULT


class Due(Enum):
    """What happens to a key when its next date comes; in order where dates are the same."""

    SETTLED = auto()
    EXPIRED = auto()
    ROTATED_ON_DEMAND = auto()
    ROTATED = auto()
    DELETED = auto()


def _next(key: Key) -> tuple[float | None, Due | None]:
    """When and how `key` changes next. Only enabled keys rotate by their schedule."""
    started = key.on_demand_at
    dates = (
        (key.settles_at, Due.SETTLED),
        (key.expires_at, Due.EXPIRED),
        (
            started + ON_DEMAND_ROTATION_SECONDS if started is not None else None,
            Due.ROTATED_ON_DEMAND,
        ),
        (key.next_rotation_at if key.state is KeyState.ENABLED else None, Due.ROTATED),
        (key.deletion_at, Due.DELETED),
    )
    coming = [(date, due) for date, due in dates if date is not None]
    return min(coming, key=lambda entry: entry[0], default=(None, None))


@dataclass(frozen=True, slots=True)
class Material:
    """The key material of one version of a key, wrapped by the root of trust.

    `wrapped` is empty while imported material is deleted or expired: the record stays, so that the
    same bytes, and only they, can come back. `number` counts the materials of a key from 1.
    """

    material_id: str
    account: str
    region: str
    key_id: str
    spec: str
    usage: str
    wrapped: bytes = field(repr=False)
    created_at: float
    number: int = 1
    state: MaterialState = MaterialState.CURRENT
    description: str = ""
    expires_at: float | None = None
    rotation_type: str = ""
    rotated_at: float | None = None

    @property
    def bound(self) -> bool:
        """Whether the key has ever encrypted with it: such a material belongs to it for good."""
        return self.state in (MaterialState.CURRENT, MaterialState.NON_CURRENT)

    @property
    def binding(self) -> tuple[str, ...]:
        """What the wrapped bytes are bound to, so that rows cannot be exchanged."""
        return (
            self.account,
            self.region,
            self.key_id,
            self.material_id,
            self.spec,
            self.usage,
        )


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a key; `name` includes `alias/`."""

    account: str
    region: str
    name: str
    key_id: str
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        return arn.kms_alias(self.region, self.account, self.name)


# The letter of a refusal in the table, its code, and its message after the key's ARN.
REFUSALS: Mapping[str, tuple[str, str]] = {
    "d": ("DisabledException", " is disabled."),
    "p": ("KMSInvalidStateException", " is pending deletion."),
    "r": ("KMSInvalidStateException", " is pending replica deletion."),
    "n": ("KMSInvalidStateException", " is not pending deletion."),
    "i": ("KMSInvalidStateException", " is pending import."),
    "x": (
        "UnsupportedOperationException",
        " origin is EXTERNAL which is not valid for this operation.",
    ),
    "u": ("KMSInvalidStateException", " is unavailable."),
    "c": ("KMSInvalidStateException", " is creating."),
    "t": ("KMSInvalidStateException", " is updating."),
}

STATES = tuple(KeyState)

# One column for each of STATES, in order: Enabled, Disabled, PendingDeletion,
# PendingReplicaDeletion, PendingImport, Unavailable, Creating, Updating. "-" permits.
TABLE: Mapping[str, str] = {
    "DescribeKey": "--------",
    "GetKeyPolicy": "--------",
    "PutKeyPolicy": "--------",
    "ListAliases": "--------",
    "ListGrants": "--------",
    "ListKeyPolicies": "--------",
    "ListResourceTags": "--------",
    "ListKeyRotations": "--------",
    "GetKeyLastUsage": "--------",
    "GetKeyRotationStatus": "--------",
    "RetireGrant": "--------",
    "RevokeGrant": "--------",
    "DeleteAlias": "--------",
    "Encrypt": "-dpriuc-",
    "Decrypt": "-dpriuc-",
    "ReEncrypt": "-dpriuc-",
    "GenerateDataKey": "-dpriuc-",
    "GenerateDataKeyWithoutPlaintext": "-dpriuc-",
    "GenerateDataKeyPair": "-dpriuc-",
    "GenerateDataKeyPairWithoutPlaintext": "-dpriuc-",
    "Sign": "-dpriuc-",
    "Verify": "-dpriuc-",
    "GenerateMac": "-dpriuc-",
    "VerifyMac": "-dpriuc-",
    "DeriveSharedSecret": "-dpriuc-",
    "Encapsulate": "-dpriuc-",
    "Decapsulate": "-dpriuc-",
    # AWS documents a refusal of disabled keys; captures show that GetPublicKey answers.
    "GetPublicKey": "--priuc-",
    "CreateGrant": "-dpri-c-",
    "CreateAlias": "--pr----",
    "UpdateAlias": "--pr----",
    "TagResource": "--pr----",
    "UntagResource": "--pr----",
    "UpdateKeyDescription": "--pr----",
    "EnableKey": "--pri-ct",
    "DisableKey": "--pri-ct",
    "ScheduleKeyDeletion": "--pr---t",
    "CancelKeyDeletion": "nn--nnnn",
    "EnableKeyRotation": "-dprxuc-",
    "DisableKeyRotation": "-dprxuc-",
    "RotateKeyOnDemand": "-dpriuc-",
    "GetParametersForImport": "--pr--c-",
    "ImportKeyMaterial": "--pr--c-",
    "DeleteImportedKeyMaterial": "------ct",
    "ReplicateKey": "-dpri-ct",
    "UpdatePrimaryRegion": "-dpri-c-",
}

_REFUSED: Mapping[tuple[str, str], tuple[str, str]] = {
    (operation, state): REFUSALS[letter]
    for operation, row in TABLE.items()
    for state, letter in zip(STATES, row, strict=True)
    if letter != "-"
}


def check_state(key: Key, operation: str) -> None:
    """Raise KMSError if `key`, in its state, does not admit `operation`."""
    refusal = _REFUSED.get((operation, key.state))
    if refusal is not None:
        code, message = refusal
        raise KMSError(code, key.arn + message)
