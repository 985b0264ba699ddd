"""The operations. `HANDLERS` is what this KMS can do; the rest of the model is unsupported."""

from collections.abc import Callable, Mapping
from typing import Any

from kms.operations import aliases, data, lifecycle, policies, rotation, tags

Handler = Callable[..., dict[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "CancelKeyDeletion": lifecycle.cancel_key_deletion,
    "CreateAlias": aliases.create_alias,
    "CreateKey": lifecycle.create_key,
    "Decrypt": data.decrypt,
    "DeleteAlias": aliases.delete_alias,
    "DescribeKey": lifecycle.describe_key,
    "DisableKey": lifecycle.disable_key,
    "DisableKeyRotation": rotation.disable_key_rotation,
    "EnableKey": lifecycle.enable_key,
    "EnableKeyRotation": rotation.enable_key_rotation,
    "Encrypt": data.encrypt,
    "GenerateDataKey": data.generate_data_key,
    "GenerateDataKeyWithoutPlaintext": data.generate_data_key_without_plaintext,
    "GenerateRandom": data.generate_random,
    "GetKeyPolicy": policies.get_key_policy,
    "GetKeyRotationStatus": rotation.get_key_rotation_status,
    "ListAliases": aliases.list_aliases,
    "ListKeyPolicies": policies.list_key_policies,
    "ListKeyRotations": rotation.list_key_rotations,
    "ListKeys": lifecycle.list_keys,
    "ListResourceTags": tags.list_resource_tags,
    "PutKeyPolicy": policies.put_key_policy,
    "ReEncrypt": data.re_encrypt,
    "RotateKeyOnDemand": rotation.rotate_key_on_demand,
    "ScheduleKeyDeletion": lifecycle.schedule_key_deletion,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateKeyDescription": lifecycle.update_key_description,
}
