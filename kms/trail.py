"""What of a call's input and output the audit trail shows, and which calls change nothing.

Members are listed, not excluded: one that nobody listed is not shown. Plaintexts, ciphertexts,
messages, signatures, key material and tokens are never listed.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from kms.key import SYMMETRIC_DEFAULT
from kms.operations import HANDLERS

PARAMETERS = (
    "key_id",
    "encryption_context",
    "key_spec",
    "number_of_bytes",
    "encryption_algorithm",
    "alias_name",
    "bypass_policy_lockout_safety_check",
    "constraints",
    "custom_key_store_id",
    "custom_key_store_name",
    "customer_master_key_spec",
    "description",
    "destination_encryption_algorithm",
    "destination_encryption_context",
    "destination_key_id",
    "dry_run",
    "dry_run_modifiers",
    "encapsulation_algorithm",
    "expiration_model",
    "grant_id",
    "grantee_principal",
    "grantee_service_principal",
    "import_type",
    "include_key_material",
    "key_agreement_algorithm",
    "key_material_description",
    "key_material_id",
    "key_pair_spec",
    "key_usage",
    "limit",
    "mac_algorithm",
    "marker",
    "message_type",
    "multi_region",
    "name",
    "operations",
    "origin",
    "pending_window_in_days",
    "policy",
    "policy_name",
    "primary_region",
    "replica_region",
    "resource_owners",
    "retiring_principal",
    "retiring_service_principal",
    "rotation_period_in_days",
    "signing_algorithm",
    "source_encryption_algorithm",
    "source_encryption_context",
    "source_key_id",
    "tag_keys",
    "tags",
    "target_key_id",
    "valid_to",
    "wrapping_algorithm",
    "wrapping_key_spec",
    "xks_key_id",
)
RESPONSES = (
    "DeletionDate",
    "GrantId",
    "KeyId",
    "KeyMaterialId",
    "KeyMetadata",
    "KeyState",
    "PendingWindowInDays",
    "ReplicaKeyMetadata",
    "ReplicaPolicy",
    "ReplicaTags",
)
_CHANGING = (
    "Cancel",
    "Create",
    "Delete",
    "Disable",
    "Enable",
    "Import",
    "Put",
    "Replicate",
    "Retire",
    "Revoke",
    "Rotate",
    "Schedule",
    "Tag",
    "Untag",
    "Update",
)
_DEFAULTS = {
    "Decrypt": {"encryption_algorithm": SYMMETRIC_DEFAULT},
    "Encrypt": {"encryption_algorithm": SYMMETRIC_DEFAULT},
    "ReEncrypt": {
        "source_encryption_algorithm": SYMMETRIC_DEFAULT,
        "destination_encryption_algorithm": SYMMETRIC_DEFAULT,
    },
}
_TAKEN = {
    operation: inspect.signature(handler).parameters for operation, handler in HANDLERS.items()
}
_SHOWN: Mapping[str, frozenset[str]] = {
    operation: frozenset(PARAMETERS).intersection(taken) for operation, taken in _TAKEN.items()
}
CHANGING = frozenset(name for name in HANDLERS if name.startswith(_CHANGING))
"""The operations that are not `readOnly`."""


def parameters_of(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an input to show."""
    listed = _SHOWN.get(operation, ())
    given = {
        name: value for name, value in arguments.items() if name in listed and value is not None
    }
    defaults = _DEFAULTS.get(operation)
    return given if defaults is None else {**defaults, **given}


def response_of(output: Mapping[str, Any], key_arn: str) -> dict[str, Any]:
    """The members of a change's output to show, and always the key, as AWS does."""
    shown = {name: output[name] for name in RESPONSES if name in output}
    if key_arn and "KeyMetadata" not in output and "ReplicaKeyMetadata" not in output:
        shown["KeyId"] = key_arn
    return shown
