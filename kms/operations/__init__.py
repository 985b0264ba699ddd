"""The operations. `HANDLERS` is what this KMS can do; the rest of the model is unsupported."""

from collections.abc import Callable, Mapping
from typing import Any

from kms.operations import (
    agreement,
    aliases,
    data,
    data_keys,
    lifecycle,
    macs,
    policies,
    public_keys,
    rotation,
    signatures,
    tags,
)

Handler = Callable[..., dict[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "CancelKeyDeletion": lifecycle.cancel_key_deletion,
    "CreateAlias": aliases.create_alias,
    "CreateKey": lifecycle.create_key,
    "Decapsulate": agreement.decapsulate,
    "Decrypt": data.decrypt,
    "DeleteAlias": aliases.delete_alias,
    "DeriveSharedSecret": agreement.derive_shared_secret,
    "DescribeKey": lifecycle.describe_key,
    "DisableKey": lifecycle.disable_key,
    "DisableKeyRotation": rotation.disable_key_rotation,
    "EnableKey": lifecycle.enable_key,
    "EnableKeyRotation": rotation.enable_key_rotation,
    "Encapsulate": agreement.encapsulate,
    "Encrypt": data.encrypt,
    "GenerateDataKey": data_keys.generate_data_key,
    "GenerateDataKeyPair": data_keys.generate_data_key_pair,
    "GenerateDataKeyPairWithoutPlaintext": data_keys.generate_data_key_pair_without_plaintext,
    "GenerateDataKeyWithoutPlaintext": data_keys.generate_data_key_without_plaintext,
    "GenerateMac": macs.generate_mac,
    "GenerateRandom": data_keys.generate_random,
    "GetKeyPolicy": policies.get_key_policy,
    "GetKeyRotationStatus": rotation.get_key_rotation_status,
    "GetPublicKey": public_keys.get_public_key,
    "ListAliases": aliases.list_aliases,
    "ListKeyPolicies": policies.list_key_policies,
    "ListKeyRotations": rotation.list_key_rotations,
    "ListKeys": lifecycle.list_keys,
    "ListResourceTags": tags.list_resource_tags,
    "PutKeyPolicy": policies.put_key_policy,
    "ReEncrypt": data.re_encrypt,
    "RotateKeyOnDemand": rotation.rotate_key_on_demand,
    "ScheduleKeyDeletion": lifecycle.schedule_key_deletion,
    "Sign": signatures.sign,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateAlias": aliases.update_alias,
    "UpdateKeyDescription": lifecycle.update_key_description,
    "Verify": signatures.verify,
    "VerifyMac": macs.verify_mac,
}
