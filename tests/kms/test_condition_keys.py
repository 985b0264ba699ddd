from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kms.aws.identity import Caller, Principal, PrincipalKind
from kms.condition_keys import KEYS, STABLE, Asked, encryption_context, request_keys
from kms.key import Key

ACCOUNT = "111122223333"
ROOT = Principal(PrincipalKind.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
CALLER = Caller(ROOT, "AKIA", "us-east-1", "r", via_service="s3.us-east-1.amazonaws.com")
KEY = Key(
    ACCOUNT,
    "us-east-1",
    "mrk-1",
    0.0,
    "ab",
    "{}",
    tags=(("Team", "Red"),),
    primary_region="eu-west-1",
)
PLAIN = replace(KEY, key_id="1", primary_region="")
TAGS = [{"TagKey": "Color", "TagValue": "Blue"}, {"TagKey": "Size", "TagValue": "L"}]
CONTEXT = {"Department": "IT", "b": "c"}


def asked(action: str, key: Key | None = KEY, **arguments: Any) -> Asked:
    return Asked(
        CALLER, action, arguments, key, lambda key: ["alias/a", "alias/b"], lambda: KEY.arn
    )


# Permission, key concerned, members, condition key, value.
CASES: list[tuple[Asked, str, str | tuple[str, ...] | None]] = [
    (asked("Encrypt"), "kms:calleraccount", ACCOUNT),
    (asked("Encrypt"), "kms:viaservice", "s3.us-east-1.amazonaws.com"),
    (asked("Encrypt"), "aws:resourceaccount", ACCOUNT),
    (asked("ListKeys", None), "aws:resourceaccount", ACCOUNT),
    (asked("Encrypt"), "aws:resourcetag/team", "Red"),
    (asked("Encrypt"), "aws:resourcetag/color", None),
    (asked("CreateKey", None), "aws:resourcetag/team", None),
    (asked("CreateKey", None, tags=TAGS), "aws:requesttag/color", "Blue"),
    (asked("CreateKey", None), "aws:requesttag/color", None),
    (asked("TagResource", tags=TAGS), "aws:tagkeys", ("Color", "Size")),
    (asked("UntagResource", tag_keys=["Color"]), "aws:tagkeys", ("Color",)),
    (asked("Encrypt"), "aws:tagkeys", None),
    (asked("CreateKey", None), "kms:bypasspolicylockoutsafetycheck", "false"),
    (
        asked("PutKeyPolicy", bypass_policy_lockout_safety_check=True),
        "kms:bypasspolicylockoutsafetycheck",
        "true",
    ),
    (asked("Encrypt"), "kms:bypasspolicylockoutsafetycheck", None),
    (asked("PutKeyPolicy"), "kms:policyname", "default"),
    (asked("GetKeyPolicy", policy_name="AWS_RAM"), "kms:policyname", "AWS_RAM"),
    (asked("ListKeyPolicies"), "kms:policyname", None),
    (asked("Encrypt"), "kms:customermasterkeyspec", "SYMMETRIC_DEFAULT"),
    (asked("Encrypt"), "kms:customermasterkeyusage", "ENCRYPT_DECRYPT"),
    (asked("GenerateDataKeyPair", key_pair_spec="RSA_2048"), "kms:datakeypairspec", "RSA_2048"),
    (asked("Encrypt"), "kms:datakeypairspec", None),
    (asked("Encrypt"), "kms:encryptionalgorithm", "SYMMETRIC_DEFAULT"),
    (
        asked("Decrypt", encryption_algorithm="RSAES_OAEP_SHA_1"),
        "kms:encryptionalgorithm",
        "RSAES_OAEP_SHA_1",
    ),
    (
        asked("ReEncryptFrom", source_encryption_algorithm="RSAES_OAEP_SHA_1"),
        "kms:encryptionalgorithm",
        "RSAES_OAEP_SHA_1",
    ),
    (asked("ReEncryptTo"), "kms:encryptionalgorithm", "SYMMETRIC_DEFAULT"),
    (asked("Sign"), "kms:encryptionalgorithm", None),
    (asked("Encrypt", encryption_context=CONTEXT), "kms:encryptioncontext:department", "IT"),
    (asked("Encrypt", encryption_context=CONTEXT), "kms:encryptioncontext:none", None),
    (asked("Encrypt", encryption_context={"a": "1", "A": "2"}), "kms:encryptioncontext:a", None),
    (asked("Encrypt", encryption_context={"b": "1", "A": "2"}), "kms:encryptioncontext:a", "2"),
    (asked("Encrypt"), "kms:encryptioncontext:b", None),
    (asked("Sign", encryption_context=CONTEXT), "kms:encryptioncontext:b", None),
    (
        asked("Encrypt", encryption_context=CONTEXT),
        "kms:encryptioncontextkeys",
        ("Department", "b"),
    ),
    (asked("Encrypt"), "kms:encryptioncontextkeys", ()),
    (asked("ImportKeyMaterial"), "kms:expirationmodel", "KEY_MATERIAL_EXPIRES"),
    (asked("ImportKeyMaterial", valid_to=0), "kms:validto", "1970-01-01T00:00:00Z"),
    (asked("ImportKeyMaterial"), "kms:validto", None),
    (
        asked("CreateGrant", constraints={"SourceArn": "arn:aws:s3:::b"}),
        "kms:grantconstraintsourcearn",
        "arn:aws:s3:::b",
    ),
    (asked("CreateGrant"), "kms:grantconstraintsourcearn", None),
    (
        asked("CreateGrant", constraints={"EncryptionContextSubset": CONTEXT}),
        "kms:grantconstrainttype",
        ("EncryptionContextSubset",),
    ),
    (asked("Encrypt"), "kms:grantconstrainttype", None),
    (asked("CreateGrant", grantee_principal=ROOT.arn), "kms:granteeprincipal", ROOT.arn),
    (
        asked("CreateGrant", grantee_service_principal="s3.amazonaws.com"),
        "kms:granteeserviceprincipal",
        "s3.amazonaws.com",
    ),
    (asked("CreateGrant", retiring_principal=ROOT.arn), "kms:retiringprincipal", ROOT.arn),
    (
        asked("CreateGrant", retiring_service_principal="s3.amazonaws.com"),
        "kms:retiringserviceprincipal",
        "s3.amazonaws.com",
    ),
    (asked("CreateGrant", operations=["Sign"]), "kms:grantoperations", ("Sign",)),
    (asked("RevokeGrant"), "kms:grantisforawsresource", "true"),
    (
        replace(asked("CreateGrant"), caller=replace(CALLER, via_service=None)),
        "kms:grantisforawsresource",
        "false",
    ),
    (asked("Encrypt"), "kms:grantisforawsresource", None),
    (
        asked("DeriveSharedSecret", key_agreement_algorithm="ECDH"),
        "kms:keyagreementalgorithm",
        "ECDH",
    ),
    (asked("Encrypt"), "kms:keyorigin", "AWS_KMS"),
    (asked("CreateKey", None, origin="EXTERNAL"), "kms:keyorigin", "EXTERNAL"),
    (asked("ListKeys", None), "kms:keyorigin", None),
    (asked("CreateKey", None), "kms:keyspec", "SYMMETRIC_DEFAULT"),
    (asked("CreateKey", None, key_spec="RSA_2048"), "kms:keyspec", "RSA_2048"),
    (asked("CreateKey", None, customer_master_key_spec="RSA_2048"), "kms:keyspec", "RSA_2048"),
    (asked("CreateKey", None, key_usage="SIGN_VERIFY"), "kms:keyusage", "SIGN_VERIFY"),
    (asked("GenerateMac", mac_algorithm="HMAC_SHA_256"), "kms:macalgorithm", "HMAC_SHA_256"),
    (asked("Sign"), "kms:messagetype", "RAW"),
    (asked("Verify", message_type="DIGEST"), "kms:messagetype", "DIGEST"),
    (asked("Encrypt"), "kms:multiregion", "true"),
    (asked("CreateKey", None), "kms:multiregion", "false"),
    (asked("Encrypt"), "kms:multiregionkeytype", "REPLICA"),
    (asked("Encrypt", replace(KEY, region="eu-west-1")), "kms:multiregionkeytype", "PRIMARY"),
    (asked("Encrypt", PLAIN), "kms:multiregionkeytype", None),
    (asked("UpdatePrimaryRegion", primary_region="us-west-2"), "kms:primaryregion", "us-west-2"),
    (asked("ReplicateKey", replica_region="us-west-2"), "kms:replicaregion", "us-west-2"),
    (asked("ReEncryptFrom"), "kms:reencryptonsamekey", "true"),
    (asked("ReEncryptTo", PLAIN), "kms:reencryptonsamekey", "false"),
    (asked("Encrypt"), "kms:reencryptonsamekey", None),
    (asked("Encrypt", key_id="alias/x"), "kms:requestalias", "alias/x"),
    (
        asked("Encrypt", key_id=f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/x/y"),
        "kms:requestalias",
        "alias/x/y",
    ),
    (asked("Encrypt", key_id=KEY.arn), "kms:requestalias", None),
    (asked("Encrypt", key_id="arn:"), "kms:requestalias", None),
    (asked("Decrypt"), "kms:requestalias", None),
    (asked("ReEncryptTo", destination_key_id="alias/x"), "kms:requestalias", "alias/x"),
    (asked("ReEncryptFrom", destination_key_id="alias/x"), "kms:requestalias", None),
    (asked("Encrypt"), "kms:resourcealiases", ("alias/a", "alias/b")),
    (asked("ListKeys", None), "kms:resourcealiases", None),
    (asked("EnableKeyRotation"), "kms:rotationperiodindays", "365"),
    (asked("EnableKeyRotation", rotation_period_in_days=90), "kms:rotationperiodindays", "90"),
    (asked("ScheduleKeyDeletion"), "kms:schedulekeydeletionpendingwindowindays", "30"),
    (
        asked("ScheduleKeyDeletion", pending_window_in_days=7),
        "kms:schedulekeydeletionpendingwindowindays",
        "7",
    ),
    (asked("Sign", signing_algorithm="ECDSA_SHA_256"), "kms:signingalgorithm", "ECDSA_SHA_256"),
    (
        asked("GetParametersForImport", wrapping_algorithm="RSAES_OAEP_SHA_256"),
        "kms:wrappingalgorithm",
        "RSAES_OAEP_SHA_256",
    ),
    (
        asked("GetParametersForImport", wrapping_key_spec="RSA_4096"),
        "kms:wrappingkeyspec",
        "RSA_4096",
    ),
    (asked("Encrypt"), "kms:recipientattestation:imagesha384", None),
]


@pytest.mark.parametrize(("question", "key", "expected"), CASES)
def test_keys(question: Asked, key: str, expected: str | tuple[str, ...] | None) -> None:
    assert request_keys(question)(key) == expected


def test_every_key_has_a_case() -> None:
    assert set(KEYS) <= {key for _, key, _ in CASES}


def test_stable_keys_are_kms_or_global_ones() -> None:
    assert {key for key in STABLE if key.startswith("kms:")} <= set(KEYS)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (asked("Encrypt", encryption_context=CONTEXT), CONTEXT),
        (asked("Encrypt"), {}),
        (asked("ReEncryptFrom", source_encryption_context=CONTEXT), CONTEXT),
        (asked("ReEncryptFrom", destination_encryption_context=CONTEXT), {}),
        (asked("ReEncryptTo", destination_encryption_context=CONTEXT), CONTEXT),
        (asked("CreateGrant", constraints={"EncryptionContextEquals": CONTEXT}), CONTEXT),
        (asked("CreateGrant", constraints={"EncryptionContextSubset": CONTEXT}), CONTEXT),
        (asked("CreateGrant"), None),
        (asked("DescribeKey", encryption_context=CONTEXT), None),
    ],
)
def test_encryption_contexts(question: Asked, expected: Mapping[str, str] | None) -> None:
    assert encryption_context(question) == expected


def test_a_context_is_folded_once_however_many_conditions_look_at_it() -> None:
    folded: list[str] = []

    class Name(str):
        def lower(self) -> str:
            folded.append(self)
            return super().lower()

    source = request_keys(asked("Encrypt", encryption_context={Name("A"): "1", Name("B"): "2"}))
    assert [source(f"kms:encryptioncontext:{name}") for name in "abc"] == ["1", "2", None]
    assert folded == ["A", "B"]
