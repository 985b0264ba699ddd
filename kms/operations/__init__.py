"""The operations. `HANDLERS` is what this KMS can do; the rest of the model is unsupported."""

from collections.abc import Callable, Mapping
from typing import Any

from kms.operations import aliases, data, lifecycle, policies

Handler = Callable[..., dict[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "CancelKeyDeletion": lifecycle.cancel_key_deletion,
    "CreateAlias": aliases.create_alias,
    "CreateKey": lifecycle.create_key,
    "Decrypt": data.decrypt,
    "DeleteAlias": aliases.delete_alias,
    "DescribeKey": lifecycle.describe_key,
    "DisableKey": lifecycle.disable_key,
    "EnableKey": lifecycle.enable_key,
    "Encrypt": data.encrypt,
    "GenerateDataKey": data.generate_data_key,
    "GenerateDataKeyWithoutPlaintext": data.generate_data_key_without_plaintext,
    "GenerateRandom": data.generate_random,
    "GetKeyPolicy": policies.get_key_policy,
    "ListAliases": aliases.list_aliases,
    "ListKeyPolicies": policies.list_key_policies,
    "ListKeys": lifecycle.list_keys,
    "ReEncrypt": data.re_encrypt,
    "ScheduleKeyDeletion": lifecycle.schedule_key_deletion,
    "UpdateAlias": aliases.update_alias,
}
