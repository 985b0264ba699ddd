"""The KMS on the wire: JSON 1.1 by the AWS model, with a binder for every operation. Pure."""

from collections.abc import Mapping

from kms.aws import model
from kms.aws.json_protocol import (
    BODY_BYTES_MAX,
    CONTENT_TYPE,
    Binder,
    Constraint,
    compile_input,
    render,
    render_error,
)
from kms.operations import HANDLERS

__all__ = ["BINDERS", "BODY_BYTES_MAX", "CONSTRAINTS", "CONTENT_TYPE", "render", "render_error"]

_KEY_SPECS = (
    *("RSA_2048", "RSA_3072", "RSA_4096"),
    *("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"),
    *("ECC_NIST_EDWARDS25519", "SYMMETRIC_DEFAULT"),
    *("HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512", "SM2"),
    *("ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"),
)

# Values in the order in which KMS lists them, and a pattern that its model does not have. For a
# data key, KMS lists the specs of KMS keys.
CONSTRAINTS: Mapping[str, Constraint] = {
    "KeyIdType": Constraint(pattern=r"^\p{ASCII}+$", regex=r"[\x00-\x7f]+"),
    "KeySpec": Constraint(_KEY_SPECS),
    "DataKeySpec": Constraint(_KEY_SPECS),
    "EncryptionAlgorithmSpec": Constraint(
        ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE", "SYMMETRIC_DEFAULT")
    ),
    "MacAlgorithmSpec": Constraint(
        ("HMAC_SHA_384", "HMAC_SHA_256", "HMAC_SHA_224", "HMAC_SHA_512")
    ),
    "SigningAlgorithmSpec": Constraint(
        (
            *("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"),
            "RSASSA_PKCS1_V1_5_SHA_256",
            "RSASSA_PKCS1_V1_5_SHA_384",
            "RSASSA_PKCS1_V1_5_SHA_512",
            *("ECDSA_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512"),
            *("ED25519_SHA_512", "ED25519_PH_SHA_512", "SM2DSA", "ML_DSA_SHAKE_256"),
        )
    ),
}

BINDERS: Mapping[str, Binder] = {
    operation: compile_input(model.load("kms"), operation, handler, constraints=CONSTRAINTS)
    for operation, handler in HANDLERS.items()
}
